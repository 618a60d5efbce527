"""A page without a browser: protocol 1 spoken with a `ChatConsumer` of this process, without a network.

    async with LocalSocket(owner, agent="poet") as socket:
        await socket.send(type="message", content="hello", message_id="1")
        async for event in socket:
            ...

What a page promises is kept: frames are acknowledged. The owner is given, not found out by cookies: this is for
programs that are trusted with the database (`manage.py chat`, `chat.testing`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from chat.consumers import ChatConsumer
from chat.owners import Owner

ACK_EVERY = 8  # frames, as the protocol asks at the least


class LocalConsumer(ChatConsumer):
    """A connection whose owner this process itself has named."""

    async def identify(self, browser_session: str) -> Owner:
        owner: Owner = self.scope["owner"]
        return owner


class LocalSocket:
    """One connection. On the event loop."""

    def __init__(self, owner: Owner, **options: str) -> None:
        """`options`: those of the socket's address, such as `agent`, `conversation`, `after`."""
        query = urlencode({"v": "1", **options}).encode()
        self._scope = {"type": "websocket", "path": "/", "query_string": query, "headers": [], "owner": owner}
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_page: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._received = 0
        self.close_code: int | None = None

    async def __aenter__(self) -> LocalSocket:
        self._serving = asyncio.create_task(self._serve())
        self._to_server.put_nowait({"type": "websocket.connect"})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._to_server.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._serving

    async def send(self, **frame: Any) -> None:
        """Give the server a frame."""
        self._to_server.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """The events, until the connection is closed."""
        while (event := await self._to_page.get()) is not None:
            self._received += 1
            if self._received % ACK_EVERY == 0:
                await self.send(type="ack", frames=self._received)
            yield event

    async def _serve(self) -> None:
        try:
            await LocalConsumer()(self._scope, self._to_server.get, self._hear)
        finally:
            self._to_page.put_nowait(None)

    async def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            self._to_page.put_nowait(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self.close_code = message.get("code", 1000)
            self._to_page.put_nowait(None)
