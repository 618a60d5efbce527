"""The channel layer, which is left alone for a while after it has failed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from chat.live.threads import (
    keep,
)
from chat.wire.events import Event

logger = logging.getLogger(__name__)

SEND_SECONDS = 2.0  # one group_send never holds a thread longer
BREAK_SECONDS = 1.0  # after a failed send the layer is left alone for so long


class Breaker:
    """Leaves the layer alone for a while after a failed send, so that a stopped Redis holds nobody for long."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_closed(self, now: float) -> bool:
        return now >= self._until

    def open(self, error: BaseException) -> None:
        self._until = time.monotonic() + BREAK_SECONDS
        logger.warning("the channel layer does not take messages: %s", type(error).__name__)


breaker = Breaker()


def tell(group: str, message: Event) -> None:
    """Send one message to a group, from the loop or from a view's thread. Lost when the layer is away."""
    if not breaker.is_closed(time.monotonic()):
        return
    if not _is_in_loop():
        return async_to_sync(_tell)(group, message)
    keep(asyncio.ensure_future(_tell(group, message)))


def _is_in_loop() -> bool:
    """True in a thread whose event loop runs.

    Not to be asked in the `except` block itself: asgiref (3.12, sync.py:379) keeps the exception in whose handler it is
    called, with all that the thread works on, until the next full garbage collection.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _tell(group: str, message: Event) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as error:
        breaker.open(error)


async def join(group: str, channel: str) -> bool:
    """Add a channel to a group, on the loop; False when the layer is away."""
    if not breaker.is_closed(time.monotonic()):
        return False
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_add(group, channel)
    except Exception as error:
        breaker.open(error)
        return False
    return True


async def part(groups: Collection[str], channel: str) -> None:
    """Take a channel out of groups, on the loop. What the layer cannot be told now it forgets by itself."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            found = [get_channel_layer().group_discard(group, channel) for group in groups]
            for error in await asyncio.gather(*found, return_exceptions=True):
                if error is not None:
                    logger.info("a group was not left: %s", type(error).__name__)
    except TimeoutError:
        logger.info("groups were not left: the channel layer does not answer")
