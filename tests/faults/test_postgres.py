"""PostgreSQL restarts, and stays away for a while."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.faults import pair as pairs
from tests.faults.page import Page, check_transcript
from tests.faults.pair import Pair
from tests.pace import SLACK, assert_within

AWAY_SECONDS = float(os.environ.get("FAULTS_POSTGRES_AWAY_SECONDS", "6"))  # 20 for the figure in the documents
ENDS_SECONDS = 10.0  # from the database's end or return to a turn that has ended or goes on
REFUSES_SECONDS = 5.0


@pytest.fixture
def pair(stub, tmp_path):
    with pairs.started(tmp_path, api_base=stub.url) as pair:
        yield pair


async def open_pages(pair: Pair) -> tuple[Page, Page]:
    """A page at A whose turn streams, and an idle one of somebody else at B."""
    one = await pair.page(pair.a)
    await one.say("hello [[tokens=2]]")
    await one.settled()
    two = await pair.page(pair.b)
    await two.say("hello [[tokens=2]]")
    await two.settled()
    await one.post("[[tokens=300 tps=50]]")
    await one.event("stream_token")
    return one, two


async def check_recovered(pair: Pair, one: Page, two: Page) -> None:
    """By itself: the turn is over, the next message is answered, nothing is half stored."""
    started = time.monotonic()
    one.crashed = True  # whatever could not be stored
    await one.settled(timeout=(ENDS_SECONDS + 6) * SLACK)
    assert one.messages()[-1]["status"] in ("complete", "interrupted")
    for page in (one, two):
        await say_until_accepted(page, f"and now? {time.monotonic()} [[tokens=3]]")
        await page.settled(timeout=ENDS_SECONDS * SLACK)
        assert page.messages()[-1]["status"] == "complete"
        await check_transcript(page)
        pair.store.check(page.conversation)
        await page.close()
    assert_within(ENDS_SECONDS + 10, since=started)


async def say_until_accepted(page: Page, content: str) -> None:
    for _ in range(10):
        answer = await page.say(content)
        if answer["type"] == "accepted":
            return
        assert answer["error"] in ("internal", "busy") and answer["retry_ms"], answer
        await asyncio.sleep(answer["retry_ms"] / 1000)
    pytest.fail("the server does not take messages any more")


async def test_a_restart_loses_nothing(pair):
    one, two = await open_pages(pair)
    await asyncio.to_thread(pair.restart_postgres)
    await check_recovered(pair, one, two)


async def test_what_is_sent_while_it_is_away_is_refused_with_a_time_to_retry(pair):
    one, two = await open_pages(pair)
    stored = pair.store.query("SELECT count(*) FROM chat_message WHERE kind = 'user'")
    pair.stop_postgres()
    gone = time.monotonic()
    answer = await two.say("is anybody there?", message_id="while-away")
    assert answer["type"] == "error" and answer["error"] in ("internal", "busy") and answer["retry_ms"] > 0
    assert_within(REFUSES_SECONDS, since=gone)
    await asyncio.sleep(max(0.0, gone + AWAY_SECONDS - time.monotonic()))  # the fault's length
    assert not two.accepted.get("while-away")
    await asyncio.to_thread(pair.start_postgres)
    assert pair.store.query("SELECT count(*) FROM chat_message WHERE kind = 'user'") == stored
    await check_recovered(pair, one, two)
