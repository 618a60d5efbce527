"""Formulas: where Markdown holds LaTeX, and the MathML of it. Pure; made for `blocks.py`.

The notations, as models write them: `$a$` and `\\(a\\)` in a line; `$$a$$` and `\\[a\\]` in a line or as a block of
their own, also directly under a line of text; `\\begin{align}` and its like as a block, without dollars. Money is no
formula: an opening `$` has no space after it and no letter or digit before it, a closing one the other way round; where
no spaces part the words letters are beside both.

A formula of more than `MAX_CHARS` is text. The bound keeps the search linear, and lets a stream decide in the end.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from chat.markdown.cjk import is_word

MAX_CHARS = 4_000
OPEN_AT = "open_formula"  # in markdown-it's env: the first line where a block formula begins that has no end yet

TAGS = frozenset(
    (
        "math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow", "ms",
        "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder",
        "munderover"
    )
)  # fmt: skip
ATTRIBUTES = frozenset(
    (
        "accent", "columnalign", "columnlines", "columnspacing", "depth", "display", "displaystyle", "fence",
        "form", "height", "largeop", "linebreak", "linethickness", "lspace", "mathvariant", "maxsize", "minsize",
        "movablelimits", "notation", "rowlines", "rowspacing", "rspace", "scriptlevel", "separator", "stretchy",
        "voffset", "width"
    )
)  # fmt: skip

_COMMAND = re.compile(r"\\[A-Za-z]")
_BEGIN = re.compile(r"\\begin\{((?:align|equation|gather|multline|split|eqnarray)(?:ed)?\*?|cases|[bpvBV]?matrix)\}")
_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
# Without numbers. latex2mathml 3.81 (commands.py, MATRICES) knows outer environments only, of others it shows the "&".
_ENVIRONMENTS = dict.fromkeys(("align", "aligned", "eqnarray", "gather", "gather*", "gathered", "multline"), "align*")
_ENVIRONMENTS["equation"] = "equation*"


def formulas_plugin(md: MarkdownIt) -> None:
    """Teach a markdown-it parser to read and to render formulas."""
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.before("fence", "formula_block", _block_rule, interrupts)
    md.inline.ruler.before("escape", "formula", _inline_rule)
    md.add_render_rule("formula_block", _render_block)
    md.add_render_rule("formula", _render_inline)


def mathml(source: str, *, display: bool) -> str:
    """Return the formula as MathML, or as code where it cannot be converted. Never raises."""
    return _mathml(source, "block" if display else "inline")


def as_code(source: str) -> str:
    return f'<code class="math" dir="ltr">{html.escape(source, quote=False)}</code>'


# -- where the formulas are -----------------------------------------------------------------------------------------


def _block_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A formula that begins a line and ends one, over as many lines as it likes."""
    if state.is_code_block(start_line):
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    environment = _BEGIN.match(state.src, start)
    closing = f"\\end{{{environment[1]}}}" if environment else _CLOSING.get(state.src[start : start + 2])
    if closing is None or closing == "\\)" or state.src.startswith("$$$", start):
        return False

    limit = start + 2 + MAX_CHARS
    end = state.src.find(closing, start + 2, limit)
    if end < 0:
        is_outermost = state.level == 0 or state.sCount[start_line] < state.blkIndent
        if is_outermost and len(state.src) < limit:
            state.env.setdefault(OPEN_AT, start_line)
        return False
    last_line = start_line
    while last_line < end_line and state.eMarks[last_line] < end:
        last_line += 1
        if last_line < end_line and _leaves_container(state, last_line, start_line):
            return False
    if last_line >= end_line or state.src[end + len(closing) : state.eMarks[last_line]].strip():
        return False
    content = state.getLines(start_line, last_line + 1, state.blkIndent, False).strip()
    content = content if environment else content[2:-2].strip()
    if not content:
        return False
    if not silent:
        token = state.push("formula_block", "math", 0)
        token.content = content
        token.map = [start_line, last_line + 1]
        state.line = last_line + 1
    return True


def _leaves_container(state: StateBlock, line: int, start_line: int) -> bool:
    indent = min(state.blkIndent, state.sCount[start_line])
    return not state.isEmpty(line) and state.sCount[line] < indent


def _inline_rule(state: StateInline, silent: bool) -> bool:
    src, start = state.src, state.pos
    if src[start] not in "$\\":
        return False
    opening = src[start : start + 2]
    closing = _CLOSING.get(opening)
    if closing is None:
        if src[start] != "$" or not _opens(src, start):
            return False
        opening = closing = "$"
    begin = start + len(opening)
    end = _find_closing(src, closing, begin, min(begin + MAX_CHARS, state.posMax))
    if end is None or not (content := src[begin:end].strip()):
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = content
        token.meta = {"display": opening in ("$$", "\\[")}
    state.pos = end + len(closing)
    return True


def _opens(src: str, at: int) -> bool:
    before, after = src[at - 1 : at], src[at + 1 : at + 2]
    return bool(after) and not after.isspace() and not is_word(before)


def _find_closing(src: str, closing: str, begin: int, limit: int) -> int | None:
    end = src.find(closing, begin, limit)
    if closing != "$":
        return end if end >= 0 else None
    while end >= 0 and src[end - 1] == "\\":
        end = src.find("$", end + 1, limit)
    if end <= begin or src[end - 1].isspace() or is_word(src[end + 1 : end + 2]) or "`" in src[begin:end]:
        return None
    return end


# -- MathML ---------------------------------------------------------------------------------------------------------


def _render_block(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f'<div class="math" tabindex="0" dir="ltr">{mathml(tokens[index].content, display=True)}</div>\n'


def _render_inline(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return mathml(tokens[index].content, display=tokens[index].meta["display"])


@lru_cache(maxsize=256)  # the open block of a stream is rendered again and again; at most some 40 kB each
def _mathml(source: str, display: str) -> str:
    if len(source) > MAX_CHARS:
        return as_code(source)
    latex = source
    for name, known in _ENVIRONMENTS.items():
        latex = latex.replace(f"{{{name}}}", f"{{{known}}}")
    try:
        return _serialise(convert_to_element(latex, display=display))
    except Exception:  # of many types, RecursionError among them: the converter has no common one
        return as_code(source)


def _serialise(element: Element) -> str:
    """Write the converter's tree as HTML that is escaped.

    Its own `convert` undoes the escaping (latex2mathml 3.81, converter.py:113), so that `\\text{a<b}` opens a tag.
    Its texts hold character references, which are resolved here.
    """
    if element.tag not in TAGS or (element.tag != "mtext" and _COMMAND.match(element.text or "")):
        raise ValueError(element.tag)  # also of a command that it does not know and writes as an identifier
    attributes = {name: value for name, value in element.attrib.items() if name in ATTRIBUTES}
    variant = attributes.pop("mathvariant", "normal")
    if variant == "normal" and "mathvariant" in element.attrib:
        attributes["mathvariant"] = variant
    if element.tag == "math":
        attributes["dir"] = "ltr"
    written = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    text = _in_variant(html.unescape(element.text or ""), variant)
    inner = html.escape(text, quote=False) + "".join(map(_serialise, element))
    return f"<{element.tag}{written}>{inner}</{element.tag}>"


def _in_variant(text: str, variant: str) -> str:
    """Return letters and digits as those of the font `variant`: browsers know `mathvariant="normal"` only."""
    return text if variant == "normal" else "".join(_letter(character, variant) for character in text)


@lru_cache(maxsize=1024)
def _letter(character: str, variant: str) -> str:
    if not (character.isascii() and character.isalnum()):
        return character
    style = variant.replace("-", " ").replace("double struck", "double-struck").replace("sans serif", "sans-serif")
    kind = "DIGIT" if character.isdigit() else "CAPITAL" if character.isupper() else "SMALL"
    letter = unicodedata.name(character).rsplit(" ", 1)[1]
    old_style = {"fraktur": "BLACK-LETTER"}.get(style, style)  # letters that were encoded before the others
    for name in (f"MATHEMATICAL {style} {kind} {letter}", f"{old_style} {kind} {letter}"):
        try:
            return unicodedata.lookup(name.upper())
        except KeyError:
            continue
    return "ℎ" if (character, style) == ("h", "italic") else character
