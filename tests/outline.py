"""What a piece of HTML is made of, for tests that look at its structure and not at its spelling."""

from __future__ import annotations

from html.parser import HTMLParser

from pygments.token import STANDARD_TYPES

from chat.markdown import formulas, notes, tags

TAGS = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "div",
        "em",
        "figcaption",
        "figure",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "input",
        "label",
    ),
    *("li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
    *tags.TAGS,
    *formulas.TAGS,
}
ATTRIBUTES = {
    *("align", "checked", "class", "dir", "disabled", "href", "open", "rel", "start", "tabindex", "target", "type"),
}
CLASSES = {"code", "table", "math", "task", "plain", "footnote", "footnote-mark", "callout", "callout-title"}
CLASSES |= {*(f"callout-{kind}" for kind in notes.CALLOUTS), *STANDARD_TYPES.values()}


class Outline(HTMLParser):
    """All that an HTML text is made of; fails on a tag that is closed out of order."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert not self._open, f"unclosed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("br", "hr", "input", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(markup: str) -> None:
    """Fail on HTML that has anything but what `chat/markdown/blocks.py` promises."""
    outline = Outline(markup)
    assert set(outline.tags) <= TAGS, outline.tags
    for tag, name, value in outline.attributes:
        if tag in formulas.TAGS:
            assert name in formulas.ATTRIBUTES | {"dir"}
            continue
        assert name in ATTRIBUTES, (tag, name)
        if name == "href":
            assert value.lower().startswith(("http://", "https://", "mailto:"))
        if name == "class":
            assert set(value.split()) <= CLASSES
