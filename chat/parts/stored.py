"""What is stored of a part, for those who read it without the page's script: as Markdown, and as HTML. Pure.

The same facts as the cards of the page: for an export, a shared page, paper and the admin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from django.utils.html import strip_tags

from chat.markdown import targets
from chat.markdown.colours import Patience
from chat.markdown.escaping import fenced, plain
from chat.markdown.sanitiser import clean as sanitised
from chat.markdown.stream import render_within
from chat.wire.values import json_text, visible

MAX_HTML_BYTES = 128 * 1024  # of one part
WEB = ("http://", "https://")


def cards_of(parts: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Those that are more than a text or a file."""
    return [part for part in parts or () if part["kind"] in _IN_MARKDOWN or _points(part)]


def replace_text(parts: list[dict[str, Any]] | None) -> bool:
    """Whether a record's text is only there for those who cannot show these."""
    return bool(parts) and all(part["kind"] in _IN_MARKDOWN for part in parts or ())


def in_markdown(part: Mapping[str, Any]) -> str:
    """The part to read: a table, a block of code, a list, a text; of a figure its points. Its file is not named."""
    if data := _points(part):
        return _table(data)
    return _IN_MARKDOWN[part["kind"]](part) if part["kind"] in _IN_MARKDOWN else ""


def in_html(part: Mapping[str, Any], patience: Patience) -> str:
    """The same as sanitised HTML; what of it would be too long is left out."""
    if part["kind"] == "table":
        return _html_table(part)
    if data := _points(part):
        name = f"{escape(data['name'])} ({_count(data)})"
        return f"<details><summary>{name}</summary>{_html_rows(data)}</details>"
    if part["kind"] == "html":
        return sanitised(part.get("html", ""))
    if part["kind"] == "hits":
        return sanitised(f"<ol>{''.join(map(_html_hit, part['hits']))}</ol>")
    return render_within(in_markdown(part), MAX_HTML_BYTES, patience)[0]


def _points(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """The points of a figure as the fields of a table."""
    return {"name": part.get("name", ""), **part["data"]} if part.get("data") else None


# -- by kind -----------------------------------------------------------------------------------------------------------


def _table(part: Mapping[str, Any]) -> str:
    names, *rows = [_names(part), *(map(_cell, row) for row in part["rows"])]
    head, *body = ([plain(" ".join(cell.split())) for cell in row] for row in (names, *rows))
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *body])
    return f"**{plain(part['name'])}** ({_count(part)})\n\n{lines}"


def _html_table(part: Mapping[str, Any]) -> str:
    return f"<p><strong>{escape(part['name'])}</strong> ({_count(part)})</p>{_html_rows(part)}"


def _html_rows(part: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in _names(part))
    lines = ("".join(f'<td dir="auto">{escape(_cell(value))}</td>' for value in row) for row in part["rows"])
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _names(part: Mapping[str, Any]) -> list[str]:
    """The columns; one of dots in the place of those that are not stored."""
    return [*map(visible, part["columns"]), *(["…"] if part.get("total_columns", 0) > len(part["columns"]) else [])]


def _count(part: Mapping[str, Any]) -> str:
    shown, total = len(part["rows"]), part.get("total", len(part["rows"]))
    return f"{total:,}" if shown == total else f"{shown:,} / {total:,}"


def _cell(value: Any) -> str:
    return "" if value is None else visible(value) if isinstance(value, str) else json_text(value)


def _json(part: Mapping[str, Any]) -> str:
    return fenced(part["text"] if "text" in part else json_text(part.get("value")), "json")


def _hits(part: Mapping[str, Any]) -> str:
    return "\n".join(f"{number}. {_hit(hit)}" for number, hit in enumerate(part["hits"], 1))


def _hit(hit: Mapping[str, str]) -> str:
    title, url, text = _facts(hit)
    return ": ".join(filter(None, [f"[{plain(title)}](<{url}>)" if url else plain(title), plain(text)]))


def _html_hit(hit: Mapping[str, str]) -> str:
    title, url, text = map(escape, _facts(hit))
    link = f'<a href="{url}">{title}</a>' if url else f"<strong>{title}</strong>"
    return f"<li>{link}<br>{text}</li>"


def _facts(hit: Mapping[str, str]) -> tuple[str, str, str]:
    """The title of a hit, its page of the web, and what stands there, each on one line."""
    url, text = hit.get("url", ""), " ".join(visible(hit.get("text", "")).split())
    is_web = url.startswith(WEB) and not set(url) & set("<> \n")
    title = " ".join(visible(hit.get("title") or url).split())
    if is_web and (target := targets.told(title, url)):
        title = f"{title} ({target})"
    return title, url if is_web else "", text


_IN_MARKDOWN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "table": _table,
    "json": _json,
    "diff": lambda part: fenced(part["text"], "diff"),
    "code": lambda part: fenced(part["text"], part["language"] if part.get("language", "").isalnum() else ""),
    "hits": _hits,
    "html": lambda part: plain(" ".join(strip_tags(part.get("html", "")).split())),
}
