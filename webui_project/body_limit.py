"""Refuse the body of a request that is too long: 413, before it fills the memory.

Django reads a body whole, and refuses it afterwards. An ASGI application can stop reading, so `BodyLimit` is enough
where the server hands a body on as it comes (uvicorn). Daphne reads it whole before it calls the application
(daphne/http_protocol.py:64, 4.2.3), so there `limit_daphne` looks at it on its way in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from daphne import http_protocol
from daphne.http_protocol import WebRequest
from twisted.internet import reactor

from webui_project.mends import BODY_LIMIT

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

ANSWER = b"The request is too long.\n"
LINGER_SECONDS = 5  # a client that is still sending reads the answer only if the connection is not reset under it


class _TooLong(Exception):
    """More came than the limit."""


class BodyLimit:
    """Wraps an ASGI application: a request with a longer body gets 413, and the rest of it is dropped."""

    def __init__(self, application: Callable[..., Awaitable[None]], max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        room = self._max_bytes

        async def receive_some() -> dict[str, Any]:
            nonlocal room
            message = await receive()
            room -= len(message.get("body", b""))
            if room < 0:
                raise _TooLong
            return message

        try:
            if self._announced(scope) > room:
                raise _TooLong
            await self._application(scope, receive_some, send)
        except _TooLong:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": ANSWER, "more_body": True})
            await _discard(receive)
            await send({"type": "http.response.body"})

    def _announced(self, scope: dict[str, Any]) -> int:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        return int(length) if length.isdigit() else 0


async def _discard(receive: Receive) -> None:
    """Read and forget the rest of a body, for a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass


def limit_daphne(max_bytes: int) -> None:
    """Make Daphne answer 413 to a longer body, and drop what still comes of it."""
    if not BODY_LIMIT.holds:
        return

    class Limited(WebRequest):  # type: ignore[misc]  # Daphne has no types
        room = max_bytes
        is_refused = False

        def gotLength(self, length: int | None) -> None:
            super().gotLength(length)
            if length and length > max_bytes:
                self.refuse()

        def handleContentChunk(self, data: bytes) -> None:
            self.room -= len(data)
            if self.room < 0 and not self.is_refused:
                self.refuse()
            if not self.is_refused:
                super().handleContentChunk(data)

        def refuse(self) -> None:
            self.is_refused = True
            head = b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            self.channel.transport.write(head + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)
            reactor.callLater(LINGER_SECONDS, self.channel.loseConnection)  # type: ignore[arg-type]  # an interface's

        def process(self) -> Any:
            return self.channel.loseConnection() if self.is_refused else super().process()

    http_protocol.WebRequest = Limited  # the name by which its factory finds it (daphne/http_protocol.py:396)
