"""The HTML that models write into their Markdown: a few tags that mean what they say. Pure; made for `blocks.py`.

    <br>                                            in a line, in a cell
    <sub> <sup> <kbd> <mark> <u> <b> <i> <s> …      in a line, around what has its end in the same paragraph
    <details><summary>…</summary> … </details>      around blocks; the first tag begins a line, the last one ends one

Every other tag is text, and so is one of these that has no end; but for <details>, which then lasts to the text's end
and is open. Attributes are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

MAX_CHARS = 2_000  # between a tag in a line and its end

# The tags in a line, and what is written for them.
INLINE = {name: name for name in ("sub", "sup", "kbd", "mark", "u", "strong", "em", "s")}
INLINE |= {"b": "strong", "i": "em", "del": "s", "strike": "s"}
TAGS = {*INLINE.values(), "details", "summary"}

_NAMES = "|".join(INLINE)
_TAG = re.compile(rf"<(?:br[ \t]*/?|({_NAMES}))[ \t]*>", re.IGNORECASE)
_ENDS = {name: re.compile(f"</{name}[ \t]*>", re.IGNORECASE) for name in INLINE}
_DETAILS = re.compile(r"<details(?:[ \t]+open(?:=\"\")?)?[ \t]*>", re.IGNORECASE)
_DETAILS_END = re.compile(r"</details[ \t]*>[ \t]*$", re.IGNORECASE)
_SUMMARY = re.compile(rf"\s{{0,20}}<summary>(.{{0,{MAX_CHARS}}}?)</summary>", re.IGNORECASE | re.DOTALL)
_FENCE = re.compile(r"`{3,}|~{3,}")

# For text that has no end yet: an open or closing tag, one that may become one.
PAIRED = rf"<(/?)({_NAMES}|summary)[ \t]*>"
UNFINISHED = re.compile(r"</?[A-Za-z]{0,10}[ \t]*\Z")


def tags_plugin(md: MarkdownIt) -> None:
    """Teach a markdown-it parser these tags."""
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference"]}
    md.block.ruler.before("fence", "details", _details_rule, interrupts)
    md.inline.ruler.before("autolink", "tag", _inline_rule)


def _inline_rule(state: StateInline, silent: bool) -> bool:
    tag = _TAG.match(state.src, state.pos, state.posMax)
    if tag is None:
        return False
    if tag[1] is None:
        if not silent:
            state.push("hardbreak", "br", 0)
        state.pos = tag.end()
        return True
    name = tag[1].lower()
    end = _ENDS[name].search(state.src, tag.end(), min(tag.end() + MAX_CHARS, state.posMax))
    if end is None or state.level >= state.md.options.maxNesting:
        return False
    if not silent:
        outer, state.posMax, state.pos = state.posMax, end.start(), tag.end()
        state.push("tag_open", INLINE[name], 1)
        state.md.inline.tokenize(state)
        state.push("tag_close", INLINE[name], -1)
        state.posMax = outer
    state.pos = end.end()
    return True


# -- details ----------------------------------------------------------------------------------------------------------


def _details_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.blkIndent or state.parentType not in ("root", "paragraph") or state.is_code_block(start_line):
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    tag = _DETAILS.match(state.src, start, state.eMarks[start_line])
    if tag is None:
        return False
    if silent:
        return True
    closing = _closing_line(state, start_line, end_line)
    last_line = end_line if closing is None else closing
    until = state.eMarks[end_line - 1] if closing is None else _end_of(state, closing)
    opening = state.push("details_open", "details", 1)
    opening.attrs = {"open": ""} if closing is None else {}
    opening.map = [start_line, last_line if closing is None else last_line + 1]
    summary = _SUMMARY.match(state.src, tag.end(), until)
    if summary:
        _push_summary(state, summary[1], start_line)
    begin = summary.end() if summary else tag.end()
    first_line = start_line + state.src.count("\n", start, begin)
    with _narrowed(state, first_line, begin, closing):
        state.md.block.tokenize(state, first_line, end_line if closing is None else closing + 1)
    state.push("details_close", "details", -1)
    state.line = opening.map[1]
    return True


def _push_summary(state: StateBlock, text: str, line: int) -> None:
    state.push("summary_open", "summary", 1)
    content = state.push("inline", "", 0)
    content.content = " ".join(text.split())
    content.map = [line, line + 1]
    content.children = []
    state.push("summary_close", "summary", -1)


def _closing_line(state: StateBlock, start_line: int, end_line: int) -> int | None:
    """The line that ends what begins here, with what is in it; what code says does not count."""
    depth, fence = 0, ""
    for line in range(start_line, end_line):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        mark = _FENCE.match(text)
        if fence:
            fence = "" if mark and mark[0].startswith(fence) else fence
            continue
        if mark:
            fence = mark[0]
            continue
        depth += _DETAILS.match(text) is not None
        depth -= _DETAILS_END.search(text) is not None
        if depth <= 0:
            return line
    return None


def _end_of(state: StateBlock, line: int) -> int:
    end = _DETAILS_END.search(state.src[state.bMarks[line] : state.eMarks[line]])
    assert end is not None
    return state.bMarks[line] + end.start()


@contextmanager
def _narrowed(state: StateBlock, line: int, begin: int, closing: int | None) -> Iterator[None]:
    """Have `line` begin at `begin`, and the closing line end before its tag."""
    marks = (state.bMarks, state.eMarks, state.tShift, state.sCount)
    before = [(values, at, values[at]) for values in marks for at in {line, closing or line}]
    last, state.lineMax = state.lineMax, state.lineMax if closing is None else closing + 1
    if closing is not None:
        state.eMarks[closing] = max(_end_of(state, closing), begin if closing == line else 0)
    state.bMarks[line] = begin
    rest = state.src[begin : state.eMarks[line]]
    state.tShift[line] = state.sCount[line] = len(rest) - len(rest.lstrip(" \t"))
    try:
        yield
    finally:
        state.lineMax = last
        for values, at, value in before:
            values[at] = value
