"""A client of protocol 1 over a real socket, which checks the promises of the protocol on every frame.

    async with Client(server.ws_url) as client:
        await client.say("hello")
        await client.idle()
        assert client.answer() == "…"

It keeps what a page would keep (records, text of open messages), acknowledges, and raises AssertionError as soon as a
frame breaks a rule: a gap or repetition in `seq` or `n`, a token of a message that is not open, a stream that ends
twice, a call that begins twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Event = dict[str, Any]
ACK_EVERY = 4


class Client:
    """One page. Survives reconnects: `reconnect()` goes on with what it has."""

    def __init__(self, url: str, *, cookies: dict[str, str] | None = None, acks: bool = True, **options: str) -> None:
        self.url = url
        self.options = {"v": "1", **options}
        self.cookies = dict(cookies or {})
        self.acks = acks
        self.events: list[Event] = []  # of all connections
        self.records: dict[int, Event] = {}
        self.streams: dict[str, dict[str, Any]] = {}  # open: text, n, reasoning, reasoning_n, blocks
        self.streamed: dict[str, str] = {}  # texts of ended streams
        self.begun: set[str] = set()  # calls, tasks and questions of which this connection has told
        self.status: Event = {}
        self.conversation: str | None = options.get("conversation")
        self.ticket: str | None = None
        self.close_code: int | None = None
        self.socket: ClientConnection | None = None
        self._asked = 0  # where in `events` this page was when it last asked for something
        self.frames = 0
        self._unacked = 0
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    # -- the connection -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> Event:
        """Open the socket and wait for `connection` (or the refusal)."""
        options = dict(self.options)
        if self.conversation:
            options["conversation"] = self.conversation
            if self.records:
                options["after"] = str(max(self.records))
            elif self.ticket:
                options["ticket"] = self.ticket
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.close_code, self.frames, self._unacked = None, 0, 0
        self.socket = await connect(
            f"{self.url}?{urlencode(options)}",
            additional_headers={"Cookie": cookie} if cookie else None,
            max_size=2**21,
            max_queue=None,  # websockets 17 may not hear of the end of a connection whose reading it has paused
            compression=None,
            open_timeout=60,
        )
        self._reader = asyncio.create_task(self._read(self.socket))
        self._asked = len(self.events)
        return await self.event("connection", "error", after=self._asked)

    async def close(self) -> None:
        if self.socket:
            await self.socket.close()
        if self._reader:
            await asyncio.wait([self._reader], timeout=30)

    def cut(self) -> None:
        """Drop the connection without a word."""
        self.socket.transport.abort()

    async def reconnect(self) -> Event:
        """Come back with what this client has."""
        await self.close()
        return await self.connect()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                await self._take(json.loads(text), len(text.encode()))
        except ConnectionClosed:
            pass
        async with self._news:
            self.close_code = socket.close_code
            self._news.notify_all()

    async def _take(self, event: Event, size: int) -> None:
        assert size <= 256 * 1024, f"a frame of {size} bytes"
        self.frames += 1
        self._unacked += 1
        problem = None
        try:
            self._apply(event)
        except AssertionError as error:
            problem = error
        async with self._news:
            self.events.append(event if problem is None else {**event, "broken_rule": problem})
            self._news.notify_all()
        if self.acks and self._unacked >= ACK_EVERY:
            self._unacked = 0
            with contextlib.suppress(ConnectionClosed):  # what came before the close is still to be read
                await self.socket.send(json.dumps({"type": "ack", "frames": self.frames}))

    # -- what a page keeps --------------------------------------------------------------------------------------------

    def _apply(self, event: Event) -> None:
        kind = event["type"]
        if kind == "connection":
            self.conversation = event["session_id"]
            self.ticket = event.get("ticket")
            self._may_jump = not event["resumed"]
            if not event["resumed"]:
                self.records.clear()
            self.streams.clear()
            self.begun.clear()
        elif kind == "status":
            self.status = event
        elif kind in ("tool_call", "task_start", "input_request"):
            id = event.get("tool_call_id") or event.get("task_id") or event["request_id"]
            assert id not in self.begun, f"{kind} again"
            self.begun.add(id)
        elif kind in ("message", "tool_result", "head"):
            self._apply_record(event)
            self.begun.add(event.get("tool_call_id"))
        elif kind == "stream_start":
            id = event["message_id"]
            assert id not in {r["message"]["id"] for r in self.records.values() if "message" in r}, "started a record"
            self.streams[id] = {key: event[key] for key in ("n", "reasoning", "reasoning_n")}
            self.streams[id] |= {"text": event["content"], "blocks": list(event.get("blocks", []))}
        elif kind == "stream_more":
            assert event["message_id"] in self.streams, "more of what is not open"
            stream = self.streams[event["message_id"]]
            stream["text"] += event["content"]
            stream["reasoning"] += event["reasoning"]
            stream["blocks"] += event.get("blocks", [])
            stream["n"], stream["reasoning_n"] = event["n"], event["reasoning_n"]
        elif kind in ("stream_token", "stream_html", "stream_reasoning"):
            self._apply_chunk(event)
        elif kind == "stream_end":
            assert event["message_id"] in self.streams, "ended what was not open"
            stream = self.streams.pop(event["message_id"])
            self.streamed[event["message_id"]] = stream["text"]

    def _apply_record(self, event: Event) -> None:
        newest = max(self.records, default=0)
        if self._may_jump:
            self._may_jump = False
        else:
            assert event["seq"] == newest + 1, f"record {event['seq']} after {newest}"
        self.records[event["seq"]] = event
        if "message" in event:
            self.streams.pop(event["message"]["id"], None)

    def _apply_chunk(self, event: Event) -> None:
        assert event["message_id"] in self.streams, "a chunk of what is not open"
        stream = self.streams[event["message_id"]]
        counter = "reasoning_n" if event["type"] == "stream_reasoning" else "n"
        assert event["n"] == stream[counter], f"chunk {event['n']} where {stream[counter]} was next"
        stream[counter] += 1
        if event["type"] == "stream_html":
            patch_blocks(stream["blocks"], event)
        else:
            stream["reasoning" if counter == "reasoning_n" else "text"] += event["token"]

    # -- talking ------------------------------------------------------------------------------------------------------

    async def send(self, **frame: Any) -> None:
        await self.send_raw(json.dumps(frame))

    async def send_raw(self, data: str | bytes) -> None:
        self._asked = len(self.events)
        await self.socket.send(data)

    async def say(self, content: str, *, message_id: str | None = None, **fields: Any) -> Event:
        """Send a message and wait until it is accepted (or refused)."""
        id = message_id or str(uuid.uuid4())
        mark = len(self.events)
        await self.send(type="message", content=content, message_id=id, **fields)
        return await self.wait(
            lambda event: event["type"] in ("accepted", "error") and event.get("client_id") == id, after=mark
        )

    async def command(self, command: str, **fields: Any) -> None:
        await self.send(type="command", command=command, **fields)

    # -- waiting ------------------------------------------------------------------------------------------------------

    async def wait(self, wanted: Callable[[Event], Any], *, after: int = 0, timeout: float = 60) -> Event:
        """Return the first event from index `after` that is wanted. Raises on a broken rule, a close, or in time."""
        at = after
        try:
            async with asyncio.timeout(timeout), self._news:
                while True:
                    while at < len(self.events):
                        event = self.events[at]
                        at += 1
                        if "broken_rule" in event:
                            raise event["broken_rule"]
                        if wanted(event):
                            return event
                    assert self.close_code is None, f"closed with {self.close_code}: {self.events[-1:]}"
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"nothing came in {timeout} s; last: {self.events[-6:]}") from None

    async def event(self, *types: str, after: int | None = None, timeout: float = 60) -> Event:
        """Return the first event of these types since this page last asked for something, or from index `after` on."""
        start = self._asked if after is None else after
        return await self.wait(lambda event: event["type"] in types, after=start, timeout=timeout)

    async def idle(self, *, after: int | None = None, timeout: float = 60) -> None:
        """Wait until no turn runs and none waits, and all that this page asked for has been answered for."""
        start = self._asked if after is None else after
        await self.until(lambda: self._is_idle(start) or self.close_code, timeout=timeout)

    async def until(self, holds: Callable[[], Any], *, timeout: float = 60) -> None:
        """Wait until this holds, asked at each frame and at the close. Raises on a broken rule, or in time."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self._is_broken() or holds())
        except TimeoutError:
            raise AssertionError(f"not in {timeout} s: {self.status} {self.events[-6:]}") from None
        self.check()

    def _is_broken(self) -> bool:
        return any("broken_rule" in event for event in self.events)

    def _is_idle(self, after: int) -> bool:
        accepted = [at for at, event in enumerate(self.events) if event["type"] == "accepted"]
        start = max([after, *accepted[-1:]])
        return any(event["type"] == "status" and event["state"] == "idle" for event in self.events[start:])

    async def closed(self, *, timeout: float = 60) -> int:
        """Wait for the close; return its code."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: self.close_code is not None)
        return self.close_code

    def check(self) -> None:
        """Raise if any frame broke a rule."""
        for event in self.events:
            if "broken_rule" in event:
                raise event["broken_rule"]

    # -- looking ------------------------------------------------------------------------------------------------------

    def messages(self, sender: str = "assistant") -> list[Event]:
        """The message records of one sender, in order."""
        found = [record["message"] for _, record in sorted(self.records.items()) if "message" in record]
        return [message for message in found if message["sender"] == sender]

    def answer(self) -> str:
        """The text of the newest assistant record."""
        return self.messages()[-1]["content"]

    def of(self, *types: str) -> list[Event]:
        return [event for event in self.events if event["type"] in types]

    def types(self, *without: str) -> list[str]:
        return [event["type"] for event in self.events if event["type"] not in without]


def patch_blocks(blocks: list[str], event: Event) -> None:
    """Apply a `stream_html` to the blocks, as a page does: `keep` counts UTF-16 units."""
    index, html = event["block"], event["html"]
    assert index <= len(blocks), "a block was skipped"
    if index == len(blocks):
        assert "keep" not in event, "kept a part of nothing"
        blocks.append(html)
    elif "keep" in event:
        kept = blocks[index].encode("utf-16-le")[: 2 * event["keep"]].decode("utf-16-le")
        blocks[index] = kept + html
    else:
        blocks[index] = html
