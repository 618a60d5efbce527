"""Database connections that go from thread to thread.

    with lent_connection():     # in any thread; the ORM's default connection inside is a kept one
        ...

A thread of ours waits for people most of the time, and its work in between is a query or two. With SQLite making a
connection for that costs more than the work: 0.7 ms for opening and its pragmas, 0.5 ms for reading the schema again;
and the last connection to close writes the whole log back. So a few connections are kept, and lent to whoever has work.
Django itself keeps one per thread (`CONN_MAX_AGE`), or a pool for PostgreSQL. With other databases than SQLite
connections live as the settings say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper

MAX_KEPT = 8  # that nobody uses


class _Kept:
    """The connections that nobody uses now, the last used first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[BaseDatabaseWrapper] = []  # guarded by self._lock

    def take(self) -> BaseDatabaseWrapper:
        """Return a connection for one thread; it may not be open yet."""
        settings = connections.settings[DEFAULT_DB_ALIAS]
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.settings_dict["NAME"] == settings["NAME"]:
                    return connection
                connection.close()  # of another test's database
        connection = connections.create_connection(DEFAULT_DB_ALIAS)
        connection.settings_dict = {**settings, "CONN_MAX_AGE": None}
        connection.inc_thread_sharing()
        return connection

    def give_back(self, connection: BaseDatabaseWrapper) -> None:
        if connection.in_atomic_block:
            return connection.close()  # not to be used again
        connection.close_if_unusable_or_obsolete()
        connection.queries_log.clear()  # with DEBUG it keeps the last 9000
        with self._lock:
            if len(self._idle) < MAX_KEPT:
                self._idle.append(connection)
                return
        connection.close()


_kept = _Kept()
_lent = threading.local()


@contextmanager
def lent_connection() -> Iterator[None]:
    """Have a connection for the time of the block, which may be nested. A thread inside a transaction keeps its own."""
    if connections.settings[DEFAULT_DB_ALIAS]["ENGINE"] != "django.db.backends.sqlite3":
        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()
        return
    own = next((c for c in connections.all(initialized_only=True) if c.alias == DEFAULT_DB_ALIAS), None)
    if getattr(_lent, "yes", False) or (own is not None and own.in_atomic_block):
        yield
        return
    connection = _kept.take()
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
        _kept.give_back(connection)
