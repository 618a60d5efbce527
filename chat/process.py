"""Who is live in this process: its agents, its connections, and its lease on the conversations that it owns.

`here` is the one `Process`. Everything in it belongs to the event loop, but for the tick: one daemon thread that once
a second renews the lease, stores the checkpoints of open messages, and looks with one query for what the channel
layer may have lost: messages, answers and stops that wait for this process's agents, and newer records of
conversations that have a connection here. Redis carries, the database knows.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import random
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, Protocol

from channels.layers import get_channel_layer
from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Subquery

from chat.bridge import StreamView, Trailer, in_thread, start_thread, tell
from chat.commands import erase
from chat.conf import conf
from chat.exceptions import Busy, ChatError
from chat.models import OPEN_TURN, ChatSession, Conversation, Message, ServerProcess, group_of
from chat.owners import Owner, still_valid
from chat.ownership import Claim, claim, close_orphan, live_owner, register, stop_waiting, store_checkpoints
from chat.protocol import CLOSE_ELSEWHERE, CLOSE_RESTART, CLOSE_SIGN_IN, Event, encode
from chat.session import AgentSession, connected

logger = logging.getLogger("chat.process")

TICK_SECONDS = 1.0
SAME_SIGNAL_SECONDS = 0.5
WARM_SECONDS = 1.0  # the agent library is imported so long after the start
ASK_SECONDS = 0.5  # longest wait for another process's answer
UNHEARD_SECONDS = 2.0  # a process that did not answer is not asked again for so long
VALID_EVERY = 2  # ticks between two looks at the owners' accounts


class Connection(Protocol):
    """What the process needs of a consumer. All on the event loop."""

    conversation_id: uuid.UUID
    owner: Owner
    address: str
    is_html: bool

    async def compare(self, newest_seq: int, state: str) -> None: ...

    async def tick(self) -> None: ...

    async def dismiss(self, code: int, *events: Event) -> None: ...


class Process:
    """The sessions and connections of this server process."""

    def __init__(self) -> None:
        self.record: ServerProcess | None = None
        self.sessions: dict[uuid.UUID, AgentSession] = {}
        self.connections: dict[uuid.UUID, set[Connection]] = defaultdict(set)
        self.is_draining = False
        self._of_owner: dict[str, list[Connection]] = defaultdict(list)  # oldest first
        self._leaving: set[AgentSession] = set()  # their threads have not ended yet
        self._left: dict[uuid.UUID, float] = {}  # when the last connection of a conversation went
        self._resources: dict[uuid.UUID, dict[str, Any]] = defaultdict(dict)
        self._locks: dict[uuid.UUID, asyncio.Lock] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Lock | None = None
        self._tick_ends = threading.Event()
        self._listener: asyncio.Task[None] | None = None
        self._replies: dict[str, asyncio.Future[Any]] = {}
        self._unheard: dict[uuid.UUID, float] = {}  # processes that did not answer, and when
        self._work: set[asyncio.Task[None]] = set()
        self._ticks = 0

    # == life =======================================================================================================

    async def start(self) -> None:
        """Register this process, once per event loop: at the first connection."""
        loop = asyncio.get_running_loop()
        if self._loop is loop and self.record is not None:
            return
        if self._starting is None or self._loop is not loop:
            self._loop, self._starting, self.record = loop, asyncio.Lock(), None
        async with self._starting:
            if self.record is None:
                self.record = await in_thread(register)
                self._tick_ends = threading.Event()
                start_thread(self._tick_thread, name="chat-tick")
                self._listener = asyncio.create_task(self._listen())
                self._install_drain()

    async def drain(self, seconds: float) -> None:
        """Say `bye`, let running turns go on for `seconds`, interrupt the rest, end the lease. May be called again."""
        if self.is_draining:
            return
        self.is_draining = True
        deadline = time.monotonic() + seconds
        farewells = [self._farewell(connection) for group in list(self.connections.values()) for connection in group]
        await asyncio.gather(*farewells, return_exceptions=True)
        while any(not session.is_idle for session in self.sessions.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self.end()

    async def end(self) -> None:
        """End every session and the lease."""
        for session in list(self.sessions.values()):
            if session.turn is not None:
                await in_thread(session.abandon, ChatSession.EndReason.SHUTDOWN, Message.Status.INTERRUPTED)
            session.close(ChatSession.EndReason.SHUTDOWN)
        limit = time.monotonic() + 1.0
        while self.sessions and time.monotonic() < limit:
            await asyncio.sleep(0.01)
        self._tick_ends.set()
        if self._listener:
            self._listener.cancel()
        if self.record:
            await in_thread(self.record.end)
        Trailer.of_loop().end()
        self.record = None

    async def _farewell(self, connection: Connection) -> None:
        retry_ms = random.randint(500, 2500)
        await connection.dismiss(CLOSE_RESTART, {"type": "bye", "reason": "restart", "retry_ms": retry_ms})

    def _install_drain(self) -> None:
        """Drain before whatever ends the process goes on.

        In the main thread the signals are caught ahead of the server's own handlers. Under runserver's reloader the
        loop runs in another thread and the main thread just exits: there it is done at exit, while daemon threads
        still run.
        """
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, self._drain_first(signum, signal.getsignal(signum)))
        else:
            atexit.register(self._drain_at_exit, self._loop)

    def _drain_first(self, signum: int, previous: Any) -> Callable[..., None]:
        loop = self._loop

        def handle(number: int, frame: Any) -> None:
            # One Ctrl-C may come twice, from the terminal and passed on by a supervisor. A later one does not wait.
            signal.signal(signum, lambda *_: None)

            async def drain_and_go_on() -> None:
                loop.call_later(SAME_SIGNAL_SECONDS, signal.signal, signum, previous)
                try:
                    await self.drain(conf.DRAIN_SECONDS if number == signal.SIGTERM else 0)
                finally:
                    signal.signal(signum, previous)
                    os.kill(os.getpid(), number)

            loop.call_soon_threadsafe(lambda: loop.create_task(drain_and_go_on()))

        return handle

    def _drain_at_exit(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self.drain(0), loop).result(1.5)
        except Exception:
            logger.warning("the server ended before its sessions did", exc_info=True)

    # == connections ================================================================================================

    def join(self, connection: Connection) -> None:
        """Attach a connection; the owner's oldest gives way when there are too many."""
        self.connections[connection.conversation_id].add(connection)
        self._left.pop(connection.conversation_id, None)
        mine = self._of_owner[connection.owner.id]
        mine.append(connection)
        if len(mine) > conf.MAX_SOCKETS:
            oldest = mine[0]
            bye = {"type": "bye", "reason": "opened elsewhere", "retry_ms": 0}
            self._spawn(oldest.dismiss(CLOSE_ELSEWHERE, bye))

    def leave(self, connection: Connection) -> None:
        """Detach a connection. Its turn goes on; without another connection the session has its grace."""
        group = self.connections[connection.conversation_id]
        group.discard(connection)
        if not group:
            del self.connections[connection.conversation_id]
            self._left[connection.conversation_id] = time.monotonic()
            self._tidy(connection.conversation_id)
        mine = self._of_owner[connection.owner.id]
        if connection in mine:
            mine.remove(connection)
        if not mine:
            del self._of_owner[connection.owner.id]

    def count_from(self, address: str) -> int:
        """Connections of one address."""
        return sum(connection.address == address for group in self.connections.values() for connection in group)

    def is_full(self, conversation_id: uuid.UUID) -> bool:
        """True when one more agent has no place, and no idle one could make room."""
        if conversation_id in self.sessions or self._count() < conf.MAX_SESSIONS:
            return False
        return not any(session.is_idle for session in self.sessions.values())

    def _count(self) -> int:
        return len(self.sessions) + len(self._leaving)

    # == commands ===================================================================================================

    def wake_soon(self, conversation_id: uuid.UUID, turn: uuid.UUID) -> None:
        """Wake in the background: the turn is committed, and the tick is there if this fails."""
        self._spawn(self.wake(conversation_id, turn))

    def answer_soon(self, conversation_id: uuid.UUID, message: Message) -> None:
        """Pass on a committed answer in the background."""
        self._spawn(self.answer(conversation_id, message))

    def restart_soon(self, conversation_id: uuid.UUID, turn: uuid.UUID | None) -> None:
        """The transcript is another one: end the agent, and run `turn` with a fresh one, in the background."""
        self._spawn(self._restart(conversation_id, turn))

    async def _restart(self, conversation_id: uuid.UUID, turn: uuid.UUID | None) -> None:
        await self.reset(conversation_id)
        if turn:
            await self.wake(conversation_id, turn)

    async def wake(self, conversation_id: uuid.UUID, turn: uuid.UUID | None = None) -> None:
        """See to it that the conversation's waiting turns run: here, or where its agent lives."""
        if self.is_draining or self.record is None:
            return
        async with self._lock_of(conversation_id):
            session = self.sessions.get(conversation_id)
            if session and not session.closing:
                if turn:
                    session.submit(turn)
                return
            self._make_room()
            claimed = await in_thread(claim, conversation_id, self.record)
            if not isinstance(claimed, Claim):
                relay = {"command": "wake", "turn": str(turn or ""), "conversation": str(conversation_id)}
                return self._relay(claimed, relay)
            self._broadcast(conversation_id, [record.event() for record in claimed.closed])
            if claimed.session:
                self._start_session(claimed)

    def _start_session(self, claimed: Claim) -> None:
        id = claimed.conversation.id
        session = AgentSession(
            claimed,
            resources=self._resources[id],
            ended=self._session_ended,
        )
        if any(connection.is_html for connection in self.connections.get(id, ())):
            session.outbox.want_html()
        self.sessions[id] = session
        session.start()

    def _session_ended(self, session: AgentSession) -> None:
        """In the agent's thread."""
        self._loop.call_soon_threadsafe(self._forget, session)

    def _forget(self, session: AgentSession) -> None:
        id = session.conversation_id
        self._leaving.discard(session)
        if self.sessions.get(id) is session:
            del self.sessions[id]
            if session.has_waiting:
                self._spawn(self.wake(id))  # a turn came while the agent was leaving
        self._tidy(id)

    def _tidy(self, id: uuid.UUID) -> None:
        """Keep nothing of a conversation that has neither an agent nor a page here."""
        if id in self.sessions or id in self.connections:
            return
        if any(session.conversation_id == id for session in self._leaving):
            return
        self._resources.pop(id, None)
        self._left.pop(id, None)
        if (lock := self._locks.get(id)) and not lock.locked():
            del self._locks[id]

    def _make_room(self) -> None:
        """End the longest idle session when this process is full. Raises: Busy."""
        if self._count() < conf.MAX_SESSIONS:
            return
        idle = [session for session in self.sessions.values() if session.is_idle]
        if not idle:
            raise Busy("The server is full. Try again in a moment.", retry_ms=5000)
        longest = min(idle, key=lambda session: session.idle_since)
        self._dismiss(longest, ChatSession.EndReason.EVICTED)

    def _dismiss(self, session: AgentSession, reason: str) -> None:
        """End an idle session; its place is free at once."""
        self.sessions.pop(session.conversation_id, None)
        self._leaving.add(session)
        session.close(reason)

    async def stop(self, conversation_id: uuid.UUID) -> None:
        """Stop the turn that runs, wherever it runs. Does not wait for it."""
        if self._stop_here(conversation_id):
            return
        for record in await in_thread(stop_waiting, conversation_id):
            self._broadcast(conversation_id, [record.event()])
            if session := self.sessions.get(conversation_id):
                session.forget(record.turn)
            return
        if self._stop_here(conversation_id):  # it began meanwhile
            return
        owner = await in_thread(live_owner, conversation_id)
        if owner and owner != self.record.id:
            self._relay(owner, {"command": "stop", "conversation": str(conversation_id)})

    def _stop_here(self, conversation_id: uuid.UUID) -> bool:
        """Stop the turn that an agent of this process runs; False when there is none."""
        session = self.sessions.get(conversation_id)
        turn = session.stop() if session else None
        if turn:
            self._loop.call_later(conf.STOP_SECONDS, self._abandon_if_running, session, turn)
        return turn is not None

    def _abandon_if_running(self, session: AgentSession, turn: uuid.UUID) -> None:
        if session.turn == turn and not session.is_gone:
            self._spawn(self._abandon(session, ChatSession.EndReason.STOPPED, turn))

    async def _abandon(self, session: AgentSession, reason: str, turn: uuid.UUID | None = None) -> None:
        """Take the conversation from an agent that does not end (`turn`); what waits is run by a fresh one."""
        id = session.conversation_id
        async with self._lock_of(id):
            done = await in_thread(session.abandon, reason, Message.Status.STOPPED, turn)
            if done and self.sessions.get(id) is session:  # else its thread has left already
                del self.sessions[id]
                self._leaving.add(session)
        if done and reason != ChatSession.EndReason.DELETED and await in_thread(_has_queued, id):
            await self.wake(id)

    async def reset(self, conversation_id: uuid.UUID, reason: str = ChatSession.EndReason.REPLACED) -> None:
        """End the agent; the next turn gets a fresh one with the transcript as it is then."""
        async with self._lock_of(conversation_id):
            session = self.sessions.get(conversation_id)
            if session is not None and session.is_idle:
                self._dismiss(session, reason)
                return
        if session is not None:
            return await self._abandon(session, reason)
        owner = await in_thread(live_owner, conversation_id)
        mine = self.record and self.record.id  # None before the first socket: deleting takes none
        if owner and owner != mine:
            self._relay(owner, {"command": "reset", "conversation": str(conversation_id), "reason": reason})

    async def answer(self, conversation_id: uuid.UUID, message: Message) -> None:
        """Pass on a committed answer to the agent that asked, here or in the process that owns the conversation."""
        session = self.sessions.get(conversation_id)
        if session is not None:
            return session.answer(str(message.request_id), message.as_answer())
        owner = await in_thread(live_owner, conversation_id)
        if owner and owner != self.record.id:
            self._relay(owner, {"command": "answer", "conversation": str(conversation_id)})

    def records_added(self, conversation: Conversation, owner: Owner, records: list[Message]) -> None:
        """Send committed records to the conversation's pages, and its summary to all pages of the owner."""
        self._broadcast(conversation.id, [record.event() for record in records])
        self.summary_changed(conversation, owner)

    def summary_changed(self, conversation: Conversation, owner: Owner) -> None:
        """Tell all pages of the owner what the list shows of a conversation."""
        tell(owner.group, {"type": "chat.owner", "owner": owner.id, "frame": encode(conversation.summary())})

    async def delete(self, conversation: Conversation, owner: Owner) -> None:
        """Delete a conversation for ever; its agent is ended first, its pages are told."""
        id = conversation.id
        await self.reset(id, ChatSession.EndReason.DELETED)
        await in_thread(erase, id)
        if id not in self.connections:
            self._locks.pop(id, None)
        summary = {**conversation.summary(), "id": str(id), "state": "deleted"}
        tell(owner.group, {"type": "chat.owner", "owner": owner.id, "frame": encode(summary)})
        tell(group_of(id), {"type": "chat.deleted", "conversation": str(id)})

    def _broadcast(self, conversation_id: uuid.UUID, events: list[Event]) -> None:
        if events:
            frames = "\n".join(encode(event) for event in events)
            message = {"type": "chat.events", "conversation": str(conversation_id), "raw": frames}
            tell(group_of(conversation_id), message)

    # == what is open ===============================================================================================

    async def snapshot(self, conversation_id: uuid.UUID, owner_process: uuid.UUID | None, *, html: bool) -> Any:
        """What runs in a conversation, from its session here or in the process that owns it; None: unknown."""
        session = self.sessions.get(conversation_id)
        if session is not None:
            return await in_thread(session.snapshot, html=html)
        if owner_process is None or self.record is None or owner_process == self.record.id:
            return None
        reply = await self._ask(owner_process, {"conversation": str(conversation_id), "html": html})
        if not reply:
            return None
        snapshot = json.loads(reply)
        return {**snapshot, "streams": [StreamView(**view) for view in snapshot["streams"]]}

    async def close_orphan(self, conversation_id: uuid.UUID) -> None:
        """Close what a dead process left open, and run what waits."""
        if conversation_id in self.sessions or self.is_draining:
            return
        records = await in_thread(close_orphan, conversation_id)
        self._broadcast(conversation_id, [record.event() for record in records])
        if await in_thread(_has_queued, conversation_id):
            await self.wake(conversation_id)

    # == between processes ==========================================================================================

    def _relay(self, process_id: uuid.UUID, command: dict[str, Any]) -> None:
        tell(_group_of_process(process_id), {"type": "chat.command", **command})

    async def _ask(self, process_id: uuid.UUID, question: dict[str, Any]) -> Any:
        """Ask another process for a snapshot. None when it does not answer in time."""
        if time.monotonic() - self._unheard.get(process_id, -UNHEARD_SECONDS) < UNHEARD_SECONDS:
            return None  # its pages get the checkpoint meanwhile, and wait for nobody
        token = uuid.uuid4().hex
        future = self._replies[token] = self._loop.create_future()
        question |= {"command": "snapshot", "token": token, "from": str(self.record.id)}
        self._relay(process_id, question)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                reply = await future
        except TimeoutError:
            self._unheard[process_id] = time.monotonic()
            return None
        finally:
            self._replies.pop(token, None)
        self._unheard.pop(process_id, None)
        return reply

    async def _listen(self) -> None:
        """Hear what other processes relay to this one."""
        layer = get_channel_layer()
        pause = 0.0
        while True:
            try:
                channel = await layer.new_channel("chat.process")
                await layer.group_add(_group_of_process(self.record.id), channel)
                while True:
                    message = await layer.receive(channel)
                    self._spawn(self._heard(message))
                    pause = 0.0
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the layer is away: the tick does its work meanwhile
                pause = min(pause + 0.5, 5.0)
                logger.warning("not hearing other processes: %s", type(error).__name__)
                await asyncio.sleep(pause)

    async def _heard(self, message: dict[str, Any]) -> None:
        if message["type"] != "chat.command":
            return
        if message["command"] == "reply":
            future = self._replies.get(message["token"])
            if future and not future.done():
                future.set_result(message["snapshot"])
            return
        id = uuid.UUID(message["conversation"])
        match message["command"]:
            case "wake":
                await self.wake(id, uuid.UUID(message["turn"]) if message["turn"] else None)
            case "stop" if id in self.sessions:
                await self.stop(id)
            case "reset" if id in self.sessions:
                await self.reset(id, message["reason"])
            case "answer" if id in self.sessions:
                await self._look_for_answer(id)
            case "snapshot":
                await self._reply(id, message)

    async def _reply(self, id: uuid.UUID, message: dict[str, Any]) -> None:
        session = self.sessions.get(id)
        snapshot = await in_thread(session.snapshot, html=message["html"]) if session else None
        text = json.dumps(snapshot, default=asdict) if snapshot else ""
        reply = {"command": "reply", "token": message["token"], "snapshot": text}
        self._relay(uuid.UUID(message["from"]), reply)

    async def _look_for_answer(self, id: uuid.UUID) -> None:
        session = self.sessions.get(id)
        question = session.question if session else None
        if question and (message := await in_thread(_answer_to, id, question["request_id"])):
            session.answer(question["request_id"], message.as_answer())

    # == the tick ===================================================================================================

    def _tick_thread(self) -> None:
        renewed = time.monotonic()
        ends = self._tick_ends
        while not ends.wait(TICK_SECONDS):
            if time.monotonic() - renewed > conf.LEASE_SECONDS - 1:
                self._lose()  # this process was paused, or the database was away
            started = time.monotonic()
            try:
                with connected(wait_seconds=0):
                    rows = self._tick()
                renewed = started
            except DatabaseError as error:
                logger.warning("the database does not answer the tick: %s", type(error).__name__)
                continue
            except Exception:
                logger.exception("tick failed")
                continue
            try:
                self._loop.call_soon_threadsafe(self._after_tick, rows)
            except RuntimeError:
                return  # the loop is closed

    def _tick(self) -> list[dict[str, Any]]:
        """Renew, checkpoint, look. In the tick's thread; one transaction and one query."""
        if not self.record.renew():  # another process took this one for dead
            self._lose()
            self._loop.call_soon_threadsafe(lambda: self._spawn(self._register_again()))
            return []
        _store_checkpoints(list(self.sessions.values()))
        self._ticks += 1
        if self._ticks % VALID_EVERY == 0:
            self._check_owners()
        ids = set(self.connections) | set(self.sessions)
        if not ids:
            return []
        queued = Message.objects.filter(OPEN_TURN, conversation=OuterRef("id"), begun=None)
        alive = ServerProcess.objects.filter(ServerProcess.alive(), id=OuterRef("owner_process"))
        sessions = ChatSession.objects.filter(conversation=OuterRef("id"), fence=OuterRef("fence"), ended=None)
        rows = Conversation.objects.filter(id__in=ids).annotate(
            has_queued=Exists(queued),
            is_owned=Exists(alive),
            asked_to_end=Subquery(sessions.values("end_reason")[:1]),
        )
        stored = (
            "id",
            "newest_seq",
            "state",
            "fence",
            "stop_turn",
            "question",
            "owner_process",
            "read_seq",
        )
        found = list(rows.values(*stored, "has_queued", "is_owned", "asked_to_end"))
        self._mark_read([row["id"] for row in found if row["read_seq"] < row["newest_seq"]])
        return found

    def _mark_read(self, ids: list[uuid.UUID]) -> None:
        """What an open page has been sent counts as read."""
        shown = [id for id in ids if id in self.connections]
        if not shown:
            return
        Conversation.objects.filter(id__in=shown).update(read_seq=F("newest_seq"))
        for conversation in Conversation.objects.filter(id__in=shown):
            self._loop.call_soon_threadsafe(self.summary_changed, conversation, conversation.owner)

    def _check_owners(self) -> None:
        owners = {connection.owner for group in list(self.connections.values()) for connection in list(group)}
        if owners and (gone := owners - still_valid(owners)):
            self._loop.call_soon_threadsafe(self._sign_out, gone)

    def _sign_out(self, owners: set[Owner]) -> None:
        error: Event = {"type": "error", "error": "unauthorized", "details": "You are signed out."}
        for group in list(self.connections.values()):
            for connection in list(group):
                if connection.owner in owners:
                    self._spawn(connection.dismiss(CLOSE_SIGN_IN, error))

    def _after_tick(self, rows: list[dict[str, Any]]) -> None:
        """On the loop: act on what the tick has found."""
        if self.record is None or self.is_draining:
            return
        for row in rows:
            self._look_at(row)
        for connections in list(self.connections.values()):
            for connection in list(connections):
                self._spawn(connection.tick())
        self._end_unwatched()

    def _look_at(self, row: dict[str, Any]) -> None:
        id = row["id"]
        session = self.sessions.get(id)
        if session is not None and row["fence"] > session.fence:
            session.close(ChatSession.EndReason.REPLACED)  # another agent has the conversation, or the memory is old
        elif session is not None and row["fence"] == session.fence:
            if row["asked_to_end"]:
                self._spawn(self.reset(id, row["asked_to_end"]))
            if row["stop_turn"] and row["stop_turn"] == session.turn:
                self._spawn(self.stop(id))
            if session.question and not row["question"]:
                self._spawn(self._look_for_answer(id))
            if row["has_queued"] and session.is_idle:
                session.look()
        elif session is None and row["owner_process"] == self.record.id:
            if row["has_queued"] or row["state"] != Conversation.State.IDLE:
                self._spawn(self.wake(id))  # its session died with the database, or before it could say so
        elif session is None and not row["is_owned"]:
            if row["owner_process"]:
                self._spawn(self.close_orphan(id))
            elif row["has_queued"]:
                self._spawn(self.wake(id))
        waits = row["has_queued"] and row["state"] == Conversation.State.IDLE
        state = Conversation.State.RUNNING if waits else row["state"]
        for connection in list(self.connections.get(id, ())):
            self._spawn(connection.compare(row["newest_seq"], state))

    def _end_unwatched(self) -> None:
        """End idle sessions that have had no connection for the grace period."""
        now = time.monotonic()
        for id, session in list(self.sessions.items()):
            if session.is_idle and id not in self.connections:
                since = max(session.idle_since, self._left.get(id, 0.0))
                if now - since >= conf.GRACE_SECONDS:
                    session.close(ChatSession.EndReason.GRACE)

    async def _register_again(self) -> None:
        """Go on under a new lease. What was owned under the old one is whoever's claims it."""
        if self.record is None or self.is_draining:
            return
        self.record = await in_thread(register)
        self._listener.cancel()
        self._listener = asyncio.create_task(self._listen())

    def _lose(self) -> None:
        """The lease is not renewed: others may claim what is ours, so nothing of ours may go on."""
        for session in list(self.sessions.values()):
            session.is_gone = True
            session.close(ChatSession.EndReason.LOST)

    # == small pieces ===============================================================================================

    def _lock_of(self, conversation_id: uuid.UUID) -> asyncio.Lock:
        return self._locks.setdefault(conversation_id, asyncio.Lock())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start background work of the loop, which itself keeps only weak references to tasks."""
        task = self._loop.create_task(self._try(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        """Run background work whose failure must not be lost or spread."""
        try:
            await work
        except ChatError as error:
            logger.info("not done: %s", error.code)
        except Exception:
            logger.exception("background work failed")


here = Process()


# -- blocking pieces, for I/O threads ------------------------------------------------------------------------------


def _store_checkpoints(sessions: list[AgentSession]) -> None:
    """Store the text so far of all open messages in one transaction."""
    texts = [
        (session.fence, *checkpoint)
        for session in sessions
        if not session.is_gone
        for checkpoint in session.checkpoints()
    ]
    if texts:
        store_checkpoints(texts)


def _has_queued(conversation_id: uuid.UUID) -> bool:
    conversation = Conversation.objects.filter(id=conversation_id).first()
    return bool(conversation and conversation.queued.exists())


def _answer_to(conversation_id: uuid.UUID, request_id: str) -> Message | None:
    return Message.objects.filter(conversation=conversation_id, request_id=request_id).first()


def _group_of_process(id: uuid.UUID) -> str:
    return f"chat.process.{id.hex}"


def warm_soon() -> None:
    """Import the agent library in the background, so that the first answer does not wait for it."""
    timer = threading.Timer(WARM_SECONDS, _warm)
    timer.daemon = True
    timer.start()


def _warm() -> None:
    try:
        from chat import langroid_setup

        langroid_setup.warm()
    except Exception:
        logger.exception("the agent library could not be loaded")
