"""Two processes on one database, and the clock of one is an hour wrong: what counts is the database's clock."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.client import Event
from tests.faults import pair as pairs
from tests.faults.page import Page, check_transcript
from tests.faults.pair import Pair
from tests.pace import assert_within
from tests.servers import Server

CLOCK = Path(__file__).parent / "wrong_clock"
TAKES_OVER_SECONDS = 10
PER_MINUTE = 6


@pytest.fixture(scope="module", params=[3600, -3600], ids=["an hour ahead", "an hour behind"])
def pair(request, stub, tmp_path_factory):
    wrong = {"PYTHONPATH": str(CLOCK), "WRONG_CLOCK_SECONDS": str(request.param)}
    folder = tmp_path_factory.mktemp("clock")
    with pairs.started(folder, api_base=stub.url, of_b=wrong, CHAT_TURNS_PER_MINUTE=str(PER_MINUTE)) as pair:
        assert abs(wrong_by(pair.a)) < 60 and abs(wrong_by(pair.b) - request.param) < 60
        yield pair
        for server in (pair.a, pair.b):
            assert "Traceback" not in server.log, server.log[-4000:]


def wrong_by(server: Server) -> float:
    """Seconds by which the clock of a process is wrong, as its answers tell."""
    with urllib.request.urlopen(f"{server.url}/healthz", timeout=30) as answer:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()


async def both(pair: Pair, owner: Server, other: Server) -> tuple[Page, Page]:
    """A page at `owner`, which owns its conversation, and a page of it at the other process."""
    one = await pair.page(owner)
    await one.say("hello [[tokens=2]]")
    await one.settled()
    return one, await pair.page(other, of=one)


async def close(*pages: Page) -> None:
    for page in pages:
        await check_transcript(page)
        await page.close()


async def test_neither_process_takes_the_other_for_dead(pair):
    """Turns that last longer than the lease, each watched from the other process."""
    watched = [await both(pair, pair.a, pair.b), await both(pair, pair.b, pair.a)]
    for one, _ in watched:
        await one.post("[[tokens=240 tps=40]]")
    for one, two in watched:
        await asyncio.gather(one.settled(), two.settled())
        await two.wait(lambda event: event.get("seq") == 4)
        assert one.messages()[-1]["status"] == "complete"
        sessions = "SELECT count(*) FROM chat_chatsession WHERE conversation_id = ?"
        assert pair.store.query(sessions, one.conversation) == [(1,)]
        await close(one, two)


@pytest.mark.parametrize("dies", ["a", "b"])
async def test_a_dead_process_is_known_to_be_dead(pair, dies):
    dead, alive = (pair.a, pair.b) if dies == "a" else (pair.b, pair.a)
    one, two = await both(pair, dead, alive)
    await one.post("[[tokens=1000 tps=50]]")
    await two.event("stream_token", after=0)
    await two.post("and then? [[tokens=3]]")
    two.crashed = True
    await asyncio.to_thread(dead.kill)
    killed = time.monotonic()
    try:
        await two.settled()
        assert_within(TAKES_OVER_SECONDS, since=killed)
        assert [message["status"] for message in two.messages()] == ["complete", "interrupted", "complete"]
    finally:
        await asyncio.to_thread(dead.start, migrate=False)
    await close(two)


async def test_records_and_conversations_stand_in_the_order_in_which_they_were_made(pair):
    one, two = await both(pair, pair.a, pair.b)
    other = Page(pair.b.ws_url, cookies=one.cookies)
    await other.connect()
    for page in (other, one, two, other):
        await page.say("[[tokens=2]]")
        await page.settled()
    assert one.transcript == two.transcript
    newest = "SELECT id, date_trunc('milliseconds', updated) FROM chat_conversation ORDER BY updated DESC LIMIT 2"
    for id, updated in pair.store.query(newest):
        await one.wait(lambda event, told=(str(id), updated): summary(event) == told)
    assert all(abs(summary(event)[1].timestamp() - time.time()) < 60 for event in one.of("conversation"))
    await close(one, two, other)


def summary(event: Event) -> tuple[str, datetime] | None:
    """The conversation of which an event tells, and when that was updated; to the millisecond."""
    return (event["id"], datetime.fromisoformat(event["updated"])) if event["type"] == "conversation" else None


async def test_messages_of_the_last_minute_are_counted_by_the_database_s_clock(pair):
    one, two = await both(pair, pair.a, pair.b)
    for number in range(PER_MINUTE - 1):
        page = (one, two)[number % 2]
        assert (await page.say("[[tokens=2]]"))["type"] == "accepted"
        await page.settled()
    for page in (one, two):
        assert (await page.say("[[tokens=2]]"))["error"] == "rate_limited"
    a_minute_later = "UPDATE chat_message SET created = created - interval '61 s' WHERE conversation_id = ? RETURNING 1"
    pair.store.query(a_minute_later, one.conversation)
    for page in (one, two):
        assert (await page.say("[[tokens=2]]"))["type"] == "accepted"
        await page.settled()
    for page in (one, two):
        await page.close()


@pytest.mark.parametrize("first", ["a", "b"])
async def test_a_page_without_a_message_comes_back_at_the_other_process(pair, first):
    """Its ticket is signed with the time of the process that made it."""
    one, two = (pair.a, pair.b) if first == "a" else (pair.b, pair.a)
    page = await pair.page(one)
    conversation = page.conversation
    page.cut()
    await page.closed()
    page.url = two.ws_url
    await page.come_back()
    assert page.conversation == conversation
    await page.say("[[tokens=2]]")
    await page.settled()
    await close(page)
