"""The socket is cut, again and again, while the server goes on.

In full, with some ten cuts in each of a thousand turns:

    FAULTS_CUT_TURNS=1000 python -m pytest -n0 --timeout=0 tests/faults/test_cuts.py
"""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from tests.faults.page import Page, check_transcript
from tests.faults.proxy import Proxy

TURN = (
    '[[say="I will ask a helper, and then tell you all of it." tool=delegate tps=60 '
    r'args={"job":"[\u005bthink=4 tokens=24 tps=60]\u005d"} '
    r'then.text="# Done\n\nThe **helper** says:\n\n- one\n- two" then.tps=30]]'
)
MODES = pytest.mark.parametrize("mode", [{}, {"html": "1"}], ids=["text", "html"])
AT_ONCE = 12  # turns that run at the same time
CUT_TURNS = int(os.environ.get("FAULTS_CUT_TURNS", "12"))


async def ask(server, **options) -> Page:
    cookies = await asyncio.to_thread(server.visitor)
    page = Page(options.pop("url", server.ws_url), cookies=cookies, agent="tools", **options)
    await page.connect()
    await page.post(TURN)
    return page


async def frames_of_a_turn(server, mode) -> int:
    page = await ask(server, **mode)
    await page.settled()
    await check(page, server)
    await page.close()
    return page._frames


async def check(page: Page, server) -> None:
    """All is there once, the streamed text is that of the records, and the model was asked three times."""
    await check_transcript(page, server.ws_url)
    texts = [message["content"] for message in page.messages()]
    assert sum(record["type"] == "tool_result" for record in page.transcript) == 1
    assert len(texts) == 3 and texts[-1].startswith("# Done") and len(texts[1].split()) == 24


@MODES
async def test_a_socket_cut_at_any_frame_of_a_turn_loses_nothing(server, mode):
    frames = await frames_of_a_turn(server, mode)
    slots = asyncio.Semaphore(AT_ONCE)

    async def turn_cut_at(frame: int) -> None:
        async with slots:
            page = Page(server.ws_url, cookies=await asyncio.to_thread(server.visitor), agent="tools", **mode)
            page.cut_at = frame
            await page.connect()
            await page.post(TURN)
            await page.settled_or_closed(timeout=40)
            await page.come_back()
            await page.settled(timeout=40)
            await check(page, server)
            await page.close()

    await asyncio.gather(*(turn_cut_at(frame) for frame in range(1, frames)))
    assert frames > 20


@MODES
async def test_sockets_cut_at_random_frames_of_their_turns_lose_nothing(server, mode):
    random = Random(CUT_TURNS)
    slots = asyncio.Semaphore(AT_ONCE)
    cuts = 0

    async def turn() -> None:
        nonlocal cuts
        async with slots:
            page = await ask(server, **mode)
            while not page.is_settled:
                page.cut_at = page._frames + random.randint(1, 9)
                await page.settled_or_closed(timeout=40)
                if not page.is_settled:
                    await page.come_back()
                    cuts += 1
            await check(page, server)
            await page.close()

    await asyncio.gather(*(turn() for _ in range(CUT_TURNS)))
    assert cuts > 5 * CUT_TURNS


async def test_a_connection_cut_in_the_middle_of_a_frame_loses_nothing(server):
    async with Proxy(server.port) as proxy:
        page = await ask(server, url=proxy.ws_url)
        for cut_after in (900, 1500, 1750, 2222, 3001):
            proxy.cut_after = cut_after
            proxy.cut()
            await page.closed()
            proxy.cut_after = cut_after
            await page.come_back()
        proxy.cut_after = None
        proxy.cut()
        await page.closed()
        await page.come_back()
        await page.settled()
        await check(page, server)
        await page.close()
        assert proxy.received > 5000


async def test_a_slow_line_changes_nothing(server):
    async with Proxy(server.port) as proxy:
        proxy.latency_seconds = 0.1
        page = await ask(server, url=proxy.ws_url)
        await page.settled(timeout=40)
        await check(page, server)
        await page.close()
