"""What one connection has been sent, and what it lacks.

A `Feed` is the connection's cursor: the newest record, and per open message how much of its text. Live layer messages
are passed on while the connection keeps up. A hole (the layer lost something) or a full window (the page does not
acknowledge) puts it *behind*: live messages are dropped then, and what is missing comes from the database and from
the running session, part by part as the window allows. Nothing is buffered for a connection.

All of it runs on the event loop, one step at a time under `self._lock`.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from chat.cluster.process import here
from chat.live.backlog import StreamView, with_html
from chat.live.outbox import in_thread
from chat.markdown.stream import blocks
from chat.mends.statements import Prepared
from chat.models import Conversation, Message
from chat.models.conversation import iso, text_or_none
from chat.wire.events import (
    CHUNK_CHARS,
    CHUNKS,
    RECORDS,
    SNAPSHOT_CHARS,
    Event,
    Rate,
    Window,
    compatible,
    encode,
    size_of,
)

RECORDS_PER_READ = 20
MAX_BLOCK_BYTES = 200 * 1024  # of one block in a snapshot
TOO_LONG_TO_SHOW = '<p class="plain">…</p>'  # until its record is there

_next_records = Prepared(
    lambda id, seq: Message.objects.filter(conversation=id, seq__gt=seq).order_by("seq")[:RECORDS_PER_READ],
    uuid.UUID,
    int,
)

Write = Callable[[str], Awaitable[None]]
Greet = Callable[[Conversation | None, bool, bool], Event]  # (conversation, resumed, earlier) -> `connection`


@dataclass
class _Position:
    """How much of one open message the connection has. `next` None: its snapshot is not complete yet."""

    next: int | None = None  # n of the next chunk of text or HTML
    next_reasoning: int = 0
    chars: int = 0
    reasoning_chars: int = 0
    blocks: int = 0
    is_checkpoint: bool = False  # the owner did not answer: no chunk fits, and text may be missing that none brings


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """What the database knows of a conversation and the connection lacks, read in one go."""

    conversation: Conversation | None = None
    start: int = 0  # the record after which to send
    resumed: bool = False
    known: list[str] = field(default_factory=list)  # records that the page has and that may still be on their way
    records: list[Event] = field(default_factory=list)  # the next ones
    has_more: bool = False
    snapshot: dict[str, Any]  # what is open, as far as it is stored


class Feed:
    """The one writer of a connection's events about its conversation."""

    def __init__(self, conversation_id: uuid.UUID, write: Write, *, html: bool, is_compatible: bool) -> None:
        self.conversation_id = conversation_id
        self.is_html = html
        self.seq = 0  # newest record sent
        self.is_behind = False
        self._flow: Window | Rate = Rate() if is_compatible else Window()
        self._write = write
        self._is_compatible = is_compatible
        self._lock = asyncio.Lock()
        self._positions: dict[str, _Position] = {}
        self._closed: deque[str] = deque(maxlen=64)  # messages that this connection has whole
        self._told: deque[str] = deque(maxlen=256)  # calls, tasks and questions that it knows of
        self._status: Event = {}  # the last one sent since `connection`
        self._doubts = 0  # ticks in a row at which the database knew of another state
        self._greet: Greet | None = None
        self._must_greet = False
        self._after: int | None = None

    # -- frames -----------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """True while the connection takes more."""
        return self._flow.is_open(time.monotonic())

    @property
    def is_stalled(self) -> bool:
        return self._flow.is_stalled(time.monotonic())

    @property
    def has_queued(self) -> bool:
        """True if a turn waited when the page was told of the conversation's state."""
        return bool(self._status.get("queued"))

    async def send(self, event: Event, frame: str | None = None) -> None:
        """Send one event, whatever the window says; in the compatible profile what stands for it."""
        if not self._is_compatible:
            return await self._send(frame or encode(event))
        for told in compatible(event):
            await self._send(encode(told))

    async def _send(self, frame: str) -> None:
        self._flow.add(size_of(frame), time.monotonic())
        await self._write(frame)

    # -- what comes -------------------------------------------------------------------------------------------------

    async def open(self, greet: Greet, *, after: int | None) -> None:
        """Send `connection` and everything after the record `after`; None: the newest records."""
        async with self._lock:
            self._greet = greet
            self._start_over(after)
            await self._pump()

    async def open_new(self, greet: Greet) -> None:
        """Send `connection` of a conversation that nobody can have written to yet: the database is not asked."""
        async with self._lock:
            self._greet = greet
            self._start_over(None)
            await self._send_all(_Stored(snapshot=_nothing_open()))

    async def deliver(self, message: dict[str, Any]) -> None:
        """Pass on a layer message, as far as it is new to this connection."""
        if message["conversation"] != str(self.conversation_id):
            return  # never another conversation's text, whatever the layer does
        async with self._lock:
            if self.is_behind:
                return
            is_plain = self.is_html and "html" not in message  # sent before anyone had asked for HTML
            frames = message["raw"] if is_plain or not self.is_html else message["html"]
            for frame in frames.split("\n") if frames else ():
                await self._pass_on(json.loads(frame), frame, is_plain=is_plain)
                if self.is_behind:
                    return await self._pump()

    async def ack(self, frames: int) -> None:
        """Take the client's acknowledgement. Raises: BadFrame."""
        self._flow.ack(frames, time.monotonic())
        await self.catch_up()

    async def catch_up(self) -> None:
        """Send what is missing, as far as the window allows."""
        if self.is_behind and self.is_open and not self._lock.locked():  # else who holds it goes on by itself
            async with self._lock:
                await self._pump()

    def compare(self, newest_seq: int, state: str) -> None:
        """Be behind if the database knows of more than this connection was sent, or may know."""
        if self._greet is None:
            return  # not open yet: nothing comes before `connection`
        told = self._status.get("state")
        told = Conversation.State.RUNNING if told == Conversation.State.STOPPING else told
        self._doubts = self._doubts + 1 if told != state else 0
        if self._lock.locked():
            return  # it is catching up already
        has_checkpoint = any(position.is_checkpoint for position in self._positions.values())
        if newest_seq > self.seq or self._doubts >= 2 or has_checkpoint:
            self._doubts = 0
            self.is_behind = True

    async def resync(self, message_id: str) -> bool:
        """Send an open message anew from its beginning; False when it is not open."""
        async with self._lock:
            if self._positions.pop(message_id, None) is None:
                return False
            self.is_behind = True
            await self._pump()
            return True

    # -- live -------------------------------------------------------------------------------------------------------

    async def _pass_on(self, event: Event, frame: str, *, is_plain: bool) -> None:
        if is_plain and event["type"] == "stream_token":
            self.is_behind = True  # asking the agent's process for the HTML so far tells it that HTML is wanted
            return
        if not self._is_next(event):
            return
        if not self.is_open:
            return self._fall_behind()
        if is_plain and event["type"] == "message":
            event = await in_thread(with_html, event)
            frame = encode(event)
        if event["type"] == "message" and (position := self._positions.get(event["message"]["id"])):
            await self._finish_stream(event["message"], position)  # closed by another process than its writer's
        self._note(event)
        await self.send(event, frame)

    def _is_next(self, event: Event) -> bool:
        """True if the event is to be sent now. A hole puts the connection behind."""
        kind = event["type"]
        if kind in RECORDS:
            self.is_behind = event["seq"] > self.seq + 1
            return event["seq"] == self.seq + 1
        if kind in CHUNKS:
            return self._is_next_chunk(event)
        match kind:
            case "stream_start":
                return event["message_id"] not in self._positions and event["message_id"] not in self._closed
            case "stream_end":
                position = self._positions.get(event["message_id"])
                return position is not None and not position.is_checkpoint  # else its record ends it, with the rest
            case "status":
                return event != self._status
            case "tool_call" | "task_start" | "input_request":
                return _begun_by(event) not in self._told
        return True

    def _is_next_chunk(self, event: Event) -> bool:
        id, n = event["message_id"], event["n"]
        position = self._positions.get(id)
        if position is None:
            self.is_behind = id not in self._closed  # else its stream_start was lost
            return False
        expected = position.next_reasoning if event["type"] == "stream_reasoning" else position.next
        if expected is None:
            return False
        if position.is_checkpoint:
            self.is_behind = True  # its writer is heard: it may answer
            return False
        if n < expected:
            return False
        if n > expected:
            self.is_behind = True
        return n == expected

    def _note(self, event: Event) -> None:
        """Move the cursor over an event that is being sent."""
        match event["type"]:
            case "status":
                self._status = event
            case "tool_call" | "task_start" | "input_request":
                self._told.append(_begun_by(event))
            case "stream_start":
                self._positions[event["message_id"]] = _Position(next=0)
            case "stream_token":
                position = self._positions[event["message_id"]]
                position.next += 1
                position.chars += len(event["token"])
            case "stream_html":
                self._positions[event["message_id"]].next += 1
            case "stream_reasoning":
                position = self._positions[event["message_id"]]
                position.next_reasoning += 1
                position.reasoning_chars += len(event["token"])
            case "stream_end":
                self._positions.pop(event["message_id"])
                self._closed.append(event["message_id"])
            case "message":
                self.seq = event["seq"]
                self._closed.append(event["message"]["id"])
            case "tool_result":
                self.seq = event["seq"]
                self._told.append(_begun_by(event))  # its beginning may come late
            case "head":
                self.seq = event["seq"]

    def _fall_behind(self) -> None:
        """The window is full: what comes now is dropped, and the ack that opens it begins a catch-up."""
        if self._is_compatible:
            self.is_behind = True
        else:
            self._start_over(self.seq)

    def _start_over(self, after: int | None) -> None:
        self.is_behind, self._must_greet, self._after = True, True, after
        self._status = {}
        self._positions.clear()
        self._told.clear()

    # -- catching up ------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        """Send what is missing until there is nothing, or the window closes. Goes on where it stopped."""
        while self.is_behind and self.is_open:
            await self._send_all(await in_thread(self._read))

    def _read(self) -> _Stored:
        """Read what is missing, at most so many records. In an I/O thread."""
        while True:
            stored = self._read_once()
            if not (stored.conversation and (stored.snapshot["streams"] or stored.snapshot["calls"])):
                return stored
            now = Conversation.objects.find(self.conversation_id)
            if now and now.newest_seq == stored.conversation.newest_seq:
                return stored  # else what is open was read later: a call of a message whose record is missing

    def _read_once(self) -> _Stored:
        conversation = Conversation.objects.find(self.conversation_id)
        if conversation is None:
            return _Stored(snapshot=_nothing_open())
        start, resumed = conversation.start_for(self._after) if self._must_greet else (self.seq, True)
        events: list[Event] = []
        if start < conversation.newest_seq:
            events = [row.event() for row in _next_records(conversation.id, start)]
        return _Stored(
            conversation=conversation,
            start=start,
            resumed=resumed,
            known=conversation.newest_ids(start) if self._must_greet and resumed else [],
            records=[with_html(event) for event in events] if self.is_html else events,
            has_more=len(events) == RECORDS_PER_READ,
            snapshot=_stored_snapshot(conversation, html=self.is_html),
        )

    async def _send_all(self, stored: _Stored) -> None:
        """Send what was read, and after it what runs, as far as the window allows. It may have to be read again."""
        if self._must_greet:
            if (snapshot := await self._snapshot(stored)) is None:
                return
            self.seq, self._must_greet = stored.start, False
            self._closed.extend(stored.known)
            self._told.extend(stored.known)
            earlier = not stored.resumed and stored.start > 0
            await self.send(self._greet(stored.conversation, stored.resumed, earlier))
            await self._send_status(snapshot)
        elif stored.records and _is_idle(self._status) and not _is_idle(stored.snapshot["status"]):
            await self._send_status(stored.snapshot)  # they are of a turn that the page has not seen begin
        for event in stored.records:
            if not self.is_open:
                return
            await self._send_record(event)
        if stored.has_more or (snapshot := await self._snapshot(stored)) is None:
            return
        if await self._send_open(snapshot):
            self.is_behind = False

    async def _snapshot(self, stored: _Stored) -> dict[str, Any] | None:
        """What runs, from who runs it, or as far as it is stored.

        None when it has gone on to records that were not there to be read: the page would hear of the end of a turn
        before it has the answer.
        """
        row = stored.conversation
        owner = row.owner_process_id if row else None
        live = await here.snapshot(self.conversation_id, owner, html=self.is_html)
        if live and row and live.get("newest_seq", 0) > row.newest_seq:  # absent: from the version before this
            return None
        return live or stored.snapshot

    async def _send_status(self, snapshot: dict[str, Any]) -> None:
        if snapshot["status"] != self._status:
            self._note(snapshot["status"])
            await self.send(snapshot["status"])

    async def _send_record(self, event: Event) -> None:
        if event["type"] == "message" and (position := self._positions.get(event["message"]["id"])):
            await self._finish_stream(event["message"], position)
        self._note(event)
        await self.send(event)

    async def _finish_stream(self, message: dict[str, Any], position: _Position) -> None:
        """Its record is here, its last chunks and its `stream_end` were lost."""
        while position.next is not None and not self.is_html:
            rest = message["content"][position.chars :][:CHUNK_CHARS]
            if not rest:
                break
            token = {"type": "stream_token", "message_id": message["id"], "n": position.next, "token": rest}
            self._note(token)
            await self.send(token)
        end = {"type": "stream_end", "message_id": message["id"]}
        self._note(end)
        await self.send(end)

    async def _send_open(self, snapshot: dict[str, Any]) -> bool:
        """Send what runs; False when the window closed on the way."""
        await self._send_status(snapshot)
        for event in (*snapshot["tasks"], *snapshot["calls"]):
            if not self.is_open:
                return False
            await self._send_once(event)
        for view in snapshot["streams"]:
            position = _Position(is_checkpoint=snapshot.get("is_stored", False))
            if view.start["message_id"] not in self._closed and not await self._send_stream(view, position):
                return False
        if snapshot["question"]:
            await self._send_once(snapshot["question"])
        return True

    async def _send_once(self, event: Event) -> None:
        """Send what is open, unless this connection has been told since its `connection`."""
        if self._is_next(event):
            self._note(event)
            await self.send(event)

    async def _send_stream(self, view: StreamView, new: _Position) -> bool:
        """Send the part of an open message that this connection lacks; False when the window closed on the way.

        `new`: where it is before the first part, if it is to have all of it.
        """
        id = view.start["message_id"]
        position = self._positions.get(id)
        if self._is_compatible:
            return await self._send_rest(view, position, new)
        if position and self._has_all(view, position, is_stored=new.is_checkpoint):
            position.is_checkpoint = new.is_checkpoint
            return True
        kind = "stream_more"
        if position is None or position.next is not None:  # new, or chunks were lost
            kind, position = "stream_start", new
        while position.next is None:
            if not self.is_open:
                return False
            self._positions[id] = position  # with its first part: before, the page knows nothing of the message
            position.is_checkpoint = new.is_checkpoint
            await self.send(_next_part(view, position, kind))
            kind = "stream_more"
        return True

    def _has_all(self, view: StreamView, position: _Position, *, is_stored: bool) -> bool:
        """True if the connection lacks nothing of an open message that it has begun. A checkpoint may be the older."""
        if position.next is None:
            return False
        if not is_stored:
            return not position.is_checkpoint and (position.next, position.next_reasoning) == (view.n, view.reasoning_n)
        is_older = len(view.text) <= position.chars and len(view.reasoning) <= position.reasoning_chars
        return is_older or (self.is_html and not position.is_checkpoint)  # chunks of HTML do not say how much text

    async def _send_rest(self, view: StreamView, position: _Position | None, new: _Position) -> bool:
        """The compatible profile: `stream_start` once, then the missing text as one token."""
        id = view.start["message_id"]
        if position is None:
            position = self._positions[id] = new
            await self.send(view.start)
        position.is_checkpoint = new.is_checkpoint or len(view.text) < position.chars  # stored before it was sent
        position.next, position.next_reasoning = view.n, view.reasoning_n
        while rest := view.text[position.chars :][:SNAPSHOT_CHARS]:
            if not self.is_open:
                return False
            position.chars += len(rest)
            await self.send({"type": "stream_token", "message_id": id, "n": view.n, "token": rest})
        return True


def _is_idle(status: Event) -> bool:
    return status.get("state") == Conversation.State.IDLE


def _begun_by(event: Event) -> str:
    """The id of the call, task or question that the event begins."""
    return event.get("tool_call_id") or event.get("task_id") or event["request_id"]


def _next_part(view: StreamView, position: _Position, kind: str) -> Event:
    """The next part of a long text so far. Moves the position, and completes it with the last part."""
    event: Event = {**view.start} if kind == "stream_start" else {"message_id": view.start["message_id"]}
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


def _next_blocks(blocks: tuple[str, ...], position: _Position) -> list[str]:
    """The next blocks, as many as fit. Only the last one of all can still change."""
    taken: list[str] = []
    for block in blocks[position.blocks :]:
        if taken and sum(map(len, taken)) + len(block) > SNAPSHOT_CHARS:
            break
        taken.append(block if size_of(encode(block)) < MAX_BLOCK_BYTES else TOO_LONG_TO_SHOW)
    position.blocks += len(taken)
    return taken


def _nothing_open() -> dict[str, Any]:
    """The snapshot of a conversation without a row."""
    status = {"type": "status", "state": "idle", "agent": "", "turn": None, "queued": []}
    return {"status": status, "streams": [], "calls": [], "tasks": [], "question": None}


def _stored_snapshot(conversation: Conversation, *, html: bool) -> dict[str, Any]:
    """What the database knows of a conversation whose agent cannot be asked: its state and its checkpoints."""
    records = conversation.open_records if conversation.state != Conversation.State.IDLE else []
    turns = conversation.open_turns
    queued = [str(turn.id) for turn in turns if turn.begun is None]
    waits = conversation.state == Conversation.State.IDLE and queued
    status = {
        "type": "status",
        "state": Conversation.State.RUNNING if waits else conversation.state,
        "agent": records[-1].agent if records else conversation.agent_name,
        "turn": next((str(turn.id) for turn in turns if turn.begun), None),
        "queued": queued,
    }
    return {
        "is_stored": True,
        "status": status,
        "streams": [_stored_view(row, html=html) for row in records if row.kind == Message.Kind.ASSISTANT],
        "calls": [row.call_event() for row in records if row.kind == Message.Kind.TOOL],
        "tasks": [],
        "question": conversation.question,
    }


def _stored_view(row: Message, *, html: bool) -> StreamView:
    """A checkpoint. No chunk fits it: the next one has the owner asked again."""
    start = {"type": "stream_start", "message_id": str(row.id), "turn": text_or_none(row.turn)}
    return StreamView(
        start=start | {"sender": "assistant", **row.place, "timestamp": iso(row.created)},
        text=row.content,
        n=0,
        reasoning=row.reasoning,
        reasoning_n=0,
        blocks=blocks(row.content) if html else None,
    )
