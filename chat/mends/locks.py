"""How long a lock of somebody else is waited for: another program's, an administrator's, that of a backup.

    brief_transaction()     a user's command: refused after `LOCK_SECONDS`, so that a person hears of it
    patient_transaction()   an agent's write: tries again until it has all locks that it needs; nothing of it is lost
    quick_transaction()     the same for what may be stored later as well: given up after moments
    prompt_transaction()    of a thread that comes back soon: refused as well where the database is slow
    own_connection()        of a thread that must not wait for others' connections

SQLite has one lock, which a transaction takes when it begins. PostgreSQL has many, and waits for each without a limit
unless it is told one (`lock_timeout`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections, transaction

from chat.mends.sqlite import in_haste, lent_connection, new_connection

logger = logging.getLogger(__name__)

LOCK_SECONDS = 2.0  # longest wait of a user's command for one lock
TRY_SECONDS = 0.2  # longest wait of an agent's write in one go: then its connection is somebody else's for a while
PAUSE_SECONDS = 0.5  # between two goes
HASTE_SECONDS = 0.02  # longest wait for one of SQLite's three queues of what may be stored later

WITH_LOCK = ("IMMEDIATE", "EXCLUSIVE")  # SQLite's ways to begin a transaction that hold its lock
AWAY = (OperationalError, InterfaceError)  # the database is away, or somebody else has a lock for too long
NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "DiskFull")


class Late(Exception):
    """Somebody else has a lock, or the database is away: what was to be stored must wait."""


def reason_of(error: Exception) -> str:
    """What keeps the database from it, in one word for the log: SQLite's own, which tells a lock from a full disk."""
    return getattr(error.__cause__, "sqlite_errorname", "") or type(error.__cause__ or error).__name__


def has_no_room(error: Exception) -> bool:
    """True where waiting does not help: the disk is full, fails, or may not be written."""
    return reason_of(error).startswith(NO_ROOM)


@contextmanager
def brief_transaction(*, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """A transaction in which no lock is waited for longer than this. Raises: OperationalError."""
    with ExitStack() as opening:
        _begin(opening)
        if connection.vendor == "postgresql":
            _execute(_limit(seconds))
        yield


def _begin(opening: ExitStack) -> None:
    """Begin a transaction. SQLite's has its lock from the beginning, also in a project without options for it.

    One that reads first and writes then is refused at once where another has written in between ("database is locked"),
    however long it may wait: nobody's waiting would make what it has read new again.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        own: Any = connections[DEFAULT_DB_ALIAS]
        own.ensure_connection()  # which sets the mode of the project's options
        mode = own.transaction_mode
        own.transaction_mode = mode if mode in WITH_LOCK else "IMMEDIATE"
        opening.callback(setattr, own, "transaction_mode", mode)
    opening.enter_context(transaction.atomic())


@contextmanager
def prompt_transaction(*, seconds: float) -> Iterator[None]:
    """Statements in which no lock is waited for longer than this, and none of which takes four times as long.

    PostgreSQL is told so within a transaction: behind PgBouncer a session's settings are anybody's. SQLite has it of
    `own_connection`, and a transaction would take its lock for reading too. Raises: OperationalError.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with brief_transaction(seconds=seconds):
        _execute(f"SET LOCAL statement_timeout = {round(4000 * seconds)}")
        yield


def lock_name(name: str) -> None:
    """Let one transaction at a time have this name, until it ends. Take it last: whoever has it waits for no lock.

    SQLite lets one transaction at a time write anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


@contextmanager
def patient_transaction(
    tables: tuple[str, ...], row: tuple[str, uuid.UUID], *, may_go_on: Callable[[], None]
) -> Iterator[None]:
    """A transaction on `tables` that holds the row with this id of one of them.

    All that could be waited for is waited for before the block begins, with no connection in between, as long as it
    takes. `may_go_on` is called before each go, and raises what ends the waiting.
    """
    started = time.monotonic()
    is_told = False
    while True:
        may_go_on()
        try:
            held = _begun(tables, row)
            break
        except AWAY as error:
            if not is_told:
                is_told = True
                logger.warning("a write waits for the database: %s", reason_of(error))
        time.sleep(PAUSE_SECONDS)
    if is_told:
        logger.warning("a write waited for the database for %.1f s", time.monotonic() - started)
    with held:
        yield


@contextmanager
def quick_transaction(tables: tuple[str, ...], row: tuple[str, uuid.UUID]) -> Iterator[None]:
    """The same in one go, and a short one. Raises: Late, before the block begins."""
    try:
        with in_haste(HASTE_SECONDS):
            held = _begun(tables, row)
    except AWAY as error:
        raise Late from error
    with held:
        yield


def _begun(tables: tuple[str, ...], row: tuple[str, uuid.UUID]) -> ExitStack:
    """A transaction that has all its locks. Raises: OperationalError, InterfaceError."""
    with ExitStack() as opening:
        opening.enter_context(lent_connection())
        _begin(opening)
        _lock(tables, row)
        return opening.pop_all()


def _lock(tables: tuple[str, ...], row: tuple[str, uuid.UUID]) -> None:
    """Take the locks of the tables and of the row. One round trip, since every write of an agent begins so."""
    if connection.vendor != "postgresql":
        return  # SQLite's transaction has the only lock there is
    quote = connection.ops.quote_name
    table, id = row
    _execute(
        f"{_limit(TRY_SECONDS)}; LOCK TABLE {', '.join(map(quote, tables))} IN ROW EXCLUSIVE MODE; "
        f"SELECT 1 FROM {quote(table)} WHERE id = '{id}' FOR UPDATE; {_limit(0)}"
    )


def _limit(seconds: float) -> str:
    return f"SET LOCAL lock_timeout = {round(seconds * 1000)}"


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def own_connection(*, lock_seconds: float) -> Iterator[None]:
    """Have a connection of this thread's own for the block. SQLite waits for its lock no longer than `lock_seconds`.

    It is not of a pool: others' waiting never makes this thread wait.
    """
    connections[DEFAULT_DB_ALIAS] = new_connection(**_options(lock_seconds))
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        del connections[DEFAULT_DB_ALIAS]


def _options(lock_seconds: float) -> dict[str, object]:
    if connection.vendor != "postgresql":
        return {"timeout": lock_seconds}
    return {"pool": False, "connect_timeout": 2, "tcp_user_timeout": 2000}
