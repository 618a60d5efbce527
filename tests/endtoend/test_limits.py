"""A full server: the longest idle agent makes room, and when all work that is said."""

from __future__ import annotations

import asyncio

import pytest

from tests.client import Client
from tests.servers import Server


@pytest.fixture(scope="module")
def server(stub, tmp_path_factory):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o", "CHAT_MAX_SESSIONS": "1"}
    with Server(tmp_path_factory.mktemp("full"), **environment) as server:
        yield server


async def test_an_idle_agent_makes_room_and_comes_back_with_its_memory(server, stub):
    async with Client(server.ws_url) as one, Client(server.ws_url) as two:
        for client in (one, two, one):
            await client.say("my words [[tokens=3]]")
            await client.idle()
        assert [message["status"] for message in one.messages()] == ["complete", "complete"]
        roles = [message["role"] for message in stub.last()["messages"] if message["role"] != "system"]
        assert roles == ["user", "assistant", "user"]


async def test_when_all_agents_work_the_next_is_told_to_wait(server):
    async with Client(server.ws_url) as one, Client(server.ws_url) as two:
        await one.say("[[tokens=3000 tps=100]]")
        await one.event("stream_token", after=0)
        refused = await two.say("[[tokens=3]]")
        assert refused["error"] == "busy" and refused["retry_ms"]
        three = Client(server.ws_url)
        assert (await three.connect())["error"] == "busy"
        assert await three.closed() == 4503
        await one.command("stop")
        await one.idle()
        assert (await two.say("[[tokens=3]]"))["type"] == "accepted"
        await two.idle()
        assert two.messages()[-1]["status"] == "complete"


@pytest.mark.parametrize(
    ("limit", "error"), [({"CHAT_MAX_RUNNING_TURNS": "2"}, "busy"), ({"CHAT_TURNS_PER_MINUTE": "2"}, "rate_limited")]
)
async def test_messages_into_many_conversations_at_once_are_counted_together(
    stub, tmp_path, postgres_url, limit, error
):
    """Each transaction locks its own conversation: the owner's limits need a lock of the owner."""
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o", "CHAT_MAX_SOCKETS": "20"}
    with Server(tmp_path, kind="uvicorn", DATABASE_URL=postgres_url, **environment, **limit) as server:
        cookies = server.visitor()
        tabs = [Client(server.ws_url, cookies=cookies) for _ in range(15)]
        await asyncio.gather(*(tab.connect() for tab in tabs))
        answers = await asyncio.gather(*(tab.say("[[hang=3 tokens=3]]") for tab in tabs))
        kinds = [answer.get("error", "accepted") for answer in answers]
        assert sorted(kinds) == ["accepted"] * 2 + [error] * 13
        await asyncio.gather(*(tab.close() for tab in tabs))
