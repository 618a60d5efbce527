"""Who is live in this process: its agents, its connections, and its lease on the conversations that it owns.

`this_process` is the one `Process`. Everything in it belongs to the event loop. What other processes say comes through
its `Relay`; its `Lease` is renewed by a thread of its own, and its `Repair` finds what was lost on the way.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from chat.actions.delete import erase, is_used_since
from chat.actions.listing import mark_read
from chat.agents.state import close_shared
from chat.cluster import announce
from chat.cluster.connections import Connection, Connections
from chat.cluster.lease import Lease, live_owner, register
from chat.cluster.relay import Relay
from chat.cluster.repair import Repair
from chat.cluster.shutdown import drain_before_exit
from chat.cluster.watchdog import Watchdog
from chat.conf import conf
from chat.exceptions import Busy, ChatError, Unauthorized
from chat.live.claims import Claim, claim, close_orphan, stop_waiting
from chat.live.flusher import Flusher
from chat.live.session import AgentSession
from chat.live.snapshot import Snapshot
from chat.live.threads import at_length, beside_loop, first_in_thread, in_thread
from chat.mends.locks import AWAY
from chat.models import ChatSession, Conversation, Message, ServerProcess
from chat.owners import Owner
from chat.wire.codes import CLOSE_ELSEWHERE, CLOSE_RESTART, CLOSE_SIGN_IN
from chat.wire.events import Bye, error_event

logger = logging.getLogger(__name__)

RETURNS_PER_SECOND = 200  # a restarted server's pages are asked to come back no faster, on average
RETURN_SECONDS = 5.0  # a page that is loaded again is back by then
STARTS, STARTS_SECONDS = 3, 60.0  # so many agents of a conversation may fail in this time without any turn
CLOSE_SECONDS = 2.0  # for what agents share to be closed, when the process ends
WARM_SECONDS = 1.0  # the agent library is imported so long after the start


class Process:
    """The sessions and connections of this server process."""

    _loop: asyncio.AbstractEventLoop  # from `start` on

    def __init__(self) -> None:
        self.record: ServerProcess | None = None
        self.sessions: dict[uuid.UUID, AgentSession] = {}
        self.connections = Connections(crowded=self._crowded, left=self._tidy)
        self.is_draining = False
        self._is_ending = False  # what waits is left to another process
        self._leaving: set[AgentSession] = set()  # their threads have not ended yet
        self._resources: dict[uuid.UUID, dict[str, Any]] = defaultdict(dict)
        self._failed: Counter[uuid.UUID] = Counter()  # agents that failed lately before any turn, by conversation
        self._locks: dict[uuid.UUID, asyncio.Lock] = {}
        self._starting: asyncio.Lock | None = None
        self._relay = Relay(heard=self._heard, spawn=self.spawn)
        self._lease = Lease(self)
        self._watchdog = Watchdog(self)
        self._repair = Repair(self)
        self._work: set[asyncio.Task[None]] = set()

    # == life =======================================================================================================

    async def start(self) -> None:
        """Register this process, once per event loop: at the first connection."""
        loop = asyncio.get_running_loop()
        if self.record is not None and self._loop is loop:
            return
        if self._starting is None or self._loop is not loop:
            self._loop, self._starting, self.record = loop, asyncio.Lock(), None
        async with self._starting:
            if self.record is None:
                self.record = await in_thread(register)
                self._lease.start()
                self._watchdog.start()
                self._repair.start()
                self._relay.listen(self.record.id)
                drain_before_exit(loop, self.drain)

    async def drain(self, seconds: float) -> None:
        """Say `bye`, let running turns go on for `seconds`, interrupt the rest, end the lease. May be called again."""
        if self.is_draining:
            return
        self.is_draining = True
        deadline = time.monotonic() + seconds
        connections = list(self.connections)
        within_ms = max(2000, 1000 * len(connections) // RETURNS_PER_SECOND)
        farewells = [self._farewell(connection, within_ms) for connection in connections]
        await asyncio.gather(*farewells, return_exceptions=True)
        while any(not session.is_idle for session in self.sessions.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self.end()

    async def end(self) -> None:
        """End every session and the lease."""
        may_store, self._is_ending = True, True
        for session in list(self.sessions.values()):
            if session.turn is not None and may_store:
                may_store = await self._interrupt(session)
            session.close(ChatSession.EndReason.SHUTDOWN)
        limit = time.monotonic() + 1.0
        while self.sessions and time.monotonic() < limit:
            await asyncio.sleep(0.01)
        with suppress(TimeoutError):  # here, because not every server's process ends by way of `atexit`
            await asyncio.wait_for(in_thread(close_shared), CLOSE_SECONDS)
        self._lease.end()
        self._watchdog.end()
        self._repair.end()
        self._relay.end()
        if self.record:
            with suppress(*AWAY):  # the lease ends by itself
                await in_thread(self.record.end)
        Flusher.of_loop().end()
        self.record, self._is_ending = None, False

    async def _interrupt(self, session: AgentSession) -> bool:
        """Close what runs, but for a question; False when the database cannot be written now: who claims it does so."""
        reason = ChatSession.EndReason.SHUTDOWN
        try:
            if not (session.is_waiting and await beside_loop(session.park, reason)):
                await beside_loop(session.abandon, reason, Message.Status.INTERRUPTED)
        except (Busy, *AWAY):
            logger.warning("conversation %s: its turn is left to who claims it", session.conversation_id)
            return False
        return True

    async def register_again(self) -> None:
        """Go on under a new lease. What was owned under the old one is whoever's claims it."""
        if self.record is None or self.is_draining:
            return
        self.record = await in_thread(register)
        self._relay.end()
        self._relay.listen(self.record.id)

    async def _farewell(self, connection: Connection, within_ms: int) -> None:
        retry_ms = 500 + random.randint(0, within_ms)
        await connection.dismiss(CLOSE_RESTART, Bye(type="bye", reason="restart", retry_ms=retry_ms))

    # == connections ================================================================================================

    def _crowded(self, oldest: Connection) -> None:
        self.spawn(oldest.dismiss(CLOSE_ELSEWHERE, Bye(type="bye", reason="opened elsewhere", retry_ms=0)))

    def sign_out(self, owners: set[Owner]) -> None:
        """Dismiss the connections of owners whose accounts or sign-ins are gone."""
        error = error_event(Unauthorized("You are signed out."))
        for connection in self.connections:
            if connection.owner in owners:
                self.spawn(connection.dismiss(CLOSE_SIGN_IN, error))

    def end_unwatched(self) -> None:
        """End sessions that are idle, or wait for an answer, and have had no connection for the grace period."""
        for session in list(self.sessions.values()):
            if self._unwatched_seconds(session) < conf.GRACE_SECONDS:
                continue
            if session.is_idle:
                session.close(ChatSession.EndReason.GRACE)
            elif session.is_waiting:
                self.spawn(self._leave_open(session, ChatSession.EndReason.GRACE))

    def end_overdue(self) -> None:
        """Stop turns that have taken longer than their agents' entries allow."""
        for session in list(self.sessions.values()):
            if session.is_overdue:
                self._stop_here(session.conversation_id)

    async def _leave_open(self, session: AgentSession, reason: str) -> None:
        """End an agent that waits for an answer; its question stays open. Raises: Busy."""
        if session.has_waiting:
            return session.close(reason)  # its user has gone on: the turn ends, and the next one runs
        done = await beside_loop(session.park, reason)
        if done and self.sessions.get(session.conversation_id) is session:
            del self.sessions[session.conversation_id]
            self._leaving.add(session)

    def _unwatched_seconds(self, session: AgentSession) -> float:
        """For how long a session that does nothing has had no page, in whatever process; 0 while it has one here."""
        id = session.conversation_id
        if id in self.connections:
            return 0.0
        return time.monotonic() - max(session.quiet_since, self.connections.left_at(id))

    def _may_end(self, session: AgentSession) -> bool:
        """True when a session may make room: it is idle, or asks a user who is not there."""
        return session.is_idle or (session.is_waiting and self._unwatched_seconds(session) >= RETURN_SECONDS)

    def is_full(self, conversation_id: uuid.UUID) -> bool:
        """True when one more agent has no place, and no idle one could make room."""
        if conversation_id in self.sessions or self._count() < conf.MAX_SESSIONS:
            return False
        return not any(self._may_end(session) for session in self.sessions.values())

    def _count(self) -> int:
        return len(self.sessions) + len(self._leaving)

    # == commands ===================================================================================================

    def wake_soon(self, conversation_id: uuid.UUID, turn: uuid.UUID | None = None) -> None:
        """Wake in the background: the turn is committed, and the tick is there if this fails."""
        self.spawn(self.wake(conversation_id, turn))

    def requeue_soon(
        self, conversation_id: uuid.UUID, dropped: tuple[uuid.UUID, ...], turns: tuple[uuid.UUID, ...]
    ) -> None:
        """Other turns wait than did. An agent elsewhere hears of those that are new, and finds out about the others."""
        if session := self.sessions.get(conversation_id):
            for turn in dropped:
                session.forget(turn)
        for turn in turns:
            self.wake_soon(conversation_id, turn)

    def answer_soon(self, conversation_id: uuid.UUID, message: Message) -> None:
        """Pass on a committed answer in the background."""
        self.spawn(self.answer(conversation_id, message))

    def restart_soon(self, conversation_id: uuid.UUID, turn: uuid.UUID | None) -> None:
        """The transcript is another one: end the agent, and run `turn` with a fresh one, in the background."""
        self.spawn(self._restart(conversation_id, turn))

    async def _restart(self, conversation_id: uuid.UUID, turn: uuid.UUID | None) -> None:
        await self.reset(conversation_id)
        if turn:
            await self.wake(conversation_id, turn)

    async def wake(self, conversation_id: uuid.UUID, turn: uuid.UUID | None = None) -> None:
        """See to it that the conversation's waiting turns run: here, or where its agent lives."""
        if self.is_draining or self._is_ending or self.record is None:
            return
        lock = self._lock_of(conversation_id)
        if turn is None and lock.locked():
            return  # somebody is at it, and looks at all that waits
        async with lock:
            session = self.sessions.get(conversation_id)
            if session and not session.closing:
                if turn:
                    session.submit(turn)
                return
            await self._make_room()
            claimed = await first_in_thread(claim, conversation_id, self.record)
            if not isinstance(claimed, Claim):
                command = {"command": "wake", "turn": str(turn or ""), "conversation": str(conversation_id)}
                return self._relay.send(claimed, command)
            announce.records(conversation_id, claimed.closed)
            if claimed.session:
                self._start_session(claimed)

    def _start_session(self, claimed: Claim) -> None:
        id = claimed.conversation.id
        session = AgentSession(
            claimed,
            resources=self._resources[id],
            may_send=lambda: self._lease.is_held,
            may_start=self._failed[id] < STARTS,
            ended=self._session_ended,
        )
        if any(connection.is_html for connection in self.connections.of(id)):
            session.outbox.want_html()
        self.sessions[id] = session
        session.start()

    def _session_ended(self, session: AgentSession) -> None:
        """In the agent's thread."""
        self._loop.call_soon_threadsafe(self._forget, session)

    def _forget(self, session: AgentSession) -> None:
        id = session.conversation_id
        self._leaving.discard(session)
        if session.is_fruitless:
            self._failed[id] += 1
            self._loop.call_later(STARTS_SECONDS, self._forgive, id)
        if self.sessions.get(id) is session:
            del self.sessions[id]
            if session.has_waiting:
                self.spawn(self.wake(id))  # a turn came while the agent was leaving
        self._tidy(id)

    def _forgive(self, id: uuid.UUID) -> None:
        self._failed[id] -= 1
        self._failed += Counter()  # without those that have none

    def _tidy(self, id: uuid.UUID) -> None:
        """Keep nothing of a conversation that has neither an agent nor a page here."""
        if id in self.sessions or id in self.connections:
            return
        if any(session.conversation_id == id for session in self._leaving):
            return
        self._resources.pop(id, None)
        self.connections.forget(id)
        if (lock := self._locks.get(id)) and not lock.locked():
            del self._locks[id]

    async def _make_room(self) -> None:
        """End the session that has done nothing for the longest time when this process is full. Raises: Busy."""
        if self._count() < conf.MAX_SESSIONS:
            return
        idle = [session for session in self.sessions.values() if self._may_end(session)]
        if not idle:
            raise Busy("The server is full. Try again in a moment.", retry_ms=5000)
        longest = min(idle, key=lambda session: session.quiet_since)
        if longest.is_idle:
            self._dismiss(longest, ChatSession.EndReason.EVICTED)
        else:
            await self._leave_open(longest, ChatSession.EndReason.EVICTED)

    def _dismiss(self, session: AgentSession, reason: str) -> None:
        """End an idle session; its place is free at once."""
        self.sessions.pop(session.conversation_id, None)
        self._leaving.add(session)
        session.close(reason)

    async def stop(self, conversation_id: uuid.UUID) -> None:
        """Stop the turn that runs, wherever it runs. Does not wait for it."""
        if self._stop_here(conversation_id):
            return
        if ended := await in_thread(stop_waiting, conversation_id):
            announce.records(conversation_id, ended)
            if (session := self.sessions.get(conversation_id)) and ended[0].turn:
                session.forget(ended[0].turn)
            elif not await in_thread(_has_queued, conversation_id):
                announce.idle(ended[0].conversation)
            return
        if self._stop_here(conversation_id):  # it began meanwhile
            return
        if owner := await self._owner_elsewhere(conversation_id):
            self._relay.send(owner, {"command": "stop", "conversation": str(conversation_id)})

    def _stop_here(self, conversation_id: uuid.UUID) -> bool:
        """Stop the turn that an agent of this process runs; False when there is none."""
        session = self.sessions.get(conversation_id)
        if session is None or (turn := session.stop()) is None:
            return False
        self._loop.call_later(conf.STOP_SECONDS, self._abandon_if_running, session, turn)
        return True

    def _abandon_if_running(self, session: AgentSession, turn: uuid.UUID) -> None:
        if session.turn == turn and not session.is_gone:
            self.spawn(self._abandon_at_last(session, turn))

    async def _abandon_at_last(self, session: AgentSession, turn: uuid.UUID) -> None:
        """Abandon a turn that does not end; again and again where the database cannot be written now."""
        try:
            await self._abandon(session, ChatSession.EndReason.STOPPED, turn)
        except (Busy, *AWAY):
            self._loop.call_later(conf.STOP_SECONDS, self._abandon_if_running, session, turn)

    async def _abandon(self, session: AgentSession, reason: str, turn: uuid.UUID | None = None) -> None:
        """Take the conversation from an agent that does not end (`turn`); what waits is run by a fresh one."""
        id = session.conversation_id
        async with self._lock_of(id):
            done = await beside_loop(session.abandon, reason, Message.Status.STOPPED, turn)
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
        if owner := await self._owner_elsewhere(conversation_id):
            self._relay.send(owner, {"command": "reset", "conversation": str(conversation_id), "reason": reason})

    async def answer(self, conversation_id: uuid.UUID, message: Message) -> None:
        """Pass on a committed answer to the agent that asked, here or in the process that owns the conversation."""
        session = self.sessions.get(conversation_id)
        if session is not None:
            return session.answer(str(message.request_id), message.as_answer())
        if owner := await self._owner_elsewhere(conversation_id):
            self._relay.send(owner, {"command": "answer", "conversation": str(conversation_id)})
        else:
            await self.wake(conversation_id)  # its agent has gone: a fresh one goes on

    async def delete(self, conversation: Conversation, owner: Owner) -> None:
        """Delete a conversation for ever; its agent is ended first, its pages are told."""
        id = conversation.id
        await self.reset(id, ChatSession.EndReason.DELETED)
        await in_thread(erase, id)
        if id not in self.connections:
            self._locks.pop(id, None)
        announce.deleted(conversation, id, owner)

    def mark_read_soon(self, id: uuid.UUID, seq: int) -> None:
        """What a page that leaves has been sent is read, also in the second before the tick would have seen it."""
        if seq and not self.is_draining:
            self.spawn(self._mark_read(id, seq))

    async def _mark_read(self, id: uuid.UUID, seq: int) -> None:
        with suppress(*AWAY):
            if conversation := await in_thread(mark_read, id, seq):
                announce.summary(conversation, conversation.owner)

    def erase_later(self, id: uuid.UUID, owner: Owner) -> None:
        """Erase a temporary conversation when its last page has been gone for the grace period."""
        if id not in self.connections:
            self._loop.call_later(conf.GRACE_SECONDS, lambda: self.spawn(self._erase_unwatched(id, owner)))

    async def _erase_unwatched(self, id: uuid.UUID, owner: Owner) -> None:
        """Whoever came back meanwhile, to whatever process, has left a mark in `updated`; so has an agent at work."""
        if id in self.connections or self.is_draining:
            return
        conversation = await in_thread(Conversation.objects.find, id)
        if conversation is None or not conversation.temporary:
            return
        if await in_thread(is_used_since, id, conf.GRACE_SECONDS / 2):
            return self.erase_later(id, owner)
        await self.delete(conversation, owner)

    # == what is open ===============================================================================================

    async def snapshot(
        self, conversation_id: uuid.UUID, owner_process: uuid.UUID | None, *, html: bool
    ) -> Snapshot | None:
        """What runs in a conversation, from its session here or in the process that owns it; None: unknown."""
        session = self.sessions.get(conversation_id)
        if session is not None:
            return await self._snapshot_of(session, html=html)
        if owner_process is None or self.record is None or owner_process == self.record.id:
            return None
        return await self._relay.ask(owner_process, conversation_id, html=html)

    async def _snapshot_of(self, session: AgentSession, *, html: bool) -> Snapshot | None:
        try:
            return await (at_length if html else beside_loop)(session.snapshot, html=html)
        except Busy:
            return None  # its page gets the checkpoint meanwhile

    async def close_orphan(self, conversation_id: uuid.UUID) -> None:
        """Close what a dead process left open, and run what waits."""
        if conversation_id in self.sessions or self.is_draining:
            return
        records = await in_thread(close_orphan, conversation_id)
        announce.records(conversation_id, records)
        if await in_thread(_has_queued, conversation_id):
            await self.wake(conversation_id)

    # == between processes ==========================================================================================

    async def _heard(self, message: dict[str, Any]) -> None:
        """Do what another process asks of the owner of a conversation."""
        id = uuid.UUID(message["conversation"])
        match message["command"]:
            case "wake":
                await self.wake(id, uuid.UUID(message["turn"]) if message["turn"] else None)
            case "stop" if id in self.sessions:
                await self.stop(id)
            case "reset" if id in self.sessions:
                await self.reset(id, message["reason"])
            case "answer" if id in self.sessions:
                await self.look_for_answer(id)
            case "watched":
                self.connections.seen_elsewhere(id)
            case "snapshot":
                session = self.sessions.get(id)
                snapshot = await self._snapshot_of(session, html=message["html"]) if session else None
                self._relay.reply(message, snapshot)

    def tell_watched(self, conversation_id: uuid.UUID, owner: uuid.UUID) -> None:
        """Tell the owner of a conversation that a page here waits with its agent for the user."""
        self._relay.send(owner, {"command": "watched", "conversation": str(conversation_id)})

    async def look_for_answer(self, id: uuid.UUID) -> None:
        """Give the agent a committed answer to its open question that it has not heard of."""
        session = self.sessions.get(id)
        if session is None or (question := session.question) is None:
            return
        if message := await in_thread(_answer_to, id, question["request_id"]):
            session.answer(question["request_id"], message.as_answer())

    async def _owner_elsewhere(self, conversation_id: uuid.UUID) -> uuid.UUID | None:
        """The other live process that owns the conversation, if one does."""
        owner = await in_thread(live_owner, conversation_id)
        mine = self.record and self.record.id  # None before the first socket: deleting takes none
        return None if owner == mine else owner

    # == small pieces ===============================================================================================

    def _lock_of(self, conversation_id: uuid.UUID) -> asyncio.Lock:
        return self._locks.setdefault(conversation_id, asyncio.Lock())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
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
        except AWAY as error:  # what must be done is found again by a tick
            logger.warning("not done, the database is away or locked: %s", str(error).strip())
        except Exception:
            logger.exception("background work failed")


this_process = Process()


# -- blocking pieces, for I/O threads ------------------------------------------------------------------------------


def _has_queued(conversation_id: uuid.UUID) -> bool:
    conversation = Conversation.objects.find(conversation_id)
    return bool(conversation and conversation.queued)


def _answer_to(conversation_id: uuid.UUID, request_id: str) -> Message | None:
    return Message.objects.filter(conversation=conversation_id, request_id=request_id).first()


def warm_soon() -> None:
    """Import the agent library in the background, so that the first answer does not wait for it."""
    timer = threading.Timer(WARM_SECONDS, _warm)
    timer.daemon = True
    timer.start()


def _warm() -> None:
    try:
        from chat.agents.langroid import setup

        setup.warm()
    except Exception:
        logger.exception("the agent library could not be loaded")
