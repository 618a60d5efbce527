"""A TCP proxy that breaks connections in the ways that networks do.

async with Proxy(server.port) as proxy:            # or several ports: each new connection goes to the next one
    page = Page(proxy.ws_url, …)
    proxy.cut()                                    # every connection is reset now
    proxy.cut_after = 5000                         # or after so many bytes of the server
    proxy.hold()                                   # nothing is read from the server: a page that does not read
    proxy.vanish()                                 # those there are swallow all, and tell nobody of a close
    proxy.latency_seconds = 0.1                    # each way
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from dataclasses import dataclass

PIECE_BYTES = 65536


@dataclass(eq=False)
class _Line:
    """One connection through the proxy. `down` carries what the server sends, and ends when the server closes."""

    has_vanished: bool = False
    down: asyncio.Task[None] | None = None


class Proxy:
    """Listens on a free port of this machine while its `async with` lasts."""

    def __init__(self, *ports: int) -> None:
        self.latency_seconds = 0.0
        self.cut_after: int | None = None  # bytes of the server, of one connection
        self.received = 0  # bytes from the server, ever
        self.port = 0
        self._next = itertools.cycle(ports)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._lines: set[_Line] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/chat/"

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=PIECE_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.release()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def vanish(self) -> None:
        """Take both sides of every connection away from each other, without a word to either. New ones work."""
        for line in self._lines:
            line.has_vanished = True

    async def left_by_the_server(self) -> None:
        """Wait until the server has closed every connection whose client has vanished."""
        await asyncio.gather(*(line.down for line in self._lines if line.has_vanished))

    def hold(self) -> None:
        """Stop reading from the server."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await self._connect()
        except OSError:  # nothing listens there just now
            return writer.transport.abort()
        line, pair = _Line(), {writer, server_writer}
        self._lines.add(line)
        self._writers |= pair
        up = asyncio.create_task(self._forward(line, reader, server_writer))
        down = line.down = asyncio.create_task(self._forward(line, server_reader, writer, is_counted=True))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if line.has_vanished:
                await asyncio.wait((up, down))  # each side has to find out by itself
        finally:
            for task in (up, down):
                task.cancel()
            for each in pair:
                each.close()  # what it has been given is still sent
            self._lines.discard(line)
            self._writers -= pair

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the next server, with a small buffer: what a held page lacks waits in the server."""
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE_BYTES)
        server.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(server, ("127.0.0.1", next(self._next)))
        except OSError:
            server.close()
            raise
        return await asyncio.open_connection(sock=server, limit=PIECE_BYTES)

    async def _forward(
        self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_counted: bool = False
    ) -> None:
        count = 0
        with contextlib.suppress(ConnectionError):
            while True:
                if is_counted:
                    await self._flowing.wait()
                data = await reader.read(PIECE_BYTES)
                if not data:
                    return
                if self.latency_seconds:
                    await asyncio.sleep(self.latency_seconds)
                if line.has_vanished:
                    continue
                if is_counted:
                    self.received += len(data)
                    if self.cut_after is not None and count + len(data) >= self.cut_after:
                        writer.write(data[: self.cut_after - count])
                        await asyncio.wait_for(writer.drain(), 1)
                        return
                    count += len(data)
                writer.write(data)
                await writer.drain()
