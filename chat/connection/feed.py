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
from collections.abc import Awaitable, Callable
from typing import Any

from chat.connection.catch_up import Lack, Stored, next_part, rendered
from chat.connection.cursor import Cursor, Position
from chat.live.rendering import with_html
from chat.live.snapshot import Snapshot, StreamView
from chat.live.threads import at_length, in_thread
from chat.markdown.colours import Patience
from chat.models import Conversation
from chat.wire.codes import CHUNK_CHARS
from chat.wire.events import Event, StreamEnd, StreamToken
from chat.wire.flow import Rate, Window
from chat.wire.frames import encode, size_of

Write = Callable[[str], Awaitable[None]]
Read = Callable[[Lack], Stored]
Tell = Callable[[Event], list[Event]]
Ask = Callable[..., Awaitable[Snapshot | None]]  # (conversation_id, owner_process, *, html)
Greet = Callable[[Conversation | None, bool, bool], Event]  # (conversation, resumed, earlier) -> `connection`


class Feed:
    """The one writer of a connection's events about its conversation."""

    def __init__(
        self,
        conversation_id: uuid.UUID,
        write: Write,
        *,
        html: bool,
        read: Read,
        ask: Ask,
        flow: Window | Rate,
        tell: Tell | None = None,
    ) -> None:
        """`read` finds in the database what is missing (blocking), `ask` what runs, from who runs it; None: unknown.

        `flow`: how much the page takes; `tell`: what a page that does not speak protocol 1 is told instead of an event.
        """
        self.conversation_id = conversation_id
        self.is_html = html
        self._cursor = Cursor()
        self._flow = flow
        self._write, self._read, self._ask = write, read, ask
        self._tell = tell
        self._lock = asyncio.Lock()
        self._doubts = 0  # ticks in a row at which the database knew of another state
        self._greet: Greet | None = None
        self._must_greet = False
        self._after: int | None = None

    @property
    def seq(self) -> int:
        """The newest record sent."""
        return self._cursor.seq

    @property
    def is_behind(self) -> bool:
        """True while the page lacks something."""
        return self._cursor.is_behind

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
        return bool(self._cursor.status.get("queued"))

    async def send(self, event: Event, frame: str | None = None) -> None:
        """Send one event, whatever the window says, or what this page is told instead."""
        if self._tell is None:
            return await self.send_frame(frame or encode(event))
        for told in self._tell(event):
            await self.send_frame(encode(told))

    async def send_frame(self, frame: str) -> None:
        """Send what is encoded already, as it is."""
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
            await self._send_all(Stored())

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
        told = self._cursor.status.get("state")
        told = Conversation.State.RUNNING if told == Conversation.State.STOPPING else told
        self._doubts = self._doubts + 1 if told != state else 0
        if self._lock.locked():
            return  # it is catching up already
        if newest_seq > self.seq or self._doubts >= 2 or self._cursor.has_checkpoint:
            self._doubts = 0
            self.fall_behind()

    def fall_behind(self) -> None:
        """Something is missing: the next `catch_up` looks for it."""
        self._cursor.is_behind = True

    async def resync(self, message_id: str) -> bool:
        """Send an open message anew from its beginning; False when it is not open."""
        async with self._lock:
            if self._cursor.positions.pop(message_id, None) is None:
                return False
            self._cursor.is_behind = True
            await self._pump()
            return True

    # -- live -------------------------------------------------------------------------------------------------------

    async def _pass_on(self, event: Event, frame: str, *, is_plain: bool) -> None:
        if is_plain and event["type"] == "stream_token":
            self._cursor.is_behind = True  # asking the agent's process for the HTML so far tells it that HTML is wanted
            return
        if not self._cursor.is_next(event):
            return
        if not self.is_open:
            return self._drop()
        if is_plain and event["type"] == "message":
            event = await at_length(with_html, event, Patience())
            frame = encode(event)
        if event["type"] == "message" and (position := self._cursor.positions.get(event["message"]["id"])):
            await self._finish_stream(event["message"], position)  # closed by another process than its writer's
        self._cursor.note(event)
        await self.send(event, frame)
        if event["type"] == "status" and _is_idle(event) and self._cursor.positions:
            self._cursor.is_behind = True  # something is open that nobody writes

    def _drop(self) -> None:
        """The window is full: what comes now is dropped, and the ack that opens it begins a catch-up."""
        self._start_over(self.seq)

    def _start_over(self, after: int | None) -> None:
        self._must_greet, self._after = True, after
        self._cursor.start_over()

    # -- catching up ------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        """Send what is missing until there is nothing, or the window closes. Goes on where it stopped."""
        while self.is_behind and self.is_open:
            stored = await in_thread(self._read, self._lack())
            if self.is_html and stored.has_answers:
                stored = await at_length(rendered, stored)
            await self._send_all(stored)

    def _lack(self) -> Lack:
        return Lack(
            conversation_id=self.conversation_id,
            seq=self.seq,
            greets=self._must_greet,
            after=self._after,
        )

    async def _send_all(self, stored: Stored) -> None:
        """Send what was read, and after it what runs, as far as the window allows. It may have to be read again."""
        if self._must_greet:
            if (snapshot := await self._snapshot(stored)) is None:
                return
            assert self._greet is not None  # since it was opened
            self._must_greet = False
            self._cursor.has_records(stored.start, stored.known)
            earlier = not stored.resumed and stored.start > 0
            await self.send(self._greet(stored.conversation, stored.resumed, earlier))
            await self._send_status(snapshot)
        elif stored.records and _is_idle(self._cursor.status) and not _is_idle(stored.snapshot.status):
            await self._send_status(stored.snapshot)  # they are of a turn that the page has not seen begin
        for event in stored.records:
            if not self.is_open:
                return
            await self._send_record(event)
        if stored.has_more or (snapshot := await self._snapshot(stored)) is None:
            return
        if await self._send_open(snapshot):
            self._cursor.is_behind = False

    async def _snapshot(self, stored: Stored) -> Snapshot | None:
        """What runs, from who runs it, or as far as it is stored.

        None when it has gone on to records that were not there to be read: the page would hear of the end of a turn
        before it has the answer.
        """
        row = stored.conversation
        owner = row.owner_process_id if row else None
        live = await self._ask(self.conversation_id, owner, html=self.is_html)
        if live and row and live.newest_seq > row.newest_seq:
            return None
        return live or stored.snapshot

    async def _send_status(self, snapshot: Snapshot) -> None:
        if snapshot.status != self._cursor.status:
            self._cursor.note(snapshot.status)
            await self.send(snapshot.status)

    async def _send_record(self, event: Event) -> None:
        if event["type"] == "message" and (position := self._cursor.positions.get(event["message"]["id"])):
            await self._finish_stream(event["message"], position)
        self._cursor.note(event)
        await self.send(event)

    async def _finish_stream(self, message: dict[str, Any], position: Position) -> None:
        """Its record is here, its last chunks and its `stream_end` were lost."""
        while position.next is not None and not self.is_html:
            rest = message["content"][position.chars :][:CHUNK_CHARS]
            if not rest:
                break
            token = StreamToken(type="stream_token", message_id=message["id"], n=position.next, token=rest)
            self._cursor.note(token)
            await self.send(token)
        end = StreamEnd(type="stream_end", message_id=message["id"])
        self._cursor.note(end)
        await self.send(end)

    async def _send_open(self, snapshot: Snapshot) -> bool:
        """Send what runs; False when the window closed on the way."""
        if _is_idle(snapshot.status) and not snapshot.streams:
            await self._end_lost()
        await self._send_status(snapshot)
        for event in (*snapshot.tasks, *snapshot.calls, *snapshot.steps):
            if not self.is_open:
                return False
            await self._send_once(event)
        for view in snapshot.streams:
            position = Position(is_checkpoint=snapshot.is_stored)
            if view.start["message_id"] not in self._cursor.closed and not await self._send_stream(view, position):
                return False
        if snapshot.question:
            await self._send_once(snapshot.question)
        return True

    async def _end_lost(self) -> None:
        """Nothing runs, and all records were sent: what is open yet has none, and nobody writes it any more.

        It was in memory alone, as the database was locked, when its process died or lost the conversation.
        """
        for id in list(self._cursor.positions):
            end = StreamEnd(type="stream_end", message_id=id)
            self._cursor.note(end)
            await self.send(end)

    async def _send_once(self, event: Event) -> None:
        """Send what is open, unless this connection has been told since its `connection`."""
        if self._cursor.is_next(event):
            self._cursor.note(event)
            await self.send(event)

    async def _send_stream(self, view: StreamView, new: Position) -> bool:
        """Send the part of an open message that this connection lacks; False when the window closed on the way.

        `new`: where it is before the first part, if it is to have all of it.
        """
        id = view.start["message_id"]
        position = self._cursor.positions.get(id)
        if position and self._has_all(view, position, is_stored=new.is_checkpoint):
            position.is_checkpoint = new.is_checkpoint
            return True
        kind = "stream_more"
        if position is None or position.next is not None:  # new, or chunks were lost
            kind, position = "stream_start", new
        while position.next is None:
            if not self.is_open:
                return False
            self._cursor.positions[id] = position  # with its first part: before, the page knows nothing of the message
            position.is_checkpoint = new.is_checkpoint
            await self.send(next_part(view, position, kind))
            kind = "stream_more"
        return True

    def _has_all(self, view: StreamView, position: Position, *, is_stored: bool) -> bool:
        """True if the connection lacks nothing of an open message that it has begun. A checkpoint may be the older."""
        if position.next is None:
            return False
        if not is_stored:
            return not position.is_checkpoint and (position.next, position.next_reasoning) == (view.n, view.reasoning_n)
        is_older = len(view.text) <= position.chars and len(view.reasoning) <= position.reasoning_chars
        return is_older or (self.is_html and not position.is_checkpoint)  # chunks of HTML do not say how much text


def _is_idle(status: Event) -> bool:
    return status.get("state") == Conversation.State.IDLE
