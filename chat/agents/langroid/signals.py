"""The words with which an agent's texts steer its task: taken out of what people see, also while it streams. Pure.

Langroid reads DONE, DO-NOT-KNOW, `__PASS__`, `__SEND__:Bob`, `TO[Bob]:` and, where a task says so, `@Bob` in what an
agent says. They stand at the beginning or the end of a text, DO-NOT-KNOW and `__PASS__` for the whole of it; inside of
a sentence they are words like any other, for people at least.
"""

from __future__ import annotations

import re

LONGEST_ADDRESS = 100  # of a beginning that may still become a signal
_WORDS = ("DONE", "DO-NOT-KNOW", "__PASS__")
_MARKS = "*`\"'"  # around a signal, as models like to write it
_BETWEEN = rf"[\s{_MARKS}]*"
_BEFORE = rf"(?<![\s{_MARKS}]){_BETWEEN}"  # all of it: to try from each of its characters takes time with their square
_LAST = rf"{_BEFORE}(?<!\w)DONE(?!\w)[\s{_MARKS}.!:]*\Z"
_MAYBE_LAST = re.compile(rf"{_BEFORE}(?<!\w)(?:D|DO|DON|DONE[\s{_MARKS}.!:]*)\Z")


class Signals:
    """Lets through what of one streamed text people may see. Not thread-safe."""

    def __init__(self, *, strings: bool, addresses: bool, prefix: str = "") -> None:
        """Which signals there are: Langroid's words, `TO[…]:`, and addresses that begin with `prefix`."""
        self._strings = strings
        openings = [*_WORDS, "__SEND__:"] if strings else []
        openings += ["TO["] if addresses else []
        openings += [prefix] if strings and prefix else []
        self._openings = tuple(openings)
        words = [r"DONE(?!\w)[\s:.!,*`\"'-]*", r"__PASS__(?::\s*\w+)?", r"__SEND__:\s*\w+[,:]?"] if strings else []
        words += [r"TO\[[^\]\n]*\]\s*:?"] if addresses else []
        words += [rf"{re.escape(prefix)}\w+[,:]?"] if strings and prefix else []
        self._first = re.compile(rf"{_BETWEEN}(?:{'|'.join(words)})\s*") if words else None
        self._is_begun = self._first is None  # whatever the text may begin with is decided
        self._held = ""
        self._before = ""  # the last character that was let through

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be shown now."""
        self._held += text
        if not self._is_begun:
            if self._may_be_first():
                return ""
            self._begin()
        if not self._strings:
            return self._let_through(len(self._held))
        last = _MAYBE_LAST.search(self._before + self._held)
        return self._let_through(max(0, last.start() - len(self._before)) if last else len(self._held))

    def rest(self) -> str:
        """The text has ended: return what is left of it to show."""
        if not self._is_begun and not self._is_only_a_word():
            self._begin()
        if self._is_only_a_word():
            self._held = ""
        elif self._strings:
            self._held = re.sub(_LAST, "", self._before + self._held)[len(self._before) :]
        return self._let_through(len(self._held))

    def _may_be_first(self) -> bool:
        if len(self._held) > LONGEST_ADDRESS:
            return False
        start = self._held.lstrip(" \n\t" + _MARKS)
        is_part = any(opening.startswith(start) for opening in self._openings)
        has_address = any(start.startswith(opening) for opening in self._openings if opening not in _WORDS)
        is_open = has_address and not re.search(r"[\s\]]", start.strip())
        return is_part or is_open or bool(self._first and self._first.fullmatch(self._held)) or self._is_only_a_word()

    def _is_only_a_word(self) -> bool:
        return self._strings and not self._before and self._held.strip(" \n\t.,!?:" + _MARKS) in _WORDS

    def _begin(self) -> None:
        self._is_begun = True
        if self._first:
            self._held = self._first.sub("", self._held, count=1) if self._first.match(self._held) else self._held

    def _let_through(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        self._before = shown[-1:] or self._before
        return shown

    def without(self, text: str) -> str:
        """The whole text without its signals; for a fresh object."""
        return (self.feed(text) + self.rest()).strip()
