"""A page without a browser: protocol 1 spoken with a `ChatConsumer` of this process, without a network.

    async with LocalSocket(owner, agent="poet") as socket:
        await socket.send(type="message", content="hello", message_id="1")
        async for event in socket:
            ...

`Loop` is where such a page lives in a program that has no event loop. What a page promises is kept: frames are
acknowledged. The owner is given, not found out by cookies: this is for programs that are trusted with the database
(`manage.py chat`, `chat.testing`).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar
from urllib.parse import urlencode

from chat.consumers import ChatConsumer
from chat.owners import Owner

ACK_EVERY = 8  # frames, as the protocol asks at the least
LONGEST_SECONDS = 60.0  # of what is done on a `Loop`
T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own, where live sessions are at home."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="chat-loop")
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the loop, and wait until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LONGEST_SECONDS)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONGEST_SECONDS)


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
