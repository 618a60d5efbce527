"""How far a tool, or an agent that is being made, has come, through a real server."""

from __future__ import annotations

from tests.client import Client


async def test_a_tool_tells_how_far_it_is_and_a_page_that_joins_hears_of_it(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="steps") as page:
        await page.say('[[tool=ingest args={"many":4,"seconds":0.4}]]')
        await page.wait(lambda event: event["type"] == "progress" and event["fraction"] == 0.5)
        async with Client(server.ws_url, cookies=page.cookies, conversation=page.conversation) as other:
            joined = await other.event("progress", after=0)
            assert joined["label"] == "Ingesting" and joined["fraction"] >= 0.5
            call = other.of("tool_call")[0]
            assert joined["tool_call_id"] == call["tool_call_id"] and joined["turn"] == call["turn"]
            await page.idle()
        (end,) = [event for event in page.of("progress") if event["is_over"]]
        assert page.events.index(end) < page.events.index(page.of("tool_result")[0])
        assert [event["fraction"] for event in page.of("progress")] == [0, 0.25, 0.5, 0.75, 1, 1]


async def test_pages_are_told_four_times_a_second_and_the_last_word(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="steps") as page:
        await page.say('[[tool=ingest args={"many":400,"seconds":0.004}]]')
        await page.idle()

        told = [event["fraction"] for event in page.of("progress") if not event["is_over"]]
        seconds = page.of("tool_result")[0]["duration_ms"] / 1000
        assert told == sorted(told) and told[0] == 0 and told[-1] == 1
        assert len(told) <= 4 * seconds + 2


async def test_an_agent_that_is_made_tells_how_far_it_is(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="slow_steps") as page:
        accepted = await page.say("[[tokens=2]]")
        await page.idle()

        told = page.of("progress")
        assert [(event["done"], event["total"]) for event in told if event["done"]][:4] == [
            (n, 4) for n in (1, 2, 3, 4)
        ]
        assert {event["turn"] for event in told} == {accepted["turn"]}
        assert told[-1]["is_over"] and told[-1]["tool_call_id"] is None
        start = page.events.index(page.of("stream_start")[0])
        assert all(page.events.index(event) < start for event in told)


async def test_a_page_that_joins_after_the_turn_hears_of_no_step(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="steps") as page:
        await page.say("[[tool=ingest]]")
        await page.idle()
        async with Client(server.ws_url, cookies=page.cookies, conversation=page.conversation) as other:
            await other.idle(after=0)
            assert other.of("progress") == []
