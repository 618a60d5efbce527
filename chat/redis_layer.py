"""Channels' pub/sub layer for Redis, whose channels cost nothing.

CHANNEL_LAYERS = {"default": {"BACKEND": "chat.redis_layer.RedisLayer", "CONFIG": {"hosts": [REDIS_URL]}}}
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

from chat.mends.known import REDIS_LAYER


@REDIS_LAYER.or_plain
class RedisLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """Makes a connection's channel without asking Redis: here messages go to groups only, never to a channel.

    channels_redis 4.3.0 (pubsub.py, `new_channel`) subscribes to each channel by its name, before a consumer is
    called at all: while Redis is away every new socket would be refused with 500, or hang. And it makes the channel's
    queue there, which goes only when a `receive` is cancelled: a socket that is refused leaves its queue for ever. Here
    a channel has a queue while it is in a group, or listened to.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._groups_of: defaultdict[str, set[str]] = defaultdict(set)

    async def new_channel(self, prefix: str = "specific.") -> str:
        return f"{self._get_layer().prefix}{prefix}{uuid.uuid4().hex}"

    async def receive(self, channel: str) -> Any:
        layer = self._get_layer()
        layer.channels.setdefault(channel, asyncio.Queue())
        return await layer.receive(channel)

    async def group_add(self, group: str, channel: str) -> None:
        layer = self._get_layer()
        layer.channels.setdefault(channel, asyncio.Queue())
        self._groups_of[channel].add(group)
        await layer.group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        layer = self._get_layer()
        self._groups_of[channel].discard(group)
        if not self._groups_of[channel]:
            del self._groups_of[channel]
            layer.channels.pop(channel, None)
        await layer.group_discard(group, channel)
