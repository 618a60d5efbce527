"""What the text of a tool's result consists of, where it is more than a text: rows, hits of a search, JSON. Pure."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from pydantic import BaseModel

from chat.wire.values import clean

READ_CHARS = 200_000  # of a longer text nothing is looked for
MAX_HITS = 30
TITLE_CHARS, QUOTE_CHARS, URL_CHARS = 300, 600, 2000
TITLES, LINKS, TEXTS = (
    ("title", "name", "heading"),
    ("url", "link", "href", "source"),
    ("summary", "snippet", "text", "content", "description", "body", "quote"),
)

# What Langroid puts around the rows of a statement (agent/special/sql/sql_chat_agent.py), and around extracts.
# Compared line by line: a pattern from one to the other takes quadratic time.
_ROWS = (re.compile("==== result ===="), re.compile("={10,}"))
_EXTRACT = (re.compile(r"-{3,}\[EXTRACT #\d+\]-*"), re.compile("-{3,}END OF EXTRACT-*"))
_SOURCE = re.compile(r"^[ \t]*SOURCE:[ \t]*(.*)$", re.MULTILINE)
_HIT = re.compile(r"^[ \t]*Title: (.*)\n[ \t]*Link: (.*)\n[ \t]*Summary: ", re.MULTILINE)
_RULE = re.compile(r"\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?")


def json_of(text: str) -> Any:
    """The value that a text is in JSON; None: it is none."""
    if len(text) > READ_CHARS or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def rows_of(text: str) -> list[Any] | None:
    """The rows that a text consists of: JSON, tuples as Python writes them, a Markdown table, lines with tabs."""
    if len(text) > READ_CHARS:
        return None
    framed = _between(_ROWS, text)
    text = (framed[0] if framed else text).strip()
    found = json_of(text)
    if isinstance(found, dict):  # {"rows": […]}, and what says more of them
        found = next((value for value in found.values() if isinstance(value, list) and value), None)
    rows = found if isinstance(found, list) else _tuples(text) or _table(text) or _lines(text)
    return rows or None


def _between(marks: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> list[str]:
    """What stands between a line that is the first mark and the next one that is the second."""
    begins, ends = marks
    found: list[str] = []
    lines: list[str] | None = None
    for line in text.splitlines():
        mark = line.strip()
        if lines is not None and ends.fullmatch(mark):
            found.append("\n".join(lines))
            lines = None
        elif begins.fullmatch(mark):
            lines = []
        elif lines is not None:
            lines.append(line)
    return found


def _tuples(text: str) -> list[Any] | None:
    if not text.startswith("(") and not text.startswith("[("):
        return None
    try:
        found = ast.literal_eval(text if text.startswith("[") else f"[{text}]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    is_table = all(isinstance(row, tuple) and len(row) == len(found[0]) for row in found)
    return found if found and is_table and found[0] else None


def _table(text: str) -> list[Any] | None:
    lines = [line.strip() for line in text.split("\n") if "|" in line]
    if len(lines) < 3 or not _RULE.fullmatch(lines[1]):
        return None
    names, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]])
    return [dict(zip(names, row, strict=False)) for row in rows]


def _lines(text: str) -> list[Any] | None:
    names, *rows = (line.split("\t") for line in text.split("\n"))
    is_table = len(names) > 1 and rows and all(len(row) == len(names) for row in rows)
    return [dict(zip(names, row, strict=True)) for row in rows] if is_table else None


def hits_of(result: Any) -> list[dict[str, str]]:
    """What a search has found: each with `title`, `url` and `text`, as far as there is one."""
    if isinstance(result, str):
        return _hits_in(result) if len(result) <= READ_CHARS else []
    if isinstance(result, Mapping):  # {"results": […]}
        result = next((value for value in result.values() if isinstance(value, list)), None)
    if not isinstance(result, list | tuple):
        return []
    found = (_hit(thing) for thing in result[:MAX_HITS])
    return [hit for hit in found if hit]


def _hits_in(text: str) -> list[dict[str, str]]:
    if (value := json_of(text)) is not None:
        return hits_of(value)
    if extracts := _between(_EXTRACT, text):
        return hits_of([_extract(each) for each in extracts])
    starts = list(_HIT.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return hits_of(
        [
            {"title": start[1], "url": start[2], "text": text[start.end() : end]}
            for start, end in zip(starts, ends, strict=False)
        ]
    )


def _extract(text: str) -> dict[str, str]:
    source = _SOURCE.search(text)
    return {"title": source[1] if source else "", "text": _SOURCE.sub("", text)}


def _hit(thing: Any) -> dict[str, str]:
    fields = _fields(thing)
    hit = {
        "title": _first(fields, TITLES)[:TITLE_CHARS],
        "url": _first(fields, LINKS)[:URL_CHARS],
        "text": _first(fields, TEXTS)[:QUOTE_CHARS],
    }
    return {name: text for name, text in hit.items() if text}


def _fields(thing: Any) -> Mapping[str, Any]:
    if isinstance(thing, BaseModel):
        return thing.model_dump(mode="json", fallback=str)
    if is_dataclass(thing) and not isinstance(thing, type):
        return asdict(thing)
    if isinstance(thing, str):
        return {"text": thing}
    return thing if isinstance(thing, Mapping) else {}


def _first(fields: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of these that has a text; of a document of Langroid's also what its metadata say."""
    metadata = fields.get("metadata")
    for place in (fields, metadata if isinstance(metadata, Mapping) else {}):
        for name in names:
            if isinstance(value := place.get(name), str) and value.strip():
                return " ".join(clean(value).split())
    return ""
