"""What models write though the grammar reads it in another way. Pure; made for `blocks.py`.

| `a | b` | …       a stroke in the code of a cell parts no cells
##Heading           a heading, from two marks on: "#1" and "#tag" are none
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import table

from chat.markdown.limits import MAX_CELLS

STROKES = "strokes"  # in the parser's env, while it looks for blocks
_STROKE = "\ufdd0"  # in place of "|" while the cells are parted; no character, so no text has it
_BELOW_HEAD = re.compile(r"[ \t>]*[|:-][-:| \t]*$")
_CODE = re.compile(r"(?<![\w`])`(?! )[^`\n]+(?<! )`(?![\w`])")  # a mark of its own in two cells is no code
_BARE = re.compile(r"(?<!\\)\|")
_HEADING = re.compile(r"(#{2,6})[^\s#]")


def habits_plugin(md: MarkdownIt) -> None:
    """Teach a markdown-it parser to read these as they are meant."""
    md.block.ruler.at("table", _table_rule, {"alt": ["paragraph", "reference"]})
    md.block.ruler.after("heading", "tight_heading", _heading_rule, {"alt": ["paragraph", "reference", "blockquote"]})


def _table_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if start_line + 2 > end_line or not _BELOW_HEAD.match(state.src[slice(*_line(state, start_line + 1))]):
        return False
    source, first = state.src, len(state.tokens)
    columns = source.count("|", *_line(state, start_line)) + 1
    state.src = _with_strokes(state)
    try:
        return table(state, start_line, min(end_line, start_line + 2 + MAX_CELLS // columns), silent)
    finally:
        state.src = source
        for token in state.tokens[first:]:
            token.content = token.content.replace(_STROKE, "|")


def _with_strokes(state: StateBlock) -> str:
    """The whole text without strokes in code: made once for all of its lines that may begin a table."""
    made: str | None = state.env.get(STROKES)
    if made is None:
        made = state.env[STROKES] = _CODE.sub(_without_strokes, state.src)
    return made


def _without_strokes(code: re.Match[str]) -> str:
    return _BARE.sub(_STROKE, code[0])


def _line(state: StateBlock, line: int) -> tuple[int, int]:
    return state.bMarks[line] + state.tShift[line], state.eMarks[line]


def _heading_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    start, end = _line(state, start_line)
    marks = _HEADING.match(state.src, start, end)
    if marks is None or state.is_code_block(start_line):
        return False
    if silent:
        return True
    state.line = start_line + 1
    tag = f"h{len(marks[1])}"
    state.push("heading_open", tag, 1).map = [start_line, state.line]
    words = state.push("inline", "", 0)
    words.content = state.src[start + len(marks[1]) : end].strip().rstrip("#").rstrip()
    words.map, words.children = [start_line, state.line], []
    state.push("heading_close", tag, -1)
    return True
