"""The heartbeat: what a late one ends, and what it does not."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from chat.clock import Now
from chat.cluster.lease import Lease, register
from chat.mends.locks import own_connection
from chat.models import Conversation, ServerProcess

pytestmark = pytest.mark.django_db(transaction=True)

LATE_SECONDS = 4.0


class Holder:
    """A process with two agents, of one of whose conversations another process has become the owner."""

    def __init__(self) -> None:
        self.record: ServerProcess | None = register()
        self.lost: list[str] = []
        self.sessions = {id: self._session(name, id) for name, id in (("kept", uuid.uuid4()), ("taken", uuid.uuid4()))}
        self.spawned: list[str] = []

    def _session(self, name: str, id: uuid.UUID) -> SimpleNamespace:
        Conversation.objects.create(id=id, visitor="somebody", agent_key="a", owner_process=self.record, fence=3)
        fence = 3 if name == "kept" else 2
        return SimpleNamespace(conversation_id=id, fence=fence, lose=lambda: self.lost.append(name))

    async def register_again(self) -> None: ...

    def spawn(self, work) -> None:
        self.spawned.append(work.__qualname__)
        work.close()


@pytest.fixture
def holder() -> Holder:
    return Holder()


@pytest.fixture
def lease(holder) -> Lease:
    """A lease that has just been made; no thread renews it."""
    lease = Lease(holder)
    lease._loop = SimpleNamespace(call_soon_threadsafe=lambda work: work())
    lease._renewed = lease._tried = time.monotonic()
    return lease


def make_late(lease: Lease) -> None:
    lease._renewed -= LATE_SECONDS
    lease._tried -= LATE_SECONDS


def other_process(**fields) -> ServerProcess:
    return ServerProcess.objects.create(host="elsewhere", pid=1, **fields)


def test_a_heartbeat_renews_the_lease(lease, holder):
    ServerProcess.objects.update(renewed=Now() - timedelta(seconds=LATE_SECONDS))
    lease.beat()
    assert ServerProcess.is_alive(holder.record.id) and lease.is_held and not holder.lost


def test_a_late_lease_is_not_held_where_another_process_lives(lease, monkeypatch):
    other_process()
    monkeypatch.setattr(ServerProcess, "renew", refuse)
    with pytest.raises(OperationalError):
        lease.beat()
    assert lease.is_held
    lease._renewed -= LATE_SECONDS
    assert not lease.is_held


def test_a_lone_process_that_is_late_goes_on(lease, holder, monkeypatch):
    other_process(renewed=Now() - timedelta(seconds=60))  # dead
    monkeypatch.setattr(ServerProcess, "renew", refuse)
    lease._renewed -= LATE_SECONDS
    with pytest.raises(OperationalError):
        lease.beat()
    assert lease.is_held and not holder.lost


def test_a_process_that_was_stopped_does_not_know_who_has_come_meanwhile(lease):
    lease.beat()
    assert lease.is_held
    make_late(lease)
    assert not lease.is_held


def refuse(self) -> bool:
    raise OperationalError("canceling statement due to lock timeout")


def test_a_late_renewal_loses_only_what_others_have_claimed(lease, holder):
    other_process()
    make_late(lease)
    lease.beat()
    assert holder.lost == ["taken"] and lease.is_held


def test_a_renewal_in_time_asks_for_no_fences(lease, holder, django_assert_num_queries):
    with django_assert_num_queries(2):  # renew, and look whether others live
        lease.beat()
    assert not holder.lost


def test_a_process_that_was_taken_for_dead_loses_all_and_registers_again(lease, holder):
    holder.record.end()
    lease.beat()
    assert holder.lost == ["kept", "taken"]
    assert holder.spawned == ["Holder.register_again"]


def test_a_process_that_has_ended_has_no_heartbeat(lease, holder):
    holder.record = None
    lease.beat()


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Another program has SQLite's lock."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's one lock")
def test_the_heartbeat_waits_for_no_lock(lease):
    took: list[float] = []

    def beat() -> None:
        with own_connection(lock_seconds=0.5):
            started = time.monotonic()
            with contextlib.suppress(OperationalError):
                lease.beat()
            took.append(time.monotonic() - started)

    with locked():
        thread = threading.Thread(target=beat)
        thread.start()
        thread.join(20)
    assert took and took[0] < 2
    assert lease.is_held
