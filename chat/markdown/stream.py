"""Markdown to HTML: whole messages, and messages that are still being written. Pure.

No text, however hostile, raises; what cannot be rendered is shown as plain text. What the HTML consists of is said in
`blocks.py`.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from chat.markdown import formulas, limits, tags
from chat.markdown.blocks import Block, Document, normalised, open_code, open_formula, parse, plain, to_html
from chat.markdown.colours import Colours, Patience
from chat.markdown.kept import Kept

PLAIN_CHARS = 16_000  # of one block of plain text
BUDGET_SECONDS = 2.0  # of the processor, for one message; the longest of ordinary Markdown needs a quarter of it
CACHE_CHARS = 8_000_000  # of texts and their HTML
PATCH_CHARS = 32_000  # of one patch: it fits into a frame whatever JSON makes of it
KEEP_CHARS = 40  # a shorter common beginning is not worth the field


def render(text: str) -> str:
    """Return the HTML of a finished message."""
    return "".join(blocks(text, Patience()))


def blocks(text: str, patience: Patience) -> tuple[str, ...]:
    """Return the HTML of a finished message, cut between its top-level blocks. May wait for the colours of its code."""
    text = normalised(text)
    return _cache.get(text) or _blocks(text, {}, Colours(patience))


def is_rendered(text: str) -> bool:
    """Whether the HTML of a finished message is there already."""
    return _cache.get(normalised(text)) is not None


def render_within(text: str, limit_bytes: int, patience: Patience) -> tuple[str, bool]:
    """Return as many whole blocks as fit into `limit_bytes` of UTF-8, and whether any had to be left out."""
    kept: list[str] = []
    for block in blocks(text, patience):
        limit_bytes -= len(block.encode())
        if limit_bytes < 0:
            return "".join(kept), True
        kept.append(block)
    return "".join(kept), False


def flush_interval(last_render_seconds: float, load_interval: float = 0.0) -> float:
    """Return how many seconds to wait before the next `feed`: a long table slows its own message down, nothing else."""
    return max(0.080, 8 * last_render_seconds, load_interval)


def _blocks(
    text: str, known: Mapping[str, str], colours: Colours, budget_seconds: float = BUDGET_SECONDS
) -> tuple[str, ...]:
    """Render a normalised text. `known`: the HTML of blocks by their source, used where that alone decides."""
    marked, rest = limits.split(text)
    document = parse(marked)
    colours.are_late = False
    if not document.is_context_free:
        known = {}
    began = time.thread_time()
    rendered = []
    for block in document.blocks:
        is_spent = time.thread_time() - began > budget_seconds
        html = known.get(block.source) or (None if is_spent else to_html(block, document.env, colours=colours))
        rendered.append(html or plain(block.source))
    rendered += [plain(rest[at : at + PLAIN_CHARS]) for at in range(0, len(rest), PLAIN_CHARS)]
    done = tuple(rendered)
    return done if colours.are_late else _cache.put(text, done)


_cache: Kept[str, tuple[str, ...]] = Kept(
    CACHE_CHARS, weight=lambda text, rendered: len(text) + sum(map(len, rendered)) + 200
)


# -- the stream -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patch:
    """Replace the HTML of block number `block`, or append it when it is the next one.

    With `keep` the first so many UTF-16 units of the block's HTML stay, and `html` follows them.
    """

    block: int
    html: str
    keep: int | None = None


_OPENING_FENCE = re.compile(r"(?:[ \t]*\n)*(?:(`{3,})([^`\n]*)|(~{3,}+)([^\n]*))\n")


class MarkdownStream:
    """A message that is being written. Not thread-safe; takes milliseconds, so never on the event loop.

    A block that another one follows is closed: rendered in full and left alone, but for the colours of its code, which
    nothing waits for: they come with the first `feed` after they are there. Only what is after the last closed
    block is rendered again when text arrives, without colours and with its open marks closed; all of it is the
    block number `len(closed)`. Where a block ends is decided by complete lines only, for a half one lies: "2" may
    become the "2." of a list, "#" the "#tag" of a paragraph.

    A message that has taken the processor for `BUDGET_SECONDS` is shown as it is from there on, until its end.

    What crosses blocks (a link's definition at the end) is seen by `end`, which renders the whole text: from then on
    `"".join(blocks) == render(text)`, however the text was cut.
    """

    def __init__(self) -> None:
        self._text = ""  # normalised, without what waits in _carry
        self._carry = ""  # a final \r: the next delta may begin with its \n
        self._start = 0  # where in _text the open block begins
        self._closed = 0  # number of closed blocks
        self._blocks: list[str] = []
        self._known: dict[str, str] = {}  # HTML of closed blocks by source
        self.spent_seconds = 0.0  # of the processor
        self.last_seconds = 0.0  # the same, of the last `feed`
        self._colours = Colours(Patience(0.0))
        self._uncoloured: dict[int, str] = {}  # the source of closed blocks whose colours are late

    @property
    def blocks(self) -> list[str]:
        """The current HTML of all blocks: whoever applies the patches that come after holds the same."""
        return list(self._blocks)

    @property
    def has_late(self) -> bool:
        """Whether another `feed`, of nothing perhaps, will bring colours."""
        return bool(self._uncoloured)

    def feed(self, text_delta: str) -> list[Patch]:
        """Take the next piece of text. Collect tokens for one `flush_interval` first."""
        patches = self._colour() if self._uncoloured and self._colours.have_come else []
        delta = self._carry + text_delta
        self._carry = "\r" if delta.endswith("\r") else ""
        delta = normalised(delta.removesuffix("\r"))
        if not delta:
            return patches
        self._text += delta
        if self.spent_seconds > BUDGET_SECONDS:
            return patches + self._show_rest()
        began = time.thread_time()
        if limits.are_passed(self._text):
            patches += self._show_plain()
        else:
            patches += [*(self._close() if "\n" in delta else []), *self._show()]
        self.last_seconds = time.thread_time() - began
        self.spent_seconds += self.last_seconds
        return patches

    def end(self, patience: Patience | None = None) -> list[Patch]:
        """Finish the message, also one that was stopped half-way. Nothing may be fed afterwards.

        `patience`: for the colours of its code; without it none is waited for.
        """
        self._text += "\n" * len(self._carry)
        self._carry = ""
        colours = Colours(patience) if patience else self._colours
        budget = max(BUDGET_SECONDS - self.spent_seconds, BUDGET_SECONDS / 2)
        final = _cache.get(self._text) or _blocks(self._text, self._known, colours, budget)
        left_over = [""] * (len(self._blocks) - len(final))  # a block cannot be taken back
        return [patch for index, block in enumerate([*final, *left_over]) for patch in self._set(index, block)]

    # A block's HTML only changes here.
    def _set(self, index: int, new: str) -> list[Patch]:
        if index == len(self._blocks):
            self._blocks.append("")
            return self._set(index, new) or [Patch(index, "")]
        old, self._blocks[index] = self._blocks[index], new
        if old == new:
            return []
        same = _common_prefix(old, new)
        if same < KEEP_CHARS:
            same = 0
        cuts = [*range(same, len(new), PATCH_CHARS), len(new)]
        pieces = [new[start:end] for start, end in pairwise(cuts)] or [""]
        keeps = accumulate(map(_utf16_units, [new[:same], *pieces[:-1]]))
        return [Patch(index, piece, keep or None) for piece, keep in zip(pieces, keeps, strict=True)]

    def _close(self) -> list[Patch]:
        """Render for good every block that is followed by another, or a fence that has its closing line."""
        patches: list[Patch] = []
        while True:
            tail = self._text[self._start :]
            complete = tail[: tail.rfind("\n") + 1]
            fence = _OPENING_FENCE.match(complete)
            closing = _closing_line(complete, fence) if fence else None
            if fence and closing is None:
                return patches
            cut = closing.end() if closing else 0
            document = parse(complete[:cut] if cut else complete)
            finished = document.blocks if cut else _followed(document)
            patches += self._finish(finished, document)
            if not cut:
                if not finished:
                    return patches
                cut = _line_starts(complete)[document.blocks[len(finished)].start]
            self._start += cut

    def _finish(self, finished: Sequence[Block], document: Document) -> list[Patch]:
        patches: list[Patch] = []
        for block in finished:
            self._colours.are_late = False
            rendered = to_html(block, document.env, colours=self._colours)
            if document.is_context_free and "[^" not in block.source:  # whose note may come
                if self._colours.are_late:
                    self._uncoloured[self._closed] = block.source
                else:
                    self._known[block.source] = rendered
            patches += self._set(self._closed, rendered)
            self._closed += 1
        return patches

    def _colour(self) -> list[Patch]:
        """Render the closed blocks again whose colours have come."""
        patches: list[Patch] = []
        for index, source in list(self._uncoloured.items()):
            document = parse(source)
            self._colours.are_late = False
            rendered = "".join(to_html(block, document.env, colours=self._colours) for block in document.blocks)
            if not self._colours.are_late:
                del self._uncoloured[index]
                self._known[source] = rendered
                patches += self._set(index, rendered)
        return patches

    def _show(self) -> list[Patch]:
        """Render what is not closed, for now."""
        current = _provisional(self._text[self._start :])
        if not current and self._closed == len(self._blocks):
            return []
        return self._set(self._closed, current)

    def _show_plain(self) -> list[Patch]:
        """Past the limit: close what is Markdown, and show the rest as it is."""
        marked, _ = limits.split(self._text)
        patches: list[Patch] = []
        if self._start < len(marked):
            document = parse(marked[self._start :])
            patches += self._finish(document.blocks, document)
            self._start = len(marked)
        return patches + self._show_rest()

    def _show_rest(self) -> list[Patch]:
        """Show all that is not closed as it is."""
        patches: list[Patch] = []
        while len(self._text) - self._start >= PLAIN_CHARS:
            patches += self._set(self._closed, plain(self._text[self._start : self._start + PLAIN_CHARS]))
            self._start += PLAIN_CHARS
            self._closed += 1
        if self._start < len(self._text):
            patches += self._set(self._closed, plain(self._text[self._start :]))
        return patches


def _closing_line(text: str, fence: re.Match[str]) -> re.Match[str] | None:
    marks = fence.group(1) or fence.group(3)
    return re.compile(f"^ {{0,3}}{marks[0]}{{{len(marks)},}}[ \t]*\n", re.MULTILINE).search(text, fence.end())


def _followed(document: Document) -> Sequence[Block]:
    """Return the blocks that are closed: not the last one, and none from where a formula begins that has no end yet."""
    open_at = document.env.get(formulas.OPEN_AT)
    last = len(document.blocks) - 1
    if open_at is not None:
        last = min(last, bisect_left(document.blocks, open_at, key=lambda block: block.end - 1))
    return document.blocks[: max(last, 0)]


def _line_starts(text: str) -> list[int]:
    return [0, *accumulate(len(line) + 1 for line in text.split("\n"))]


def _common_prefix(one: str, other: str) -> int:
    """Return how many characters both begin with, by halving: comparing slices is C's work."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


# -- text that has no end yet -----------------------------------------------------------------------------------------


def _provisional(tail: str) -> str:
    """Render an open block: cheap, sanitised, and without the marks of what is not finished."""
    if fence := _OPENING_FENCE.match(tail):  # `_close` has taken those that have their closing line
        return _open_code(tail, fence)
    document = parse(_healed(tail))
    if formulas.OPEN_AT not in document.env:
        return "".join(to_html(block, document.env, colours=None) for block in document.blocks)

    start = _line_starts(tail)[document.env[formulas.OPEN_AT]]
    before = parse(tail[:start])
    formula = open_formula(tail[start:])
    return "".join(to_html(block, before.env, colours=None) for block in before.blocks) + formula


def _open_code(tail: str, fence: re.Match[str]) -> str:
    """Write an open code fence: only text is added to it, so nothing is parsed.

    A last line that may become the closing fence is held back.
    """
    code = tail[fence.end() :]
    start = code.rfind("\n") + 1
    if not code[start:].lstrip(" ").rstrip("`~ \t"):
        code = code[:start]
    return open_code(fence.group(2) or fence.group(4) or "", code)


# The last line when it may still become anything, or is the opening of a fence.
_UNDECIDED_LINE = re.compile(
    r"[ \t>]*(?:[-+*#=~`_|$:\\]{1,3}[ \t]*|\d{1,9}[.)]?[ \t]*|```.*|~~~.*"
    r"|\[!\w*\]?|\[\^[^\s\[\]]*\]?|\\[a-z]{1,5}(?:\{[a-z]*\*?)?)"
)
# A table's first line, until the line below it says that it is one.
_UNDECIDED_TABLE = re.compile(r"\|[^\n]*(?:\n[ \t|:-]*)?")
# Where the text begins in which the last mark may be open: after a marker of a list or a quote, in a cell.
_RUN_START = re.compile(r"^[ \t>]*(?:[-+*]|\d{1,9}[.)]|#{1,6})[ \t]|\|", re.MULTILINE)
_OPEN_LINK = re.compile(r"!?\[([^\[\]\n]*)(?:\]\([^()\s]*)?\Z")
_MARK = re.compile(rf"\\.|(`+)|(\*\*|\*|~~)(?=(\s|\Z)?)|{tags.PAIRED}", re.DOTALL | re.IGNORECASE)


def _healed(text: str) -> str:
    """Close or hide what is open at the end of the text: half of **bold** shows no stars, half a link no brackets."""
    line = text.rfind("\n") + 1
    if _UNDECIDED_LINE.fullmatch(text, line):
        text = text[:line]
    paragraph = text.rfind("\n\n") + 2 if "\n\n" in text else 0
    if _UNDECIDED_TABLE.fullmatch(text, paragraph):
        return text[:paragraph]
    run = max((match.end() for match in _RUN_START.finditer(text, paragraph)), default=paragraph)
    return text[:run] + _healed_run(text[run:])


def _healed_run(run: str) -> str:
    run = tags.UNFINISHED.sub("", run)
    if link := _OPEN_LINK.search(run):
        run = run[: link.start()] + ("" if link.group(1).startswith("^") else link.group(1))
    formula = run.rfind("\\(")
    if formula >= 0 and "\\)" not in run[formula:] and "`" not in run:
        return f"{run[:formula]}`{run[formula:]}`"
    open_marks: list[str] = []
    at = 0
    while mark := _MARK.search(run, at):
        at = mark.end()
        if ticks := mark.group(1):
            end = re.compile(f"(?<!`)`{{{len(ticks)}}}(?!`)").search(run, at)
            if end is None:
                return run + ticks if run[at:].strip() else run[: mark.start()]
            at = end.end()
        elif (stars := mark.group(2)) and stars in open_marks:
            del open_marks[open_marks.index(stars) :]
        elif stars and mark.group(3) is None:
            open_marks.append(stars)
        elif stars and at == len(run):
            run = run[: mark.start()]
        elif tag := mark.group(5):
            closing = f"</{tag.lower()}>"
            if not mark.group(4):
                open_marks.append(closing)
            elif closing in open_marks:
                del open_marks[open_marks.index(closing) :]
    return run.rstrip().rstrip("~") + "".join(reversed(open_marks)) if open_marks else run
