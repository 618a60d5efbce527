"""Pages vanish without a word: no FIN, no RST, no pong. The server finds out by itself, and the turn is not lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.page import Page, check_transcript
from tests.faults.proxy import Proxy
from tests.faults.store import Store
from tests.pace import SLACK
from tests.servers import Server

KINDS = ("daphne", "runserver", "uvicorn")
LEAVES_SECONDS = 50
GRACE_SECONDS = 2
TICK_SECONDS = 2  # the process looks once a second for agents without a page
DETACHES_SECONDS = (GRACE_SECONDS + TICK_SECONDS) * SLACK
ENDLESS = "[[tokens=12000 tps=20]]"


@pytest.mark.timeout(180)
async def test_a_page_that_vanishes_is_left_and_finds_its_turn_again(stub, tmp_path):
    """All kinds of servers at the same time, with the settings of the documents: most of it is waiting."""
    await asyncio.gather(*(vanish_and_return(kind, stub, tmp_path / kind) for kind in KINDS))


async def vanish_and_return(kind: str, stub, folder) -> None:
    folder.mkdir()
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    server = Server(folder, kind=kind, CHAT_GRACE_SECONDS=str(GRACE_SECONDS), **environment)
    await asyncio.to_thread(server.start)
    try:
        async with Proxy(server.port) as proxy:
            await check(server, proxy, Store(folder / "chat.sqlite3"))
    finally:
        await asyncio.to_thread(server.stop)


async def check(server: Server, proxy: Proxy, store: Store) -> None:
    idle = await open_page(server, proxy)
    await idle.say("[[tokens=3]]")
    await idle.settled()
    busy = await open_page(server, proxy)
    await busy.say(ENDLESS)
    await busy.event("stream_token", after=0)

    proxy.vanish()
    vanished = time.monotonic()
    for page in (idle, busy):
        page.cut()
    await asyncio.wait_for(proxy.left_by_the_server(), LEAVES_SECONDS)
    left = time.monotonic() - vanished
    assert left > 10, "the server was told"
    ended = "SELECT end_reason FROM chat_chatsession WHERE conversation_id = ? AND ended IS NOT NULL"
    session = store.id(idle.conversation)
    await store.until([("grace",)], ended, session, seconds=DETACHES_SECONDS)  # the page has been detached

    await busy.come_back()
    assert busy.status["state"] == "running"
    await busy.event("stream_token")
    await busy.command("stop")
    await busy.settled()
    await check_transcript(busy)
    assert busy.messages()[-1]["status"] == "stopped"
    sessions = "SELECT count(*) FROM chat_chatsession WHERE conversation_id = ?"
    assert store.query(sessions, store.id(busy.conversation)) == [(1,)]
    await busy.close()


async def open_page(server: Server, proxy: Proxy) -> Page:
    page = Page(proxy.ws_url, cookies=await asyncio.to_thread(server.visitor))
    await page.connect()
    return page
