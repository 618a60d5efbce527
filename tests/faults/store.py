"""The database as it is, read without the application."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg


class Store:
    """Reads an SQLite file or a PostgreSQL address."""

    def __init__(self, where: Path | str) -> None:
        self._where = where

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query with `?` for its values. UUIDs as text with dashes for PostgreSQL, plain hex for SQLite."""
        if isinstance(self._where, Path):
            with closing(sqlite3.connect(f"file:{self._where}?mode=ro", uri=True, timeout=10)) as connection:
                return connection.execute(sql, values).fetchall()
        with psycopg.connect(self._where, connect_timeout=5) as connection:
            return connection.execute(sql.replace("?", "%s"), values).fetchall()

    async def until(self, wanted: list[tuple[Any, ...]], sql: str, *values: Any, seconds: float = 10) -> None:
        """Wait until a query has the wanted rows. Raises: AssertionError with those it has when it is too late."""
        deadline = time.monotonic() + seconds
        while (rows := await asyncio.to_thread(self.query, sql, *values)) != wanted:
            assert time.monotonic() < deadline, f"{rows} after {seconds} s: {sql}"
            await asyncio.sleep(0.05)  # a database tells nobody

    def id(self, text: str) -> str:
        return uuid.UUID(text).hex if isinstance(self._where, Path) else text

    def check(self, conversation: str) -> None:
        """The records are numbered 1, 2, 3 …, as many as the conversation says; nothing is half done."""
        id = self.id(conversation)
        rows = self.query("SELECT seq FROM chat_message WHERE conversation_id = ? ORDER BY seq", id)
        numbers = [row[0] for row in rows]
        assert numbers == list(range(1, len(numbers) + 1)), numbers
        ((newest, state, question),) = self.query(
            "SELECT newest_seq, state, question FROM chat_conversation WHERE id = ?", id
        )
        assert (newest, state) == (len(numbers), "idle") and question in (None, "null"), (newest, state, question)
        unended = "SELECT count(*) FROM chat_message WHERE conversation_id = ? AND turn = id AND ended IS NULL"
        assert self.query(unended, id) == [(0,)]

    def turns(self, conversation: str) -> dict[str, str]:
        """Client id -> id of the user's messages."""
        sql = "SELECT client_id, id FROM chat_message WHERE conversation_id = ? AND client_id IS NOT NULL"
        return {client_id: str(uuid.UUID(str(id))) for client_id, id in self.query(sql, self.id(conversation))}

    def unended_sessions(self) -> int:
        return self.query("SELECT count(*) FROM chat_chatsession WHERE ended IS NULL")[0][0]
