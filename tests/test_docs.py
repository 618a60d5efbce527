"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.conf import SETTINGS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def variables_of_the_project() -> set[str]:
    """Every name that the example project's settings ask the environment for."""
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', read("webui_project/settings.py")))


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
    aliases = {"OPENAI_API_KEY", "OPENAI_API_BASE", "USE_MOCK_LLM"}
    known = variables_of_the_project() | aliases | {f"CHAT_{name}" for name in SETTINGS}

    assert set(re.findall(r"^#([A-Z_]+)=", read(".env.example"), re.M)) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{target} in {document.name}"
