"""The socket is cut, again and again, while the server goes on.

In full, with some eight cuts in each of a thousand turns:

    FAULTS_CUT_TURNS=1000 python -m pytest -n0 --timeout=0 tests/faults -k random_frames
"""

from __future__ import annotations

import asyncio

from tests.faults.cuts import AT_ONCE, MODES, TURN, ask, check, check_random_cuts
from tests.faults.page import Page
from tests.faults.proxy import Proxy


async def frames_of_a_turn(server, mode) -> int:
    page = await ask(server, **mode)
    await page.settled()
    await check(page, server.ws_url)
    await page.close()
    return page.frames


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
            await check(page, server.ws_url)
            await page.close()

    await asyncio.gather(*(turn_cut_at(frame) for frame in range(1, frames)))


@MODES
async def test_sockets_cut_at_random_frames_lose_nothing(server, mode):
    await check_random_cuts(server, server.ws_url, **mode)


async def test_a_connection_cut_in_the_middle_of_a_frame_loses_nothing(server):
    async with Proxy(server.port) as proxy:
        page = await ask(server, url=proxy.ws_url)
        for cut_after in (1500, 1750, 2222, 3001):
            proxy.cut_after = cut_after
            await page.settled_or_closed()
            assert page.close_code or cut_after > 1500, "a turn has more bytes than that"
            proxy.cut()
            await page.closed()
            proxy.cut_after = None
            await page.come_back()
        await page.settled()
        await check(page, server.ws_url)
        await page.close()


async def test_a_slow_line_changes_nothing(server):
    async with Proxy(server.port) as proxy:
        proxy.latency_seconds = 0.1
        page = await ask(server, url=proxy.ws_url)
        await page.settled(timeout=40)
        await check(page, server.ws_url)
        await page.close()
