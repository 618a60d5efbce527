"""A conversation as a file for its owner: all of it as JSON, or its current transcript as Markdown to read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from chat.models import Conversation, Message
from chat.wire.values import iso, text_or_none

_MARKS = re.compile(r"[\\`*_~\[\]<>|&#$]")
_INDENT = re.compile(r"^[ \t]+", re.M)
_LINE_MARKS = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))", re.M)  # at its beginning they make a list or a heading
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
_TAG = re.compile(r"<(?!https?://|mailto:)(?=[A-Za-z/!?])")
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<rest>.*)$")


def to_json(conversation: Conversation) -> str:
    """Return every record of every branch, as its event of the protocol, with its whole texts."""
    fields = {
        "id": str(conversation.id),
        "title": conversation.title,
        "agent": {"key": conversation.agent_key, "name": conversation.agent_name},
        "created": iso(conversation.created),
        "updated": iso(conversation.updated),
        "head": text_or_none(conversation.head),
        "records": [record.whole() for record in conversation.records()],
    }
    return json.dumps(fields, ensure_ascii=False, indent=2) + "\n"


def to_markdown(conversation: Conversation) -> str:
    """Return the current transcript. Answers are Markdown already; all else is shown as it was."""
    title = plain(" ".join(conversation.title.split())) or "Conversation"
    parts = [f"# {title}", f"{plain(conversation.agent_name)}, {conversation.created:%Y-%m-%d %H:%M} UTC"]
    for record in conversation.records_to(conversation.head):
        parts += _tool(record) if record.kind == Message.Kind.TOOL else _message(record)
    return "\n\n".join(parts) + "\n"


FORMATS: dict[str, tuple[str, str, Callable[[Conversation], str]]] = {
    "json": ("application/json", "json", to_json),
    "markdown": ("text/markdown", "md", to_markdown),
}


def _message(record: Message) -> Iterable[str]:
    is_markdown = record.kind == Message.Kind.ASSISTANT
    speaker = plain(record.agent or "Assistant") if is_markdown else record.get_kind_display()
    yield f"## {speaker}{_outcome(record)}"
    if record.content:
        yield inert(record.content) if is_markdown else plain(record.content)
    if record.answer:
        yield fenced(_pretty(record.answer), "json")
    if record.error:
        yield f"*{plain(str(record.error.get('details', '')))}*"


def _tool(record: Message) -> Iterable[str]:
    yield f"### Tool: {plain(record.tool_name)}{_outcome(record)}"
    yield fenced(_pretty(record.tool_args or {}), "json")
    if record.content:
        yield fenced(record.content)
    if record.error:
        yield f"*{plain(str(record.error.get('details', '')))}*"


def _outcome(record: Message) -> str:
    return "" if record.status == Message.Status.COMPLETE else f" ({record.get_status_display().lower()})"


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def plain(text: str) -> str:
    """Return Markdown that shows `text` as it was typed, line by line, without any meaning as Markdown or HTML."""
    lines = _MARKS.sub(r"\\\g<0>", text.strip("\n"))
    lines = _LINE_MARKS.sub(lambda mark: f"{mark[1]}{_escaped(mark[2])}", lines)
    lines = _INDENT.sub(lambda blanks: blanks[0].expandtabs(4).replace(" ", "\u00a0"), lines)
    return re.sub(r"\n(?=.)", "  \n", lines)


def _escaped(mark: str) -> str:
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


def fenced(text: str, language: str = "") -> str:
    """Return `text` as a block of code, whatever fences it has itself."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def inert(text: str) -> str:
    """Return an answer's Markdown without HTML, and with its last block of code closed: it may have been cut in it."""
    parts: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in text.rstrip().splitlines():
        mark = _FENCE.match(line)
        if fence:
            parts.append(line)
            if mark and mark["fence"].startswith(fence) and not mark["rest"].strip():
                fence = ""
        elif mark and not (mark["fence"][0] == "`" and "`" in mark["rest"]):
            parts += [_without_html("\n".join(prose))] if prose else []
            prose, fence = [], mark["fence"]
            parts.append(line)
        else:
            prose.append(line)
    parts += [_without_html("\n".join(prose))] if prose else []
    return "\n".join([*parts, fence] if fence else parts)


def _without_html(prose: str) -> str:
    """Escape what would be a tag, outside of code spans."""
    done, parts = 0, []
    for code in _CODE_SPAN.finditer(prose):
        parts += [_TAG.sub("&lt;", prose[done : code.start()]), code[0]]
        done = code.end()
    return "".join([*parts, _TAG.sub("&lt;", prose[done:])])
