"""Tables as files: CSV, JSON, Markdown. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_FORMULA = re.compile(r"[=+\-@\t\r\n]")  # a spreadsheet runs a cell that begins so
_MARKS = re.compile(r"[\\`*_~\[\]<>|&#$]")


def to_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return the rows under a line of column names; no cell is a formula."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_inert(row[column]) for column in columns] for row in rows)
    return file.getvalue()


def to_json(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return a list of objects; numbers stay numbers, what JSON does not know becomes text."""
    return json.dumps([{column: row[column] for column in columns} for row in rows], default=str, indent=2) + "\n"


def to_markdown(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return a table in which no cell has a meaning as Markdown or HTML."""
    lines = [columns, ["---"] * len(columns), *([_plain(row[column]) for column in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


FORMATS: dict[str, tuple[str, Callable[[Sequence[Row], Sequence[str]], str]]] = {
    "csv": ("text/csv", to_csv),
    "json": ("application/json", to_json),
    "md": ("text/markdown", to_markdown),
}


def _inert(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else value


def _plain(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return _MARKS.sub(lambda mark: f"\\{mark[0]}", text)
