"""Database connections that go from thread to thread.

    with lent_connection():     # in any thread; the ORM's default connection inside is a kept one
        ...

A thread of ours waits for people most of the time, and its work in between is a query or two. With SQLite making a
connection for that costs more than the work: 0.7 ms for opening and its pragmas, 0.5 ms for reading the schema again;
and the last connection to close writes the whole log back. So a few connections are kept, and lent to whoever has work.
Django itself keeps one per thread (`CONN_MAX_AGE`), or a pool for PostgreSQL. With other databases than SQLite
connections live as the settings say.

No more of them are open than are useful. Fifty turns that began at once had fifty connections, each with the schema,
its statements and its cache: 14 MB that came and went, in pieces all over the heap.

Whoever writes waits for its turn. SQLite has one writer, and lets the others try again after pauses of up to 100 ms, in
no order (sqlite3.c, `sqliteDefaultBusyCallback`): with 50 busy threads some waited for seconds, among them the one that
renews the process's lease.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

from chat.mends.known import KEPT_CONNECTIONS

MAX_OPEN = 8  # SQLite has one writer, and Python runs one thread at a time: more would only wait for each other
DATABASE_SECONDS = 10.0  # a database that is away longer than this ends the turn
DATABASE_PAUSE_SECONDS = 0.25
BUSY_SECONDS = 2.0  # longest wait for SQLite's own lock, which another program may hold
TURN_SECONDS = 2.0  # longest wait for the turn to write; with it a person is refused within five seconds
PLACE_SECONDS = 0.5  # longest wait for a connection: where writers wait for a lock, readers need not
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE")


class _Queue:
    """So many places, which are handed over in the order in which they were asked for; see `going_first`."""

    def __init__(self, places: int = 1) -> None:
        self._lock = threading.Lock()
        self._free = places  # guarded by self._lock
        # Guarded by self._lock; each is released to wake its thread:
        self._waiting: deque[threading.Lock] = deque()
        self._first: deque[threading.Lock] = deque()  # before all of those

    def take(self, timeout: float) -> bool:
        """Wait for a place; False when none came in so many seconds."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            waiting = self._first if goes_first() else self._waiting
            waiting.append(mine)
        if mine.acquire(timeout=timeout):
            return True
        with self._lock:
            if mine not in waiting:
                return True  # it came in the last moment
            waiting.remove(mine)
        return False

    def give(self) -> None:
        """Hand the place to the next."""
        with self._lock:
            if waiting := self._first or self._waiting:
                waiting.popleft().release()
            else:
                self._free += 1


_writing = _Queue()
_place_in_line = threading.local()


@contextmanager
def going_first() -> Iterator[None]:
    """In the block wait before all others for a connection, and for the turn to write.

    For who has waited already: what comes of a message takes three transactions before its first word. Where 50 people
    write at once, and each transaction stands behind everybody's, all wait until the last of them is through. No others
    starve: each time that somebody goes first somebody has been accepted before, and that has no such right.
    """
    _place_in_line.is_first = True
    try:
        yield
    finally:
        _place_in_line.is_first = False


def goes_first() -> bool:
    return getattr(_place_in_line, "is_first", False)


class _Writer:
    """Lets a connection's writes wait for their turn; a transaction has it to the end of its block."""

    def __init__(self, turn_seconds: float = TURN_SECONDS) -> None:
        self._turn_seconds = turn_seconds
        self._has_turn = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """A wrapper of Django's for each statement."""
        if self._has_turn or context["connection"].in_atomic_block or not sql.startswith(WRITES):
            return execute(sql, params, many, context)  # who is in a transaction has SQLite's lock: it waits for nobody
        self._has_turn = _writing.take(_at_most(self._turn_seconds))  # without it SQLite's own lock decides
        if not self._has_turn and _is_in_haste():
            raise OperationalError("others write")
        try:
            with _busy_for(context["connection"].connection):
                return execute(sql, params, many, context)
        except OperationalError:
            _let_go(context["cursor"].cursor)
            raise
        finally:
            if not sql.startswith("BEGIN"):
                self.end()

    def end(self) -> None:
        if self._has_turn:
            self._has_turn = False
            _writing.give()


_haste = threading.local()  # the seconds that this thread has


@contextmanager
def in_haste(seconds: float) -> Iterator[None]:
    """In the block wait no longer than so for a connection, then for the turn to write, then for SQLite's lock."""
    _haste.seconds = seconds
    try:
        yield
    finally:
        _haste.seconds = None


def _is_in_haste() -> bool:
    return getattr(_haste, "seconds", None) is not None


def _at_most(seconds: float) -> float:
    limit: float | None = getattr(_haste, "seconds", None)
    return seconds if limit is None else min(limit, seconds)


@contextmanager
def _limited(raw: Any, seconds: float) -> Iterator[None]:
    (before,) = raw.execute("PRAGMA busy_timeout").fetchone()
    raw.execute(f"PRAGMA busy_timeout={round(1000 * seconds)}")
    try:
        yield
    finally:
        raw.execute(f"PRAGMA busy_timeout={before}")


def _busy_for(raw: Any) -> AbstractContextManager[None]:
    """Have a connection wait for SQLite's lock no longer than its thread has time."""
    limit: float | None = getattr(_haste, "seconds", None)
    return nullcontext() if limit is None else _limited(raw, limit)


def _let_go(cursor: Any) -> None:
    """Have a cursor let go of a statement that was refused.

    Python 3.11 keeps it as long as the cursor (Modules/_sqlite/cursor.c, `_pysqlite_query_execute`; 3.12 does not), and
    that lives in the error's frames until the garbage collector comes, in whatever thread. There letting go of it would
    wait for its connection, which may wait for a lock again by then: the event loop stood still for 2 s.
    """
    with suppress(Error):
        cursor.execute("")


class _Cursor(SQLiteCursorWrapper):
    """Django's own, which puts SQLite's placeholders into a statement once and not each time: 20 us of 60."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        return _converted(query) if param_names is None else super().convert_query(query, param_names=param_names)


@functools.lru_cache(maxsize=256)
def _converted(query: str) -> str:
    return SQLiteCursorWrapper.convert_query(cast(Any, None), query)  # it needs no cursor


class _Kept:
    """The connections that are open: the last used is lent first."""

    def __init__(self) -> None:
        self._places = _Queue(MAX_OPEN)
        self._lock = threading.Lock()
        self._idle: list[BaseDatabaseWrapper] = []  # guarded by self._lock

    @contextmanager
    def lent(self) -> Iterator[BaseDatabaseWrapper]:
        """Have a connection; it may not be open yet. Whoever has waited too long for one opens one more."""
        has_place = self._places.take(_at_most(PLACE_SECONDS))
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            if has_place:
                self._places.give()

    def _take(self) -> BaseDatabaseWrapper:
        settings = connections.settings[DEFAULT_DB_ALIAS]
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.settings_dict["NAME"] == settings["NAME"]:
                    return connection
                connection.close()  # of another test's database
        connection = new_connection(timeout=BUSY_SECONDS)
        connection.inc_thread_sharing()
        return connection

    def _give_back(self, connection: BaseDatabaseWrapper) -> None:
        writer = connection.execute_wrappers[0]
        assert isinstance(writer, _Writer)
        writer.end()
        if connection.in_atomic_block:
            return connection.close()  # not to be used again
        connection.close_if_unusable_or_obsolete()
        connection.queries_log.clear()  # with DEBUG it keeps the last 9000
        with self._lock:
            if len(self._idle) < MAX_OPEN:
                self._idle.append(connection)
                return
        connection.close()


def new_connection(**options: Any) -> BaseDatabaseWrapper:
    """A connection beside all others, to be kept until it is closed; `options` of Django's for it."""
    connection = connections[DEFAULT_DB_ALIAS].copy()
    settings = connection.settings_dict
    connection.settings_dict = {**settings, "CONN_MAX_AGE": None, "OPTIONS": {**settings["OPTIONS"], **options}}
    if connection.vendor == "sqlite":
        connection.settings_dict["OPTIONS"] = {"transaction_mode": "IMMEDIATE"} | connection.settings_dict["OPTIONS"]
        connection.execute_wrappers.append(_Writer(min(options["timeout"], TURN_SECONDS)))
        made: Any = connection
        made.create_cursor = lambda name=None: connection.connection.cursor(factory=_Cursor)
    return connection


_kept = _Kept()
_lent = threading.local()


def has_place() -> bool:
    """True while this thread has one of the kept connections."""
    return getattr(_lent, "yes", False)


@contextmanager
def lent_connection() -> Iterator[None]:
    """Have a connection for the time of the block, which may be nested. A thread inside a transaction keeps its own."""
    if connections.settings[DEFAULT_DB_ALIAS]["ENGINE"] != "django.db.backends.sqlite3" or not KEPT_CONNECTIONS.holds:
        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()
        return
    own = next((c for c in connections.all(initialized_only=True) if c.alias == DEFAULT_DB_ALIAS), None)
    if has_place() or (own is not None and own.in_atomic_block):
        yield
        return
    with _kept.lent() as connection:
        connections[DEFAULT_DB_ALIAS] = connection
        _lent.yes = True
        try:
            yield
        finally:
            _lent.yes = False
            if own is None:
                del connections[DEFAULT_DB_ALIAS]
            else:
                connections[DEFAULT_DB_ALIAS] = own


@contextmanager
def connected(*, wait_seconds: float = DATABASE_SECONDS) -> Iterator[None]:
    """Wait so long for the database, and give the connection back afterwards. Raises: OperationalError."""
    deadline = time.monotonic() + wait_seconds
    with lent_connection():
        while True:
            try:
                connections[DEFAULT_DB_ALIAS].ensure_connection()
                break
            except (OperationalError, InterfaceError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(DATABASE_PAUSE_SECONDS)
        yield
