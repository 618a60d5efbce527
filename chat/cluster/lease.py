"""The lease of a server process on the conversations that it owns: `ServerProcess.renewed`, by the database's clock.

One daemon thread renews it once a second, on a connection of its own, and does nothing else: what repairs, marks and
stores may be late without ending anything.

A process that renews late may have lost conversations to others meanwhile. Until it knows better nothing that its
agents say is sent; then those go whose fence has moved, and the others go on. No write needs the lease: the fence keeps
a former owner out of every one. A process that is alone loses nothing by being late.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Coroutine
from typing import Any, Protocol

from django.db import DatabaseError, close_old_connections

from chat.conf import conf
from chat.live.session import AgentSession
from chat.live.threads import start_thread
from chat.mends.locks import own_connection, prompt_transaction, reason_of
from chat.models import Conversation, ServerProcess

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
LOCK_SECONDS = 0.5  # then somebody else has the row, and the next beat tries again


class Holder(Protocol):
    """Whose lease it is: the process."""

    record: ServerProcess | None
    sessions: dict[uuid.UUID, AgentSession]

    async def register_again(self) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class Lease:
    """The heartbeat of a process, from its registration to its end."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends = threading.Event()
        self._renewed = 0.0  # when it was renewed, and when that was tried (monotonic)
        self._tried = 0.0
        self._is_alone = False  # at the last look no other process was alive

    def start(self) -> None:
        """Renew the lease from now on: it has just been made. Call on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._ends = threading.Event()
        self._renewed = self._tried = time.monotonic()
        start_thread(self._run, name="chat-lease")

    def end(self) -> None:
        """Renew it no more. May be called again."""
        self._ends.set()

    @property
    def is_held(self) -> bool:
        """True while nobody else can have claimed what is ours, as far as this process's own clock tells.

        A lone process is one as long as it looks: one that was stopped and goes on does not know who has come.
        """
        now, longest = time.monotonic(), conf.LEASE_SECONDS - 1
        return now - self._renewed < longest or (self._is_alone and now - self._tried < longest)

    def _run(self) -> None:
        ends, is_late = self._ends, False
        with own_connection(lock_seconds=LOCK_SECONDS):
            while not ends.wait(BEAT_SECONDS):
                try:
                    self.beat()
                    is_late = False
                except DatabaseError as error:
                    if not is_late:
                        logger.warning("the lease is not renewed: %s", reason_of(error))
                    is_late = True
                except Exception:
                    logger.exception("the lease is not renewed")
                close_old_connections()

    def beat(self) -> None:
        """Renew the lease; where that is late, part with what others have claimed. Raises: DatabaseError."""
        record = self._holder.record
        if record is None:
            return  # it has just ended
        started = self._tried = time.monotonic()
        try:
            with prompt_transaction(seconds=LOCK_SECONDS):
                is_mine = record.renew()
        finally:
            with prompt_transaction(seconds=LOCK_SECONDS):  # what is locked can still be read
                self._is_alone = not record.others_live()
        if not is_mine:
            self._lose_all()
        elif started - self._renewed >= conf.LEASE_SECONDS - 1:
            self._lose_claimed(started - self._renewed)
        self._renewed = started

    def _lose_claimed(self, seconds: float) -> None:
        sessions = {session.conversation_id: session for session in list(self._holder.sessions.values())}
        with prompt_transaction(seconds=LOCK_SECONDS):
            fences = dict(Conversation.objects.filter(id__in=sessions).values_list("id", "fence"))
        lost = [session for id, session in sessions.items() if fences.get(id) != session.fence]
        logger.warning(
            "the lease was renewed after %.1f s; of %d agents %d are lost", seconds, len(sessions), len(lost)
        )
        for session in lost:
            session.lose()

    def _lose_all(self) -> None:
        """Another process took this one for dead, and all that it owned for an orphan."""
        logger.warning("the lease was ended by another process")
        for session in list(self._holder.sessions.values()):
            session.lose()
        holder = self._holder
        assert self._loop is not None  # it has begun
        try:
            self._loop.call_soon_threadsafe(lambda: holder.spawn(holder.register_again()))
        except RuntimeError:
            self.end()  # the loop is closed


def register() -> ServerProcess:
    """Make this process's row, and end those of dead processes of this host at once."""
    host = _host()
    for other in ServerProcess.objects.filter(host=host, ended=None):
        if not _runs(other.pid) or other.pid == os.getpid():
            other.end()
    return ServerProcess.objects.create(host=host, pid=os.getpid())


def _host() -> str:
    """This machine, and where pids are told apart by namespace (containers may share a host name) also that."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def live_owner(conversation_id: uuid.UUID) -> uuid.UUID | None:
    """The live process that owns the conversation, if there is one."""
    owner = Conversation.objects.filter(id=conversation_id).values_list("owner_process", flat=True).first()
    return owner if ServerProcess.is_alive(owner) else None
