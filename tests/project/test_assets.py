"""The page's modules and style sheets, one by one and in one file each."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections import Counter

import pytest
from django.core.management import call_command
from playwright.sync_api import sync_playwright

from chat import assets
from tests import programs
from tests.servers import Server

FINDER = "chat.assets.BundleFinder"
TOP_NAMES = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.M)
SHEETS = {assets.SHEET: assets.style_names(), assets.LATER_SHEET: assets.later_style_names()}
WRITTEN = {assets.SCRIPT: assets.joined_script, assets.LATER_SCRIPT: assets.joined_later_script}


@pytest.fixture
def with_finder(settings):
    if FINDER not in settings.STATICFILES_FINDERS:
        settings.STATICFILES_FINDERS = [*settings.STATICFILES_FINDERS, FINDER]


@pytest.mark.parametrize("name", (*assets.module_names(), *assets.later_module_names()))
def test_a_module_imports_and_exports_in_the_forms_that_the_bundle_knows(name):
    text = assets.text_of(name)
    rest = assets.EXPORT.sub("", assets.IMPORT.sub("", text))
    assert not re.search(r"^(import|export)\b|\bimport\(\"|import\.meta\.url", assets.DOC_COMMENT.sub("", rest), re.M)


def test_every_module_is_in_one_of_the_bundles_and_the_second_takes_from_the_first_what_it_needs():
    first, later = (written() for written in WRITTEN.values())
    for written, names in ((first, assets.module_names()), (later, assets.later_module_names())):
        assert TOP_NAMES.findall(written) == [top for name in names for top in TOP_NAMES.findall(assets.text_of(name))]
    (shared,) = re.findall(r"^import \{ (.*) \} from \"chat/bundle.js\";$", later, re.M)
    assert re.findall(r"^export \{ (.*) \};$", first, re.M) == [shared]
    assert len(re.findall(r"^(?:import|export)\b", first + later, re.M)) == 2


def test_no_two_modules_use_a_name_at_their_top_as_a_bundle_has_one_scope():
    names = [*assets.module_names(), *assets.later_module_names()]
    used = Counter(name for module in names for name in TOP_NAMES.findall(assets.text_of(module)))
    assert {name for name, count in used.items() if count > 1} == set()


SAME_TOKENS = """
    const acorn = require("internal/deps/acorn/acorn/dist/acorn");
    const tokens = (text) =>
        Array.from(acorn.tokenizer(text, { ecmaVersion: "latest", sourceType: "module" }), ({ type, value }) =>
            JSON.stringify([type.label, value?.value ?? value, value?.flags]));
    const [written, served] = JSON.parse(require("fs").readFileSync(0, "utf8")).map(tokens);
    console.log(JSON.stringify(written.find((token, at) => token !== served[at]) ?? written.length - served.length));
"""


@pytest.mark.parametrize("name", WRITTEN)
def test_a_bundle_is_without_comments_and_blanks_the_program_that_was_written(name):
    written = WRITTEN[name]()
    served = assets.without_blanks(written)
    command = [programs.require("node"), "--expose-internals", "-e", SAME_TOKENS]
    given = json.dumps([written, served])
    differs = subprocess.run(command, input=given, text=True, check=True, capture_output=True).stdout.strip()
    assert differs == "0", "a template in a template? The tool that takes the blanks out knows none"
    assert len(served) < 0.85 * len(written)


def test_collectstatic_makes_the_bundles(settings, tmp_path, with_finder):
    settings.STATIC_ROOT = tmp_path
    call_command("collectstatic", interactive=False, verbosity=0)
    for name, written in WRITTEN.items():
        assert (tmp_path / name).read_text() == assets.without_blanks(written())
    for name, names in SHEETS.items():
        assert (tmp_path / name).read_text() == assets.bundled_sheet(names)


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
def test_the_page_has_one_file_of_each_kind_in_production_alone(client, settings, with_finder, debug):
    settings.CHAT_ALLOW_ANONYMOUS = True
    settings.DEBUG = debug
    html = client.get("/").content.decode()
    assert ("chat/dom" in html) is debug
    assert len(re.findall(r'rel="stylesheet"', html)) == (sum(map(len, SHEETS.values())) if debug else 1)
    assert len(re.findall(r'<script type="module"', html)) == (len(assets.script_names()) if debug else 1)


RULES = """(texts) => texts.map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return Array.from(sheet.cssRules, ({ cssText }) => cssText.replace(/,\\s+/g, ",")); // some values stay as written
})"""


def _gzip_of(url: str) -> bytes:
    """What a browser gets that knows no Brotli, or of a server that does not."""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=30) as answer:
        body: bytes = answer.read()
    return body


def test_the_page_in_production_takes_few_requests_and_works(tmp_path, stub):
    path = programs.require("chromium")
    production = {"DEBUG": "false", "HTTPS": "false", "SECRET_KEY": "k" * 60, "ALLOWED_HOSTS": "127.0.0.1"}
    production |= {"CHAT_ALLOW_ANONYMOUS": "true"}
    model = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    Server(tmp_path, **production).manage("collectstatic", "--noinput", "-v0")
    with Server(tmp_path, **production, **model) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        for names in SHEETS.values():
            written, served = page.evaluate(RULES, [assets.joined_sheet(names), assets.bundled_sheet(names)])
            assert served == written
        tops = [top for written in WRITTEN.values() for top in TOP_NAMES.findall(written())]
        assert page.evaluate("(names) => names.filter((name) => name in window)", tops) == []
        faults: list[str] = []
        sizes: dict[str, int] = {}
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on(
            "requestfinished", lambda request: sizes.update({request.url: max(0, request.sizes()["responseBodySize"])})
        )
        page.goto(server.url)
        page.locator("#pill", has_text="Connected").wait_for()
        page.locator("#field").fill('[[text="**bold**"]]')
        page.locator("#field").press("Enter")
        page.locator(".reply .prose strong", has_text="bold").wait_for()
        page.wait_for_function("() => performance.getEntriesByType('resource').some(({ name }) => /_later/.test(name))")
        assert faults == []
        page.context.set_offline(True)
        page.keyboard.press("Control+k")
        page.locator("#search[open]").wait_for()
        assert page.locator("#search").evaluate("(search) => getComputedStyle(search).padding") == "0px"
        browser.close()
        first = [url for url in sizes if "/static/" in url and "_later" not in url]
        gzipped = {url: len(_gzip_of(url)) for url in first}
    assert len(sizes) <= 12, json.dumps(sizes, indent=1)
    code = {url: max(0, size) for url, size in sizes.items() if "/static/" in url}
    later = sum(size for url, size in code.items() if "_later" in url)
    assert later > 0
    assert sum(code.values()) <= 67_000, json.dumps(code, indent=1)
    assert sum(code.values()) - later <= 54_000, json.dumps(code, indent=1)
    assert sum(gzipped.values()) <= 60_000, json.dumps(gzipped, indent=1)
