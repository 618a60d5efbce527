"""Turns with a tool and a sub-agent, and the cutting of their pages' sockets."""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from tests.faults.page import Page, check_transcript
from tests.servers import Server

TURN = (
    '[[say="I will ask a helper, and then tell you all of it." tool=delegate tps=60 '
    r'args={"job":"[\u005bthink=4 tokens=24 tps=60]\u005d"} '
    r'then.text="# Done\n\nThe **helper** says:\n\n- one\n- two" then.tps=30]]'
)
AT_ONCE = 12  # turns that run at the same time
TURNS = int(os.environ.get("FAULTS_CUT_TURNS", "12"))
CUTS = 3  # of each turn, at least
MODES = pytest.mark.parametrize("mode", [{}, {"html": "1"}], ids=["text", "html"])


async def ask(server: Server, url: str | None = None, **options: str) -> Page:
    """A page of a new visitor, which has sent the turn's message."""
    cookies = await asyncio.to_thread(server.visitor)
    page = Page(url or server.ws_url, cookies=cookies, agent="tools", **options)
    await page.connect()
    await page.post(TURN)
    return page


async def check(page: Page, url: str) -> None:
    """All is there once, the streamed text is that of the records, and the model was asked three times."""
    await check_transcript(page, url)
    texts = [message["content"] for message in page.messages()]
    assert [record["type"] for record in page.transcript].count("tool_result") == 1, page.transcript
    assert len(texts) == 3 and texts[-1].startswith("# Done") and len(texts[1].split()) == 24


async def check_random_cuts(server: Server, url: str, **mode: str) -> None:
    """Cut the sockets of many turns' pages every few frames; each page comes back to `url` and lacks nothing.

    A busy server sends a turn in few frames: a page that has all of them before its last cut is cut at rest.
    """
    random = Random(TURNS)
    slots = asyncio.Semaphore(AT_ONCE)

    async def turn() -> None:
        async with slots:
            page = await ask(server, url, **mode)
            cuts = 0
            while cuts < CUTS or not page.is_settled:
                page.cut_at = page.frames + random.randint(1, 9)
                await page.settled_or_closed(timeout=40)
                page.cut()
                await page.closed()
                await page.come_back()
                cuts += 1
            await check(page, url)
            await page.close()

    await asyncio.gather(*(turn() for _ in range(TURNS)))
