"""Whatever a person can meet on our pages is in a state (`tests/browser/states.py`), and each state is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.states import STATES
from tests.servers import ROOT

MODULES = ROOT / "chat" / "static" / "chat"
PAGE = ROOT / "chat" / "templates" / "chat" / "page.html"
BESIDE = {"base.html", "base_site.html"}  # what pages extend
NOT_SEEN = {"dialogs jump", "shown text"}  # it moves the page; a paragraph as others

# Where a part that registers itself is seen, unless its kind stands on it (`data-kind`).
PLACES = {
    "parts text": ".prose",
    "parts tools": ".tool",
    "parts task": ".task .prose",
    "parts shown": '.shown[data-kind="image"]',
    "tools ANY_TOOL": ".tool",
    "shown code": ".tool figure.code",
    "shown html": ".tool blockquote",
    "dialogs menu": "#chat-menu",
    "dialogs search": "#search",
    "dialogs share": "#share",
    "dialogs lightbox": ".lightbox-image",
    "dialogs settings": "dialog .schema-field",
    "slots answering": ".answering",
    "slots attach": ".attach-slot",
    "slots commands": ".commands",
    "slots dictation": ".dictation",
    "slots length": ".composer-note",
    "slots settings": ".composer .icon-gear",
    "slots suggestions": ".suggestion",
    "slots uploads": ".upload",
    "cover dialog": "dialog",
    "cover lightbox": ".lightbox-image",
}


def registered() -> Iterator[str]:
    """The cards, questions, dialogs of the modules, as "registry kind", and what fills the composer."""
    for path in sorted(MODULES.rglob("*.js")):
        text = path.read_text()
        for registry, kind in re.findall(r"^(\w+)\.register\(\"?(\w+)\"?,", text, re.M):
            yield f"{registry} {kind}"
        if "fillSlot(" in text and path.parent.name == "slots":
            yield f"slots {path.stem}"
        for classes in re.findall(r"\"dialog\",\s*\{ class: \"([\w -]+)\"", text):
            yield f"cover {classes}"


def covers() -> Iterator[str]:
    """The dialogs and popovers of the template, by id."""
    for tag in re.findall(r"<[a-z]+ [^>]*>", PAGE.read_text()):
        if tag.startswith("<dialog") or re.search(r" popover[ >]", tag):
            yield re.search(r' id="([\w-]+)"', tag)[1]


def templates() -> Iterator[str]:
    """Those that are pages of their own."""
    for root in ("templates", "chat/templates"):
        for path in sorted((ROOT / root).rglob("*.html")):
            text = path.read_text()
            if path.name not in BESIDE and re.search(r"<!DOCTYPE|\{% extends", text) and path != PAGE:
                yield path.relative_to(ROOT).as_posix()


def is_seen(place: str) -> bool:
    """Whether a state names this place, or what is in it."""
    name = re.compile(re.escape(place) + r"(?![\w-])")
    return any(name.search(seen) for state in STATES.values() for seen in state.places)


def place_of(thing: str) -> str:
    registry, kind = thing.split(" ", 1)
    if registry in ("asks", "shown"):
        kind = f'{".ask" if registry == "asks" else ".shown"}[data-kind="{kind}"]'
    return PLACES.get(thing, kind if kind.startswith(".") else f".{kind}")


@pytest.mark.parametrize("thing", sorted({*registered()} - NOT_SEEN))
def test_what_registers_itself_is_in_a_state(thing):
    assert is_seen(place_of(thing)), f"{place_of(thing)} is in none of tests/browser/states.py"


@pytest.mark.parametrize("id", [*covers()])
def test_each_dialog_and_menu_of_the_page_is_in_a_state(id):
    assert is_seen(f"#{id}")


@pytest.mark.parametrize("path", [*templates()])
def test_each_page_is_a_state(path):
    assert path in STATES


def test_each_state_is_reached_by_a_test():
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "browser").glob("test_*.py"))
    assert [state for state in STATES if f'"{state}"' not in tests] == []
