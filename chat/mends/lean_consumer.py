"""A WebSocket consumer whose loop costs what its frames cost.

The stock loop (channels 4.3.2, utils.py, `await_many_dispatch`) has one task for frames and layer messages, which makes
and awaits two more for each of them: that costs twice what is done with it. And a layer message waits there for the
database, while a frame of the page does. The stock `dispatch` (consumer.py) first hops through the process-wide sync
thread, where one slow query would delay every socket; `websocket_disconnect` (generic/websocket.py) does so too.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels import consumer
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from chat.mends.known import LEAN_CONSUMER

logger = logging.getLogger(__name__)

CLOSE_RESTART = 4012  # come back


class PlainConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """What the chat asks of its consumer, in Channels' own way."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.leave()

    def hear(self) -> None:
        """Handle layer messages from now on. Here they come from the start."""

    async def leave(self) -> None:
        """The connection is over, whatever ended it. May be called again."""

    async def failed(self, error: Exception) -> None:
        """A handler has raised. Here that ends the socket."""


@LEAN_CONSUMER.or_plain
class LeanConsumer(PlainConsumer):
    """Frames are handled in the connection's own task, layer messages in one beside it, from `hear` on."""

    _hearing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the connection."""
        self.scope, self.base_send = scope, send
        self.channel_layer = get_channel_layer(self.channel_layer_alias)
        self.channel_name = await self.channel_layer.new_channel()
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            # Not in disconnect(): Channels 4.3 does not call it after an exception, nor at shutdown.
            if self._hearing:
                self._hearing.cancel()
            await self.leave()

    def hear(self) -> None:
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        try:
            while True:
                await self.dispatch(await self.channel_layer.receive(self.channel_name))
        except Exception:
            logger.exception("a connection does not hear its group")
            await self.close(CLOSE_RESTART)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle one frame or layer message. An unknown one is logged: with the stock method it ends the socket."""
        handler = getattr(self, consumer.get_handler_name(message), None)
        if handler is None:
            return logger.warning("unknown layer message %s", message["type"])
        try:
            await handler(message)
        except StopConsumer:
            raise
        except Exception as error:
            await self.failed(error)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer
