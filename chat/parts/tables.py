"""Rows of any kind as a table: the first of them for the page, all of them as CSV."""

from __future__ import annotations

import csv
import io
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, BinaryIO, cast

from pydantic import BaseModel

from chat.conf import conf
from chat.wire.frames import encode, size_of
from chat.wire.values import clean, clean_json

SHOWN_ROWS = 200
SHOWN_BYTES = 96 * 1024  # of the shown rows as JSON
CELL_CHARS = 500
SHOWN_COLUMNS = 50
TOLD_ROWS, TOLD_COLUMNS = 10, 6  # of the table in words
SAFE_INTEGER = 2**53  # beyond it a browser's numbers are not exact


@dataclass(frozen=True)
class Table:
    """Rows with the names of their columns."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    total: int

    def shown(self) -> list[list[Any]]:
        """The first rows, as JSON has them."""
        rows: list[list[Any]] = []
        size = 0
        for row in self.rows:
            cells = [_cell(value) for value in list(row)[:SHOWN_COLUMNS]]
            size += size_of(encode(cells))
            if len(rows) >= SHOWN_ROWS or size > SHOWN_BYTES:
                break
            rows.append(cells)
        return rows

    def csv(self) -> BinaryIO | None:
        """All rows as CSV in UTF-8; None if that is larger than an attachment may be."""
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=2**20))  # noqa: SIM115  # whoever stores it has it
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow([_unarmed(name) for name in self.columns])
        for row in self.rows:
            writer.writerow([_unarmed(value) for value in row])
            if file.tell() > conf.MAX_ATTACHMENT_BYTES:
                file.close()
                return None
        text.detach()
        return file

    def told(self) -> str:
        """The beginning as a Markdown table, for those who cannot show more."""
        names = [_told(name) for name in self.columns[:TOLD_COLUMNS]]
        if not names:
            return ""
        lines = [names, ["---"] * len(names)]
        for row, _ in zip(self.rows, range(TOLD_ROWS), strict=False):
            lines.append([_told(_cell(value)) for value in list(row)[:TOLD_COLUMNS]])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table_of(thing: Any) -> Table | None:
    """A DataFrame, or a list of rows (dicts, sequences, objects with fields), as a table; None for anything else."""
    if (pandas := sys.modules.get("pandas")) and isinstance(thing, pandas.DataFrame | pandas.Series):
        return _of_pandas(thing.to_frame() if isinstance(thing, pandas.Series) else thing)
    if (polars := sys.modules.get("polars")) and isinstance(thing, polars.DataFrame):
        return Table(list(thing.columns), Again(thing.iter_rows), len(thing))
    if (numpy := sys.modules.get("numpy")) and isinstance(thing, numpy.ndarray) and thing.ndim == 2:
        return Table([str(at) for at in range(1, thing.shape[1] + 1)], thing, len(thing))
    if not isinstance(thing, list | tuple) or not thing or isinstance(thing, str):
        return None
    return _of_records(thing) or _of_sequences(thing)


def _of_pandas(frame: Any) -> Table:
    pandas = sys.modules["pandas"]
    has_index = not isinstance(frame.index, pandas.RangeIndex)
    index = ["" if name is None else str(name) for name in frame.index.names] if has_index else []
    columns = index + [" / ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]

    def rows() -> Iterator[Sequence[Any]]:
        for row in frame.itertuples(index=has_index, name=None):
            labels = row[0] if len(index) > 1 else row[:1]
            yield (*labels, *row[1:]) if has_index else row

    return Table(columns, Again(rows), len(frame))


def _of_records(things: Sequence[Any]) -> Table | None:
    fields = [_fields_of(thing) for thing in things]
    if any(row is None for row in fields):
        return None
    known = [row for row in fields if row is not None]
    columns = list(dict.fromkeys(str(name) for row in known for name in row))
    named = [{str(name): value for name, value in row.items()} for row in known]
    return Table(columns, [[row.get(name) for name in columns] for row in named], len(named)) if columns else None


def _of_sequences(things: Sequence[Any]) -> Table | None:
    if not all(isinstance(row, list | tuple) and len(row) == len(things[0]) and row for row in things):
        return None
    columns = getattr(things[0], "_fields", None) or [str(at) for at in range(1, len(things[0]) + 1)]
    return Table(list(columns), things, len(things))


def _fields_of(thing: Any) -> Mapping[Any, Any] | None:
    if isinstance(thing, BaseModel):
        return thing.model_dump(mode="json", fallback=str)
    if is_dataclass(thing) and not isinstance(thing, type):
        return asdict(thing)
    return thing if isinstance(thing, Mapping) else None


class Again:
    """Rows that can be gone through more than once."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return iter(self._rows())


def _cell(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= SAFE_INTEGER):
        return value
    text = encode(clean_json(value)) if isinstance(value, dict | list) else clean(str(value))
    return text if len(text) <= CELL_CHARS else f"{text[:CELL_CHARS]}…"


def _plain(value: Any) -> Any:
    """Numbers and times of numpy as Python's, what pandas has in the place of nothing as None."""
    if (numpy := sys.modules.get("numpy")) and isinstance(value, numpy.generic):
        if isinstance(value, numpy.datetime64 | numpy.timedelta64):  # those of nanoseconds would be numbers
            value = value.astype(f"{value.dtype.kind}8[us]")
        value = value.item()
    return None if type(value).__name__ in ("NaTType", "NAType") else value


def _unarmed(value: Any) -> Any:
    """A cell of CSV. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    value = _plain(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict | list):
        return encode(clean_json(value))
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value):
        return f"'{clean(value)}"
    return clean(value) if isinstance(value, str) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _told(value: Any) -> str:
    text = "" if value is None else str(value)
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")[:80]
