"""The page in another language: German, and one whose every word is marked, so that an untranslated one is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from playwright.sync_api import Browser, Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import check
from tests.browser.sockets import Sockets
from tests.browser.walk import states
from tests.servers import ROOT, Server
from tests.stub_llm import StubServer
from webui_project import settings as project

# Of people, agents and models, and signs that are the same in every language.
FOREIGN = ".bubble, .prose, pre, code, kbd, time, bdi, .avatar, .initials, .brand, .chat, .chip, script, style"
FOREIGN += ", [dir=auto], [dir=ltr]"
UNMARKED = """(foreign) => {
    const found = new Set();
    const isText = (text) => /\\p{L}{2}/u.test(text ?? "") && !text.includes("⟦");
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode())
        if (isText(node.data) && !node.parentElement.closest(foreign)) found.add(node.data.trim());
    for (const element of document.querySelectorAll("[aria-label], [title], [placeholder]"))
        for (const name of ["aria-label", "title", "placeholder"])
            if (isText(element.getAttribute(name)) && !element.matches(foreign)) found.add(element.getAttribute(name));
    return Array.from(found);
}"""
AUTHORED = repr(project.CHAT_AGENTS) + "Planets, The A above middle C.wav"  # of our examples
SAME = {"New chat · Chat", "Ctrl+Shift+O"}  # of the title, in a language of its own; a key


@pytest.fixture(scope="module")
def locale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the marked language."""
    folder = tmp_path_factory.mktemp("language")
    messages = folder / "eo" / "LC_MESSAGES"
    messages.mkdir(parents=True)
    for domain in ("django", "djangojs"):
        for app in ("chat", "webui_project"):
            path = ROOT / app / "locale" / "de" / "LC_MESSAGES" / f"{domain}.po"
            if path.exists():
                (messages / f"{domain}.{app}").write_bytes(path.read_bytes())
        _mark([*messages.glob(f"{domain}.*")], messages / f"{domain}.mo")
    return folder


@pytest.fixture(scope="module")
def server(stub: StubServer, locale: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    environment["PSEUDO_LOCALE"] = str(locale)
    with Server(tmp_path_factory.mktemp("a"), settings="tests.browser.pseudo_settings", **environment) as server:
        yield server


@pytest.fixture(scope="module")
def examples(locale: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"PSEUDO_LOCALE": str(locale), "CHAT_MOCK_MODEL": "1", "EXAMPLES": "1"}
    with Server(tmp_path_factory.mktemp("b"), settings="tests.browser.pseudo_settings", **environment) as server:
        yield server


def _mark(sources: list[Path], path: Path) -> None:
    """Write a catalog that has each text of the others in marks."""
    first, *more = [read_po(source.open("rb"), locale="de") for source in sources]
    for catalog in more:
        for message in catalog:
            first.add(message.id)
    for message in first:
        if message.id:
            forms = message.id if isinstance(message.id, tuple) else (message.id,)
            marked = tuple(f"⟦{form}⟧" for form in forms)
            message.string = marked if len(marked) > 1 else marked[0]
    write_mo(path.open("wb"), first)


def page_in(chromium: Browser, locale: str) -> Iterator[Page]:
    context = chromium.new_context(locale=locale, viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


@pytest.fixture
def german(chromium: Browser) -> Iterator[Page]:
    yield from page_in(chromium, "de-DE")


@pytest.fixture
def marked(chromium: Browser) -> Iterator[Page]:
    yield from page_in(chromium, "eo")


def open_page(page: Page, server: Server, path: str = "/") -> Chat:
    chat = Chat(page, server.url)
    page.goto(server.url + path)
    expect(page.locator("#pill")).to_have_attribute("data-state", "ok", timeout=ANSWER_MS)
    return chat


def answered(chat: Chat, count: int) -> None:
    expect(chat.replies).to_have_count(count, timeout=ANSWER_MS)
    expect(chat.page.locator("[aria-busy=true]")).to_have_count(0, timeout=ANSWER_MS)


def test_a_german_page_speaks_german_in_words_numbers_and_dates(german: Page, server: Server):
    chat = open_page(german, server, "/?agent=tools")

    expect(german.locator("html")).to_have_attribute("lang", "de")
    expect(german.get_by_role("button", name="Senden")).to_be_visible()
    expect(chat.field).to_have_attribute("placeholder", "Nachricht an Tools …")
    chat.say('[[tool=square args={"number":7} then.text="Gut."]]')
    answered(chat, 1)
    expect(german.locator(".figures").last).to_contain_text("Token")
    expect(german.get_by_role("button", name="Antwort kopieren")).to_be_visible()
    check(german, "in German")


def test_an_error_of_the_model_is_told_in_the_pages_language(german: Page, server: Server):
    chat = open_page(german, server, "/?agent=plain")

    chat.say("[[error=401]]")

    expect(german.locator(".failure")).to_contain_text("hat den Zugangsschlüssel abgelehnt", timeout=ANSWER_MS)


def test_no_word_of_the_page_is_left_untranslated(marked: Page, server: Server):
    sockets = Sockets(marked)
    chat = open_page(marked, server, "/?agent=tools")
    unmarked = set(marked.evaluate(UNMARKED, FOREIGN))

    chat.say(r'[[tool=delegate args={"job":"[\u005bthink=5 tokens=9]\u005d"} then.text="Done."]]')
    answered(chat, 1)
    chat.say("[[error=401]]")
    answered(chat, 2)
    unmarked |= set(marked.evaluate(UNMARKED, FOREIGN))
    for kind in ("approval", "choice", "text"):
        chat.say(f"[[tool=ask_user args={json.dumps({'question': 'Which?', 'kind': kind})}]]")
        expect(marked.locator(".ask")).to_be_visible(timeout=ANSWER_MS)
        unmarked |= set(marked.evaluate(UNMARKED, FOREIGN))
        marked.locator("#stop").click()
        expect(marked.locator(".ask")).to_have_count(0)
    marked.locator("#search-open").click()
    marked.locator("#search-field").fill("nothing like it")
    expect(marked.locator("#search-note")).to_contain_text("⟦")
    unmarked |= set(marked.evaluate(UNMARKED, FOREIGN))
    marked.keyboard.press("Escape")
    sockets.cut(4500)
    expect(marked.locator("#banner")).to_be_visible(timeout=ANSWER_MS)
    unmarked |= set(marked.evaluate(UNMARKED, FOREIGN))

    assert unmarked - SAME == set()


def test_no_word_is_left_untranslated_in_any_state(marked: Page, examples: Server):
    found: dict[str, str] = {}
    for state in states(marked, examples.url):
        for text in set(marked.evaluate(UNMARKED, FOREIGN)) - SAME:
            if text not in AUTHORED:
                found.setdefault(text, state)

    assert found == {}


def test_german_words_fit_a_narrow_window_in_every_state(german: Page, examples: Server):
    for state in states(german, examples.url):
        german.set_viewport_size({"width": 320, "height": 720})
        check(german, state)
        german.set_viewport_size({"width": 1280, "height": 720})


def test_the_pages_around_are_translated_too(marked: Page, server: Server):
    marked.goto(f"{server.url}/accounts/login/")

    assert set(marked.evaluate(UNMARKED, FOREIGN)) - SAME == set()


def test_a_language_without_words_is_shown_in_english_from_left_to_right(chromium: Browser, server: Server):
    for page in page_in(chromium, "ar"):
        open_page(page, server)
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("html")).to_have_attribute("dir", "ltr")
        expect(page.locator("#pill")).to_have_text("Connected")
