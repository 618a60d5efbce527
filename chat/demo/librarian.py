"""An agent that speaks first, shows its tools as cards, and names what its answers stand on.

All of that is said by its entry: "OPENING", and "CARDS": {"query_books": "sql", "find_books": "search", …}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import langroid as lr
from langroid.language_models.base import LLMMessage

from chat.agents import AgentContext
from chat.agents.mock_model import Reply, call, last_said
from chat.demo.scripts import is_after_tool

BOOKS = [
    ("Treasure Island", "Stevenson", 1883, "Fifteen men on the dead man's chest"),
    ("Moby-Dick", "Melville", 1851, "Call me Ishmael."),
    ("To the Lighthouse", "Woolf", 1927, "Yes, of course, if it's fine tomorrow"),
]
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
MAX_STEPS = 1_000_000  # of SQLite's machine, for one statement
ORDER = "SELECT title, author, year FROM books ORDER BY year"


def library() -> sqlite3.Connection:
    """The books, which can be read and not changed."""
    books = sqlite3.connect(":memory:", check_same_thread=False)
    books.execute("CREATE TABLE books (title TEXT, author TEXT, year INTEGER, quote TEXT)")
    books.executemany("INSERT INTO books VALUES (?, ?, ?, ?)", BOOKS)
    books.commit()
    # A model writes the statements: they read these tables, and no other file, and end.
    books.set_authorizer(lambda act, *_: sqlite3.SQLITE_OK if act in READING else sqlite3.SQLITE_DENY)
    books.set_progress_handler(lambda: True, MAX_STEPS)
    return books


def librarian(context: AgentContext) -> lr.ChatAgent:
    """Knows three books, by SQL, by search and by heart."""
    books = library()

    class QueryBooks(lr.ToolMessage):
        request: str = "query_books"
        purpose: str = "To read the table books(title, author, year, quote) by an SQL <query>."
        query: str

        def handle(self) -> list[dict[str, Any]] | str:
            try:
                found = books.execute(self.query)
                names = [column[0] for column in found.description]
                return [dict(zip(names, row, strict=True)) for row in found.fetchmany(100)]
            except sqlite3.Error as error:
                return f"This cannot be asked: {error}"

    class FindBooks(lr.ToolMessage):
        request: str = "find_books"
        purpose: str = "To find books by a <word> of their title or text."
        word: str

        def handle(self) -> list[dict[str, str]]:
            hits = [book for book in BOOKS if self.word.lower() in f"{book[0]} {book[3]}".lower()]
            context.sources([{"title": title, "quote": quote} for title, _, _, quote in hits])
            return [{"title": title, "text": quote} for title, _, _, quote in hits]

    agent = lr.ChatAgent(
        lr.ChatAgentConfig(
            llm=context.llm(mock=_script),
            system_message="You are a librarian. Look books up with your tools, and cite what you found: [^1].",
        )
    )
    agent.enable_message([QueryBooks, FindBooks])
    return agent


def _script(messages: Sequence[LLMMessage]) -> Reply | str:
    """What the mock model says."""
    if is_after_tool(messages):
        found = "find_books" in (messages[-2].content or "")
        return "It begins so.[^1]" if found else "These are all of them, the oldest first."
    said = last_said(messages).lower()
    if "whale" in said or "ishmael" in said:
        return call("find_books", word="ishmael")
    if "book" in said or "list" in said:
        return call("query_books", query=ORDER)
    return "Welcome to the library. Ask me for **the list of books**, or who is called **Ishmael**."
