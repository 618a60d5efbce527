"""Tool calls that a model writes as JSON into its text: kept back while it streams, taken out when it is whole. Pure.

A tool call is a JSON object with the name of its tool under `"request"` (or that inside `"properties"`, as weak models
write it), often in a code fence of its own. Which of such objects call a tool that exists, only the agent knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Any

HOLD_SECONDS = 2.0
MAX_FENCE_CHARS = 200  # of a fence's line and the white space around it; what is longer does not belong to a call
MAX_DEPTH = 20  # of brackets in an object; what is deeper is text. It bounds how often a brace's text is read

_BEGINNING = re.compile(r"(?:(?<!\S)(`{3,}|~{3,})[^\n`~{]*\n\s*)?\{")
_HALF_BEGINNING = re.compile(r"(?<!\S)(?:`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^\n`~{]*(?:\n\s*)?)\Z")
_SPACE = re.compile(r"\s*")
_CLOSING_FENCE = re.compile(r"(?:`{3,}|~{3,})[ \t]*(?:\n\s*|(?=[^`~\s]))")
_HALF_CLOSING_FENCE = re.compile(r"[`~]*[ \t]*")


class HoldBack:
    """Lets text through that may be shown, and holds what may be a tool call. Not thread-safe.

    What is held goes out when it cannot be a call any more, or after 2 s. What is a call never does, nor the fence
    around it; what follows it begins a new paragraph. All times are of one monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self._text = "\n"  # one character that is decided, and all that is not
        self._at = 1  # where the undecided begins
        self._since = 0.0  # when its first part came
        self._reader: _Reader | None = None  # of the object with which, and with its fence, the undecided begins
        self._is_fenced = False  # that object is in a fence
        self._after_call = False  # the undecided follows a call
        self._last = ""  # the last character that was let through

    @property
    def deadline(self) -> float | None:
        """When `due` will let go of what is held; None when nothing waits for the time."""
        is_call = self._reader is not None and self._reader.is_call
        waits = self._at < len(self._text) and not is_call and not self._after_call
        return self._since + HOLD_SECONDS if waits else None

    @property
    def held(self) -> bool:
        """Whether text waits that time alone would let go."""
        return self.deadline is not None

    def feed(self, text: str, now: float) -> str:
        """Take the next piece of text; return what may be shown now."""
        known = len(self._text)
        if self._at == known:
            self._since = now
        self._text += text
        shown: list[str] = []
        while self._at < len(self._text) and self._decide(shown):
            pass
        if self._at >= known:
            self._since = now
        self._forget_decided()
        return "".join(shown)

    def due(self, now: float) -> str:
        """Return what has been held for too long."""
        deadline = self.deadline
        return self.rest() if deadline is not None and now >= deadline else ""

    def rest(self) -> str:
        """Return what is held and is no call, as at the end of the text."""
        text = self._let_through(len(self._text)) if self.held else ""
        self._forget_decided()
        return text

    def _decide(self, shown: list[str]) -> bool:
        """Decide a part of the text; False when it takes more to do so."""
        if self._reader is None:
            return self._find_beginning(shown)
        match self._reader.read(self._text):
            case _Verdict.OPEN:
                return False
            case _Verdict.CLOSED if self._reader.is_call:
                self._at, self._reader, self._after_call = self._reader.at, None, True
            case _Verdict.CLOSED:
                shown.append(self._let_through(self._reader.at))
            case _Verdict.BROKEN:
                shown.append(self._let_through(self._reader.start + 1))  # a brace inside may begin a call
        return True

    def _find_beginning(self, shown: list[str]) -> bool:
        """Let through what stands before the next possible beginning of a call."""
        if self._after_call and not self._pass_closing_fence():
            return False
        beginning = _BEGINNING.search(self._text, self._at)
        half = beginning or _HALF_BEGINNING.search(self._text, max(self._at, len(self._text) - MAX_FENCE_CHARS))
        shown.append(self._let_through(half.start() if half else len(self._text)))
        if beginning is None:
            return False
        self._reader = _Reader(start=beginning.end() - 1)
        self._is_fenced = beginning.group(1) is not None
        return True

    def _pass_closing_fence(self) -> bool:
        """Pass over the white space and the fence's end after a call; False when more text is needed."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing as well
        if not self._is_fenced:
            return self._at < len(self._text)
        closing = _CLOSING_FENCE.match(self._text, self._at)
        may_come = len(self._text) - self._at < MAX_FENCE_CHARS
        if closing is None and may_come and _HALF_CLOSING_FENCE.fullmatch(self._text, self._at):
            return False
        self._at = closing.end() if closing else self._at
        self._is_fenced = False
        return self._at < len(self._text)

    def _let_through(self, end: int) -> str:
        text = self._text[self._at : end]
        self._at, self._reader = end, None
        if not text:
            return ""
        if self._after_call and self._last:
            text = ("\n" if self._last == "\n" else "\n\n") + text
        self._after_call = False
        self._last = text[-1]
        return text

    def _forget_decided(self) -> None:
        decided = self._at - 1
        self._text = self._text[decided:]
        self._at = 1
        if self._reader is not None:
            self._reader.shift(decided)


class _Verdict(Enum):
    OPEN = auto()  # more text is needed
    CLOSED = auto()
    BROKEN = auto()  # it cannot be an object


class _Reader:
    """Reads one JSON object from a text that grows, each character once.

    As lenient as what repairs a model's JSON later: also single quotes, line breaks in strings, any words, and a comma
    before the end.
    """

    _WORD = re.compile(r"[\w.+-]+")
    _END_OF_STRING = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]")}

    def __init__(self, start: int) -> None:
        self.start = start
        self.at = start + 1  # how far the text has been read
        self.is_call = False
        self._open = "{"  # the brackets that are open
        self._keys = [""]  # the current key of each
        self._wanted = "key"  # or colon, value, comma
        self._string: tuple[str, int] | None = None  # the quote and the beginning of a string that is open
        self._word_end = -1

    def shift(self, decided: int) -> None:
        """Account for so many characters that the text has lost at its beginning."""
        self.start -= decided
        self.at -= decided
        self._word_end -= decided
        if self._string is not None:
            self._string = (self._string[0], self._string[1] - decided)

    def read(self, text: str) -> _Verdict:
        """Go on to the end of the object, or of the text so far."""
        while self._open:
            if self._string is not None:
                if not self._read_string(text):
                    return _Verdict.OPEN
                continue
            self.at = _SPACE.match(text, self.at).end()  # type: ignore[union-attr]  # it matches nothing as well
            if self.at == len(text):
                return _Verdict.OPEN
            if not self._read_token(text):
                return _Verdict.BROKEN
        return _Verdict.CLOSED

    def _read_string(self, text: str) -> bool:
        """Go on to the end of the string; False if it is not there yet."""
        quote, begin = self._string  # type: ignore[misc]
        while stop := self._END_OF_STRING[quote].search(text, self.at):
            if stop.group() == quote:
                self.at, self._string = stop.end(), None
                self._take_string(text[begin : stop.start()])
                return True
            if stop.end() == len(text):
                self.at = stop.start()
                return False
            self.at = stop.end() + 1
        self.at = len(text)
        return False

    def _take_string(self, content: str) -> None:
        if self._wanted == "key":
            self._keys[-1] = content
            self._wanted = "colon"
            return
        self._wanted = "comma"
        if self._keys in (["request"], ["properties", "request"]):
            self.is_call = True

    def _read_token(self, text: str) -> bool:
        """Read one character that is not in a string, or a word; False if it does not belong here."""
        character = text[self.at]
        is_in_word = self.at == self._word_end  # that the text broke off in
        self.at += 1
        match self._wanted, character:
            case "key" | "value", '"' | "'":
                self._string = (character, self.at)
            case "colon", ":":
                self._wanted = "value"
            case "value", "{" | "[" if len(self._open) < MAX_DEPTH:
                self._open += character
                self._keys.append("")
                self._wanted = "key" if character == "{" else "value"
            case "comma", ",":
                self._wanted = "key" if self._open[-1] == "{" else "value"
            case "key" | "comma", "}" if self._open[-1] == "{":
                self._close()
            case "value" | "comma", "]" if self._open[-1] == "[":
                self._close()
            case _:
                return self._read_word(text, self.at - 1, goes_on=is_in_word)
        return True

    def _read_word(self, text: str, at: int, *, goes_on: bool) -> bool:
        word = self._WORD.match(text, at)
        if word is None or (self._wanted != "value" and not goes_on):
            return False
        self.at = self._word_end = word.end()
        self._wanted = "comma"
        return True

    def _close(self) -> None:
        self._open = self._open[:-1]
        self._keys.pop()
        self._wanted = "comma"


# -- whole texts ------------------------------------------------------------------------------------------------------

_CALL = "\x00"  # stands for a call that was taken out
_CALLS = rf"{_CALL}(?:[ \t\n,]*{_CALL})*"
_LIST = re.compile(rf"\[[ \t\n]*{_CALLS}[ \t\n,]*\]")
_FENCE = re.compile(
    rf"^[ \t]*(`{{3,}}+|~{{3,}}+)[^\n`]*\n[ \t\n]*{_CALLS}[ \t\n]*(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE
)


def loads(source: str) -> object:
    """Return what is written as JSON, line breaks in strings allowed; None if it is none."""
    try:
        return json.loads(source, strict=False)
    except (ValueError, RecursionError):
        return None


def without_tool_calls(
    text: str, is_tool: Callable[[dict[str, Any]], bool], *, parse: Callable[[str], object] = loads
) -> str:
    """Return the text without the objects of which `is_tool` says so, and without the fences and lists around them.

    `is_tool` is asked once for each outermost object, in order. What stands before and after a call becomes two
    paragraphs; a text without calls comes back as it is. `parse` may mend what is no JSON; it must not raise. Takes
    time in proportion to the text, whatever its braces.
    """
    kept: list[str] = []
    at = 0
    for start, end in objects(text):
        value = parse(text[start:end])
        if isinstance(value, dict) and is_tool(value):
            kept += text[at:start].replace(_CALL, "\ufffd"), _CALL
            at = end
    if not kept:
        return text
    marked = "".join(kept) + text[at:].replace(_CALL, "\ufffd")
    parts = _FENCE.sub(_CALL, _LIST.sub(_CALL, marked)).split(_CALL)
    return "\n\n".join(part.strip() for part in parts if part.strip())


_BRACE_OR_QUOTE = re.compile(r'[{}"\n]')
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')


def objects(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the outermost balanced {…} begin and end, in order; those deeper than `MAX_DEPTH` are left out.

    Braces in double-quoted strings do not count; a quote that has no partner in its line is no quote. A brace that is
    never closed is passed over, and what follows it is still found: `set {x and {"request": …}` has one object.
    """
    open_braces: list[list[int]] = []  # of each its place and how deep the objects in it are
    found: list[tuple[int, int, int]] = []
    at, quotes_pair = 0, True
    while match := _BRACE_OR_QUOTE.search(text, at):
        at = match.end()
        match match.group():
            case "{":
                open_braces.append([match.start(), 0])
            case "\n":
                quotes_pair = True
            case '"' if open_braces and quotes_pair:
                string = _STRING.match(text, match.start())
                quotes_pair = string is not None
                at = string.end() if string else at
            case "}" if open_braces:
                start, depth = open_braces.pop()
                if open_braces:
                    open_braces[-1][1] = max(open_braces[-1][1], depth + 1)
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, at, depth + 1))
    yield from ((start, end) for start, end, depth in found if depth <= MAX_DEPTH)
