"""Two server processes serve the same conversations; any page may be at any of them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from tests import programs
from tests.client import Event
from tests.faults import pair as pairs
from tests.faults.cuts import MODES, check_random_cuts
from tests.faults.page import Page, check_transcript
from tests.faults.pair import Pair, paused, paused_at_random
from tests.pace import assert_within
from tests.servers import Server

QUESTION = "[[tool=ask_user then.tokens=5]]"
LONG_CHECKPOINT = (
    "SELECT count(*) FROM chat_message WHERE conversation_id = ? AND seq IS NULL AND length(content) > 200"
)
CLAIMS = 6  # conversations of one dead process


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
    await one.post("[[think=5 tokens=2000 tps=20]]")
    for _ in range(5):
        await two.event("stream_token", after=len(two.events))
    await one.command("stop")
    await one.settled()
    await two.wait(lambda event: event.get("seq") == 4)
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
    assert_within(1.5, since=asked)
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
    order = '[[text="# A\\n\\nsome **bold** text and then some more of it\\n\\n- one\\n- two\\n- three" tps=6]]'
    if joins == "in the turn":
        await one.post(order)
        await one.event("stream_token")
    two = await pair.page(pair.b, of=one, html="1")
    if joins == "before the turn":
        await one.post(order)
    await two.event("stream_html", after=0)
    await asyncio.gather(one.settled(), two.wait(lambda event: event.get("seq") == 4))
    assert not two.of("stream_token")
    assert "<strong>bold</strong>" in two.messages()[-1]["html"]
    await close(one, two)


@MODES
async def test_sockets_cut_at_random_frames_behind_a_round_robin_lose_nothing(pair, mode):
    """Each connection is at the other process than the last one was."""
    async with pair.proxy() as proxy:
        await check_random_cuts(pair.a, proxy.ws_url, **mode)


@MODES
async def test_sockets_cut_at_random_frames_lose_nothing_where_processes_pause(pair, mode):
    """All comes late or at once, and owners do not answer in time."""
    async with pair.proxy() as proxy, paused_at_random(pair.a.process, pair.b.process, pair.redis.process):
        await check_random_cuts(pair.a, proxy.ws_url, **mode)


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


async def test_a_paused_owner_that_wakes_writes_nothing(pair, stub):
    """A's process stops for longer than its lease; B claims; A goes on and finds that nothing is its own."""
    stub.reset()
    one = await pair.page(pair.a)
    await one.post("[[tokens=1000 tps=50]]")
    await one.event("stream_token", after=0)
    two = await pair.page(pair.b, of=one)
    shown = await two.event("stream_token", after=0)
    two.crashed = one.crashed = True  # the last second of the answer that A was writing
    with paused(pair.a.process):
        stopped = time.monotonic()
        await two.wait(lambda event: event.get("seq") == 2)
        assert_within(10, since=stopped)
        assert two.messages()[-1]["status"] == "interrupted"
        assert two.messages()[-1]["id"] == shown["message_id"]
        await two.say("go on [[tokens=30 tps=40]]")
        await two.event("stream_token")
        await two.settled()
        stored = rows(pair, one)
        assert [seq for seq, *_ in stored] == [1, 2, 3, 4]
        assert stub.stats().open == 1  # A's, as far as it knows
    await asyncio.to_thread(stub.wait, open=0)  # it has woken, and given up
    left = f"conversation {one.conversation}: agent ended"
    await asyncio.to_thread(programs.wait_until, lambda: left in pair.a.log)
    assert rows(pair, one) == stored
    pair.store.check(one.conversation)
    await two.say("still one owner [[tokens=3]]")
    await two.settled()
    await one.wait(lambda event: event.get("seq") == 6)
    await close(one, two)


def rows(pair: Pair, page: Page) -> list[tuple]:
    """All that is stored of a conversation."""
    sql = "SELECT seq, m.* FROM chat_message m WHERE conversation_id = ? ORDER BY seq, id"
    return pair.store.query(sql, page.conversation)


async def killed(server: Server, *pages: Page) -> float:
    """Kill a process under the turns of these pages, which are at the other one; return the moment."""
    for page in pages:
        page.crashed = True
    await asyncio.to_thread(server.kill)
    return time.monotonic()


def reads(stub) -> list[tuple[str, str]]:
    """What the model was told last, without its instructions: role, and text without the orders."""
    told = [message for message in stub.last()["messages"] if message["role"] != "system"]
    return [(message["role"], (message.get("content") or "").partition(" [[")[0]) for message in told]


async def test_the_conversation_of_a_killed_process_goes_on_in_turns_in_the_other(pair, stub):
    """What waited, and what was sent to nobody, is answered in order; the model knows all of it, tools included."""
    one = await pair.page(pair.a, agent="tools")
    await one.say('first [[tool=square args={"number":7} then.text="49"]]')
    await one.settled()
    two = await pair.page(pair.b, of=one, agent="tools")
    await one.post("second [[tokens=1000 tps=50]]")
    await pair.store.until([(1,)], LONG_CHECKPOINT, pair.store.id(one.conversation))
    await one.say('third [[text="3"]]')
    try:
        moment = await killed(pair.a, two)
        assert (await two.say('fourth [[text="4"]]'))["type"] == "accepted"  # nobody owns it, and nobody knows
        await two.wait(lambda _: any(m["status"] == "interrupted" for m in two.messages()))
        await two.settled()
        assert_within(10, since=moment)
        first, second, third, fourth = two.messages("user")
        answers = [(message["turn"], message["status"], message["content"]) for message in two.messages()]
        assert [answers[0], *answers[2:]] == [
            (first["id"], "complete", "49"),
            (third["id"], "complete", "3"),
            (fourth["id"], "complete", "4"),
        ]
        turn, status, kept = answers[1]
        assert (turn, status) == (second["id"], "interrupted") and len(kept) > 200
        assert reads(stub) == [
            *[("user", "first"), ("assistant", ""), ("tool", "49"), ("assistant", "49")],
            *[("user", "second"), ("assistant", kept), ("user", "third"), ("assistant", "3"), ("user", "fourth")],
        ]
    finally:
        await asyncio.to_thread(pair.a.start, migrate=False)
    await close(two)


async def test_a_question_in_a_tool_outlives_its_process(pair, stub):
    """It stays open at the other process, whose agent goes on with the answer."""
    one = await pair.page(pair.a, agent="tools")
    await one.post(QUESTION)
    await one.event("input_request", after=0)  # before a page at B could have its process take the turn
    two = await pair.page(pair.b, of=one, agent="tools")
    asked = await two.event("input_request", after=0)
    try:
        await killed(pair.a, two)
        late = await pair.page(pair.b, of=one, agent="tools")
        assert await late.event("input_request", after=0) == asked
        await two.send(type="answer", request_id=asked["request_id"], approved=True, content="go on")
        for page in (two, late):
            await page.settled()
        assert [record["result"] for record in two.transcript if "result" in record] == ["go on|True|None"]
        assert reads(stub)[-1] == ("tool", "go on|True|None")
        assert {message["status"] for message in two.messages()} == {"complete"}
        await late.wait(lambda event: event.get("seq") == max(two.records))
        pair.store.check(one.conversation)
    finally:
        await asyncio.to_thread(pair.a.start, migrate=False)
    await close(two, late)


async def test_a_question_that_nobody_was_there_to_see_is_answered_after_a_reload_in_the_other_process(pair, stub):
    one = await pair.page(pair.a, agent="tools")
    await one.say(QUESTION)
    asked = await one.event("input_request", after=0)
    one.cut()
    await one.closed()
    two = await pair.page(pair.b, of=one, agent="tools")
    again = await two.event("input_request", after=0)
    assert again == asked and two.status["state"] == "waiting"
    await two.send(type="answer", request_id=asked["request_id"], approved=False, content="too dear")
    await two.settled()
    assert [record["result"] for record in two.transcript if "result" in record] == ["too dear|False|None"]
    assert reads(stub)[-1] == ("tool", "too dear|False|None")
    assert (await refused_answer(two, asked))["error"] == "conflict"
    await close(two)


async def test_a_question_whose_agent_has_gone_is_answered_at_another_process(pair, stub, tmp_path):
    """It goes when nobody watches anywhere, not while a page is at the other process, which says so each second."""
    with Server(tmp_path, kind="uvicorn", **pair.settings | {"CHAT_GRACE_SECONDS": "4"}) as third:
        one = await pair.page(third, agent="tools")
        await one.say(QUESTION)
        await one.event("input_request", after=0)
        two = await pair.page(pair.b, of=one, agent="tools")
        await two.event("input_request", after=0)
        one.cut()
        await one.closed()
        renewed = "SELECT renewed FROM chat_serverprocess JOIN chat_chatsession ON process_id = chat_serverprocess.id"
        of_session = " WHERE conversation_id = ?"
        ((begun,),) = pair.store.query(renewed + of_session, one.conversation)
        later = f"SELECT count(*) FROM ({renewed}{of_session} AND renewed > ?) AS later"
        await pair.store.until([(1,)], later, one.conversation, begun + timedelta(seconds=7))
        reason = "SELECT end_reason FROM chat_chatsession WHERE conversation_id = ? ORDER BY started"
        assert pair.store.query(reason, one.conversation) == [("",)], "it is watched"
        await two.close()
        await pair.store.until([("grace",)], reason, one.conversation)
        await two.reconnect()
        asked = await two.event("input_request", after=0)
        await two.send(type="answer", request_id=asked["request_id"], approved=True)
        await two.settled()
    (result,) = [record for record in two.transcript if "result" in record]
    assert (result["status"], result["result"]) == ("complete", "Approved|True|None")
    assert reads(stub)[-1] == ("tool", "Approved|True|None")
    await two.close()


async def refused_answer(page: Page, question: Event) -> Event:
    await page.send(type="answer", request_id=question["request_id"], approved=True)
    return await page.event("error")


async def test_two_processes_that_claim_of_a_dead_one_start_one_agent(pair, stub, tmp_path):
    """A third process dies with conversations whose pages are at both others: both see it at the same tick."""
    third = Server(tmp_path, kind="uvicorn", **pair.settings)
    await asyncio.to_thread(third.start, migrate=False)
    owners = [await pair.page(third) for _ in range(CLAIMS)]
    pages = []
    for number, page in enumerate(owners):
        await page.post(f"{number} [[tokens=1000 tps=30]]")
        await page.event("stream_token", after=0)
        pages.append((await pair.page(pair.a, of=page), await pair.page(pair.b, of=page)))
    for one, two in pages:
        await asyncio.gather(one.event("stream_token", after=0), two.event("stream_token", after=0))
        await one.say(f"waits {one.conversation} [[tokens=5]]")
    await killed(third, *(page for each in pages for page in each))
    for one, two in pages:
        await asyncio.gather(one.settled(), two.settled())
        assert [message["status"] for message in two.messages()] == ["interrupted", "complete"]
        sessions = "SELECT count(*) FROM chat_chatsession WHERE conversation_id = ?"
        assert pair.store.query(sessions, one.conversation) == [(2,)]
        newest = [body["messages"][-1]["content"] for body in stub.requests()]
        assert newest.count(f"waits {one.conversation} [[tokens=5]]") == 1
        await close(one, two)
