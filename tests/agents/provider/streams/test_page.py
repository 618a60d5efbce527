"""The same answers through a real server over the websocket: records, calls and the next turn, as a page gets them."""

from __future__ import annotations

import pytest

from tests.agents.provider.streams.servers import CASES
from tests.client import Client

AFTER = "after the tools"


@pytest.fixture(scope="module")
def visitor(server):
    return server.visitor()


async def talk(server, visitor: dict[str, str], *says: str) -> Client:
    """Say these things one after the other; return the client with all that came."""
    async with Client(server.ws_url, cookies=visitor, agent="letters") as client:
        for text in says:
            await client.say(text)
            await client.idle(timeout=60)
        client.check()
    return client


@pytest.mark.parametrize("name", CASES)
async def test_a_page_gets_what_was_meant_and_the_next_turn_is_answered(name, server, visitor):
    case = CASES[name]

    client = await talk(server, visitor, f'[[replay="{name}" then.text="{AFTER}"]]', '[[text="next answer"]]')

    results = [record for _, record in sorted(client.records.items()) if record["type"] == "tool_result"]
    ids = [result["tool_call_id"] for result in results]
    told = [call["tool_call_id"] for call in client.of("tool_call")]  # a page that caught up has the result alone
    assert len(set(ids)) == len(ids) and told == [id for id in ids if id in told]
    ran = [(result["tool_name"], result["tool_args"]) for result in results if result["status"] == "complete"]
    assert ran == list(case.tools)
    assert [result["tool_name"] for result in results if result["status"] == "error"] == list(case.refused)
    first = client.messages()[0]
    assert client.answer() == "next answer"
    if results:
        assert client.messages()[-2]["content"] == AFTER
    if case.text:
        assert first["content"].strip() == case.text
    if not results:
        assert (first["reasoning"], first["status"]) == (case.reasoning, case.status)
        assert (first["error"] or {}).get("code") == case.code
        assert case.finish is None or first["finish_reason"] == case.finish


async def test_an_answer_counts_the_calls_before_it_that_have_no_message(server, visitor, stub):
    client = await talk(server, visitor, '[[tool=calculate args={"expression":"1+1"} then.tokens=1]]')

    sizes = [len(body["messages"]) for body in stub.requests()[-2:]]
    [answer] = client.messages()
    assert sizes[0] < sizes[1]  # two calls, one message
    assert answer["usage"]["basis"] == "reported"
    assert answer["usage"]["completion_tokens"] == 8 + 1  # of the call of a tool, and of the answer
    assert answer["usage"]["cost"] > 0


async def test_usage_that_a_server_does_not_tell_is_estimated(server, visitor):
    client = await talk(server, visitor, "[[usage=0 tokens=3]]")

    assert client.messages()[0]["usage"]["basis"] == "estimated"
