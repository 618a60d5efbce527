"""Values as the protocol writes them, and as they can be stored."""

from __future__ import annotations

import math
import re
import uuid
from datetime import UTC, datetime
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores no NUL; UTF-8 has no lone surrogates


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_or_none(value: uuid.UUID | str | None) -> str | None:
    return None if value is None else str(value)


def clean(text: str) -> str:
    """Replace what can be neither sent nor stored in a model's or tool's text by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean_json(value: Any) -> Any:
    """Return `value` as JSON that can be sent and stored: texts are cleaned, other types become text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {clean(str(key)): clean_json(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [clean_json(item) for item in value]
    return clean(str(value))
