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
from collections.abc import Coroutine
from typing import Any, Protocol

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Subquery

from chat.cluster import announce
from chat.cluster.connections import Connections
from chat.conf import conf
from chat.live.claims import store_checkpoints
from chat.live.session import AgentSession
from chat.live.threads import start_thread
from chat.mends.sqlite import connected
from chat.models import ChatSession, Conversation, Message, ServerProcess
from chat.models.message import OPEN_TURN
from chat.owners import Owner, still_valid

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
VALID_EVERY = 2  # looks between two looks at the owners' accounts


class Home(Protocol):
    """What is repaired: the process. Its methods belong to the event loop, but for `lose`."""

    record: ServerProcess | None
    sessions: dict[uuid.UUID, AgentSession]
    connections: Connections
    is_draining: bool

    def lose(self) -> None: ...

    async def register_again(self) -> None: ...

    def sign_out(self, owners: set[Owner]) -> None: ...

    def end_unwatched(self) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...

    async def wake(self, conversation_id: uuid.UUID, turn: uuid.UUID | None = None) -> None: ...

    async def stop(self, conversation_id: uuid.UUID) -> None: ...

    async def reset(self, conversation_id: uuid.UUID, reason: str = ...) -> None: ...

    async def look_for_answer(self, id: uuid.UUID) -> None: ...

    async def close_orphan(self, conversation_id: uuid.UUID) -> None: ...


class Repair:
    """Renews the lease of a process and repairs what was lost, from its registration to the end of its lease."""

    _loop: asyncio.AbstractEventLoop  # from `start` on

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ends = threading.Event()
        self._count = 0

    def start(self) -> None:
        """Look once a second from now on. Call on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._ends = threading.Event()
        start_thread(self._run, name="chat-repair")

    def end(self) -> None:
        """Look no more. May be called again."""
        self._ends.set()

    # == the repairing thread =======================================================================================

    def _run(self) -> None:
        renewed = time.monotonic()
        ends = self._ends
        while not ends.wait(LOOK_SECONDS):
            if time.monotonic() - renewed > conf.LEASE_SECONDS - 1:
                self._home.lose()  # this process was paused, or the database was away
            started = time.monotonic()
            try:
                with connected(wait_seconds=0):
                    rows = self.look()
                renewed = started
            except DatabaseError as error:
                logger.warning("the database does not answer: %s", type(error).__name__)
                continue
            except Exception:
                logger.exception("repair failed")
                continue
            try:
                self._loop.call_soon_threadsafe(self.act_on, rows)
            except RuntimeError:
                return  # the loop is closed

    def look(self) -> list[dict[str, Any]]:
        """Renew, checkpoint, look. One transaction and one query."""
        home, record = self._home, self._home.record
        if record is None:
            return []  # it has just ended
        if not record.renew():  # another process took this one for dead
            home.lose()
            self._loop.call_soon_threadsafe(lambda: home.spawn(home.register_again()))
            return []
        _store_checkpoints(list(home.sessions.values()))
        self._count += 1
        if self._count % VALID_EVERY == 0:
            self._check_owners()
        ids = {*home.connections.conversations, *list(home.sessions)}
        if not ids:
            return []
        found = _look_for(ids)
        self._mark_read([row["id"] for row in found if row["read_seq"] < row["newest_seq"]])
        return found

    def _mark_read(self, ids: list[uuid.UUID]) -> None:
        """What an open page has been sent counts as read."""
        shown = [id for id in ids if id in self._home.connections]
        if not shown:
            return
        Conversation.objects.filter(id__in=shown).update(read_seq=F("newest_seq"))
        for conversation in Conversation.objects.filter(id__in=shown):
            self._loop.call_soon_threadsafe(announce.summary, conversation, conversation.owner)

    def _check_owners(self) -> None:
        owners = {connection.owner for connection in self._home.connections}
        if owners and (gone := owners - still_valid(owners)):
            self._loop.call_soon_threadsafe(self._home.sign_out, gone)

    # == the event loop =============================================================================================

    def act_on(self, rows: list[dict[str, Any]]) -> None:
        """Repair what the look has found."""
        home = self._home
        if home.record is None or home.is_draining:
            return
        for row in rows:
            self._repair(row, home.record.id)
        for connection in home.connections:
            if connection.needs_repair:
                home.spawn(connection.repair())
        home.end_unwatched()

    def _repair(self, row: dict[str, Any], mine: uuid.UUID) -> None:
        id, home = row["id"], self._home
        session = home.sessions.get(id)
        if session is not None and row["fence"] > session.fence:
            session.close(ChatSession.EndReason.REPLACED)  # another agent has the conversation, or the memory is old
        elif session is not None and row["fence"] == session.fence:
            if row["asked_to_end"]:
                home.spawn(home.reset(id, row["asked_to_end"]))
            if row["stop_turn"] and row["stop_turn"] == session.turn:
                home.spawn(home.stop(id))
            if session.question and not row["question"]:
                home.spawn(home.look_for_answer(id))
            if row["has_queued"] and session.is_idle:
                session.look()
        elif session is None and row["owner_process"] == mine:
            if row["has_queued"] or row["state"] != Conversation.State.IDLE:
                home.spawn(home.wake(id))  # its session died with the database, or before it could say so
        elif session is None and not row["is_owned"]:
            if row["owner_process"]:
                home.spawn(home.close_orphan(id))
            elif row["has_queued"]:
                home.spawn(home.wake(id))
        waits = row["has_queued"] and row["state"] == Conversation.State.IDLE
        state = Conversation.State.RUNNING if waits else row["state"]
        for connection in home.connections.of(id):
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
