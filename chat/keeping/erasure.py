"""What is deleted leaves the database's files too.

SQLite marks the space of a deleted row as free and keeps its bytes. `secure_delete` overwrites them, but for pieces of
rows that it had moved between pages before (3.40.1: 18 of 143,000 deleted marks were left in a file of 4.9 MB).
`VACUUM` writes the file anew without them, and the write-ahead log holds old pages until it is truncated. So every
connection overwrites, and a deletion is followed by the other two; in a file too large for that `purge` does it.

PostgreSQL's autovacuum frees the space of deleted rows by itself; there is nothing to do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_delete

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 2**20  # of a file that is written anew after each deletion: 0.5 s, in which others read but not write


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
    """However it was deleted: by its owner, by an admin, with its user, in a shell. Once per transaction."""
    connection = connections[using]
    is_planned = any(isinstance(todo[1], partial) and todo[1].func is clean for todo in connection.run_on_commit)
    if connection.vendor == "sqlite" and not (is_planned or _is_postponed.get()):
        transaction.on_commit(partial(clean, using, max_bytes=MAX_BYTES), using=using)


@contextmanager
def postponed() -> Iterator[None]:
    """Clean nothing up in this thread: whoever deletes much does it once, at the end."""
    token = _is_postponed.set(True)
    try:
        yield
    finally:
        _is_postponed.reset(token)


def clean(using: str, *, max_bytes: int | None = None) -> bool:
    """Write a SQLite file anew, if it is not larger than `max_bytes`, and empty its write-ahead log.

    Blocking, outside a transaction. False when a lock prevented it: the next time does it.
    """
    connection = connections[using]
    if connection.vendor != "sqlite":
        return True
    try:
        with connection.cursor() as cursor:
            if max_bytes is None or _bytes_of(cursor) <= max_bytes:
                cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy, *_ = cursor.fetchone()
    except OperationalError as error:
        logger.warning("the database file is not cleaned yet: %s", error)
        return False
    if is_busy:
        logger.warning("the database file is not cleaned yet: a long transaction reads its log")
    return not is_busy


def _bytes_of(cursor: Any) -> int:
    cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return int(cursor.fetchone()[0])
