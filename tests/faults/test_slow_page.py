"""A page that does not read, or does not acknowledge, grows nothing and slows nobody."""

from __future__ import annotations

import asyncio
import time

from tests.faults.page import Page, check_transcript
from tests.faults.proxy import Proxy

STALL_SECONDS = 5  # of these servers; 30 otherwise
LONG = "[[chars=6000000 tps=300]]"
GROWS_BYTES = 100 * 2**20  # beside the answer itself, which the session keeps a few times while it streams


def rss(server) -> int:
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


def start_server(start):
    return start(settings="tests.faults.server_settings", FAULTS_STALL_SECONDS=str(STALL_SECONDS))


async def echo_seconds(page: Page) -> float:
    mark, asked = len(page.events), time.monotonic()
    await page.send(type="ping")
    await page.event("pong", after=mark)
    return time.monotonic() - asked


async def test_a_page_that_reads_nothing_is_closed_and_catches_up_when_it_returns(start):
    server = start_server(start)
    cookies = await asyncio.to_thread(server.visitor)
    async with Proxy(server.port) as proxy:
        slow = Page(proxy.ws_url, cookies=cookies)
        await slow.connect()
        await slow.say("warm up [[tokens=5]]")
        await slow.settled()
        before = rss(server)
        proxy.hold()
        held = time.monotonic()
        other = Page(server.ws_url, cookies=cookies, conversation=slow.conversation)
        await other.connect()
        await other.say(LONG)
        quick = Page(server.ws_url, cookies=await asyncio.to_thread(server.visitor))
        await quick.connect()
        waits = []
        while not other.is_settled:
            waits.append(await echo_seconds(quick))
            await asyncio.sleep(0.05)
        assert other.messages()[-1]["status"] == "complete", other.messages()[-1]["error"]
        assert sorted(waits)[len(waits) // 2] < 0.2
        sent = proxy.received
        await asyncio.sleep(max(0.0, STALL_SECONDS + 3 - (time.monotonic() - held)))  # the server's patience
        proxy.release()
        # A page that reads nothing may not even hear the close: autobahn drops it a second after that.
        assert await slow.closed() in (4408, 1006)
        assert proxy.received - sent < 2 * 2**20  # nothing but a window was kept for it
        assert rss(server) - before < GROWS_BYTES
        await slow.come_back()
        await slow.settled()
        await check_transcript(slow, server.ws_url)
        for page in (slow, other, quick):
            await page.close()


async def test_a_page_that_acknowledges_nothing_gets_one_window_and_then_bye(start):
    server = start_server(start)
    page = Page(server.ws_url, cookies=await asyncio.to_thread(server.visitor), acks=False)
    await page.connect()
    await page.say("[[tokens=400 tps=100]]")
    assert await page.closed() == 4408
    assert page.of("bye")[-1]["retry_ms"] and page._frames <= 64 + 3
    page.acks = True
    await page.come_back()
    await page.settled()
    assert len(page.answer().split()) == 400
    await check_transcript(page)
    await page.close()
