"""Agents that misbehave: what they do stays with them."""

from __future__ import annotations

import pytest

from tests.client import Client
from tests.faults.store import Store
from tests.servers import Server


@pytest.fixture
def server(stub, tmp_path):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o", "CHAT_MAX_SESSIONS": "1"}
    with Server(tmp_path, CHAT_GRACE_SECONDS="1", **environment) as server:
        yield server


@pytest.fixture
def store(server) -> Store:
    return Store(server.data_dir / "chat.sqlite3")


async def test_a_factory_that_panics_is_told_to_the_user_and_not_started_again(server, store):
    async with Client(server.ws_url, agent="panics") as page:
        await page.say("hello")
        await page.idle()
        [answer] = page.messages()
        assert (answer["status"], answer["error"]["code"]) == ("error", "agent_unavailable")
        assert store.query("SELECT count(*) FROM chat_chatsession") == [(1,)]
        await store.until([("failed",)], "SELECT end_reason FROM chat_chatsession")


async def test_the_child_of_an_agent_that_forks_says_nothing(server, store):
    async with Client(server.ws_url, agent="forking") as page:
        for text in ("one", "two"):
            await page.say(text)
            await page.idle()
        assert [message["content"] for message in page.messages()] == ["the parent says: one", "the parent says: two"]
    assert "Traceback" not in server.log


async def test_an_agent_that_asks_who_has_gone_is_not_kept(server, store):
    """Its turn ends as interrupted; what it asked is asked again when the turn is."""
    page = Client(server.ws_url, cookies=server.visitor(), agent="tools")
    await page.connect()
    await page.say("[[tool=ask_user then.tokens=3]]")
    await page.event("input_request", after=0)
    page.cut()
    await store.until([("grace",)], "SELECT end_reason FROM chat_chatsession")
    await page.reconnect()
    await page.until(lambda: page.messages() and page.messages()[-1]["status"] == "interrupted")
    assert page.status["state"] == "idle"
    mark = len(page.events)
    await page.command("regenerate", message_id=page.messages("user")[0]["id"])
    asked = await page.event("input_request", after=mark)
    await page.send(type="answer", request_id=asked["request_id"], approved=True)
    await page.until(lambda: page.messages()[-1]["status"] == "complete")
    await page.close()
