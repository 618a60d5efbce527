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


ENDED = "SELECT count(*) FROM chat_chatsession WHERE end_reason = 'grace'"
ASK = "[[tool=ask_user then.text=Thanks.]]"


async def left_alone(server, store, number: int = 1) -> Client:
    """A page that has gone while its agent asks; the agent has gone too."""
    page = Client(server.ws_url, cookies=server.visitor(), agent="tools")
    await page.connect()
    await page.say(ASK)
    await page.event("input_request", after=0)
    page.cut()
    await store.until([(number,)], ENDED)
    return page


async def test_what_an_agent_asked_who_has_gone_is_asked_again_and_its_answer_counts(server, store):
    pages = [await left_alone(server, store, number) for number in (1, 2, 3)]  # where one agent has a place
    for page in pages:
        mark = len(page.events)
        await page.reconnect()
        asked = await page.event("input_request", after=mark)
        assert page.status["state"] == "waiting"
        await page.send(type="answer", request_id=asked["request_id"], approved=True)
        await page.until(lambda page=page: page.messages() and page.messages()[-1]["content"] == "Thanks.")
        await page.idle(after=0)
        calls, results = page.of("tool_call"), page.of("tool_result")
        assert len({call["tool_call_id"] for call in calls}) == len(results) == 1, "the same call went on"
        assert (results[0]["status"], results[0]["result"]) == ("complete", "Approved|True|None")
        await page.close()
        await store.until([(0,)], "SELECT count(*) FROM chat_conversation WHERE owner_process_id IS NOT NULL")


async def test_a_question_of_an_agent_who_has_gone_can_be_stopped(server, store):
    page = await left_alone(server, store)
    await page.reconnect()
    await page.until(lambda: page.status["state"] == "waiting")
    await page.command("stop")
    await page.until(lambda: page.status["state"] == "idle")
    assert page.of("tool_result")[0]["status"] == page.messages()[-1]["status"] == "stopped"
    await page.close()


async def test_a_message_in_place_of_an_answer_ends_the_turn_of_an_agent_who_has_gone(server, store):
    page = await left_alone(server, store)
    await page.reconnect()
    await page.say("[[tokens=2]]")
    await page.until(lambda: page.messages() and page.messages()[-1]["status"] == "complete")
    assert page.of("tool_result")[0]["status"] == "interrupted"
    await page.close()
