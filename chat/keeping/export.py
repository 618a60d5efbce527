"""A conversation as a file for its owner: all of it as JSON, or its current transcript as Markdown to read.

A file is written piece by piece, a few records at a time: a long conversation costs neither memory nor anybody's time.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

from chat.markdown.escaping import fenced, inert, plain
from chat.markdown.notes import numbers_in
from chat.models import Attachment, Conversation, Message
from chat.parts.stored import cards_of, in_markdown, replace_text
from chat.wire.values import iso, json_text, text_or_none, visible

RECORDS_PER_READ = 20
PIECE_CHARS = 64 * 1024


def to_json(conversation: Conversation) -> Iterator[str]:
    """Yield every record of every branch, as its event of the protocol, with its whole texts."""
    fields = {
        "id": str(conversation.id),
        "title": conversation.title,
        "agent": {"key": conversation.agent_key, "name": conversation.agent_name},
        "created": iso(conversation.created),
        "updated": iso(conversation.updated),
        "head": text_or_none(conversation.head),
    }
    yield _pretty(fields).removesuffix("\n}") + ',\n  "records": ['
    between = "\n"
    for record in _records(conversation):
        yield between
        yield from _whole(record)
        between = ",\n"
    yield "\n  ]\n}\n"


def to_markdown(conversation: Conversation) -> Iterator[str]:
    """Yield the current transcript. Answers are Markdown already; all else is shown as it was."""
    title = plain(" ".join(visible(conversation.title).split())) or "Conversation"
    yield f"# {title}\n\n{plain(conversation.agent_name)}, {conversation.created:%Y-%m-%d %H:%M} UTC\n"
    for record in _transcript(conversation):
        if record.is_opening:
            continue
        parts = _tool(record) if record.kind == Message.Kind.TOOL else _message(record)
        yield "".join(f"\n{part}\n" for part in parts)


def _whole(record: Message) -> Iterator[str]:
    """The record as its event, with the result that only a file has all of: piece by piece."""
    event: dict[str, Any] = {**record.whole()}
    try:
        file = Attachment.objects.get(id=record.whole_id).open() if record.whole_id else None
    except (Attachment.DoesNotExist, FileNotFoundError):  # the beginning is what there is
        file = None
    if file is None:
        yield _pretty(event)
        return
    del event["truncated"], event["whole_chars"]
    event["result"] = mark = uuid.uuid4().hex
    before, after = _pretty(event).split(mark)
    yield before
    with file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        while piece := text.read(PIECE_CHARS):
            yield json.dumps(piece, ensure_ascii=False)[1:-1]
    yield after


def _records(conversation: Conversation) -> Iterator[Message]:
    seq = 0
    while rows := list(conversation.records(after=seq)[:RECORDS_PER_READ]):
        yield from rows
        seq = rows[-1].seq or 0


def _transcript(conversation: Conversation) -> Iterator[Message]:
    ids = conversation.ids_to(conversation.head)
    for at in range(0, len(ids), RECORDS_PER_READ):
        part = ids[at : at + RECORDS_PER_READ]
        found: dict[uuid.UUID, Message] = conversation.messages.in_bulk(part)
        yield from (found[id] for id in part if id in found)


def _message(record: Message) -> Iterator[str]:
    is_markdown = record.kind == Message.Kind.ASSISTANT
    speaker = plain(visible(record.agent) or "Assistant") if is_markdown else record.get_kind_display()
    yield f"## {speaker}{_outcome(record)}"
    if record.content and not replace_text(record.parts):
        yield inert(record.content, marks=_marks(record)) if is_markdown else plain(record.content)
    yield from _shown(record)
    yield from _sources(record)
    if record.answer:
        yield fenced(json_text(record.answer), "json")
    if record.error:
        yield f"*{plain(str(record.error.get('details', '')))}*"


def _shown(record: Message) -> Iterator[str]:
    """What it shows beside its words, and the files that it has."""
    yield from map(in_markdown, cards_of(record.parts))
    files = [*record.attachments, *(part["attachment"] for part in record.parts or () if "attachment" in part)]
    for item in files:
        yield f"*{plain(item['name'])}* ({plain(item['type'])}, {item['size']} bytes)"


def _marks(record: Message) -> str:
    """What makes the marks of an answer with sources its own in the file."""
    return f"{record.seq}-" if record.cited else ""


def _sources(record: Message) -> Iterator[str]:
    """What an answer stands on: as the notes of its marks, in order."""
    marked = numbers_in(record.content)
    for at, source in enumerate(record.cited, 1):
        number = source.get("number", at)
        named = source.get("title") or source.get("document") or (source.get("attachment") or {}).get("name", "")
        page = f", page {source['page']}" if source.get("page") else ""
        url = f" <{source['url']}>" if str(source.get("url", "")).startswith(("http://", "https://")) else ""
        quote = f": “{' '.join(str(source['quote']).split())}”" if source.get("quote") else ""
        said = f"{plain(str(named) + page)}{inert(url)}{plain(quote)}".strip()
        yield f"[^{_marks(record)}{number}]: {said}" if number in marked else f"{number}. {said}"


def _tool(record: Message) -> Iterator[str]:
    yield f"### Tool: {plain(visible(record.tool_name))}{_outcome(record)}"
    yield fenced(json_text(record.tool_args or {}), "json")
    yield from _shown(record)
    if record.content:
        yield fenced(record.content)
    if record.whole_chars:
        yield f"*These are the first {len(record.content)} of {record.whole_chars} characters.*"
    if record.error:
        yield f"*{plain(str(record.error.get('details', '')))}*"


def _outcome(record: Message) -> str:
    return "" if record.status == Message.Status.COMPLETE else f" ({record.get_status_display().lower()})"


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
