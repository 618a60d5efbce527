"""From events to frames: JSON in the size that a frame may have."""

from __future__ import annotations

import json
from typing import Any

from chat.wire.codes import (
    MAX_FRAME_BYTES,
)
from chat.wire.events import Event

MAX_PART_BYTES = 8 * 1024  # of arguments and the like, in a record that is cut
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encode(event: Any) -> str:
    """Return the event as one frame."""
    return _encoder.encode(event)


def fits(frame: str) -> bool:
    return size_of(frame) <= MAX_FRAME_BYTES


def size_of(frame: str) -> int:
    """The bytes of a frame in UTF-8."""
    return len(frame) if frame.isascii() else len(frame.encode())


def shorten(record: Event) -> Event:
    """Return the record as it is if its frame fits; else with its texts cut and `truncated`.

    A record with long texts has the `url` of all of it. `html` was cut at a block boundary before and stays.
    """
    if not _is_hopeless(record) and fits(encode(record)):
        return record
    holder = {**record.get("message", record), "truncated": True}
    for name in ("tool_args", "sources", "answer", "error", "usage", "task"):
        if isinstance(holder.get(name), dict | list) and size_of(encode(holder[name])) > MAX_PART_BYTES:
            holder[name] = [] if name == "sources" else {}
    budget = MAX_FRAME_BYTES - 40 * 1024 - size_of(encode([holder.get("html", ""), holder.get("parts")]))
    for name in ("content", "result", "error", "reasoning"):
        if isinstance(holder.get(name), str):
            holder[name] = _cut(holder[name], max(budget, 0))
            budget -= size_of(encode(holder[name]))
    return {**record, "message": holder} if "message" in record else holder


def _is_hopeless(record: Event) -> bool:
    """True where a text alone is too long, which need not be encoded to be known."""
    texts = record.get("message", record)
    return any(len(texts[name]) > MAX_FRAME_BYTES for name in ("content", "result") if isinstance(texts.get(name), str))


def _cut(text: str, limit_bytes: int) -> str:
    """A prefix whose JSON has at most so many bytes."""
    text = text[:limit_bytes]
    while text and (size := size_of(encode(text))) > limit_bytes:
        text = text[: int(len(text) * min(limit_bytes / size, 0.99))]
    return text
