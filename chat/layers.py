"""The in-memory channel layer, tuned for many sessions in one process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from channels.layers import InMemoryChannelLayer

from chat.mends.known import MEMORY_LAYER

SWEEP_SECONDS = 1.0

NO_LAYER = "CHANNEL_LAYERS has no layer 'default'; without it no answer reaches a page."
LAYER_FOR_ONE_PROCESS = 'For one process: CHANNEL_LAYERS = {"default": {"BACKEND": "chat.layers.InMemoryLayer"}}.'


@MEMORY_LAYER.or_plain
class InMemoryLayer(InMemoryChannelLayer):  # type: ignore[misc]  # Channels has no types
    """Channels' in-memory layer, at a fraction of its cost for a process that streams to many pages.

    channels 4.3.2 walks all groups and channels on each send and each receive (layers.py, `_clean_expired`): here that
    is done once a second. It makes a task for each member of a group and waits for all of them (`group_send`), though
    none of them ever waits: here they are served one after the other. And it gives each member a deep copy: messages
    of this project are flat, and nobody changes them.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._swept = 0.0

    def _clean_expired(self) -> None:
        now = time.monotonic()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            super()._clean_expired()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.require_valid_group_name(group)
        self._clean_expired()
        expires = time.time() + self.expiry
        for channel in self.groups.get(group, ()):
            queue = self.channels.get(channel)
            if queue is None:
                queue = self.channels[channel] = asyncio.Queue(maxsize=self.get_capacity(channel))
            with suppress(asyncio.QueueFull):
                queue.put_nowait((expires, message))
