"""The last step of every text's way into HTML: what is not listed here does not pass. Pure; made for `blocks.py`."""

from __future__ import annotations

import nh3
from pygments.token import STANDARD_TYPES

from chat.markdown import formulas, notes, tags

_cleaner = nh3.Cleaner(
    tags={
        *("a", "blockquote", "br", "code", "div", "em", "figcaption", "figure", "h3", "h4", "h5", "h6", "hr", "input"),
        *("label", "li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
        *tags.TAGS,
        *formulas.TAGS,
    },
    attributes={
        "*": {"dir"},
        "a": {"href"},
        "details": {"open"},
        "input": {"checked", "disabled"},
        "ol": {"start"},
    }
    | {tag: set(formulas.ATTRIBUTES) for tag in formulas.TAGS},
    tag_attribute_values={
        "td": {"align": {"left", "right", "center"}},
        "th": {"align": {"left", "right", "center"}},
        "input": {"type": {"checkbox"}},
        "div": {"tabindex": {"0"}},
        "pre": {"tabindex": {"0"}},
    },
    allowed_classes={
        "blockquote": {"callout", *(f"callout-{kind}" for kind in notes.CALLOUTS)},
        "figure": {"code"},
        "div": {"table", "math", "footnote"},
        "code": {"math"},
        "li": {"task"},
        "p": {"plain", "callout-title"},
        "span": {name for name in STANDARD_TYPES.values() if name},
        "sup": {"footnote-mark"},
    },
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)


def clean(markup: str) -> str:
    """Return the HTML without anything that is not allowed in an answer."""
    return _cleaner.clean(markup)
