"""Thoughts that a model writes into its text, between tags such as <think> and </think>. Pure.

They stand at the beginning of an answer, or between its parts where the tags have lines of their own. A tag inside code
or a sentence is text: an answer may be about such tags. The opening tag may be missing (a template has written it into
the prompt), and so may the closing one (the answer broke off). Whether a model's answers begin inside of a thought
shows with the first one; of the others it is known before (`begins_in`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
LOOKS = 30  # so many tags are judged by what stands around them, which costs a look at the whole text; then all is text
LINE_CHARS = 300  # so much of a line is waited for, to see whether a tag is inside code

_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
_SENTENCE_END = re.compile(r"""[.!?…:。！？][)"'”’*_\]]*\Z""")
_GOES_ON = re.compile(r"[a-z,.;:)`'\"]")  # with what a sentence goes on after a tag inside of it


class Kind(Enum):
    TEXT = auto()
    THOUGHT = auto()
    RECAST = auto()  # all text so far was a thought
    SAID = auto()  # the thought that was taken for granted was text: this one


Piece = tuple[Kind, str]


class Thoughts:
    """Tells the thoughts in a text from the text, while it comes. Holds back no more than it must to decide."""

    def __init__(self, delimiters: tuple[str, str] | None = None, *, begins_in: str = "") -> None:
        """`delimiters`: tags of this model's own; `begins_in`: the tag that closes the thought in which it begins."""
        self.began_in = ""  # the same of this text, when it has ended
        self._begins_in = begins_in
        self._is_assumed = False  # the thought that is open
        tags = {opening: closing for opening, closing in (*TAGS, *filter(None, [delimiters])) if opening and closing}
        self._closing_of = tags
        self._closings = tuple(tags.values())
        self._tags = (*tags, *self._closings)
        self._firsts = tuple({tag[0] for tag in self._tags})
        self._tag = re.compile("|".join(map(re.escape, sorted(self._tags, key=len, reverse=True))))
        self._longest = max(map(len, self._tags))
        self._held = ""  # what is not decided yet
        self._text: list[str] = []  # that was let through
        self._thought: list[str] = []  # of the thought that is open
        self._closing = ""  # the tag that closes it
        self._begins = True  # nothing but thoughts so far, or since the last one
        self._has_thoughts = False
        self._thoughts = 0  # that were opened
        self._looks = 0

    def came_apart(self) -> None:
        """Thoughts came in a field of their own."""
        self._has_thoughts = True

    def feed(self, text: str) -> list[Piece]:
        """Take the next piece of text; return what is decided now."""
        if not self._held and not self._begins and not self._closing and not any(c in text for c in self._firsts):
            self._text.append(text)
            return [(Kind.TEXT, text)]
        self._held += text
        return list(self._decided(is_end=False))

    def end(self) -> list[Piece]:
        """The text has ended: return all that was held back."""
        found = list(self._decided(is_end=True))
        if self._is_assumed:
            self._is_assumed = False
            found.append((Kind.SAID, "".join(self._thought)))
        return found

    def _decided(self, *, is_end: bool) -> Iterator[Piece]:
        before = None
        while self._held and before != (before := (len(self._held), self._closing, self._begins)):
            if self._closing:
                yield from self._in_thought(is_end)
            elif self._begins:
                yield from self._at_beginning(is_end)
            else:
                yield from self._in_text(is_end)

    # -- at the beginning ---------------------------------------------------------------------------------------------

    def _at_beginning(self, is_end: bool) -> Iterator[Piece]:
        text = self._held.lstrip()
        if tag := self._tag.match(text):
            self._held = text[tag.end() :]
            self._closing = self._closing_of.get(tag.group(), "")
            self._thoughts += bool(self._closing)
            self._has_thoughts = True  # a closing tag alone ends an empty thought
            return
        if not is_end and (not text or any(tag.startswith(text) for tag in self._tags)):
            return
        if self._begins_in and not self._has_thoughts:
            self._held, self._closing, self._begins_in = text, self._begins_in, ""
            self._is_assumed = True
            self._thoughts += 1
            return
        if self._has_thoughts:
            self._held = text
        self._begins = False
        yield from ()

    # -- in a thought -------------------------------------------------------------------------------------------------

    def _in_thought(self, is_end: bool) -> Iterator[Piece]:
        at = 0
        while (at := self._held.find(self._closing, at)) >= 0:
            end = at + len(self._closing)
            is_quoted = self._is_quoted("".join(self._thought) + self._held[:at], self._held[end:], is_end)
            if is_quoted is None:
                yield from self._think(at)
                return
            if not is_quoted:
                yield from self._think(at)
                self._leave_thought()
                return
            at = end
        keep = 0 if is_end else self._half_tag(self._held, (self._closing,))
        yield from self._think(len(self._held) - keep)
        if is_end:
            self._held = ""

    def _leave_thought(self) -> None:
        self._held = self._held.lstrip()
        self._held = self._held[len(self._closing) :]
        self._thought.clear()
        if self._is_assumed:
            self.began_in, self._is_assumed, self._has_thoughts = self._closing, False, True
        self._closing, self._begins = "", True

    def _think(self, end: int) -> Iterator[Piece]:
        """Let a thought through up to there; blanks wait, since those at its two ends are none of it."""
        thought = self._held[:end]
        if not self._thought:
            thought = thought.lstrip()
        shown = thought.rstrip()
        self._held = thought[len(shown) :] + self._held[end:]
        if shown:
            is_further = not self._thought and self._thoughts > 1
            self._thought.append(shown)
            yield Kind.THOUGHT, f"\n\n{shown}" if is_further else shown

    # -- in the text --------------------------------------------------------------------------------------------------

    def _in_text(self, is_end: bool) -> Iterator[Piece]:
        for tag in self._tag.finditer(self._held):
            if self._looks >= LOOKS:
                break
            before, after = "".join(self._text) + self._held[: tag.start()], self._held[tag.end() :]
            is_opening = tag.group() in self._closing_of
            judge = self._opens if is_opening else self._closes
            is_thought = judge(before, after, is_end)
            if is_thought is None:
                yield from self._say(tag.start())
                return
            self._looks += 1
            if not is_thought:
                continue
            yield from self._say(tag.start())
            self._held = after
            self._has_thoughts = self._begins = True
            if is_opening:
                self._closing = self._closing_of[tag.group()]
                self._thoughts += 1
            else:
                self._text.clear()
                self.began_in = tag.group()
                yield Kind.RECAST, ""
            return
        keep = 0 if is_end else self._half_tag(self._held, self._tags)
        yield from self._say(len(self._held) - keep)

    def _say(self, end: int) -> Iterator[Piece]:
        text, self._held = self._held[:end], self._held[end:]
        if text:
            self._text.append(text)
            yield Kind.TEXT, text

    def _opens(self, before: str, after: str, is_end: bool) -> bool | None:
        """Whether a tag in the text begins a thought: alone in its line, and in no code. None: too early to say."""
        if _line_before(before).strip():
            return False
        line, ends = _line_after(after)
        if line.strip():
            return False
        if not ends:
            return False if is_end else None
        return not _is_in_fence(before)

    def _closes(self, before: str, after: str, is_end: bool) -> bool | None:
        """Whether a tag in the text ends a thought whose opening tag is missing. None: too early to say."""
        if self._has_thoughts or any(opening in before for opening in self._closing_of) or _is_in_fence(before):
            return False
        line = _line_before(before)
        if line.count("`") % 2:
            return False
        is_between = not line.strip() or _SENTENCE_END.search(before.rstrip())
        line, ends = _line_after(after)
        if line.strip():
            return bool(is_between) and not _GOES_ON.match(line.lstrip())
        if not (ends or is_end):
            return None
        return bool(is_between) or not before[-1:].isspace()

    # -- tags ---------------------------------------------------------------------------------------------------------

    def _is_quoted(self, before: str, after: str, is_end: bool) -> bool | None:
        """Whether a tag inside a thought is in code. None: too early to say."""
        if self._looks >= LOOKS:
            return False
        line, ends = _line_after(after)
        if _line_before(before).count("`") % 2:
            if not (ends or is_end or len(line) >= LINE_CHARS):
                return None
            self._looks += 1
            return line.count("`") % 2 == 1
        fences = list(_FENCE.finditer(before))
        if len(fences) % 2 == 0:
            return False
        self._looks += 1
        inside = before[fences[-1].end() :]
        return any(inside.count(opening) > inside.count(closing) for opening, closing in self._closing_of.items())

    def _half_tag(self, text: str, tags: Sequence[str]) -> int:
        """How many characters at the end of a text may be the beginning of a tag."""
        text = text[1 - self._longest :]
        if not any(first in text for first in self._firsts):
            return 0
        for length in range(len(text), 0, -1):
            end = text[-length:]
            if end.startswith(self._firsts) and any(tag.startswith(end) for tag in tags):
                return length
        return 0


def _line_before(text: str) -> str:
    return text[text.rfind("\n") + 1 :]


def _line_after(text: str) -> tuple[str, bool]:
    """The rest of the line, and whether it is all of it."""
    line, newline, _ = text.partition("\n")
    return line, bool(newline)


def _is_in_fence(text: str) -> bool:
    return len(_FENCE.findall(text)) % 2 == 1
