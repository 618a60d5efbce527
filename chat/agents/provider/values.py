"""Single values of a model's server, read as they were meant. Pure.

Servers that call themselves OpenAI-compatible send numbers as strings, texts as lists of parts, arguments as objects or
encoded twice, and halves of characters.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from json_repair import repair_json  # Langroid's own dependency

_SURROGATE = re.compile("[\ud800-\udfff]")
_HIGH_AT_END = re.compile("[\ud800-\udbff]\\Z")
THINKING = ("thinking", "reasoning", "reasoning_content", "redacted_thinking")  # types of parts, and their fields
MAX_NESTING = 4  # of parts in parts, of encodings in encodings


# -- characters --------------------------------------------------------------------------------------------------------


def mended(text: str) -> str:
    """Join surrogates that belong together, replace those that are alone: a lone one fails in every encoder."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Joiner:
    """Joins the characters of a text that comes in pieces, also where a piece ends within one."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        if not self._half and text.isascii():
            return text
        text, self._half = self._half + text, ""
        if _HIGH_AT_END.search(text):
            text, self._half = text[:-1], text[-1]
        return mended(text)

    def rest(self) -> str:
        """What is left at the end: half a character, replaced."""
        half, self._half = self._half, ""
        return mended(half)


def deeply_mended(value: Any) -> Any:
    """Mend all texts in a value of JSON."""
    match value:
        case str():
            return mended(value)
        case dict():
            return {mended(key): deeply_mended(item) for key, item in value.items()}
        case list():
            return [deeply_mended(item) for item in value]
    return value


# -- texts -------------------------------------------------------------------------------------------------------------


def parts(content: Any, *, depth: int = 0) -> Iterator[tuple[bool, str]]:
    """Yield the texts of a message's content, each with whether it is a thought. What is no text is passed over."""
    match content:
        case str():
            if content:
                yield False, content
        case list() if depth < MAX_NESTING:
            for part in content:
                yield from parts(part, depth=depth + 1)
        case dict() if depth < MAX_NESTING:
            kind = content.get("type")
            fields = THINKING if kind in THINKING else ()
            for name in (*fields, "text", "refusal", "content", "value"):
                if found := list(parts(content.get(name), depth=depth + 1)):
                    yield from ((bool(fields) or is_thought, text) for is_thought, text in found)
                    return


def text_of(content: Any) -> str:
    """All text of a value, thoughts or not."""
    return content if isinstance(content, str) else "".join(text for _, text in parts(content))


# -- numbers -----------------------------------------------------------------------------------------------------------


def whole_number(value: Any) -> int:
    """Return a count, also one that was sent as a string or a float; 0 for what is none."""
    try:
        return max(0, round(float(value)))
    except (TypeError, ValueError, OverflowError):
        return 0


def index_of(value: Any) -> int | None:
    """Return a place in a list, also one that was sent as a string or a float; None where none was sent."""
    if value is None or isinstance(value, bool):
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


# -- arguments ---------------------------------------------------------------------------------------------------------

_NOTHING = {"", "null", "None", '""', "undefined"}
_READER = json.JSONDecoder(strict=False)
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*(?P<closed>")?|[{}\[\]]', re.S)


class Unreadable(ValueError):
    """A text is no arguments of a tool."""


def arguments(text: str) -> list[dict[str, Any]]:
    """Return the arguments that a text of one call holds: more than one where a server has joined calls.

    Raises: Unreadable, also for what broke off: what is left of it must not run.
    """
    text = text.strip()
    if text in _NOTHING:
        return [{}]
    try:
        found = list(_objects(text))
    except (ValueError, RecursionError):
        found = [_repaired(text)]
    full = [found for found in found if found] or [{}]
    return [deeply_mended(args) for at, args in enumerate(full) if args not in full[:at]]


def is_whole(text: str) -> bool:
    """True for a text that is an object of JSON and nothing more. Costs little for one that breaks off."""
    if not text.rstrip().endswith(("}", '}"')):
        return False
    try:
        return isinstance(_decoded(json.loads(text, strict=False)), dict)
    except (ValueError, RecursionError):
        return False


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that stand one after the other. Raises: ValueError."""
    at = 0
    while at < len(text):
        try:
            value, at = _READER.raw_decode(text, at)
        except ValueError:
            if at and "{" not in text[at:]:
                return  # a bracket too many, or a closing tag
            raise
        yield _decoded(value)
        while at < len(text) and text[at] in " \t\r\n,;":
            at += 1


def _decoded(value: Any) -> dict[str, Any]:
    """Return the object that a value stands for. Raises: ValueError."""
    for _ in range(MAX_NESTING):
        match value:
            case dict():
                return value
            case None | "" | []:
                return {}
            case [dict(args)]:
                return args
            case str():
                value = json.loads(value, strict=False)
            case _:
                break
    raise Unreadable


def _repaired(text: str) -> dict[str, Any]:
    """Return what was meant by a whole text that is no JSON: of Python, with words unquoted, with commas missing."""
    if _is_closed(text):
        for read in (ast.literal_eval, functools.partial(repair_json, return_objects=True)):
            try:
                value = read(text)
            except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                continue
            if isinstance(value, dict) and all(isinstance(key, str) for key in value):
                return value
    raise Unreadable


def _is_closed(text: str) -> bool:
    """True where the brackets of an object close at the end of the text and no string is open."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        match match.group():
            case "{" | "[":
                depth += 1
            case "}" | "]":
                depth -= 1
                if depth == 0:
                    return not text[match.end() :].strip()
            case _ if not match["closed"]:
                return False
    return False
