"""A full server: the longest idle agent makes room, and when all work that is said."""

from __future__ import annotations

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
