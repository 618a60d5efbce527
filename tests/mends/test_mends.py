"""Each mend looks at what it stands on when the server starts, and steps aside where that is another thing."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from daphne import http_protocol
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.core.checks import ERROR, INFO, WARNING, run_checks

from chat import routing
from chat.agents.langroid import mends as of_langroid
from chat.agents.provider import mends as of_provider
from chat.mends import known, mend
from chat.mends.daphne_close import close_patiently
from chat.mends.mend import TESTED, Mend, MendBroken, Needs
from tests.mends.renamed import MENDS, MODULES, renamed
from tests.stub_llm import StubServer
from webui_project import mends as of_project
from webui_project.body_limit import limit_daphne
from webui_project.management.commands import runserver

ROOT = Path(__file__).parents[2]
BY_NAME = [pytest.param(each, id=each.name) for each in MENDS]
OVERRIDES = ["terminal.py", "turns.py", "model_calls.py", "tool_calls.py"]
WITH_OTHERS = {
    "httpcore",
    "httpcore2",
    "httpx",
    "pydantic-settings",
    "python-dotenv",
    "qdrant-client",
    "rich",
    "tiktoken",
}
BOUND = {"asgiref", *TESTED} - WITH_OTHERS
SECONDS = 280  # of a process; a busy machine takes minutes for what a quiet one does in half a one


def fresh(each: Mend) -> Mend:
    """The mend before anybody has asked whether it holds."""
    return dataclasses.replace(each)


def without(need: Needs) -> dict[str, list[tuple[str, str]]]:
    """A version of the module in which this need has another name; one that is imported there is gone."""
    name = need.name.rpartition(".")[2]
    return {need.module: [(rf"\b{name}\b", f"{name}_of_tomorrow")]}


# -- with the versions that are installed ------------------------------------------------------------------------------


@pytest.mark.parametrize("each", BY_NAME)
def test_a_mend_fits_the_versions_that_are_installed(each):
    assert each.report == ""
    assert fresh(each).holds


def overrides() -> Iterator[tuple[str, str, str]]:
    """Class, method and mend of each of Langroid's methods that is replaced."""
    for name in OVERRIDES:
        for node in ast.walk(ast.parse((ROOT / "chat/agents/langroid" / name).read_text())):
            for call in getattr(node, "decorator_list", ()):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "override":
                    by = next((ast.unparse(keyword.value) for keyword in call.keywords), "mends.WATCH")
                    method = call.args[1].value if call.args[1:] else node.name
                    yield call.args[0].id, method, by.removeprefix("mends.")


@pytest.mark.parametrize(("cls", "method", "by"), list(overrides()))
def test_a_method_that_is_replaced_is_looked_at_before(cls, method, by):
    assert f"{cls}.{method}" in {need.name for need in getattr(of_langroid, by).needs}


@pytest.mark.parametrize("each", BY_NAME)
def test_the_place_of_a_mend_asks_whether_it_holds(each):
    constants = {id(value): name for module in MODULES for name, value in vars(module).items()}
    constant = constants.get(id(each), "CUT")
    text = "\n".join(path.read_text() for path in [*ROOT.glob("chat/**/*.py"), *ROOT.glob("webui_project/**/*.py")])

    assert (ROOT / each.place).is_file()
    assert re.search(rf"\b{constant}(\.holds|\.or_plain|:|\)| in |\.items)", text)


# -- with others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", BY_NAME)
def test_a_name_that_is_gone_is_told_with_the_versions(each, monkeypatch, caplog):
    monkeypatch.setattr(mend, "version_of", lambda package: "99.1")
    need = each.needs[0]
    asked = fresh(each)

    with renamed(need.module.partition(".")[0], without(need)):
        if each.is_essential:
            with pytest.raises(MendBroken) as raised:
                _ = asked.holds
            said = str(raised.value)
        else:
            assert not asked.holds and not asked.holds
            [record] = [record for record in caplog.records if record.name == mend.__name__]  # others have threads
            said = record.getMessage()

    assert need.name in said and need.module in said
    for package in each.packages:
        assert f"{package} 99.1 (tested: {TESTED[package]})" in said
    assert "the chat cannot work" in said if each.is_essential else each.without in said


@pytest.mark.parametrize("each", BY_NAME)
def test_the_system_check_tells_of_it(each, monkeypatch):
    need = each.needs[0]

    with renamed(need.module.partition(".")[0], without(need)):
        found = [message for message in run_checks(tags=["chat"]) if repr(each.name) in message.msg]

    [message] = found
    assert (message.id, message.level) == (("chat.E020", ERROR) if each.is_essential else ("chat.W020", WARNING))
    assert need.name in message.msg and f"(tested: {TESTED[each.packages[0]]})" in message.msg


def test_a_parameter_that_is_gone_is_told():
    step = r"def step\(self, turns: int = -1\)", "def step(self, rounds: int = -1)"

    with renamed("langroid", {"langroid.agent.task": [step]}):
        assert "langroid.agent.task: Task.step takes no turns" in of_langroid.WATCH.report


def test_code_that_does_another_thing_is_told():
    with renamed("openai", {"openai._streaming": [("iter_bytes", "iter_lines")]}):
        assert "Stream._iter_events does not use iter_bytes" in of_provider.FAST_STREAM.report


def test_a_package_that_is_not_installed_needs_no_mend(monkeypatch):
    monkeypatch.setattr(mend, "version_of", lambda package: None)

    with renamed("channels_redis", without(known.REDIS_LAYER.needs[0])):
        assert known.REDIS_LAYER.report == ""


@pytest.mark.parametrize("package", sorted(TESTED))
def test_an_untested_version_is_told_and_a_patch_of_a_tested_one_is_not(package, monkeypatch, settings):
    found = mend.version_of
    major, minor, *_ = TESTED[package].split(".")

    def versions(offset):
        version = f"{major}.{int(minor) + offset}.99"
        monkeypatch.setattr(mend, "version_of", lambda name: version if name == package else found(name))
        return [message for message in run_checks(tags=["chat"]) if message.id == "chat.W021"]

    assert versions(0) == []
    [message] = versions(1)
    assert f"{package} {major}.{int(minor) + 1}.99" in message.msg and TESTED[package] in message.msg
    assert message.level == WARNING
    settings.DEBUG = True  # who installs today gets newer packages: no reason to worry whoever begins
    assert [message.level for message in versions(1)] == [INFO]


def test_what_the_matrix_tests_is_as_good(monkeypatch):
    monkeypatch.setattr(mend, "version_of", lambda name: "6.0.99" if name == "Django" else None)
    assert list(mend.untested(["Django"])) == []


# -- the plain way -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)


@pytest.fixture(scope="module")
def tomorrow() -> dict[str, list]:
    """Two turns with packages in which none of these mends fits: see `aside.py`."""
    with StubServer() as stub:
        done = run("-m", "tests.mends.aside", stub.url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_without_the_mends_an_agent_answers_the_plain_way(tomorrow):
    told, called = tomorrow["turns"]

    assert told[-1] == "end m1 complete stop: Two lines of a poem."
    assert "text m1 Two lines of a poem." in told
    assert "tool_end t1 complete: 49" in called and called[-1].startswith("end m3 complete stop: ")


STEP_ASIDE = [
    *(
        of_provider.FAST_STREAM,
        of_provider.CUT["httpx2"],
        of_langroid.REQUESTS,
        of_langroid.TOO_LONG,
    ),
    *(of_langroid.LOOPS, of_langroid.PASSES, of_langroid.KILLS, of_langroid.KEYS, of_langroid.COLOURS),
    *(of_langroid.LOGS, of_langroid.RETRIES, of_langroid.JSON_SCAN, of_langroid.TOOL_DEFAULTS),
    *(of_langroid.TOKEN_COUNTS, of_langroid.MOCK_MODEL, of_provider.DECODER, of_langroid.CLIENTS),
]


@pytest.mark.parametrize("each", [pytest.param(each, id=each.name) for each in STEP_ASIDE])
def test_each_of_these_mends_has_stepped_aside_with_one_warning(tomorrow, each):
    [said] = [warning for warning in tomorrow["warnings"] if repr(each.name) in warning]

    assert re.search(r"(langroid 0\.71\.0|openai 3\.60\.0|httpx2 2\.20\.0) \(tested: ", said)
    assert each.without in said


def test_nothing_else_is_warned_of(tomorrow):
    assert len(tomorrow["warnings"]) == len(STEP_ASIDE), tomorrow["warnings"]


@pytest.mark.parametrize("each", [of_langroid.WATCH, of_langroid.PRIVATE], ids=lambda each: each.name)
def test_without_what_is_essential_nothing_of_langroid_is_imported(each):
    need = each.needs[-1]
    module, name = need.module, need.name.rpartition(".")[2]
    code = f"""
import sys
from tests.mends.renamed import Renamed
sys.meta_path.insert(0, Renamed("langroid", {{{module!r}: [(r"\\b{name}\\b", "gone")]}}))
from chat.agents.langroid import setup
try:
    setup.warm()
except Exception as error:
    print(type(error).__name__, error)
assert "langroid" not in sys.modules
"""

    done = run("-c", code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"MendBroken The mend {each.name!r} does not fit langroid {TESTED['langroid']}")
    assert need.name in done.stdout


@pytest.mark.timeout(300)
def test_without_the_mends_of_django_and_channels_all_is_as_it_was():
    """The models, a session and the socket, the plain way; what is not tried counts trips, warnings, or waits."""
    tried = ["tests/models/test_models.py", "tests/live/test_session.py", "tests/test_consumers.py"]

    plain = "not it_is_accepted and not soon and not trips and not first_word_waits"
    done = run("-m", "tests.mends.tomorrow", *tried, "-k", plain, "-n0")

    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 100


def test_a_server_that_starts_has_it_in_its_log(monkeypatch, caplog):
    """A server without system checks (uvicorn) too: `with_chat` looks, and the import a second later."""
    aside = fresh(known.MEMORY_LAYER)
    monkeypatch.setattr(known, "MENDS", (aside,))
    monkeypatch.setattr(routing, "warm_soon", lambda: None)

    with renamed("channels", without(aside.needs[0])):
        routing.with_chat(None)

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "'in-memory layer' does not fit channels" in caplog.text


@pytest.mark.parametrize(
    ("module", "name", "each"),
    [
        ("chat.layers", "InMemoryLayer", known.MEMORY_LAYER),
        ("chat.redis_layer", "RedisLayer", known.REDIS_LAYER),
    ],
)
def test_a_layer_that_does_not_fit_is_the_one_that_it_would_mend(module, name, each, monkeypatch):
    monkeypatch.setitem(vars(each), "holds", False)
    source = Path(sys.modules[importlib.import_module(module).__name__].__file__).read_text()
    fresh_module: dict[str, object] = {"__name__": "tried"}

    exec(compile(source, module, "exec"), fresh_module)

    assert fresh_module[name].__module__.startswith("channels")


def test_a_close_that_does_not_fit_is_daphnes(monkeypatch):
    before = WebSocketFactory.protocol
    monkeypatch.setattr(WebSocketFactory, "protocol", WebSocketProtocol)
    monkeypatch.setitem(vars(known.PATIENT_CLOSE), "holds", False)

    close_patiently()

    assert WebSocketFactory.protocol is WebSocketProtocol and before is not None


def test_a_body_limit_that_does_not_fit_is_daphnes(monkeypatch):
    before = http_protocol.WebRequest
    monkeypatch.setitem(vars(of_project.BODY_LIMIT), "holds", False)

    limit_daphne(10)

    assert http_protocol.WebRequest is before


def test_without_the_reloader_the_server_runs_plain(monkeypatch):
    monkeypatch.setitem(vars(of_project.RELOADER), "holds", False)
    monkeypatch.setattr(runserver.reloader, "end_process", lambda code: None)
    monkeypatch.setattr(runserver.reloader, "supervise", lambda command: pytest.fail("supervised"))
    served = []
    command = runserver.Command()
    monkeypatch.setattr(command, "prepare", lambda **options: None)
    monkeypatch.setattr(command, "inner_run", lambda *args, **options: served.append(options["use_reloader"]))
    monkeypatch.setattr(runserver.reloader, "is_child", lambda: True)
    monkeypatch.setattr(runserver.reloader, "serve_watched", lambda serve: None)

    command.run(use_reloader=True, migrate=False)

    assert served == [False]


# -- what stands beside them -------------------------------------------------------------------------------------------


def pins() -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.M))


@pytest.mark.parametrize("package", sorted(TESTED))
def test_the_tested_version_is_the_pinned_one(package):
    assert pins()[package.lower()] == TESTED[package]


@pytest.mark.parametrize("package", sorted(BOUND))
def test_what_is_mended_has_bounds_that_hold_the_tested_version(package):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(each for some in project["optional-dependencies"].values() for each in some)]
    [bounds] = {
        match[1] for each in wanted if (match := re.match(rf"{package}(?:\[\w+\])?(>=.+)$", each, re.IGNORECASE))
    }

    least, most = re.fullmatch(r">=([\d.]+),<([\d.]+)", bounds).groups()
    numbers = [tuple(map(int, version.split("."))) for version in (least, pins()[package.lower()], most)]
    assert numbers[0] <= numbers[1] < numbers[2]


def table() -> dict[str, list[str]]:
    """The lines of the table in `docs/mends.md` by the name of the mend."""
    rows = re.findall(r"^\| (.+) \|$", (ROOT / "docs/mends.md").read_text(), re.M)
    cells = [[cell.strip() for cell in row.split(" | ")] for row in rows]
    return {row[0]: row for row in cells if len(row) == 6 and row[0] not in ("mend", "---")}


def test_the_documents_list_each_mend_and_no_other():
    assert sorted(table()) == sorted(each.name + "*" * each.is_essential for each in MENDS)


@pytest.mark.parametrize("each", BY_NAME)
def test_the_documents_say_of_a_mend_what_the_code_says(each):
    _, packages, place, why, gain, over = table()[each.name + "*" * each.is_essential]

    assert packages == ", ".join(f"{package} {TESTED[package]}" for package in each.packages)
    assert place == f"`{each.place}`"
    assert why and gain and over
