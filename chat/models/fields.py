"""JSON in a row: whatever has come to be stored can be read, and shown."""

from __future__ import annotations

from typing import Any

from django.db import models

from chat.wire.values import MAX_DEPTH, UNREADABLE, is_deeper


class Json(models.JSONField):
    """Django's own, but for a value that no encoder would take, or not in its place: it stands as unreadable.

    Such values were stored before answers, arguments and results had bounds (`clean_json`), or by another program. One
    must not keep a conversation from being opened.
    """

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value in (None, "[]", "{}"):  # as most are
            return None if value is None else [] if value == "[]" else {}
        if not isinstance(value, str) or _is_harmless(value):
            return super().from_db_value(value, expression, connection)
        try:
            found = super().from_db_value(value, expression, connection)
            if not is_deeper(found, MAX_DEPTH):
                return found
        except (RecursionError, ValueError):
            pass
        return [] if value.startswith("[") else {UNREADABLE: True}

    def deconstruct(self) -> Any:
        """As Django's own: the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


def _is_harmless(text: str) -> bool:
    """True for JSON that is flat enough, and has no number that is too long, without a look at what it says."""
    return len(text) < 4000 and text.count("[") + text.count("{") <= MAX_DEPTH
