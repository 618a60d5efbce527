"""Texts as Markdown that any reader shows as these texts: for files that leave the house. Pure.

    plain     what somebody typed, without any meaning
    fenced    what a program wrote
    inert     an answer, which is Markdown: with its form, but without HTML and pictures, whatever its reader allows

Of an answer only its blocks are found by a parser, which takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from chat.markdown import limits

MAX_WORD_CHARS = 2_000  # before code in a line; after a longer one it is none

_MARKS = re.compile(r"[\\`*_~\[\]<>|&#$]")
_INDENT = re.compile(r"^[ \t]+", re.M)
_LINE_MARKS = re.compile(r"^([^\S\n]*)([-+=]|\d+(?=[.)]))", re.M)  # at its beginning they make a list or a heading
_RUN = re.compile(r"`+")

# What a line of prose is made of, as far as it matters here; what is escaped, or code, means nothing in it.
_PIECE = re.compile(
    r"(?P<escaped>\\[!-/:-@\[-`{-~])"
    r"|(?P<link><(?:https?://|mailto:)[^\s<>`|]{1,2000}>)"
    r"|(?P<ticks>`+)"
    r"|(?P<tag><(?=[A-Za-z/!?]))"
    r"|(?P<picture>!(?=\[))"
    r"|(?P<mark>\[\^(?=\d))",
    re.I,
)
_blocks = MarkdownIt("commonmark", {"html": False})  # nothing that is left of HTML begins a block


def plain(text: str) -> str:
    """Return Markdown that shows `text` as it was typed, line by line, without any meaning as Markdown or HTML."""
    lines = _MARKS.sub(r"\\\g<0>", text.strip("\n"))
    lines = _LINE_MARKS.sub(lambda mark: f"{mark[1]}{_escaped(mark[2])}", lines)
    lines = _INDENT.sub(lambda blanks: blanks[0].expandtabs(4).replace(" ", "\u00a0"), lines)
    return re.sub(r"\n(?=.)", "  \n", lines)


def _escaped(mark: str) -> str:
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


def fenced(text: str, language: str = "") -> str:
    """Return `text` as a block of code, whatever fences it has itself."""
    longest = max(map(len, _RUN.findall(text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def inert(text: str, *, marks: str = "") -> str:
    """Return an answer without HTML and pictures, and with its last block of code closed: it may end in the middle.

    `marks` is put before the numbers of its footnotes' marks, which are those of many answers in one file.
    """
    text = text.rstrip().replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    text, rest = limits.split(text)  # as on the page
    lines = text.split("\n")
    fences = _fences(text)
    is_code = [False] * len(lines)
    for start, end in (token.map or (0, 0) for token in fences):
        is_code[start:end] = [True] * (end - start)
    shown = [line if is_code[number] else "".join(_inert_pieces(line, marks)) for number, line in enumerate(lines)]
    shown += [fence.markup for fence in fences[-1:] if _is_open(fence, lines)]
    return "\n".join(shown) + (f"\n\n{fenced(rest)}" if rest else "")


def _fences(text: str) -> list[Token]:
    """The fenced blocks of code, also those in lists and quotations. Of indented ones readers think differently."""
    tokens: list[Token] = []
    _blocks.block.parse(text, _blocks, {}, tokens)
    return [token for token in tokens if token.type == "fence"]


def _is_open(fence: Token, lines: list[str]) -> bool:
    """Whether a fence goes on to the end of the text, and beyond: those in a list or a quotation end with that."""
    start, end = fence.map or (0, 0)
    last = lines[-1].expandtabs(4)
    marks = last.strip()
    is_closing = end - start > 1 and marks.startswith(fence.markup) and not marks.strip(fence.markup[0])
    is_closing = is_closing and not last.startswith("    ")  # so far in it is code
    return not fence.level and end == len(lines) and not is_closing


def _inert_pieces(line: str, marks: str) -> Iterator[str]:
    """Yield a line of prose in pieces, each as it is or escaped.

    Code stays code where it begins and ends in one line. All other ticks are escaped: with what they pair depends on
    where a reader sees the paragraph end, and so would what is HTML.
    """
    closing = _closing_ticks(line)
    at = 0
    while piece := _PIECE.search(line, at):
        yield line[at : piece.start()]
        at = piece.end()
        match piece.lastgroup:
            case "ticks" if (end := closing(at, len(piece[0]))) and _is_code(line, at, end):
                yield line[piece.start() : end]
                at = end
            case "ticks":
                yield "\\`" * len(piece[0])
            case "tag":
                yield "&lt;"
            case "picture":
                yield "\\!"
            case "mark":
                yield f"[^{marks}"
            case _:
                yield piece[0]
    yield line[at:]


def _closing_ticks(line: str) -> Callable[[int, int], int]:
    """Return what finds where the next so many ticks end after a place; 0: nowhere. To be asked from left to right."""
    ends: dict[int, deque[int]] = defaultdict(deque)
    for run in _RUN.finditer(line):
        ends[len(run[0])].append(run.end())

    def after(at: int, count: int) -> int:
        known = ends[count]
        while known and known[0] - count < at:
            known.popleft()
        return known[0] if known else 0

    return after


def _is_code(line: str, start: int, end: int) -> bool:
    """Whether every reader sees code there, where that matters: in it there is something that else were live.

    One that knows tables may see two cells, one that makes links of addresses may see the ticks in one of them.
    """
    code = line[start:end]
    if not any(piece.lastgroup in ("tag", "picture") for piece in _PIECE.finditer(code)):
        return True
    before = line[max(start - MAX_WORD_CHARS, 0) : start].lower()
    word = before[max(before.rfind(" "), before.rfind("\t")) + 1 :]
    return "|" not in code and ":" not in word and "www." not in word and len(word) < MAX_WORD_CHARS
