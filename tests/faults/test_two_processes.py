"""Two server processes serve the same conversations; any page may be at any of them."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults import pair as pairs
from tests.faults.page import Page, check_transcript
from tests.faults.pair import Pair, paused

QUESTION = "[[tool=ask_user then.tokens=5]]"
LEASE_SECONDS = 4


@pytest.fixture(scope="module")
def pair(stub, tmp_path_factory):
    with pairs.started(tmp_path_factory.mktemp("pair"), api_base=stub.url) as pair:
        yield pair
        for server in (pair.a, pair.b):
            assert "Traceback" not in server.log, server.log[-4000:]


async def both(pair: Pair, **options: str) -> tuple[Page, Page]:
    """A page at A whose first turn has made A the owner, and a page of the same visitor at B."""
    one = await pair.page(pair.a, **options)
    await one.say("hello [[tokens=2]]")
    await one.settled()
    return one, await pair.page(pair.b, of=one, **options)


async def close(*pages: Page) -> None:
    for page in pages:
        await check_transcript(page)
        await page.close()


async def test_a_page_at_b_watches_an_agent_in_a(pair):
    one, two = await both(pair)
    await one.post("[[think=5 tokens=60 tps=60]]")
    await two.event("stream_token", after=0)
    mark = len(two.events)
    await one.settled()
    await two.wait(lambda event: event.get("seq") == 4)
    assert len([event for event in two.events[mark:] if event["type"] == "stream_token"]) > 5
    assert two.streamed == {id: text for id, text in one.streamed.items() if id in two.streamed} != {}
    await close(one, two)


async def test_a_page_at_b_feeds_and_stops_an_agent_in_a(pair):
    one, two = await both(pair)
    await two.post("[[tokens=2000 tps=50]]")
    await one.event("stream_token", after=0)
    await two.event("stream_token", after=0)
    asked = time.monotonic()
    await two.command("stop")
    await asyncio.gather(one.settled(), two.settled())
    assert time.monotonic() - asked < 1.5
    assert one.messages()[-1]["status"] == "stopped" == two.messages()[-1]["status"]
    assert pair.store.query(
        "SELECT count(DISTINCT process_id) FROM chat_chatsession WHERE conversation_id = ?", one.conversation
    ) == [(1,)]
    await close(one, two)


async def test_a_page_at_b_answers_the_question_of_an_agent_in_a(pair):
    one = await pair.page(pair.a, agent="tools")
    await one.post(QUESTION)
    await one.event("input_request", after=0)
    two = await pair.page(pair.b, of=one, agent="tools")
    asked = await two.event("input_request", after=0)
    await two.send(type="answer", request_id=asked["request_id"], approved=True)
    await asyncio.gather(one.settled(), two.settled())
    assert [record["result"] for record in two.transcript if "result" in record] == ["Approved|True|None"]
    await close(one, two)


@pytest.mark.parametrize("joins", ["before the turn", "in the turn"])
async def test_a_page_at_b_sees_html_grow(pair, joins):
    one = await pair.page(pair.a)
    await one.say("hello [[tokens=2]]")
    await one.settled()
    order = '[[text="# A\\n\\nsome **bold** text and then some more of it\\n\\n- one\\n- two\\n- three" tps=10]]'
    if joins == "in the turn":
        await one.post(order)
        await one.event("stream_token", after=len(one.events))
    two = await pair.page(pair.b, of=one, html="1")
    if joins == "before the turn":
        await one.post(order)
    await two.event("stream_html", after=0)
    await asyncio.gather(one.settled(), two.wait(lambda event: event.get("seq") == 4))
    assert len(two.of("stream_html")) >= 4 and not two.of("stream_token")
    assert "<strong>bold</strong>" in two.messages()[-1]["html"]
    await close(one, two)


async def test_a_page_behind_a_round_robin_sees_every_token_once_wherever_it_comes_back(pair):
    async with pair.proxy() as proxy:
        page = Page(proxy.ws_url, cookies=await asyncio.to_thread(pair.a.visitor))
        await page.connect()
        await page.post("[[tokens=150 tps=50]]")
        for _ in range(6):
            await page.event("stream_token")
            page.cut()
            await page.closed()
            await page.come_back()
        await page.settled()
        (answer,) = page.messages()
        assert page.streamed[answer["id"]] == answer["content"] and len(answer["content"].split()) == 150
        await close(page)


async def test_two_tabs_at_two_processes_send_at_once_and_are_answered_in_turns(pair):
    one, two = await both(pair)
    await asyncio.gather(*(page.post(f"{n} [[tokens=5]]") for n in range(3) for page in (one, two)))
    await asyncio.gather(one.settled(), two.settled())
    await one.wait(lambda event: event.get("seq") == 14)
    await two.wait(lambda event: event.get("seq") == 14)
    assert one.transcript == two.transcript
    assert [m["turn"] for m in one.messages()] == [m["id"] for m in one.messages("user")]
    await close(one, two)


async def test_the_same_message_from_two_processes_runs_once(pair, stub):
    one, two = await both(pair)
    stub.reset()
    answers = await asyncio.gather(*(page.say("once [[tokens=3]]", message_id="the-same") for page in (one, two)))
    await asyncio.gather(one.settled(), two.settled())
    assert sorted(event["duplicate"] for event in answers) == [False, True]
    assert stub.stats().requests == 1
    await close(one, two)


async def test_two_processes_that_claim_at_once_start_one_agent(pair):
    one = await pair.page(pair.a)
    await one.say("[[tokens=2]]")
    await one.settled()
    two = await pair.page(pair.b, of=one)
    await one.command("reset")
    before = pair.store.query("SELECT count(*) FROM chat_chatsession WHERE conversation_id = ?", one.conversation)
    await asyncio.gather(*(page.post(f"{page is one} [[tokens=20 tps=40]]") for page in (one, two)))
    await asyncio.gather(one.settled(), two.settled())
    rows = pair.store.query("SELECT fence FROM chat_chatsession WHERE conversation_id = ?", one.conversation)
    assert len(rows) == before[0][0] + 1
    await close(one, two)


async def test_a_paused_owner_that_wakes_writes_nothing(pair):
    """A's process stops for longer than its lease; B claims; A goes on and finds that nothing is its own."""
    one = await pair.page(pair.a)
    await one.post("[[tokens=1000 tps=50]]")
    await one.event("stream_token", after=0)
    two = await pair.page(pair.b, of=one)
    shown = await two.event("stream_token", after=0)
    with paused(pair.a.process):
        stopped = time.monotonic()
        await two.wait(lambda event: event.get("seq") == 2, timeout=10)
        assert time.monotonic() - stopped < 10
        assert two.messages()[-1]["status"] == "interrupted"
        await two.say("go on [[tokens=30 tps=40]]")
        await two.event("stream_token", after=len(two.events))
    await two.settled()
    two.crashed = True  # the last second of the answer that A was writing
    rows = pair.store.query(
        "SELECT seq, status, content FROM chat_message WHERE conversation_id = ? ORDER BY seq", one.conversation
    )
    assert [(seq, status) for seq, status, _ in rows] == [
        (1, "complete"),
        (2, "interrupted"),
        (3, "complete"),
        (4, "complete"),
    ]
    await one.wait(lambda event: event.get("seq") == 4, timeout=10)
    pair.store.check(one.conversation)
    assert shown["message_id"] == two.messages()[0]["id"]
    one.crashed = True
    await two.say("still one owner [[tokens=3]]")
    await two.settled()
    await one.wait(lambda event: event.get("seq") == 6)
    await close(one, two)


async def test_the_conversation_of_a_killed_process_goes_on_in_the_other(pair):
    one = await pair.page(pair.a)
    await one.say("my name is Ann [[tokens=3]]")
    await one.settled()
    two = await pair.page(pair.b, of=one)
    await one.post("[[tokens=1000 tps=50]]")
    await two.event("stream_token", after=0)
    await two.post("and then? [[tokens=3]]")
    two.crashed = True
    await asyncio.to_thread(pair.a.kill)
    killed = time.monotonic()
    try:
        await two.wait(lambda _: any(m["status"] == "interrupted" for m in two.messages()), timeout=10)
        await two.settled()
        assert time.monotonic() - killed < 10
        assert [message["status"] for message in two.messages()] == ["complete", "interrupted", "complete"]
    finally:
        await asyncio.to_thread(pair.a.start, migrate=False)
    await close(two)
