"""A page that does not read, or does not acknowledge, grows nothing and slows nobody."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest

from tests import programs
from tests.faults.page import Page, check_transcript
from tests.faults.proxy import Proxy
from tests.pace import SLACK, assert_within
from tests.servers import FRUGAL

STALL_SECONDS = 5  # of these servers; 30 otherwise
LONG = "[[chars=6000000 tps=300]]"
HELD = 8  # pages at a time that read nothing
HELD_MIB = 2  # the most that one of them may cost
ECHO_SECONDS = 0.05 * SLACK  # a page that is answered in this time is not slowed


def start_server(start, **options):
    return start(settings="tests.faults.server_settings", FAULTS_STALL_SECONDS=str(STALL_SECONDS), **options)


async def open_page(server, **options) -> Page:
    page = Page(server.ws_url, cookies=await asyncio.to_thread(server.visitor), **options)
    await page.connect()
    return page


@dataclass
class Run:
    """What a long answer cost the server, and how long somebody else's page waited for its echoes meanwhile."""

    growth_mib: float
    echo_p95_seconds: float


async def answer_at_length(server, proxy: Proxy, *, held: int) -> Run:
    """Have a long answer, read by one page and not by `held` others of the same conversation."""
    reader, other = await open_page(server), await open_page(server)
    await reader.say("warm up [[tokens=5]]")
    await reader.settled()
    pages = [Page(proxy.ws_url, cookies=reader.cookies, conversation=reader.conversation) for _ in range(held)]
    for page in pages:
        await page.connect()
        await page.event("message", after=0)
    proxy.hold()
    waits = []
    with server.memory() as memory:
        await reader.say(LONG)
        while not reader.is_settled:
            waits.append(await echo_seconds(other))
            await asyncio.sleep(0.05)  # how often it asks
    assert reader.messages()[-1]["status"] == "complete", reader.messages()[-1]["error"]
    proxy.cut()
    proxy.release()
    for page in (reader, other, *pages):
        await page.close()
    return Run(memory.growth_mib, sorted(waits)[len(waits) * 95 // 100])


async def echo_seconds(page: Page) -> float:
    asked = time.monotonic()
    await page.send(type="ping")
    await page.event("pong")
    return time.monotonic() - asked


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_pages_that_read_nothing_take_no_memory_and_slow_nobody(start, kind):
    """Compared with the same answer without them: itself it is in the session's memory several times."""
    server = start_server(start, kind=kind, **FRUGAL)
    async with Proxy(server.port) as proxy:
        await answer_at_length(server, proxy, held=0)  # what grows once
        without = await answer_at_length(server, proxy, held=0)
        with_them = await answer_at_length(server, proxy, held=HELD)
    assert with_them.growth_mib - without.growth_mib < HELD * HELD_MIB, (without, with_them)
    assert with_them.echo_p95_seconds < 2 * max(without.echo_p95_seconds, ECHO_SECONDS), (without, with_them)


async def test_a_page_that_reads_nothing_is_closed_and_catches_up_when_it_returns(start):
    server = start_server(start)
    async with Proxy(server.port) as proxy:
        slow = await open_page(server)
        slow.url = proxy.ws_url
        await slow.reconnect()
        await slow.say("warm up [[tokens=5]]")
        await slow.settled()
        other = Page(server.ws_url, cookies=slow.cookies, conversation=slow.conversation)
        await other.connect()
        proxy.hold()
        await other.say(LONG)
        given_up = f"conversation {slow.conversation}: a page that reads nothing is closed"
        await asyncio.to_thread(programs.wait_until, lambda: given_up in server.log)
        sent = proxy.received
        proxy.release()
        assert await slow.closed() == 4408
        assert proxy.received - sent < 2 * 2**20  # nothing but a window was kept for it
        await other.settled()
        await slow.come_back()
        await slow.settled()
        for page in (slow, other):
            await check_transcript(page, server.ws_url)
            await page.close()


async def test_a_page_that_acknowledges_nothing_gets_one_window_and_then_bye(start):
    server = start_server(start)
    page = await open_page(server, acks=False)
    await page.say("[[tokens=1500 tps=100]]")  # also a process that seldom runs, and sends much at once, fills a window
    await page.until(lambda: page.frames >= 64)
    full = time.monotonic()
    assert await page.closed() == 4408
    assert time.monotonic() - full > STALL_SECONDS - 1
    assert_within(STALL_SECONDS + 5, since=full)
    assert page.of("bye")[-1]["retry_ms"] and page.frames <= 64 + 3
    page.acks = True
    await page.come_back()
    await page.settled(timeout=60)
    assert len(page.answer().split()) == 1500
    await check_transcript(page)
    await page.close()
