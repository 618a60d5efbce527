"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints, is_typeddict

import pytest

from chat import exceptions
from chat.conf import SETTINGS
from chat.wire import codes, events
from tests.pictures import FOLDER, PICTURES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def variables_of_the_project() -> set[str]:
    """Every name that the example project's settings ask the environment for."""
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', read("webui_project/settings.py")))


def known_variables() -> set[str]:
    """Every name that the example project, or what it runs on, understands in its environment."""
    aliases = {"HOST", "PORT", "OPENAI_MODEL", "OPENAI_API_KEY", "OPENAI_API_BASE", "USE_MOCK_LLM"}
    return variables_of_the_project() | aliases | {"GLIBC_TUNABLES"} | {f"CHAT_{name}" for name in SETTINGS}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_described(name):
    row = re.search(rf"^\| `CHAT_{name}` \| (\w+) \|.*\| (.+) \|$", read("docs/settings.md"), re.M)

    assert row, f"CHAT_{name} has no row in docs/settings.md"
    assert row[1] == SETTINGS[name].kind.__name__
    assert row[2] in SETTINGS[name].doc


def test_no_setting_is_described_that_is_not_there():
    assert set(re.findall(r"`CHAT_([A-Z_]+)`", read("docs/settings.md"))) <= set(SETTINGS)


def test_each_variable_of_the_example_project_is_described():
    described = set(re.findall(r"`([A-Z_]+)`", read("docs/settings.md")))

    assert variables_of_the_project() and variables_of_the_project() <= described


def test_the_example_of_a_dotenv_file_names_known_variables():
    assert set(re.findall(r"^#([A-Z_]+)=", read(".env.example"), re.M)) <= known_variables()


def rows_of(section: str) -> set[str]:
    """The names in code type that begin a row of a table in one section of the protocol's page."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", read("docs/protocol.md"), re.M | re.S)
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`(\w+)`", row)}


def event_types():
    """The events of `chat/wire/events.py`, by name."""
    types = [value for value in vars(events).values() if is_typeddict(value) and "type" in value.__annotations__]
    return {get_args(get_type_hints(event)["type"])[0]: event for event in types}


def test_each_event_that_the_server_sends_is_described():
    assert set(event_types()) == rows_of("Events")
    assert set(event_types()) >= events.RECORDS | events.CHUNKS


@pytest.mark.parametrize(("name", "event"), event_types().items())
def test_each_field_of_an_event_is_described(name, event):
    row = next(re.finditer(rf"^\| `{name}` .*$", read("docs/protocol.md"), re.M))[0]
    named = set(re.findall(r"`(\w+)`", row))
    shared = set(events.Placed.__annotations__) | {"timestamp"}  # said once, of all that has a place

    assert set(get_type_hints(event)) - {"type", *shared} <= named


@pytest.mark.parametrize(("name", "event"), event_types().items())
def test_an_event_has_its_four_places(name, event):
    """A type, who makes it, a handler on the page, a row: what CONTRIBUTING.md counts for a new one."""
    code = {path: path.read_text() for path in (ROOT / "chat").rglob("*.py")}
    makers = [path for path, text in code.items() if re.search(rf"\b{event.__name__}\(\s*type=\"{name}\"", text)]
    page = "".join(path.read_text() for path in (ROOT / "chat" / "static" / "chat").glob("*.js"))

    assert makers or name == "stream_more"  # continues a `stream_start`
    is_shown = re.search(rf"^  (async )?{name}[:(]|\"{name}\"", page, re.M)
    assert is_shown or name == "pong"  # that it came is all that it says
    assert len(re.findall(rf"^\| `{name}`", read("docs/protocol.md"), re.M)) >= 1


def test_an_event_is_made_by_its_type_alone():
    """So the list of events is complete, and mypy sees each."""
    for path in (ROOT / "chat").rglob("*.py"):
        made = re.findall(r'"type": "([a-z_]+)"', path.read_text())
        assert not set(made) & set(event_types()) or path.name == "compatible.py", path


def test_each_error_code_is_described():
    codes = {error.code for error in subclasses(exceptions.ChatError)}
    codes |= set(re.findall(r'"((?:llm|tool)_\w+)"', read("chat/agents/provider/failures.py")))

    assert codes == rows_of("Errors and closing")


def test_each_close_code_is_described():
    closes = {str(value) for name, value in vars(codes).items() if name.startswith("CLOSE_")}

    assert closes <= set(re.findall(r"^\| (\d{4}) \|", read("docs/protocol.md"), re.M))


def subclasses(cls: type) -> set[type]:
    return {cls}.union(*(subclasses(child) for child in cls.__subclasses__()))


def test_each_picture_is_taken_by_the_command_and_shown():
    taken = {f"{name}.png" for name in PICTURES}
    assert taken == {path.name for path in FOLDER.iterdir()}
    assert taken == set(re.findall(r"\]\(docs/pictures/([^)]+)\)", read("README.md")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{target} in {document.name}"
