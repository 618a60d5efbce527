"""What a connection lacks, from the database: records, and what is open as far as it is stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chat.connection.cursor import Position
from chat.live.rendering import cost_of, heavily, is_answer, with_html
from chat.live.snapshot import NOTHING_OPEN, Snapshot, StreamView
from chat.markdown.colours import Patience
from chat.markdown.stream import blocks
from chat.mends.statements import Prepared
from chat.models import Conversation, Message
from chat.wire.codes import MAX_FRAME_BYTES, SNAPSHOT_CHARS
from chat.wire.events import Event, Status
from chat.wire.frames import encode, size_of
from chat.wire.records import stream_start

RECORDS_PER_READ = 20
MAX_BLOCK_BYTES = 200 * 1024  # of one block in a snapshot
TOO_LONG_TO_SHOW = '<p class="plain">…</p>'  # until its record is there

_next_records = Prepared(
    lambda id, seq: Message.objects.filter(conversation=id, seq__gt=seq).order_by("seq")[:RECORDS_PER_READ],
    uuid.UUID,
    int,
    cut={"content": MAX_FRAME_BYTES + 1, "reasoning": MAX_FRAME_BYTES + 1},  # a frame holds no more, and says so
)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the database knows of a conversation and the connection lacks, read in one go."""

    conversation: Conversation | None = None
    start: int = 0  # the record after which to send
    resumed: bool = False
    known: list[str] = field(default_factory=list)  # records that the page has and that may still be on their way
    records: list[Event] = field(default_factory=list)  # the next ones
    has_more: bool = False
    snapshot: Snapshot = NOTHING_OPEN  # what is open, as far as it is stored

    @property
    def has_answers(self) -> bool:
        """Whether it has what becomes HTML."""
        return bool(self.snapshot.streams) or any(map(is_answer, self.records))


@dataclass(frozen=True, kw_only=True)
class Lack:
    """What to read: the conversation, and what the page has of it."""

    conversation_id: uuid.UUID
    seq: int  # the newest record sent on this connection
    greets: bool  # the page is to be told where it stands: `after` counts, not `seq`
    after: int | None  # the newest record that the page says it has


def read(lack: Lack) -> Stored:
    """Read what is missing, at most so many records. In an I/O thread."""
    while True:
        stored = _read_once(lack)
        if not (stored.conversation and (stored.snapshot.streams or stored.snapshot.calls)):
            return stored
        now = Conversation.objects.find(lack.conversation_id)
        if now and now.newest_seq == stored.conversation.newest_seq:
            return stored  # else what is open was read later: a call of a message whose record is missing


def _read_once(lack: Lack) -> Stored:
    conversation = Conversation.objects.find(lack.conversation_id)
    if conversation is None:
        return Stored()
    start, resumed = conversation.start_for(lack.after) if lack.greets else (lack.seq, True)
    events: list[Event] = []
    if start < conversation.newest_seq:
        events = [row.event() for row in _next_records(conversation.id, start)]
    return Stored(
        conversation=conversation,
        start=start,
        resumed=resumed,
        known=conversation.newest_ids(start) if lack.greets and resumed else [],
        records=events,
        has_more=len(events) == RECORDS_PER_READ,
        snapshot=_stored_snapshot(conversation),
    )


def rendered(stored: Stored) -> Stored:
    """The same with HTML. It may take seconds, and needs no database."""
    patience = Patience()
    texts = [view.text for view in stored.snapshot.streams]
    texts += [event["message"]["content"] for event in stored.records if is_answer(event)]
    with heavily(sum(map(cost_of, texts))):
        streams = [replace(view, blocks=blocks(view.text, patience)) for view in stored.snapshot.streams]
        records = [with_html(event, patience) for event in stored.records]
    return replace(stored, records=records, snapshot=replace(stored.snapshot, streams=streams))


def next_part(view: StreamView, position: Position, kind: str) -> Event:
    """The next part of a long text so far. Moves the position, and completes it with the last part."""
    event: dict[str, Any] = {**view.start} if kind == "stream_start" else {"message_id": view.start["message_id"]}
    event |= {"type": kind, "n": view.n, "reasoning_n": view.reasoning_n}
    event["reasoning"] = view.reasoning[position.reasoning_chars :][:SNAPSHOT_CHARS]
    position.reasoning_chars += len(event["reasoning"])
    is_last = position.reasoning_chars >= len(view.reasoning)
    if view.blocks is None:
        event["content"] = view.text[position.chars :][:SNAPSHOT_CHARS]
        position.chars += len(event["content"])
        is_last = is_last and position.chars >= len(view.text)
    else:
        event |= {"content": "", "blocks": _next_blocks(view.blocks, position)}
        is_last = is_last and position.blocks >= len(view.blocks)
        position.chars = len(view.text)
    if is_last:
        position.next, position.next_reasoning = view.n, view.reasoning_n
    return event


def _next_blocks(blocks: Sequence[str], position: Position) -> list[str]:
    """The next blocks, as many as fit. Only the last one of all can still change."""
    taken: list[str] = []
    for block in blocks[position.blocks :]:
        if taken and sum(map(len, taken)) + len(block) > SNAPSHOT_CHARS:
            break
        taken.append(block if size_of(encode(block)) < MAX_BLOCK_BYTES else TOO_LONG_TO_SHOW)
    position.blocks += len(taken)
    return taken


def _stored_snapshot(conversation: Conversation) -> Snapshot:
    """What the database knows of a conversation whose agent cannot be asked: its state and its checkpoints."""
    records = conversation.open_records if conversation.state != Conversation.State.IDLE else []
    turns = conversation.open_turns
    queued = [str(turn.id) for turn in turns if turn.begun is None]
    waits = conversation.state == Conversation.State.IDLE and queued
    status = Status(
        type="status",
        state=Conversation.State.RUNNING if waits else conversation.state,
        agent=records[-1].agent if records else conversation.agent_name,
        turn=next((str(turn.id) for turn in turns if turn.begun), None),
        queued=queued,
    )
    return Snapshot(
        status=status,
        streams=[_stored_view(row) for row in records if row.kind == Message.Kind.ASSISTANT],
        calls=[row.call_event() for row in records if row.kind == Message.Kind.TOOL],
        question=conversation.question,
        is_stored=True,
    )


def _stored_view(row: Message) -> StreamView:
    """A checkpoint. No chunk fits it: the next one has the owner asked again."""
    return StreamView(
        start=stream_start(row),
        text=row.content,
        n=0,
        reasoning=row.reasoning,
        reasoning_n=0,
        blocks=None,
    )
