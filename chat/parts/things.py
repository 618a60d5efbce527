"""What can be shown, and as what. Anything that could run is only ever a file to be saved."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from PIL import Image
from pydantic import BaseModel

from chat.files import kinds
from chat.files.images import png_of, written_anew
from chat.files.names import safe_name
from chat.files.storage import check_size
from chat.markdown.escaping import fenced, plain
from chat.observer import Part, PartKind
from chat.parts.figures import drawing_of
from chat.parts.tables import SHOWN_COLUMNS, Table, table_of
from chat.wire.frames import encode, size_of
from chat.wire.values import clean, clean_json

SHOWN_BYTES = 64 * 1024  # of JSON or a diff in its place; what is longer is a file as well
TOLD_CHARS = 2000
ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    kinds.PDF: "pdf",
    "text/html": "html",
    kinds.TEXT: "txt",
    "application/zip": "zip",
}
_DIFF = re.compile(r"\A(?:diff --git .*|Index: .*|--- .*\n\+\+\+ .*)$", re.MULTILINE)


def part_of(thing: Any, *, name: str = "", alt: str = "") -> Part:
    """Make a part of what an agent shows. May take seconds, for a large image.

    Raises: TypeError for what cannot be shown; FileNotFoundError and its like for a path; TooLarge.
    """
    match thing:
        case str():
            return _of_text(clean(thing), name)
        case bytes() | bytearray() | memoryview():
            return _of_file(io.BytesIO(bytes(thing)), name, alt)
        case io.BytesIO():
            return _of_file(io.BytesIO(thing.getvalue()), name, alt)
        case Path():
            check_size(thing.stat().st_size)
            return _of_file(io.BytesIO(thing.read_bytes()), name or thing.name, alt)
        case Image.Image():
            return _of_file(png_of(thing), name or "image.png", alt)
        case date() | time() | timedelta() | Decimal() | UUID():
            return _of_text(plain(str(thing)), name)
        case Enum():
            return part_of(thing.value, name=name, alt=alt)
    part = _of_figure(thing, name, alt) or _of_attachment(thing, name, alt) or _of_table(thing, name)
    return part or _of_json(thing, name)


def part_of_result(result: Any) -> Part | None:
    """What a tool's result shows by itself; None for texts, fields and all else that its card has anyway."""
    if isinstance(result, bytes | io.BytesIO | Image.Image):
        return part_of(result)
    return _of_figure(result, "", "") or _of_attachment(result, "", "") or _of_table(result, "")


# -- by kind -----------------------------------------------------------------------------------------------------------


def _of_text(text: str, name: str) -> Part:
    if not _DIFF.search(text):
        return Part(kind="text", name=name, text=text)
    shown, file = _cut(text, name or "changes.diff")
    return Part(kind="diff", name=name or "changes.diff", text=_fenced(text, "diff"), fields={"text": shown}, file=file)


def _of_file(file: BinaryIO, name: str, alt: str) -> Part:
    file.seek(0)
    head = file.read(kinds.HEAD_BYTES)
    media_type = kinds.type_of(head, name)
    kind, title = _kind_of(media_type), _named(name, media_type)
    fields: dict[str, Any] = {}
    if kind == "image":
        picture = written_anew(file)
        file, fields = picture.file, {"width": picture.width, "height": picture.height}
    return Part(kind=kind, name=title, alt=alt, text=_said(kind, alt or title), fields=fields, file=file)


def _of_figure(thing: Any, name: str, alt: str) -> Part | None:
    """A figure as an image with its points; as these alone where nothing can draw it."""
    drawing = drawing_of(thing)
    if drawing is None:
        return None
    if drawing.image is None:
        title = f"{name or 'Figure'}: its data, as it cannot be drawn here"
        return _as_table(drawing.points, title) or _of_json(thing.to_plotly_json(), title)
    part = _of_file(drawing.image, name or "figure.png", alt)
    return replace(part, fields=part.fields | {"data": _fields(drawing.points)}) if drawing.points else part


def _of_attachment(thing: Any, name: str, alt: str) -> Part | None:
    """Langroid's `FileAttachment`, which this file does not import."""
    module = sys.modules.get("langroid.parsing.file_attachment")
    if not (module and isinstance(thing, module.FileAttachment)):
        return None
    if not thing.content:
        raise TypeError("an attachment without content cannot be shown: nothing is fetched from an address")
    return _of_file(io.BytesIO(thing.content), name or thing.filename or "", alt)


def _of_table(thing: Any, name: str) -> Part | None:
    return _as_table(table_of(thing), name or "Table")


def _as_table(table: Table | None, title: str) -> Part | None:
    if table is None:
        return None
    told = f"**{plain(title)}** ({table.total} rows)\n\n{table.told()}"
    return Part(kind="table", name=title, text=told, fields=_fields(table), file=table.csv(), file_name=f"{title}.csv")


def _fields(table: Table) -> dict[str, Any]:
    """What the page shows of it."""
    columns = [clean(str(column)) for column in table.columns]
    shown = {"columns": columns[:SHOWN_COLUMNS], "rows": table.shown()}
    return shown | {"total": table.total, "total_columns": len(columns)}


def _of_json(thing: Any, name: str) -> Part:
    value = _json_of(thing)
    text = json.dumps(value, ensure_ascii=False, indent=2)
    title = name or "JSON"
    if size_of(encode(value)) <= SHOWN_BYTES:
        return Part(kind="json", name=title, text=_fenced(text, "json"), fields={"value": value})
    shown, file = _cut(text, "")
    told = _fenced(text, "json")
    return Part(kind="json", name=title, text=told, fields={"text": shown}, file=file, file_name=f"{title}.json")


def _json_of(thing: Any) -> Any:
    if isinstance(thing, BaseModel):
        return clean_json(thing.model_dump(mode="json", fallback=str))
    if is_dataclass(thing) and not isinstance(thing, type):
        return clean_json(asdict(thing))
    if isinstance(thing, Mapping):
        return clean_json(dict(thing))
    if thing is None or isinstance(thing, bool | int | float | list | tuple | set | frozenset):
        return clean_json(thing)
    if (numpy := sys.modules.get("numpy")) and isinstance(thing, numpy.ndarray | numpy.generic):
        return clean_json(thing.tolist())
    raise TypeError(f"an object of type {type(thing).__name__} cannot be shown: show a text, bytes, a Path, rows, JSON")


# -- words -------------------------------------------------------------------------------------------------------------


def _kind_of(media_type: str) -> PartKind:
    if media_type in kinds.IMAGES:
        return "image"
    if media_type in kinds.AUDIO:
        return "audio"
    return "pdf" if media_type == kinds.PDF else "file"


def _named(name: str, media_type: str) -> str:
    """A name with an ending: of the content, where the author's has none."""
    ending = ENDINGS.get(media_type, "bin")
    if not name:
        return f"{_kind_of(media_type)}.{ending}"
    safe = safe_name(name)
    return safe if "." in safe else f"{safe}.{ending}"


def _said(kind: str, name: str) -> str:
    word = {"image": "Image", "audio": "Audio", "pdf": "PDF"}.get(kind, "File")
    return f"{word}: {plain(name)}"


def _fenced(text: str, language: str) -> str:
    return fenced(text if len(text) <= TOLD_CHARS else f"{text[:TOLD_CHARS]}\n…", language)


def _cut(text: str, name: str) -> tuple[str, BinaryIO | None]:
    """The text as far as it is shown in its place, and all of it as a file if that is not all."""
    data = text.encode()
    if len(data) <= SHOWN_BYTES:
        return text, None
    return data[:SHOWN_BYTES].decode(errors="ignore"), io.BytesIO(data)
