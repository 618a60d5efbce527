"""The page's types of events are those of the server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NotRequired, get_args, get_origin, get_type_hints

import pytest

from chat.wire import events

SOURCE = Path(__file__).parents[2] / "chat/static/chat/events.js"
BODY = "message_body"  # not an event: the `message` in a `message`

Fields = dict[str, bool]  # name -> whether it may be absent


def of_the_server() -> dict[str, Fields]:
    found = {}
    for cls in vars(events).values():
        if not isinstance(cls, type) or cls.__module__ != events.__name__:
            continue
        hints = get_type_hints(cls, include_extras=True)
        name = get_args(hints["type"])[0] if "type" in hints else BODY
        if "type" in hints or cls is events.MessageBody:
            found[name] = {field: get_origin(hint) is NotRequired for field, hint in hints.items()}
    return found


def of_the_page() -> dict[str, Fields]:
    found = {}
    for comment in re.findall(r"/\*\*(.*?)\*/", SOURCE.read_text(), re.S):
        if name := re.search(r"@typedef \{object\} (\w+)", comment):
            fields = re.findall(r"@property \{[^}]+\} (\[?)(\w+)", comment)
            found[name[1]] = {field: bool(bracket) for bracket, field in fields}
    return found


def test_the_page_knows_each_event_and_no_other():
    assert set(of_the_page()) == set(of_the_server())


@pytest.mark.parametrize("name", of_the_server())
def test_an_event_has_the_same_fields_on_both_sides(name):
    assert of_the_page()[name] == of_the_server()[name]
