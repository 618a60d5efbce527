"""Values as the protocol writes them, and as they can be stored."""

from __future__ import annotations

import json
import math
import re
import uuid
from datetime import UTC, datetime
from typing import Any

MAX_DEPTH = 60  # levels of JSON: Python's own encoder gives up at some hundred
MAX_INT = 10**300  # Python reads and writes no number of more than 4300 digits, and PostgreSQL keeps less
UNREADABLE = "unreadable: too long, or nested too deeply"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores no NUL; UTF-8 has no lone surrogates
# What is not seen: it turns the text around it, hides in it, or parts words. Emoji, and scripts that are written with
# joiners, keep those.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
    "|(?<![\u0600-\u1cff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]"
    "|[\u200c\u200d](?![\u0600-\u1cff\u2190-\u2bff\U0001f000-\U0001faff])"
)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_or_none(value: uuid.UUID | str | None) -> str | None:
    return None if value is None else str(value)


def clean(text: str) -> str:
    """Replace what can be neither sent nor stored in a model's or tool's text by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean_json(value: Any, levels: int = MAX_DEPTH) -> Any:
    """Return `value` as JSON that can be sent and stored.

    Texts are cleaned, other types become text, what is nested deeper than so many levels is left out.
    """
    match value:
        case None | bool():
            return value
        case int():
            return int(value) if abs(value) < MAX_INT else "a number that is too long"
        case str():
            return clean(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dict() if levels:
            return {clean(str(key)): clean_json(item, levels - 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() if levels:
            return [clean_json(item, levels - 1) for item in value]
        case dict() | list() | tuple() | set() | frozenset():
            return "…"
    return clean(str(value))


def is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and lists hold each other deeper than so many levels."""
    layer = [value]
    while layer and levels:
        holders = [item for item in layer if isinstance(item, dict | list)]
        layer = [inner for item in holders for inner in (item.values() if isinstance(item, dict) else item)]
        levels -= 1
    return any(isinstance(item, dict | list) for item in layer)


def json_text(value: Any) -> str:
    """JSON to read, in which what is not seen is escaped, as JSON does it."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def without_unseen(text: str) -> str:
    """Leave out what is not seen."""
    return _UNSEEN.sub("", text)


def visible(text: str) -> str:
    """Show what is not seen as `‹U+202E›`: what is agreed to, and a name, is not to look like something else."""
    return _UNSEEN.sub(lambda found: f"‹U+{ord(found[0]):04X}›", text)


def problem_of(error: Any) -> str:
    """The first thing that is wrong with values, as a sentence. `error`: a ValidationError of pydantic's."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
