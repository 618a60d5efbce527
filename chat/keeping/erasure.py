"""What is deleted leaves the database's files too.

SQLite marks the space of a deleted row as free and keeps its bytes. `secure_delete` overwrites them, but for pieces of
rows that it had moved between pages before (3.40.1: 18 of 143,000 deleted marks were left in a file of 4.9 MB).
`VACUUM` writes the file anew without them, and the write-ahead log holds old pages until it is truncated; the index of
the search keeps words of what it has forgotten until its pages are merged. So every connection overwrites, and after a
deletion a thread of the process does the others: once for all that was deleted
meanwhile, and never waiting for a lock, as who waits to truncate the log shuts out every writer. What it cannot do, and
the file that is too large for it, `purge` does.

PostgreSQL's autovacuum frees the space of deleted rows by itself; there is nothing to do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_delete

from chat.search.index import index_of

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 2**20  # of a file that the server writes anew: 0.5 s, in which others read but not write
PAUSE_SECONDS = 1.0  # before the first try, for all that is deleted within it; doubled after each that failed
MAX_PAUSE_SECONDS = 60.0
TRIES = 12  # some six minutes
PURGE_SECONDS = 30.0  # for which `purge` tries
_REST = 20  # times as long as a cleaning took, before the next

_is_postponed: ContextVar[bool] = ContextVar("chat_erasure_postponed", default=False)


def install() -> None:
    """Have every connection overwrite what it deletes, and every deleted conversation cleaned up after."""
    connection_created.connect(_overwrite_deleted, dispatch_uid="chat.erasure")
    post_delete.connect(_conversation_deleted, sender="chat.Conversation", dispatch_uid="chat.erasure")


def _overwrite_deleted(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete=ON")


def _conversation_deleted(using: str, **_: Any) -> None:
    """However it was deleted: by its owner, by an admin, with its user, in a shell."""
    if connections[using].vendor == "sqlite" and not _is_postponed.get():
        transaction.on_commit(partial(_cleaner.ask, using), using=using)


@contextmanager
def postponed() -> Iterator[None]:
    """Clean nothing up in this thread: whoever deletes much does it once, at the end."""
    token = _is_postponed.set(True)
    try:
        yield
    finally:
        _is_postponed.reset(token)


class _Cleaner:
    """One thread, while there is something to clean."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: set[str] = set()  # databases; guarded by self._lock
        self._thread: threading.Thread | None = None  # guarded by self._lock

    def ask(self, using: str) -> None:
        """Have a database's files cleaned soon. Returns at once."""
        with self._lock:
            self._asked.add(using)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="chat-erasure", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        rest = 0.0
        while True:
            time.sleep(PAUSE_SECONDS + rest)
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return
                using = self._asked.pop()
            cleaning = Cleaning(using, max_bytes=MAX_BYTES)
            try:
                is_clean = _clean_patiently(cleaning)
                connections[using].close()
            except Exception:  # the next deletion needs this thread
                logger.exception("the database file could not be cleaned")
                is_clean = False
            if not is_clean:
                logger.warning("the database file is not cleaned: the next purge does it")
            rest = min(_REST * cleaning.took_seconds, MAX_PAUSE_SECONDS)


_cleaner = _Cleaner()


def _clean_patiently(cleaning: Cleaning) -> bool:
    """Try again and again, with longer pauses. False when nothing of it helped."""
    pause = PAUSE_SECONDS
    for _ in range(TRIES):
        if cleaning.go_on():
            return True
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
    return False


def clean(using: str) -> bool:
    """Clean a SQLite database's files, however large. Blocking, in no transaction. False: others were in the way."""
    cleaning, deadline = Cleaning(using, max_bytes=None), time.monotonic() + PURGE_SECONDS
    while not cleaning.go_on():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


class Cleaning:
    """Writes a SQLite file anew, if it is not larger than `max_bytes`, and empties its write-ahead log."""

    def __init__(self, using: str, *, max_bytes: int | None) -> None:
        self._using = using
        self._max_bytes = max_bytes
        self._is_written_anew = False
        self.took_seconds = 0.0  # in all tries, without the pauses between

    def go_on(self) -> bool:
        """Do what can be done without waiting for anybody; True when nothing is left to do."""
        connection = connections[self._using]
        if connection.vendor != "sqlite":
            return True
        began = time.monotonic()
        try:
            with connection.cursor() as cursor, _impatient(cursor):
                if not self._is_written_anew and (self._max_bytes is None or _bytes_of(cursor) <= self._max_bytes):
                    index_of(connection).compact()
                    cursor.execute("VACUUM")
                self._is_written_anew = True
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                is_busy, *_ = cursor.fetchone()
        except Error as error:
            logger.info("the database file is not cleaned yet: %s", error)
            return False
        finally:
            self.took_seconds += time.monotonic() - began
        if is_busy:
            logger.info("the database file is not cleaned yet: somebody reads its log")
        return not is_busy


@contextmanager
def _impatient(cursor: Any) -> Iterator[None]:
    """Let the connection be refused a lock at once."""
    cursor.execute("PRAGMA busy_timeout")
    (before,) = cursor.fetchone()
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA busy_timeout={before}")


def _bytes_of(cursor: Any) -> int:
    cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return int(cursor.fetchone()[0])
