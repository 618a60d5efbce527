"""What a word is, the same for both databases: they get the words that are made here, and analyse nothing themselves.

A word is a run of letters and digits without case and accents. Where a script puts no spaces between words, each of its
characters is a word of its own, and what is looked for is a phrase of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_WORDS = 20_000  # of one text, in the index
MAX_WORD_CHARS = 80
MAX_PHRASES = 8  # of one query
MIN_PREFIX_CHARS = 2  # one letter begins a tenth of all words
PASSAGE_CHARS = 160
BEFORE_CHARS = 50  # of a passage, before the first hit

_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")

# What Markdown has beside words: marks of a line, of emphasis and code, and where a link leads.
_LINE_MARK = re.compile(r"\s*(?:(?:#{1,6}|>|[-*+]|\d{1,3}[.)])\s+)+")
_MARK = re.compile(r"\*\*|~~|`+|\]\([^()\s]{1,2000}\)|\[(?=[^\]\n]{1,300}\]\([^()\s]{1,2000}\))|\[\^\d{1,4}\]")

Passage = list[tuple[str, bool]]  # pieces of a text, and whether each is what was looked for


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """Words that stand side by side; with `is_prefix` the last of them may go on."""

    words: tuple[str, ...]
    is_prefix: bool


def words_of(text: str) -> list[str]:
    """The words of a text in their order."""
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(_folded(text))[:MAX_WORDS]]


def phrases_of(query: str) -> list[Phrase]:
    """What somebody looks for: all of these, each somewhere in the text. `"as it is"` is one phrase of whole words."""
    found: list[Phrase] = []
    for quoted, plain in re.findall(r'"([^"]*)"|([^\s"]+)', query):
        words = tuple(words_of(quoted or plain))
        if words:
            found.append(Phrase(words=words, is_prefix=not quoted and len(words[-1]) >= MIN_PREFIX_CHARS))
    return found[:MAX_PHRASES]


def without_marks(markdown: str) -> str:
    """A text of Markdown as it is read, for a passage: all words stay."""
    lines = (line for line in markdown.split("\n") if not _is_drawn(line))
    return _MARK.sub("", "\n".join(line[mark.end() :] if (mark := _LINE_MARK.match(line)) else line for line in lines))


def _is_drawn(line: str) -> bool:
    """Whether it is a fence, or the rule below a table's head."""
    return line.lstrip().startswith("```") or ("|" in line and set(line) <= set(" \t:|-"))


def passage_of(text: str, phrases: Sequence[Phrase]) -> Passage:
    """A piece of the text around the first of the phrases that stands in it, cut at words, on one line."""
    text = unicodedata.normalize("NFC", text)
    spans = _spans(text, phrases)
    first = spans[0][0] if spans else 0
    begin = _at_word(text, max(0, first - BEFORE_CHARS))
    end = min(len(text), begin + PASSAGE_CHARS)
    pieces: Passage = [("…", False)] if begin else []
    at = begin
    for start, stop in spans:
        if start < at or stop > end:
            continue
        pieces += [(text[at:start], False), (text[start:stop], True)]
        at = stop
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return [(re.sub(r"\s+", " ", piece), is_hit) for piece, is_hit in pieces if piece]


def _at_word(text: str, at: int) -> int:
    """The beginning of a word at or soon after `at`."""
    space = text.find(" ", at, at + 20) if at else -1
    return at if space < 0 else space + 1


def _spans(text: str, phrases: Sequence[Phrase]) -> list[tuple[int, int]]:
    """Where the phrases stand, up to the end of the passage around the first."""
    found: list[tuple[int, int]] = []
    longest = max((len(phrase.words) for phrase in phrases), default=0)
    window: list[tuple[str, int, int]] = []
    for word in _placed(text):
        if found and word[1] > found[0][0] + PASSAGE_CHARS:
            break
        window = [*window, word][-longest:]
        if span := next(filter(None, (_ends_with(window, phrase) for phrase in phrases)), None):
            found.append(span)
    return found


def _placed(text: str) -> Iterator[tuple[str, int, int]]:
    """Each word as it is looked for, and where it stands."""
    for match in _WORD.finditer(text):
        yield _folded(match[0]), match.start(), match.end()


def _ends_with(window: Sequence[tuple[str, int, int]], phrase: Phrase) -> tuple[int, int] | None:
    part = window[-len(phrase.words) :]
    last = len(phrase.words) - 1
    if len(part) <= last or any(part[at][0] != phrase.words[at] for at in range(last)):
        return None
    word, wanted = part[last][0], phrase.words[last]
    is_found = word.startswith(wanted) if phrase.is_prefix else word == wanted
    return (part[0][1], part[last][2]) if is_found else None


def _folded(text: str) -> str:
    """Without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(mark for mark in plain if not unicodedata.combining(mark))
