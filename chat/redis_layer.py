"""Channels' pub/sub layer for Redis, whose channels cost nothing.

CHANNEL_LAYERS = {"default": {"BACKEND": "chat.redis_layer.RedisLayer", "CONFIG": {"hosts": [REDIS_URL]}}}
"""

from __future__ import annotations

import asyncio
import uuid

from channels_redis.pubsub import RedisPubSubChannelLayer

from chat.mends.known import REDIS_LAYER


@REDIS_LAYER.or_plain
class RedisLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """Makes a connection's channel without asking Redis: here messages go to groups only, never to a channel.

    channels_redis 4.3.0 (pubsub.py, `new_channel`) subscribes to each channel by its name, before a consumer is
    called at all: while Redis is away every new socket would be refused with 500, or hang.
    """

    async def new_channel(self, prefix: str = "specific.") -> str:
        layer = self._get_layer()
        channel = f"{layer.prefix}{prefix}{uuid.uuid4().hex}"
        layer.channels[channel] = asyncio.Queue()
        return channel
