"""Footnotes, and quotations that warn. Pure; made for `blocks.py`.

    text[^1]            a mark in the text; [^1, 2] and [^1-3] are several
    [^1]: words         the note, where it stands: models write them at the end
    > [!WARNING]        a callout, as on GitHub, with a title of its own after that if there is one

A mark with a number always is one: so a stream shows it before its note is there. One with a name needs its note.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

NAMED = "named_notes"  # in markdown-it's env: the names of notes, which their marks in other blocks need
CALLOUTS = ("note", "tip", "important", "warning", "caution", "info", "danger")
MAX_RANGE = 20  # marks that "[^1-20]" stands for
INDENT = 4  # of what belongs to a note beyond its first paragraph

_NOTE = re.compile(r"\[\^([^\s\[\]]{1,40})\]:[ \t]*")
_MARK = re.compile(r"\[\^([^\s\[\]]{1,40})\](?!:)")
_MARKS = re.compile(r"\[\^(\d{1,3}(?:[ \t]*[,;–-][ \t]*\^?\d{1,3}){1,20})\](?!:)")  # several in one
_RANGE = re.compile(r"(\d+)(?:[ \t]*[–-][ \t]*\^?(\d+))?")
_CALLOUT = re.compile(rf"\[!({'|'.join(CALLOUTS)})\][ \t]*([^\n]{{0,200}})(?:\n|\Z)", re.IGNORECASE)


def notes_plugin(md: MarkdownIt) -> None:
    """Teach a markdown-it parser footnotes."""
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference"]}
    md.block.ruler.before("reference", "note", _note_rule, interrupts)
    md.inline.ruler.before("link", "note_mark", _mark_rule)
    md.add_render_rule("note_label", _render_label)
    md.add_render_rule("note_mark", _render_mark)


def _note_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.parentType not in ("root", "paragraph") or state.sCount[start_line] >= INDENT:
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    note = _NOTE.match(state.src, start, state.eMarks[start_line])
    if note is None:
        return False
    if silent:
        return True
    if not note[1].isdecimal():
        state.env.setdefault(NAMED, set()).add(note[1])
    opening = state.push("note_open", "div", 1)
    opening.attrs = {"class": "footnote"}
    state.push("note_label", "sup", 0).content = note[1]
    marks = state.bMarks, state.tShift, state.sCount
    before = [values[start_line] for values in marks]
    state.bMarks[start_line], state.tShift[start_line], state.sCount[start_line] = note.end(), 0, INDENT
    state.blkIndent += INDENT
    state.md.block.tokenize(state, start_line, end_line)
    state.blkIndent -= INDENT
    for values, value in zip(marks, before, strict=True):
        values[start_line] = value
    opening.map = [start_line, state.line]
    state.push("note_close", "div", -1)
    return True


def _mark_rule(state: StateInline, silent: bool) -> bool:
    if several := _MARKS.match(state.src, state.pos, state.posMax):
        for number in [] if silent else _numbers(several[1]):
            state.push("note_mark", "sup", 0).content = str(number)
        state.pos = several.end()
        return True
    mark = _MARK.match(state.src, state.pos, state.posMax)
    if mark is None or not (mark[1].isdecimal() or mark[1] in state.env.get(NAMED, ())):
        return False
    if not silent:
        state.push("note_mark", "sup", 0).content = mark[1]
    state.pos = mark.end()
    return True


def numbers_in(text: str) -> list[int]:
    """The numbers of the marks of a text, each once, in order."""
    found = [number for marks in _MARKS.findall(text) for number in _numbers(marks)]
    found += [int(name) for name in _MARK.findall(text) if name.isdecimal() and len(name) <= 3]
    return sorted(set(found))


def _numbers(marks: str) -> list[int]:
    """The numbers of "1, 2" and of "1-3"."""
    found: list[int] = []
    for first, last in _RANGE.findall(marks):
        end = int(last or first)
        found += range(int(first), end + 1) if int(first) <= end < int(first) + MAX_RANGE else [int(first), end]
    return found


def _render_label(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f"<sup>{html.escape(tokens[index].content)}</sup>\n"


def _render_mark(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f'<sup class="footnote-mark">{html.escape(tokens[index].content)}</sup>'


# -- callouts ---------------------------------------------------------------------------------------------------------


def with_callouts(tokens: Sequence[Token]) -> list[Token]:
    """Make callouts of the quotations that say so. The content of lines is not parsed yet."""
    found: list[Token] = []
    for index, token in enumerate(tokens):
        found.append(token)
        is_first = token.type == "inline" and [each.type for each in tokens[max(index - 2, 0) : index]] == [
            "blockquote_open",
            "paragraph_open",
        ]
        callout = _CALLOUT.match(token.content) if is_first else None
        if callout is None:
            continue
        quote, paragraph = tokens[index - 2 : index]
        quote.attrs["class"] = f"callout callout-{callout[1].lower()}"
        paragraph.attrs["class"] = "callout-title"
        rest = token.content[callout.end() :]
        token.content = callout[2].strip() or callout[1].capitalize()
        if rest:
            found += _paragraph(token, rest)
    return found


def _paragraph(after: Token, text: str) -> list[Token]:
    """The end of the title's paragraph, and another one with this text, whose end is the title's former one."""
    end = Token("paragraph_close", "p", -1, block=True, level=after.level - 1)
    begin = Token("paragraph_open", "p", 1, block=True, level=after.level - 1, map=after.map)
    content = Token("inline", "", 0, block=True, level=after.level, content=text, children=[], map=after.map)
    return [end, begin, content]
