"""Documents, tables, databases and MCP, end to end and offline: what the extras `rag`, `sql` and `mcp` are for."""

from __future__ import annotations

import asyncio
import sqlite3

import psycopg
import pytest

from tests.client import Client
from tests.patterns import Pattern, cards, root_messages, walk
from tests.programs import children_of
from tests.servers import Server

DOCUMENTS = {
    "giraffes": "The giraffe is the tallest animal on land. A giraffe sleeps for two hours a day.",
    "oysters": "The oyster lives in the sea. It may change its sex several times in its life.",
    "planets": "Venus turns so slowly that its day is longer than its year.",
}
EXTRACT = '[[tool=extract_segments args={{"segment_list":"1-2"}} {}]]'
ASK = '[[tool=run_query args={{"query":"{}"}} then.tool=done_tool then.args={{"content":"{}"}}]]'
SELECT = ASK.format("SELECT name FROM people WHERE born < 1900", "It is Ada.")
SAY_DONE = '[[tool=done_tool args={"content":"It is done."}]]'
EVAL = """[[json=1 tool=pandas_eval args={"expression":"df['born'].min()"} then.text="DONE It is 1815."]]"""
WAIT = '[[tool=wait args={"seconds":60}]]'
ROWS = "INSERT INTO people VALUES ('Ada', 1815), ('Alan', 1912)"
PEOPLE = ("CREATE TABLE people (name VARCHAR(20), born INTEGER)", ROWS)
ROLE = (
    "CREATE ROLE reader LOGIN",
    "GRANT SELECT ON people TO reader",
    "ALTER ROLE reader SET default_transaction_read_only = on",
)
QUERIED = ("run_query complete", "done_tool complete")

PATTERNS = [
    Pattern(
        "DocChatAgent",
        "documents",
        "giraffe sleep " + EXTRACT.format('text="Two hours [^1]"'),
        "Two hours [^1]",
        ("extract_segments complete",) * len(DOCUMENTS),
        len(DOCUMENTS),
        slow=EXTRACT.format("tokens=200 tps=20"),
        last=EXTRACT.format("tokens=2"),
    ),
    Pattern("TableChatAgent", "table", EVAL, "It is 1815.", ("pandas_eval complete",), last=EVAL),
    Pattern("SQLChatAgent on SQLite", "sqlite", SELECT, "It is Ada.", QUERIED, last=SAY_DONE),
    Pattern("SQLChatAgent on PostgreSQL", "postgres", SELECT, "It is Ada.", QUERIED, last=SAY_DONE),
    Pattern(
        "MCP",
        "mcp",
        '[[tool=add args={"first":2,"second":3} then.text="five"]]',
        "five",
        ("add complete",),
        slow=WAIT,
    ),
    Pattern(
        "MCP, one connection", "kept_mcp", '[[tool=count_on then.text="one"]]', "one", ("count_on complete",), slow=WAIT
    ),
]


@pytest.fixture(scope="module")
def server(stub, postgres_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    (folder / "documents").mkdir()
    for name, text in DOCUMENTS.items():  # here: an agent that wrote them would do it while another reads
        (folder / "documents" / f"{name}.txt").write_text(text)
    with sqlite3.connect(folder / "people.sqlite3") as connection:
        for statement in PEOPLE:
            connection.execute(statement)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in (*PEOPLE, *ROLE):
            connection.execute(statement)
    reader = postgres_url.replace("postgres://postgres@", "postgresql+psycopg://reader@")
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(folder, PEOPLE_DATABASE=reader, **environment) as server:
        yield server


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
async def test_a_pattern(server, stub, pattern):
    await walk(server, stub, pattern)


async def test_what_is_cited_comes_with_the_answer(server):
    async with Client(server.ws_url, agent="documents") as page:
        await page.say("giraffe sleep " + EXTRACT.format('text="Two hours [^1]"'))
        await page.idle(timeout=60)

        ((source,),) = [message["sources"] for message in page.messages() if message["sources"]]
        assert source["number"] == 1 and source["title"] and source["quote"]


async def test_two_sessions_have_the_same_documents(server):
    async with (
        Client(server.ws_url, cookies=server.visitor(), agent="talk") as alice,
        Client(server.ws_url, cookies=server.visitor(), agent="talk") as bob,
    ):
        for client in (alice, bob):
            await client.say('where does the oyster live? [[text="in the sea [^1]"]]')
        for client in (alice, bob):
            await client.idle()
            assert client.answer() == "in the sea [^1]"
    assert [path.name for path in server.data_dir.glob("store*")] == ["store"]


async def test_a_question_that_follows_is_stopped_while_it_is_made_one_that_makes_sense_alone(server, stub):
    async with Client(server.ws_url, cookies=server.visitor(), agent="talk") as client:
        await client.say("giraffe")
        await client.idle()
        stub.reset()
        await client.say("and where do they sleep? [[hang=60]]")
        await asyncio.to_thread(stub.wait, open=1)
        await client.command("stop")
        await client.idle()
        await asyncio.to_thread(stub.wait, open=0)
        assert client.messages()[-1]["status"] == "stopped"
        await client.say('oyster [[text="sea"]]')
        await client.idle()
        assert client.answer() == "sea"


async def test_a_database_is_not_written_to(server, postgres_url):
    for agent, why in {"sqlite": "REJECTED", "postgres": "read-only"}.items():
        async with Client(server.ws_url, cookies=server.visitor(), agent=agent) as client:
            await client.say(ASK.format("DELETE FROM people", "It is empty."))
            await client.idle()
            assert why in client.of("tool_result")[0]["result"]
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM people").fetchone() == (2,)


async def test_the_process_of_an_mcp_server_ends_with_its_session(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="kept_mcp") as client:
        before = children_of(server.process.pid)
        for count in "12":
            await client.say("[[tool=count_on]]")
            await client.idle()
            assert client.of("tool_result")[-1]["result"] == count
        [process] = children_of(server.process.pid) - before
        await client.command("reset")
        async with asyncio.timeout(60):
            while process in children_of(server.process.pid):
                await asyncio.sleep(0.05)


async def test_a_tool_of_an_mcp_server_that_fails_is_shown_as_failed(server, stub):
    async with Client(server.ws_url, cookies=server.visitor(), agent="mcp") as client:
        await client.say('[[tool=complain then.text="sorry"]]')
        await client.idle()
        assert cards(client) == ("complain error",)
        assert "there is nothing to add" in client.of("tool_result")[0]["error"]
        assert "there is nothing to add" in stub.last()["messages"][-1]["content"]
        assert root_messages(client) == ["sorry"]


def test_the_log_has_nothing_of_what_was_asked(server):
    assert not [word for word in ("giraffe", "oyster", "SELECT", "people WHERE") if word in server.log]
