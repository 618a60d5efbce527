"""Connections that are lent to threads."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from chat.mends import sqlite
from chat.mends.locks import Late, quick_transaction
from chat.mends.sqlite import lent_connection
from chat.models import ServerProcess
from tests.pace import assert_within

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="others have Django's own means"),
]


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """Nothing is kept yet."""
    kept = sqlite._Kept()
    monkeypatch.setattr(sqlite, "_kept", kept)
    yield kept
    for idle in kept._idle:
        idle.close()


def in_thread(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, or raise what it raises, in a thread of its own."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    value, error = outcome[0]
    if error:
        raise error
    return value


def lent() -> Any:
    """What Django's default connection is made of, after a query."""
    with lent_connection():
        ServerProcess.objects.count()
        return connections["default"].connection


def test_the_next_thread_gets_the_connection_of_the_last():
    assert in_thread(lent) is in_thread(lent)


def test_two_threads_at_a_time_have_two_connections():
    def both() -> tuple[Any, Any]:
        with lent_connection():
            ServerProcess.objects.count()
            return connections["default"].connection, in_thread(lent)

    mine, others = in_thread(both)
    assert mine is not others


def test_a_nested_block_has_the_same_connection():
    def nested() -> tuple[Any, Any]:
        with lent_connection():
            return connections["default"], (lent(), connections["default"].connection)

    _, (inner, outer) = in_thread(nested)
    assert inner is outer


def test_a_thread_inside_a_transaction_keeps_its_own():
    own = connections["default"]
    with transaction.atomic(), lent_connection():
        assert connections["default"] is own


def test_the_threads_own_connection_is_back_afterwards():
    own = connections["default"]
    with lent_connection():
        assert connections["default"] is not own
    assert connections["default"] is own


def test_what_failed_in_a_transaction_is_rolled_back_and_the_connection_is_whole():
    def fail() -> None:
        with lent_connection(), transaction.atomic():
            ServerProcess.objects.create(host="nowhere", pid=1)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError):
        in_thread(fail)

    assert in_thread(lent) is not None
    assert not ServerProcess.objects.filter(host="nowhere").exists()


@pytest.fixture
def all_lent(kept):
    """Every connection is lent; `give_back` ends the loan of one."""
    with ExitStack() as loans:
        taken = [ExitStack() for _ in range(sqlite.MAX_OPEN)]
        for loan in taken:
            loans.push(loan)
            loan.enter_context(kept.lent()).ensure_connection()
        yield taken


def test_who_finds_every_connection_lent_waits_for_the_next(kept, all_lent):
    thread = threading.Thread(target=lent)
    thread.start()
    while not kept._places._waiting:
        threading.Event().wait(0.001)
    assert thread.is_alive() and not kept._idle

    all_lent[0].close()
    thread.join(30)

    assert not thread.is_alive() and len(kept._idle) == 1


def test_who_has_waited_too_long_for_a_connection_opens_one_more(kept, all_lent, monkeypatch):
    monkeypatch.setattr(sqlite, "PLACE_SECONDS", 0.01)

    assert in_thread(lent) is not None

    for loan in all_lent:
        loan.close()
    assert len(kept._idle) == sqlite.MAX_OPEN
    assert kept._places._free == sqlite.MAX_OPEN


def test_writers_have_their_turn_in_the_order_in_which_they_asked():
    queue, order, asked = sqlite._Queue(), [], threading.Semaphore(0)
    assert queue.take(1)

    def write(number: int) -> None:
        asked.release()
        queue.take(10)
        order.append(number)
        queue.give()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        asked.acquire()
        while len(queue._waiting) <= number:
            threading.Event().wait(0.001)
    queue.give()
    for thread in threads:
        thread.join(30)

    assert order == [0, 1, 2, 3, 4]
    assert queue.take(0.1), "the turn was not given back"


def test_who_has_waited_too_long_goes_on_without_the_turn():
    queue = sqlite._Queue()
    queue.take(1)

    assert not queue.take(0.01)

    queue.give()
    assert queue.take(0.01)


@pytest.mark.parametrize("fails", [False, True])
def test_a_transaction_gives_the_turn_back(fails):
    def write() -> None:
        with lent_connection(), transaction.atomic():
            ServerProcess.objects.create(host="here", pid=1)
            assert not sqlite._writing._free
            if fails:
                raise RuntimeError("on purpose")

    if fails:
        with pytest.raises(RuntimeError):
            in_thread(write)
    else:
        in_thread(write)

    assert sqlite._writing._free


def test_a_single_statement_gives_the_turn_back_at_once():
    def write() -> None:
        with lent_connection():
            ServerProcess.objects.filter(host="here").update(pid=2)
            assert sqlite._writing._free

    in_thread(write)


@pytest.fixture
def others_turn():
    """Somebody else has the turn to write."""
    assert sqlite._writing.take(1)
    yield
    sqlite._writing.give()


def test_a_transaction_that_has_begun_without_the_turn_waits_for_it_no_more(others_turn, monkeypatch):
    """It has SQLite's lock, for which who has the turn waits."""
    monkeypatch.setattr(sqlite, "TURN_SECONDS", 0.01)

    def write() -> float:
        with lent_connection(), transaction.atomic():
            connections["default"].execute_wrappers[0]._turn_seconds = 60.0
            started = time.monotonic()
            ServerProcess.objects.create(host="here", pid=1)
            return started

    assert_within(1, since=in_thread(write))


def test_who_is_in_haste_and_has_no_turn_does_not_write(others_turn):
    def write() -> None:
        with sqlite.in_haste(0.01), lent_connection(), transaction.atomic():
            pass

    with pytest.raises(OperationalError):
        in_thread(write)


def test_who_has_waited_already_goes_before_all_others_in_their_order():
    queue, through = sqlite._Queue(), []
    assert queue.take(1)

    def pass_through(name: str) -> None:
        with sqlite.going_first() if "again" in name else nullcontext():
            assert queue.take(60)
        through.append(name)
        queue.give()

    threads = []
    for name in ("new", "newer", "again", "again, later"):
        threads.append(threading.Thread(target=pass_through, args=[name]))
        threads[-1].start()
        while len(queue._waiting) + len(queue._first) < len(threads):
            time.sleep(0.001)
    queue.give()
    for thread in threads:
        thread.join()

    assert through == ["again", "again, later", "new", "newer"]


def test_what_may_be_stored_later_hardly_waits_for_its_turn(others_turn, monkeypatch):
    """A first word is behind it, and where many begin at once each waits for all the others."""
    asked: list[float] = []
    take = sqlite._writing.take
    monkeypatch.setattr(sqlite._writing, "take", lambda timeout: (asked.append(timeout), take(timeout))[1])

    def store() -> None:
        with quick_transaction((), ("", uuid.uuid4())):
            pass

    with pytest.raises(Late):
        in_thread(store)
    assert 0 < max(asked) <= 0.02


@pytest.fixture
def locked():
    """Another program writes."""
    other = sqlite3.connect(connection.settings_dict["NAME"], uri=True, isolation_level=None, check_same_thread=False)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.mark.parametrize("write", [lambda: transaction.atomic().__enter__(), ServerProcess.objects.all().delete])
def test_what_a_refused_write_leaves_behind_waits_for_nobody(locked, monkeypatch, write):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.0)
    left: list[BaseException] = []
    with lent_connection(), pytest.raises(OperationalError) as refused:
        write()
    left.append(refused.value)
    del refused
    waits = threading.Event()

    def wait_again() -> None:
        with lent_connection():
            raw = connections["default"].connection
            raw.execute("PRAGMA busy_timeout=10000")
            waits.set()
            raw.execute("BEGIN IMMEDIATE")
            raw.execute("ROLLBACK")

    thread = threading.Thread(target=wait_again)
    thread.start()
    waits.wait(30)
    left.clear()
    gc.collect()

    assert thread.is_alive(), "collecting waited for the lock"
    locked.execute("ROLLBACK")
    thread.join(30)


def test_many_threads_write_without_an_error():
    def write() -> None:
        for number in range(10):
            with lent_connection(), transaction.atomic():
                count = ServerProcess.objects.count()
                ServerProcess.objects.create(host=f"{number} {count}", pid=1)

    errors: list[BaseException] = []

    def run() -> None:
        try:
            write()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not errors
    assert ServerProcess.objects.count() == 100
    assert len({row.host.split()[1] for row in ServerProcess.objects.all()}) == 100, "two saw the same count"
