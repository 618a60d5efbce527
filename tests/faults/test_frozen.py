"""An agent whose code keeps the interpreter's lock: nothing cures it, it is named, and nothing is lost."""

from __future__ import annotations

import asyncio

from tests.client import Client
from tests.faults.store import Store

SECONDS = 3  # longer than the lease below


async def test_an_agent_that_freezes_the_process_is_named_and_nothing_is_lost(start):
    server = start(CHAT_LEASE_SECONDS="2.5")
    pages = [Client(server.ws_url, cookies=server.visitor(), agent=agent) for agent in ("tools", "plain")]
    for page in pages:
        await page.connect()
    frozen, other = pages
    await other.send(type="message", content="[[tokens=600 tps=50]]")
    await other.event("stream_token")
    await frozen.send(type="message", content=f'[[tool=backtrack args={{"seconds":{SECONDS}}}]]')
    for page in pages:
        await page.until(lambda page=page: page.messages() and page.status["state"] == "idle", timeout=120)
        assert {message["status"] for message in page.messages()} == {"complete"}

    async with asyncio.timeout(60):
        while "kept the interpreter's lock" not in server.log:
            await asyncio.sleep(0.1)
    [line] = [line for line in server.log.splitlines() if "kept the interpreter's lock" in line]
    assert f"conversation {frozen.conversation}: agent tools" in line
    assert "tests.server_agents.handle" in line and "re.match" in line
    store = Store(server.data_dir / "chat.sqlite3")
    assert store.query("SELECT count(*) FROM chat_chatsession WHERE end_reason != ''") == [(0,)]
    for page in pages:
        await page.close()
