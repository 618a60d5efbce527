"""The safety net: once a second the process looks into the database for what was lost.

One daemon thread finds with one query what the channel layer may not have brought: messages, answers and stops that
wait for this process's agents, and newer records of conversations that have a connection here. What it finds is acted
on in the event loop. Redis carries, the database knows. Then it stores the checkpoints of open messages, and what pages
have read; where somebody else has a lock these are late, and nothing else is.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Subquery

from chat.cluster import announce, descriptors, room
from chat.cluster.connections import Connections
from chat.cluster.watches import Watch
from chat.live.claims import store_checkpoints
from chat.live.session import AgentSession
from chat.live.threads import start_thread
from chat.mends.locks import brief_transaction, reason_of
from chat.mends.sqlite import connected
from chat.models import ChatSession, Conversation, Message, ServerProcess, Tally
from chat.models.message import OPEN_TURN
from chat.owners import Owner, still_valid

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 1.0
LOCK_SECONDS = 0.5  # longest wait for somebody else's lock: there is another look in a second
VALID_EVERY = 2  # looks between two looks at the owners' accounts
FORGET_EVERY = 60  # looks between two in which the tallies of addresses are let go of


class Home(Protocol):
    """What is repaired: the process. Its methods belong to the event loop."""

    record: ServerProcess | None
    sessions: dict[uuid.UUID, AgentSession]
    connections: Connections
    is_draining: bool

    def tell_watched(self, conversation_id: uuid.UUID, owner: uuid.UUID) -> None: ...

    def sign_out(self, owners: set[Owner]) -> None: ...

    def end_unwatched(self) -> None: ...

    def end_overdue(self) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...

    async def wake(self, conversation_id: uuid.UUID, turn: uuid.UUID | None = None) -> None: ...

    async def stop(self, conversation_id: uuid.UUID) -> None: ...

    async def reset(self, conversation_id: uuid.UUID, reason: str = ...) -> None: ...

    async def look_for_answer(self, id: uuid.UUID) -> None: ...

    async def close_orphan(self, conversation_id: uuid.UUID) -> None: ...


class Repair:
    """Repairs what was lost in a process, from its registration to the end of its lease."""

    _loop: asyncio.AbstractEventLoop  # from `start` on

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ends = threading.Event()
        self._count = 0
        self._watches = (Watch(descriptors.problem), Watch(room.problem))

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
        ends = self._ends
        while not ends.wait(LOOK_SECONDS):
            try:
                self._repair_once()
            except RuntimeError:
                return  # the loop is closed

    def _repair_once(self) -> None:
        self._attempt(self._watch)
        found = self._attempt(self.look)
        if found is not None:
            self._loop.call_soon_threadsafe(self.act_on, found)
        self._attempt(self._store_checkpoints)
        if found:
            self._attempt(lambda: self._mark_read(found))
        self._count += 1
        if self._count % VALID_EVERY == 0:
            self._attempt(self._check_owners)
        if self._count % FORGET_EVERY == 0:
            self._attempt(self._forget_tallies)

    def _attempt(self, work: Callable[[], T]) -> T | None:
        """Do one piece of the work; whatever keeps it from being done has nothing to do with the others."""
        try:
            with connected(wait_seconds=0):
                return work()
        except DatabaseError as error:
            logger.warning("%s: the database does not answer: %s", work.__name__, reason_of(error))
        except Exception:
            logger.exception("repair failed")
        return None

    def _watch(self) -> None:
        for watch in self._watches:
            watch.look()

    def look(self) -> list[dict[str, Any]]:
        """What the database knows of all that is here."""
        home = self._home
        ids = {*home.connections.conversations, *list(home.sessions)}
        return _look_for(ids) if ids and home.record else []

    def _store_checkpoints(self) -> None:
        """Store the text so far of all open messages in one transaction."""
        texts = [
            (session.fence, *checkpoint)
            for session in list(self._home.sessions.values())
            if not session.is_gone
            for checkpoint in session.checkpoints()
        ]
        if texts:
            store_checkpoints(texts)

    def _mark_read(self, found: list[dict[str, Any]]) -> None:
        """What an open page has been sent counts as read."""
        unread = [row["id"] for row in found if row["read_seq"] < row["newest_seq"]]
        shown = [id for id in unread if id in self._home.connections]
        if not shown:
            return
        with brief_transaction(seconds=LOCK_SECONDS):
            free = list(Conversation.objects.filter(id__in=shown).select_for_update(skip_locked=True))
            Conversation.objects.filter(id__in=[row.id for row in free]).update(read_seq=F("newest_seq"))
        for conversation in Conversation.objects.filter(id__in=[row.id for row in free]):
            self._loop.call_soon_threadsafe(announce.summary, conversation, conversation.owner)

    def _check_owners(self) -> None:
        owners = {connection.owner for connection in self._home.connections}
        if owners and (gone := owners - still_valid(owners)):
            self._loop.call_soon_threadsafe(self._home.sign_out, gone)

    def _forget_tallies(self) -> None:
        if Tally.over().exists():
            with brief_transaction(seconds=LOCK_SECONDS):
                Tally.over().delete()

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
        home.end_overdue()

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
        elif session is None and row["state"] == Conversation.State.WAITING and home.connections.of(id):
            home.tell_watched(id, row["owner_process"])
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
