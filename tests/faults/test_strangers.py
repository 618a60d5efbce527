"""Visitors of one address who spread over two processes get no more than at one."""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.error import HTTPError

from tests.client import Client

LIMITS = {"VISITORS_PER_MINUTE": 3, "MAX_SOCKETS_PER_IP": 2, "VISITOR_TURNS_PER_MINUTE": 4}


def come(server) -> int:
    try:
        return bool(server.visitor()) and 200
    except HTTPError as error:
        return error.code


async def test_two_processes_let_in_what_one_would(start):
    limits = {f"CHAT_{name}": str(most) for name, most in LIMITS.items()}
    a = start(**limits)
    b = start(**limits | {"CHAT_VISITORS_PER_MINUTE": "0"})  # the second can name visitors for the sockets
    assert Counter([come(server) for server in (a, a, a, a)]) == {200: 3, 429: 1}
    visitors = [b.visitor() for _ in range(8)]
    pages = [Client([a, b][number % 2].ws_url, cookies=visitors[number]) for number in range(8)]
    first = [event.get("error", event["type"]) for event in await asyncio.gather(*(page.connect() for page in pages))]
    assert Counter(first) == {"connection": 2, "rate_limited": 6}

    one, other = (page for page, opened in zip(pages, first, strict=True) if opened == "connection")
    for page in (one, other) * 2:
        await page.say("hello [[tokens=1]]")
    for page in (one, other):
        await page.send(type="message", content="one more", message_id="one-more")
        assert (await page.event("error"))["error"] == "rate_limited"
        await page.close()
