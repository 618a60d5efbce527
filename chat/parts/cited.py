"""What agents name as sources of an answer, as it is stored: known fields, in the sizes that a page can show. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from chat.files.given import GivenFile
from chat.files.storage import check_size
from chat.wire.values import clean, visible

MAX_SOURCES = 50  # of one answer
FIELD_CHARS = {"title": 300, "document": 300, "url": 2000, "page": 40, "quote": 1000}


def source_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """A source without its file. Raises: TypeError for what is none."""
    if not isinstance(given, Mapping):
        raise TypeError(f"a source is a mapping with title, url, page or quote, not {type(given).__name__}")
    source: dict[str, Any] = {}
    for name, most in FIELD_CHARS.items():
        value = given.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            source[name] = value
        elif value is not None and str(value).strip():
            text = visible(clean(str(value).strip()))
            source[name] = text if len(text) <= most else f"{text[: most - 1]}…"
    if type(given.get("number")) is int and given["number"] > 0:
        source["number"] = given["number"]
    return source


def file_of(given: Mapping[str, Any]) -> tuple[BinaryIO, str] | GivenFile | None:
    """The file of a source: bytes or a path with its name, or one that the user has given.

    Raises: TypeError, TooLarge; FileNotFoundError and its like of a path.
    """
    match given.get("file"):
        case None:
            return None
        case GivenFile() as file:
            return file
        case Path() as path:
            check_size(path.stat().st_size)
            return io.BytesIO(path.read_bytes()), path.name
        case bytes() as data:
            check_size(len(data))
            return io.BytesIO(data), str(given.get("document") or given.get("title") or "source")
    raise TypeError(f"the file of a source is a Path, bytes or one of context.files, not {given['file']!r:.40}")


def numbered(sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each with the number of its mark: its own, else the least that is free. In their order."""
    taken = {source["number"] for source in sources if "number" in source}
    free = (number for number in range(1, len(sources) + len(taken) + 1) if number not in taken)
    found = [{"number": source["number"] if "number" in source else next(free), **source} for source in sources]
    return sorted(found, key=lambda source: source["number"])[:MAX_SOURCES]
