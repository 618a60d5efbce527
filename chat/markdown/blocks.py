"""One block of Markdown to HTML. Pure; any thread; made for `stream.py`.

The only way of a model's text into HTML. The last step is always the sanitiser, and no text, however hostile, raises:
what cannot be rendered is shown as plain text. HTML in the text is text, but for the tags in `tags.py`. What the HTML
consists of, for whoever styles it or adds to it:

    p  h3-h6 (the text's h1-h4)  ul  ol  blockquote  hr     top-level blocks have dir="auto"
    <figure class="code" dir="ltr"><figcaption>python</figcaption><pre tabindex="0"><code>…</code></pre></figure>
        the caption is empty without a language; the page itself adds its Copy button to it; in the code: span with
        Pygments' short classes (k, s1, c1, …)
    <div class="table" tabindex="0" dir="auto"><table>…     th, td with align="left|right|center"
    <li class="task"><label><input type="checkbox" disabled [checked]> …</label>
    <div class="math" tabindex="0" dir="ltr"><math display="block">…    a formula on lines of its own
    <math display="inline|block">…                          a formula in a line
    <code class="math" dir="ltr">                           LaTeX that could not be converted, or has no end yet
    <code dir="ltr">                                        code in a line
    <p class="plain" dir="auto">                            text shown as it is: to be styled white-space: pre-wrap
    <br> <sub> <sup> <kbd> <mark> <u>                       as the model wrote them
    <details [open]><summary>…                              the same
    <sup class="footnote-mark">1</sup>                          the mark of a footnote
    <div class="footnote"><sup>1</sup> <p>…                     the footnote, where the text has it
    <blockquote class="callout callout-warning"><p class="callout-title">…      a quotation that says so
    <a href="https://…" rel="noopener noreferrer nofollow" target="_blank">    http, https and mailto only

A closed block is exactly one of these elements; the one that is being written may for a moment be several, or none.
No style attribute, no id, no src, no other class. A picture is shown as a link to it: its address could carry words of
the conversation to a stranger's server as soon as the page shows it.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from chat.markdown import formulas, notes, targets
from chat.markdown.addresses import Addresses
from chat.markdown.cjk import emphasis_plugin
from chat.markdown.colours import Colours
from chat.markdown.habits import STROKES, habits_plugin
from chat.markdown.sanitiser import clean
from chat.markdown.tags import tags_plugin

logger = logging.getLogger(__name__)

MAX_INLINE_CHARS = 10_000  # of one paragraph or cell; a longer one is plain text (the parser is quadratic in places)
MAX_NESTING = 40  # levels; the parser drops what is deeper, so such a block is shown as plain text

# -- parsing ----------------------------------------------------------------------------------------------------------

_UNENCODABLE = re.compile("[\x00\ud800-\udfff]")
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def _make_parser() -> MarkdownIt:
    options = {"html": False, "linkify": True, "breaks": True, "tasklists": True, "maxNesting": MAX_NESTING}
    md = MarkdownIt("gfm-like", options)
    for plugin in (formulas.formulas_plugin, emphasis_plugin, tags_plugin, notes.notes_plugin, habits_plugin):
        md.use(plugin)
    md.core.ruler.disable(["normalize", "block"])  # `parse` does both
    md.validateLink = lambda url: True  # type: ignore[method-assign]  # `_tame` leaves the label of a bad link
    md.linkify = Addresses()
    for name, rule in _RENDER_RULES.items():
        md.add_render_rule(name, rule)
    return md


@dataclass(frozen=True)
class Block:
    """A top-level block: its tokens, the lines that it takes and their text."""

    tokens: list[Token]
    start: int
    end: int
    source: str


@dataclass(frozen=True)
class Document:
    blocks: list[Block]
    env: dict[str, Any]  # link definitions and the like

    @property
    def is_context_free(self) -> bool:
        """Whether every block means the same by itself."""
        return "references" not in self.env and notes.NAMED not in self.env


def normalised(text: str) -> str:
    return _UNENCODABLE.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


def parse(text: str) -> Document:
    """Find the top-level blocks; what is inside a line is parsed when a block is rendered."""
    env: dict[str, Any] = {}
    tokens: list[Token] = []
    lines = text.split("\n")  # not splitlines(): it also cuts at \f and U+2028
    try:
        _md.block.parse(text, _md, env, tokens)
    except Exception:
        logger.exception("Markdown could not be parsed")
        plain = Token("plain", "p", 0, content=text, map=[0, len(lines)])
        return Document([Block([plain], 0, len(lines), text)], {})
    env.pop(STROKES, None)

    found: list[Block] = []
    for token in tokens:
        if token.level == 0 and token.nesting >= 0:
            start, end = token.map or (0, 0)
            found.append(Block([], start, end, "\n".join(lines[start:end])))
        found[-1].tokens.append(token)
    return Document(found, env)


def to_html(block: Block, env: Mapping[str, Any], *, colours: Colours | None) -> str:
    """Render one block, sanitised, its code with `colours`. Uses up its tokens."""
    if any(token.level >= MAX_NESTING - 1 for token in block.tokens):
        return plain(block.source)
    state = StateCore("", _md, {**env, "colours": colours}, notes.with_callouts(block.tokens))
    try:
        _keep_short(state.tokens)
        _md.core.process(state)
        _adapt(state.tokens)
        return clean(_md.renderer.render(state.tokens, _md.options, state.env)).rstrip()
    except Exception:
        logger.exception("A block of Markdown could not be rendered")
        return plain(block.source)


def plain(text: str) -> str:
    return clean(f'<p class="plain" dir="auto">{html.escape(text, quote=False)}</p>')


# -- tokens -----------------------------------------------------------------------------------------------------------


def _keep_short(tokens: Sequence[Token]) -> None:
    """Make plain text of content that is too long to be parsed: the parser only looks into tokens named "inline"."""
    for index, token in enumerate(tokens):
        if token.type == "inline" and len(token.content) > MAX_INLINE_CHARS:
            token.type = "text"
            if tokens[index - 1].type == "paragraph_open":
                tokens[index - 1].attrs["class"] = "plain"


def _adapt(tokens: Sequence[Token]) -> None:
    """Turn the parser's tokens into what the module's docstring promises."""
    for index, token in enumerate(tokens):
        match token.type:
            case "inline":
                token.children = _tame(token.children or [])
            case "heading_open" | "heading_close":
                token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
            case "th_open" | "td_open" if token.attrs:
                token.attrs = {"align": str(token.attrs["style"]).removeprefix("text-align:")}
            case "list_item_open" if "checked" in token.meta:
                _label(tokens[index + 2], checked=token.meta.pop("checked"))
                token.attrs["class"] = "task"
        if token.level == 0 and token.nesting == 1:
            token.attrs["dir"] = "auto"


def _label(content: Token, *, checked: bool) -> None:
    """Put a task's box and its first line of text into one label."""
    if content.type == "inline":
        box = f'<label><input type="checkbox" disabled{" checked" if checked else ""}> '
        before, after = Token("html_inline", "", 0, content=box), Token("html_inline", "", 0, content="</label>")
        content.children = [before, *(content.children or []), after]


def _tame(children: Sequence[Token]) -> list[Token]:
    """Keep the links that lead to the web or to a mail, of others the text; make links of pictures."""
    tamed: list[Token] = []
    href: str | None = None  # of the link that is open and stays
    begin = 0  # where its text begins
    for token in children:
        match token.type:
            case "link_open":
                href = _allowed(token.attrs.get("href"))
                if href is not None:
                    tamed.append(token)
                    begin = len(tamed)
            case "link_close":
                if href is not None:
                    if tamed[-1].type == "link_open":
                        tamed.append(_text(href))
                    tamed += _target("".join(part.content for part in tamed[begin:]), href)
                    tamed.append(token)
                href = None
            case "image":
                tamed += _picture(token, in_link=href is not None)
            case _:
                tamed.append(token)
    return tamed


def _target(text: str, href: str) -> list[Token]:
    """Where a link leads, if its text looks like another address. Apart: no character of the text turns it."""
    target = targets.told(text, href)
    if not target:
        return []
    return [_text(" "), Token("html_inline", "", 0, content=f'<span dir="ltr">({html.escape(target)})</span>')]


def _picture(image: Token, *, in_link: bool) -> list[Token]:
    assert isinstance(_md.renderer, RendererHTML)
    alt = _md.renderer.renderInlineAsText(image.children, _md.options, {})
    href = _allowed(image.attrs.get("src"))
    if in_link or href is None:
        return [_text(alt)]
    text = [_text(alt or href), *_target(alt or href, href)]
    return [Token("link_open", "a", 1, attrs={"href": href}), *text, Token("link_close", "a", -1)]


def _allowed(url: object) -> str | None:
    return url if isinstance(url, str) and _LINK.match(url) else None


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


# -- HTML -------------------------------------------------------------------------------------------------------------


def open_code(info: str, code: str) -> str:
    """Return a code block that has no end yet. Only text is added to it, so only the frame needs the sanitiser."""
    before, after = clean(_figure(_language(info), "\ufffd")).split("\ufffd")
    return before + html.escape(code, quote=False).replace("\xa0", "&nbsp;") + after


def open_formula(source: str) -> str:
    """Return a block formula that has no end yet: its source."""
    return clean(f'<div class="math" tabindex="0" dir="ltr">{formulas.as_code(source.strip())}</div>')


def _render_code(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Mapping[str, Any]) -> str:
    token = tokens[index]
    language = _language(token.info)
    coloured = env["colours"].of(token.content, language) if env["colours"] and language else None
    return _figure(language, coloured or html.escape(token.content, quote=False))


def _figure(language: str, code: str) -> str:
    caption = f"<figcaption>{html.escape(language, quote=False)}</figcaption>"
    return f'<figure class="code" dir="ltr">{caption}<pre tabindex="0"><code>{code}</code></pre></figure>'


def _language(info: str) -> str:
    """Return the name in a fence's first line: of `python title="x"` and `{.python}` it is python."""
    word = re.match(r"[\s{.]*([\w+#.-]{0,30})", info)
    return word.group(1) if word else ""


def _render_table_open(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<div class="table" tabindex="0" dir="auto"><table>\n'


def _render_table_close(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


def _render_code_inline(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f'<code dir="ltr">{html.escape(tokens[index].content, quote=False)}</code>'


def _render_plain(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return plain(tokens[index].content)


_RENDER_RULES = {
    "fence": _render_code,
    "code_block": _render_code,
    "code_inline": _render_code_inline,
    "table_open": _render_table_open,
    "table_close": _render_table_close,
    "plain": _render_plain,
}

_md = _make_parser()
