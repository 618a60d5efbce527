"""The safety net: once a second the process renews its lease and looks into the database for what was lost.

One daemon thread stores the checkpoints of open messages, and finds with one query what the channel layer may not have
brought: messages, answers and stops that wait for this process's agents, and newer records of conversations that have
a connection here. What it finds is acted on in the event loop. Redis carries, the database knows.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Subquery

from chat.conf import conf
from chat.live.claims import store_checkpoints
from chat.live.outbox import start_thread
from chat.live.session import AgentSession
from chat.mends.sqlite import connected
from chat.models import ChatSession, Conversation, Message, ServerProcess
from chat.models.conversation import OPEN_TURN
from chat.owners import still_valid

if TYPE_CHECKING:
    from chat.cluster.process import Process

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
VALID_EVERY = 2  # ticks between two looks at the owners' accounts


class Tick:
    """The tick of a process, from its registration to the end of its lease."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends = threading.Event()
        self._count = 0

    def start(self) -> None:
        """Tick from now on. Call on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._ends = threading.Event()
        start_thread(self._run, name="chat-tick")

    def end(self) -> None:
        """Tick no more. May be called again."""
        self._ends.set()

    # == the tick's thread ==========================================================================================

    def _run(self) -> None:
        renewed = time.monotonic()
        ends = self._ends
        while not ends.wait(TICK_SECONDS):
            if time.monotonic() - renewed > conf.LEASE_SECONDS - 1:
                self._process.lose()  # this process was paused, or the database was away
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
                self._loop.call_soon_threadsafe(self._after, rows)
            except RuntimeError:
                return  # the loop is closed

    def _tick(self) -> list[dict[str, Any]]:
        """Renew, checkpoint, look. One transaction and one query."""
        process, record = self._process, self._process.record
        if record is None:
            return []  # it has just ended
        if not record.renew():  # another process took this one for dead
            process.lose()
            self._loop.call_soon_threadsafe(lambda: process.spawn(process.register_again()))
            return []
        _store_checkpoints(list(process.sessions.values()))
        self._count += 1
        if self._count % VALID_EVERY == 0:
            self._check_owners()
        ids = set(process.connections) | set(process.sessions)
        if not ids:
            return []
        found = _look_for(ids)
        self._mark_read([row["id"] for row in found if row["read_seq"] < row["newest_seq"]])
        return found

    def _mark_read(self, ids: list[uuid.UUID]) -> None:
        """What an open page has been sent counts as read."""
        shown = [id for id in ids if id in self._process.connections]
        if not shown:
            return
        Conversation.objects.filter(id__in=shown).update(read_seq=F("newest_seq"))
        for conversation in Conversation.objects.filter(id__in=shown):
            self._loop.call_soon_threadsafe(self._process.summary_changed, conversation, conversation.owner)

    def _check_owners(self) -> None:
        connections = self._process.connections
        owners = {connection.owner for group in list(connections.values()) for connection in list(group)}
        if owners and (gone := owners - still_valid(owners)):
            self._loop.call_soon_threadsafe(self._process.sign_out, gone)

    # == the event loop =============================================================================================

    def _after(self, rows: list[dict[str, Any]]) -> None:
        """Act on what the tick has found."""
        process = self._process
        if process.record is None or process.is_draining:
            return
        for row in rows:
            self._look_at(row)
        for connections in process.connections.values():
            for connection in connections:
                if connection.needs_tick:
                    process.spawn(connection.tick())
        process.end_unwatched()

    def _look_at(self, row: dict[str, Any]) -> None:
        id, process = row["id"], self._process
        session = process.sessions.get(id)
        if session is not None and row["fence"] > session.fence:
            session.close(ChatSession.EndReason.REPLACED)  # another agent has the conversation, or the memory is old
        elif session is not None and row["fence"] == session.fence:
            if row["asked_to_end"]:
                process.spawn(process.reset(id, row["asked_to_end"]))
            if row["stop_turn"] and row["stop_turn"] == session.turn:
                process.spawn(process.stop(id))
            if session.question and not row["question"]:
                process.spawn(process.look_for_answer(id))
            if row["has_queued"] and session.is_idle:
                session.look()
        elif session is None and row["owner_process"] == process.record.id:
            if row["has_queued"] or row["state"] != Conversation.State.IDLE:
                process.spawn(process.wake(id))  # its session died with the database, or before it could say so
        elif session is None and not row["is_owned"]:
            if row["owner_process"]:
                process.spawn(process.close_orphan(id))
            elif row["has_queued"]:
                process.spawn(process.wake(id))
        waits = row["has_queued"] and row["state"] == Conversation.State.IDLE
        state = Conversation.State.RUNNING if waits else row["state"]
        for connection in process.connections.get(id, ()):
            connection.compare(row["newest_seq"], state)


def _look_for(ids: set[uuid.UUID]) -> list[dict[str, Any]]:
    """What the database knows of these conversations, in one query."""
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
    return list(rows.values(*stored, "has_queued", "is_owned", "asked_to_end"))


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
