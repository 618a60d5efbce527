"""Redis carries, the database knows: two processes whose Redis stops, dies and comes back empty."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.faults import pair as pairs
from tests.faults.page import Page, check_transcript
from tests.faults.pair import Pair
from tests.pace import SLACK, assert_within

PASSES_SECONDS = 2.5  # from process to process without Redis
ANSWERS_SECONDS = 1.0  # the longest that a page's frame may wait
RECOVERS_SECONDS = 5.0  # from Redis's return to live text
OPEN = "SELECT count(*) FROM chat_message WHERE conversation_id = ? AND seq IS NULL AND content <> ''"
STOPPED_SECONDS = float(os.environ.get("FAULTS_REDIS_STOPPED_SECONDS", "8"))  # 30 for the figure in the documents


@pytest.fixture(scope="module")
def pair(stub, tmp_path_factory):
    with pairs.started(tmp_path_factory.mktemp("redis"), api_base=stub.url) as pair:
        yield pair


class Pinging:
    """Asks a page's server for a `pong` all the time; `longest` is the longest wait for one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.longest = 0.0

    async def __aenter__(self) -> Pinging:
        self._task = asyncio.create_task(self._ping())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends = True
        await self._task

    _ends = False

    async def _ping(self) -> None:
        while not self._ends:
            mark, asked = len(self.page.events), time.monotonic()
            await self.page.send(type="ping")
            await self.page.event("pong", after=mark)
            self.longest = max(self.longest, time.monotonic() - asked)
            await asyncio.sleep(0.1)


async def open_pages(pair: Pair) -> tuple[Page, Page]:
    one = await pair.page(pair.a)
    await one.say("hello [[tokens=2]]")
    await one.settled()
    return one, await pair.page(pair.b, of=one)


async def check_without_redis(pair: Pair, one: Page, two: Page) -> None:
    """Messages, records, stops and new pages pass by the database."""
    async with Pinging(one) as first, Pinging(two) as second:
        await _within(two.say("from B [[tokens=5]]"), ANSWERS_SECONDS)
        await _within(one.wait(lambda event: event.get("seq") == 4), 2 * PASSES_SECONDS)  # there and back
        await _within(two.wait(lambda event: event.get("seq") == 4), PASSES_SECONDS)
        await one.say("from A [[tokens=2000 tps=50]]")
        await _within(two.wait(lambda event: event.get("seq") == 5), PASSES_SECONDS)
        await pair.store.until([(1,)], OPEN, one.conversation, seconds=PASSES_SECONDS * SLACK)
        late = await _within(pair.page(pair.b, of=one), 3.0)
        await _within(_grows(late), 2 * PASSES_SECONDS)
        await two.command("stop")
        await _within(one.settled(), PASSES_SECONDS + 1.5)
        await _within(two.wait(lambda event: event.get("seq") == 6), PASSES_SECONDS)
        await _within(late.wait(lambda event: event.get("seq") == 6), PASSES_SECONDS)
        await late.close()
    assert one.messages()[-1]["status"] == "stopped"
    assert max(first.longest, second.longest) < ANSWERS_SECONDS * SLACK


async def _grows(page: Page) -> None:
    """Wait until the open answer is longer than it is now."""

    def chars() -> int:
        return sum(len(stream["text"]) for stream in page.streams.values())

    now = chars()
    await page.until(lambda: chars() > now)


async def check_live_again(pair: Pair, one: Page, two: Page) -> None:
    """Chunks flow from A to the page at B as they did, also to one that has joined since."""
    back = time.monotonic()
    late = await pair.page(pair.b, of=one)
    marks = len(two.events), len(late.events)
    await one.say("again [[tokens=4000 tps=50]]")
    await two.event("stream_token", after=marks[0])  # by the layer: the database has no chunks
    await late.event("stream_token", after=marks[1])
    assert_within(RECOVERS_SECONDS, since=back)
    for page in (two, late):
        for _ in range(5):
            await page.event("stream_token", after=len(page.events))
    await one.command("stop")
    await asyncio.gather(one.settled(), two.settled(), late.settled())
    for page in (two, late):
        await page.wait(lambda event: event.get("seq") == max(one.records))
    for page in (one, two, late):
        await check_transcript(page)
        await page.close()


async def _within(work, seconds: float):
    started = time.monotonic()
    result = await work
    assert_within(seconds, since=started)
    return result


async def test_redis_stops_for_a_while(pair):
    one, two = await open_pages(pair)
    with pair.redis_paused():
        until = time.monotonic() + STOPPED_SECONDS
        await check_without_redis(pair, one, two)
        await asyncio.sleep(max(0.0, until - time.monotonic()))  # the fault's length, not a wait for anything
    await check_live_again(pair, one, two)


async def test_redis_dies_and_comes_back_empty(pair):
    one, two = await open_pages(pair)
    pair.redis.process.kill()
    pair.redis.process.wait()
    await check_without_redis(pair, one, two)
    await asyncio.to_thread(pair.start_redis)
    await check_live_again(pair, one, two)


async def test_a_stream_goes_on_over_a_restart_of_redis(pair):
    one, two = await open_pages(pair)
    await one.post("[[tokens=250 tps=50]]")
    await two.event("stream_token", after=0)
    await asyncio.to_thread(pair.restart_redis)
    await one.settled()
    await two.wait(lambda event: event.get("seq") == 4)
    assert one.messages()[-1]["status"] == "complete"
    await check_live_again(pair, one, two)
