"""Chinese, Japanese and Korean between the marks of Markdown: no spaces part their words. Pure; made for `blocks.py`.

CommonMark lets `**` end a bold passage only where punctuation before it is not followed by a letter, so the closing
marks of `**「重点」**内容` would end nothing. Beside a letter of these scripts that is not asked for.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

_LETTER = re.compile(
    r"[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\ua4cf\ua960-\ua97f"
    r"\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
PUNCTUATION = re.compile(r"[\u3000-\u3004\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]")


def is_letter(character: str) -> bool:
    """Whether it is a letter of a script that parts no words; "" is none."""
    return _LETTER.match(character) is not None


def is_word(character: str) -> bool:
    """Whether it belongs to a word of a script that parts its words by spaces."""
    return character.isalnum() and not is_letter(character)


def emphasis_plugin(md: MarkdownIt) -> None:
    """Have `*` and `~~` begin and end beside these letters, whatever is on their other side."""
    md.inline.ruler.at("emphasis", _emphasis_rule)
    md.inline.ruler.at("strikethrough", _strikethrough_rule)


def _emphasis_rule(state: StateInline, silent: bool) -> bool:
    if silent or state.src[state.pos] not in "*_":
        return False
    _push_marks(state, width=1)
    return True


def _strikethrough_rule(state: StateInline, silent: bool) -> bool:
    if silent or not state.src.startswith("~~", state.pos):
        return False
    _push_marks(state, width=2)
    return True


def _push_marks(state: StateInline, *, width: int) -> None:
    """Push the marks that begin here as delimiters of so many characters; a left-over one is text."""
    mark = state.src[state.pos]
    scanned = state.scanDelims(state.pos, mark != "_")
    end = state.pos + scanned.length
    before, after = state.src[max(state.pos - 1, 0) : state.pos], state.src[end : min(end + 1, state.posMax)]
    opens = scanned.can_open or (mark != "_" and is_letter(before) and after.strip() != "")
    closes = scanned.can_close or (mark != "_" and is_letter(after) and before.strip() != "")
    if scanned.length % width:
        state.push("text", "", 0).content = mark
    for _ in range(scanned.length // width):
        state.push("text", "", 0).content = mark * width
        # Of strikethrough the length is no matter (markdown-it-py 4.3, strikethrough.py).
        length = scanned.length if width == 1 else 0
        at = len(state.tokens) - 1
        state.delimiters.append(Delimiter(ord(mark), length, at, -1, opens, closes))
    state.pos = end
