"""The demo agent of cards, sources and the first word."""

from __future__ import annotations

import pytest

from chat.testing import call


def test_its_books_are_a_table_and_its_hits_are_sources(chat_agent):
    librarian = chat_agent("librarian")
    assert librarian.open().text.startswith("Welcome to the library")
    listed = librarian.say("Show me the list of books")
    assert listed.tools[0].args["query"].startswith("SELECT title") and listed.tools[0].error is None
    assert [part["kind"] for part in listed.parts] == ["code", "table"]  # its card
    found = librarian.say("Who is called Ishmael?")
    assert [source["title"] for source in found.sources] == ["Moby-Dick"] and "[^1]" in found.text


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM books",
        "ATTACH DATABASE 'var/chat.sqlite3' AS chat",
        "PRAGMA query_only",
        "SELECT load_extension('x')",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
        f"SELECT count(*) FROM {', '.join(f'books b{at}' for at in range(30))}",
        "SELECT",
    ],
)
def test_a_model_reads_the_books_and_nothing_else(chat_agent, query):
    librarian = chat_agent("librarian", model=[call("query_books", query=query), "So."])
    assert "This cannot be asked" in librarian.say("Do it").tools[0].result
