"""What one connection is sent, beside the tests of whole conversations."""

from __future__ import annotations

import uuid

from chat.feed import Feed


async def test_nothing_comes_before_the_connection_frame():
    frames: list[str] = []

    async def write(frame: str) -> None:
        frames.append(frame)

    feed = Feed(uuid.uuid4(), write, html=False, is_compatible=False)
    feed.compare(5, "running")  # the process's tick, while the socket is being opened
    await feed.catch_up()
    assert frames == [] and not feed.is_behind
