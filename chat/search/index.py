"""The index of words: one face, two databases. SQLite has it as a table of FTS5, PostgreSQL as one with `tsvector`.

The index is beside the models: it holds words of texts and knows nothing that a record does not know better. Each entry
carries its owner as one more word, so that a word that everybody uses costs nobody more than their own texts.

An entry goes with its conversation, whoever deletes that. A record's text never changes, so no entry ever does.
"""

from __future__ import annotations

import functools
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_delete, post_migrate

from chat.owners import Owner
from chat.search.words import Phrase

TABLE = "chat_search"
MERGE_PAGES = 200  # of FTS5's, in one go: for that long nobody else writes


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the index keeps of a message."""

    message: uuid.UUID
    conversation: uuid.UUID
    created: datetime
    words: Sequence[str]


class Index(Protocol):
    """The index of one database, over one connection."""

    is_there: bool  # False: SQLite was built without FTS5

    def create(self) -> None:
        """Make the table, if it is not there."""

    def add(self, owner: Owner, entries: Iterable[Entry]) -> None:
        """Put messages into the index. Inside a transaction."""

    def find(self, owner: Owner, phrases: Sequence[Phrase], limit: int) -> list[uuid.UUID]:
        """The messages of this owner in which all phrases stand, the newest first."""

    def forget(self, conversation: uuid.UUID) -> None:
        """Take out what is in a conversation. Inside a transaction."""

    def compact(self) -> None:
        """Have the index's own pages hold nothing of what was taken out. In short transactions of its own."""


class _Table:
    """What both have in common."""

    is_there = True

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection


class SqliteIndex(_Table):
    """A table of FTS5. A row's id says when its message was made: SQLite reads the rows in that order."""

    def create(self) -> None:
        columns = "words, owner, conversation, message UNINDEXED"
        _execute(
            self._connection,
            # `ascii`: what is not ASCII is part of a word, so that the words stay as they were made.
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5({columns}, tokenize='ascii', columnsize=0)",
        )

    def add(self, owner: Owner, entries: Iterable[Entry]) -> None:
        with self._connection.cursor() as cursor:
            for entry in entries:
                words, conversation = " ".join(entry.words), entry.conversation.hex
                cursor.execute(
                    f"INSERT INTO {TABLE} (rowid, words, owner, conversation, message) VALUES (%s, %s, %s, %s, %s)",
                    [_free_row(cursor, entry), words, owner.id, conversation, entry.message.hex],
                )

    def find(self, owner: Owner, phrases: Sequence[Phrase], limit: int) -> list[uuid.UUID]:
        wanted = " AND ".join(f'"{" ".join(phrase.words)}"{" *" * phrase.is_prefix}' for phrase in phrases)
        found = _execute(
            self._connection,
            f"SELECT message FROM {TABLE} WHERE {TABLE} MATCH %s ORDER BY rowid DESC LIMIT %s",
            [f'owner : "{owner.id}" AND words : ({wanted})', limit],
        )
        return [uuid.UUID(id) for (id,) in found]

    def forget(self, conversation: uuid.UUID) -> None:
        mine = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"
        _execute(
            self._connection,
            f"DELETE FROM {TABLE} WHERE rowid IN ({mine})",
            [f'conversation : "{conversation.hex}"'],
        )

    def compact(self) -> None:
        """FTS5 notes what is deleted, and keeps its words until it merges their pages with those of the note."""
        self._merge(-MERGE_PAGES)  # negative: all pages are to become one run
        while self._merge(MERGE_PAGES) > 1:
            pass

    def _merge(self, pages: int) -> int:
        """Go on with so many pages; return how many rows of the index's own tables that has changed."""
        before = self._changes()
        _execute(self._connection, f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('merge', %s)", [pages])
        return self._changes() - before

    def _changes(self) -> int:
        return int(_execute(self._connection, "SELECT total_changes()")[0][0])


def _free_row(cursor: Any, entry: Entry) -> int:
    """A number for the row that is free, by the millisecond of the message."""
    row = int(entry.created.timestamp() * 1000) << 20 | entry.message.int & 0xFFFFF
    while cursor.execute(f"SELECT 1 FROM {TABLE} WHERE rowid = %s", [row]).fetchone():
        row += 1
    return row


class PostgresIndex(_Table):
    """A table with a `tsvector`, which is made of the words here: no parser of the server's has a say."""

    def create(self) -> None:
        _execute(
            self._connection,
            f"CREATE TABLE IF NOT EXISTS {TABLE} (message uuid NOT NULL, conversation uuid NOT NULL, "
            "owner varchar(32) NOT NULL, created timestamptz NOT NULL, words tsvector NOT NULL)",
        )
        for name, columns in (
            ("words", "USING gin (words)"),
            ("owner", "(owner, created DESC)"),
            ("conversation", "(conversation)"),
        ):
            _execute(self._connection, f"CREATE INDEX IF NOT EXISTS {TABLE}_{name} ON {TABLE} {columns}")

    def add(self, owner: Owner, entries: Iterable[Entry]) -> None:
        rows = [
            (entry.message, entry.conversation, owner.id, entry.created, _vector(entry.words, owner))
            for entry in entries
        ]
        with self._connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {TABLE} (message, conversation, owner, created, words) "
                "VALUES (%s, %s, %s, %s, %s::tsvector)",
                rows,
            )

    def find(self, owner: Owner, phrases: Sequence[Phrase], limit: int) -> list[uuid.UUID]:
        wanted = " & ".join([f"'{_word_of(owner)}'", *map(_query, phrases)])
        found = _execute(
            self._connection,
            f"SELECT message FROM {TABLE} WHERE owner = %s AND words @@ %s::tsquery ORDER BY created DESC LIMIT %s",
            [owner.id, wanted, limit],
        )
        return [id for (id,) in found]

    def forget(self, conversation: uuid.UUID) -> None:
        _execute(self._connection, f"DELETE FROM {TABLE} WHERE conversation = %s", [conversation])

    def compact(self) -> None:
        """Autovacuum does it."""


def _vector(words: Sequence[str], owner: Owner) -> str:
    """The words with their places, as PostgreSQL writes it. A word holds letters and digits alone."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words, start=1):
        places.setdefault(word, []).append(place)
    return " ".join(
        [f"'{_word_of(owner)}'", *(f"'{word}':{','.join(map(str, at[:255]))}" for word, at in places.items())]
    )


def _query(phrase: Phrase) -> str:
    *words, last = phrase.words
    parts = [*(f"'{word}'" for word in words), f"'{last}'{':*' * phrase.is_prefix}"]
    return f"({' <-> '.join(parts)})"


def _word_of(owner: Owner) -> str:
    """No word of a text has such a sign."""
    return f"={owner.id}"


class NoIndex:
    """SQLite without FTS5: nothing is found, and the page says why."""

    is_there = False

    def create(self) -> None:
        pass

    def add(self, owner: Owner, entries: Iterable[Entry]) -> None:
        pass

    def find(self, owner: Owner, phrases: Sequence[Phrase], limit: int) -> list[uuid.UUID]:
        return []

    def forget(self, conversation: uuid.UUID) -> None:
        pass

    def compact(self) -> None:
        pass


def index_of(connection: BaseDatabaseWrapper) -> Index:
    """The index of the database that is behind a connection."""
    if connection.vendor == "postgresql":
        return PostgresIndex(connection)
    return SqliteIndex(connection) if _has_table(connection) else NoIndex()


def _new_index_of(connection: BaseDatabaseWrapper) -> Index:
    """The same before the table is made."""
    if connection.vendor == "postgresql":
        return PostgresIndex(connection)
    return SqliteIndex(connection) if has_fts5() else NoIndex()


def _has_table(connection: BaseDatabaseWrapper) -> bool:
    return bool(_execute(connection, "SELECT 1 FROM sqlite_master WHERE name = %s", [TABLE]))


@functools.cache
def has_fts5() -> bool:
    """Whether SQLite's library can make a table of FTS5."""
    with closing(sqlite3.connect(":memory:")) as memory:
        try:
            memory.execute("CREATE VIRTUAL TABLE try USING fts5(words)")
        except sqlite3.OperationalError:
            return False
    return True


def install() -> None:
    """Have `migrate` make the table, and the index forget what is deleted, whoever deletes it."""
    post_migrate.connect(_migrated, dispatch_uid="chat.search")
    post_delete.connect(_deleted, sender="chat.Conversation", dispatch_uid="chat.search")


def _migrated(app_config: AppConfig, using: str, **_: Any) -> None:
    """After the migrations: a SQLite that got FTS5 later has the table with the next `migrate`."""
    if app_config.label == "chat" and using == DEFAULT_DB_ALIAS:
        _new_index_of(connections[using]).create()


def _deleted(instance: Any, using: str, **_: Any) -> None:
    index_of(connections[using]).forget(instance.pk)


def _execute(connection: BaseDatabaseWrapper, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []
