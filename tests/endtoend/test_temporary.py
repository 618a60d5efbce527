"""A conversation that is not kept, where its page says nothing when it leaves."""

from __future__ import annotations

import asyncio

from tests.client import Client
from tests.keeping.test_erasure import SENTINEL, bytes_of, is_gone
from tests.servers import Server


def first_of(page: Client) -> dict:
    return next(event for event in page.events if event["type"] == "connection")


async def test_the_server_erases_it_when_its_page_has_been_gone_for_the_grace_period(stub, tmp_path):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_GRACE_SECONDS": "2"}
    with Server(tmp_path, **environment) as server:
        cookies = server.visitor()
        async with Client(server.ws_url, cookies=cookies, temporary="1") as page:
            assert first_of(page)["temporary"] is True
            await page.say(f'{SENTINEL} [[text="{SENTINEL}"]]')
            await page.idle()
            conversation = page.conversation
        async with Client(server.ws_url, cookies=cookies, conversation=conversation) as page:  # it comes back in time
            assert first_of(page)["temporary"] is True and first_of(page)["seq"] == 2
            assert SENTINEL.encode() in bytes_of(tmp_path)

        assert await asyncio.to_thread(is_gone, tmp_path)
        async with Client(server.ws_url, cookies=cookies, conversation=conversation) as page:
            assert await page.closed() == 4404
