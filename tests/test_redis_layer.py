"""What sockets leave behind in the layer of Redis: nothing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from chat.redis_layer import RedisLayer

AWAY = "redis://127.0.0.1:1/0"  # nothing listens there


@pytest.fixture
async def layer(redis_url):
    layer = RedisLayer(hosts=[redis_url])
    yield layer
    await layer.flush()


def left(layer: RedisLayer) -> tuple[int, int, int]:
    return len(layer.channels), len(layer.groups), len(layer._groups_of)


async def test_a_socket_that_is_refused_leaves_no_queue(layer):
    for _ in range(50):
        await layer.new_channel()

    assert left(layer) == (0, 0, 0)


async def test_a_socket_that_leaves_before_it_hears_leaves_no_queue(layer):
    channel = await layer.new_channel()
    for group in ("conversation", "owner"):
        await layer.group_add(group, channel)
    asyncio.create_task(layer.receive(channel)).cancel()
    for group in ("conversation", "owner"):
        await layer.group_discard(group, channel)

    assert left(layer) == (0, 0, 0)


async def test_a_socket_that_hears_gets_its_groups_messages_and_leaves_no_queue(layer):
    channel = await layer.new_channel()
    await layer.group_add("conversation", channel)
    await layer.group_add("owner", channel)
    await layer.group_discard("owner", channel)

    await layer.group_send("conversation", {"type": "chat.test"})
    assert await asyncio.wait_for(layer.receive(channel), 5) == {"type": "chat.test"}

    await layer.group_discard("conversation", channel)
    assert left(layer) == (0, 0, 0)


async def test_a_socket_that_cannot_join_waits_and_leaves_no_queue():
    layer = RedisLayer(hosts=[AWAY])
    channel = await layer.new_channel()
    hearing = asyncio.create_task(layer.receive(channel))
    with contextlib.suppress(Exception):
        await layer.group_add("conversation", channel)
    done, _ = await asyncio.wait([hearing], timeout=0.2)
    assert not done  # it is told nothing, and goes on

    hearing.cancel()
    with contextlib.suppress(Exception):
        await layer.group_discard("conversation", channel)
    assert left(layer) == (0, 0, 0)
