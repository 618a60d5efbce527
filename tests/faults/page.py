"""A page as it behaves among faults: it comes back by itself, sends again what was not accepted, and forgets nothing
that it has shown, so that a test can compare.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.client import Client, Event

OPEN_SECONDS = 3
RETRY_SECONDS = 0.1
RECORDS = ("message", "tool_result", "head")


@dataclass(frozen=True)
class Shown:
    """How long an answer was on the page at a moment."""

    at: float  # monotonic
    chars: int


class Page(Client):
    """A client that holds itself to more: what it has shown stays, and a stream ends before its record comes."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.outbox: dict[str, str] = {}  # sent, not accepted: client id -> text
        self.accepted: dict[str, Event] = {}  # client id -> its `accepted`
        self.texts: dict[str, str] = {}  # the longest text shown of each answer
        self.shown: dict[str, list[Shown]] = {}
        self.cut_at: int | None = None  # cut the socket when so many frames have come on this connection
        self.stored = 0  # the newest record when it connected
        self.crashed = False  # the server was killed: what was open may have lost its last second

    # -- what it sees -----------------------------------------------------------------------------------------------

    async def _take(self, event: Event, size: int) -> None:
        await super()._take(event, size)
        if self.cut_at is not None and self.frames >= self.cut_at:
            self.cut()

    def _apply(self, event: Event) -> None:
        kind = event["type"]
        if kind == "connection" and self.records:
            assert event["resumed"], f"lost its place: {event}, {sorted(self.records)} {self.events[-8:]}"
        if kind == "message":
            assert event["message"]["id"] not in self.streams, "the record came before the stream's end"
        super()._apply(event)
        if kind == "connection":
            self.stored = event["seq"]
        elif kind == "accepted":
            self.outbox.pop(event["client_id"], None)
            self.accepted[event["client_id"]] = event
        if (id := event.get("message_id")) in self.streams and not self.streams[id]["blocks"]:
            self._note(id, self.streams[id]["text"], is_complete=kind != "stream_start")

    def _note(self, id: str, text: str, *, is_complete: bool) -> None:
        """Compare with what was shown before: text is only ever added."""
        before = self.texts.get(id, "")
        if is_complete or len(text) >= len(before):
            assert text.startswith(before) or self.crashed or not is_complete, f"shown {before!r}, now {text!r}"
        if len(text) > len(before):
            self.texts[id] = text
            self.shown.setdefault(id, []).append(Shown(time.monotonic(), len(text)))

    def shown_before(self, id: str, moment: float) -> str:
        """The text of an answer as it was on the page at a moment."""
        chars = [shown.chars for shown in self.shown.get(id, ()) if shown.at <= moment]
        return self.texts.get(id, "")[: max(chars, default=0)]

    # -- what it does -----------------------------------------------------------------------------------------------

    async def post(self, content: str) -> str:
        """Send a message and do not wait; it is sent again until it is accepted. Return its client id."""
        id = str(uuid.uuid4())
        self.outbox[id] = content
        await self._post(id)
        return id

    async def _post(self, id: str) -> None:
        with contextlib.suppress(ConnectionClosed):  # sent again when the page is back
            await self.send(type="message", content=self.outbox[id], message_id=id)

    async def come_back(self, *, seconds: float = 20) -> float:
        """Connect again, as often as it takes; send what was not accepted. Return the seconds that it took."""
        started = time.monotonic()
        self.cut_at = None
        for attempt in itertools.count():
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    first = await self.reconnect()
                    assert first["type"] == "connection", first
                    break
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, AssertionError) as error:
                self.check()
                assert time.monotonic() - started < seconds, f"not back after {attempt} attempts: {error!r}"
                await asyncio.sleep(RETRY_SECONDS)
        for id in list(self.outbox):
            await self._post(id)
        return time.monotonic() - started

    async def settled(self, *, timeout: float = 60) -> None:
        """Wait until nothing is unaccepted, nothing runs, and every accepted turn is answered for."""
        await self.settled_or_closed(timeout=timeout)
        assert self.is_settled, f"closed with {self.close_code}"

    async def settled_or_closed(self, *, timeout: float = 60) -> None:
        await self.until(lambda: self.is_settled or self.close_code, timeout=timeout)

    @property
    def is_settled(self) -> bool:
        answered = {message["turn"] for message in self.messages() if message["depth"] == 0}
        asked = {event["turn"] for event in self.accepted.values()}
        has_all = max(self.records, default=0) >= self.stored and asked <= answered
        return has_all and not self.outbox and not self.streams and self.status.get("state") == "idle"

    # -- what it holds ----------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> list[Event]:
        """The records in order."""
        return [record for _, record in sorted(self.records.items())]


async def reread(page: Page, url: str | None = None) -> list[Event]:
    """The records as another page of the same owner gets them now, the earlier ones as it would ask for them."""
    options = {name: value for name, value in page.options.items() if name in ("html", "agent")}
    async with Page(url or page.url, cookies=page.cookies, conversation=page.conversation, **options) as other:
        first = other.events[0]
        if first["seq"]:
            await other.wait(lambda event: event.get("seq") == first["seq"] and event["type"] in RECORDS)
        other.check()
        records, earlier = other.transcript, first["earlier"]
        while earlier:
            answer = await asyncio.to_thread(_earlier, other, records[0]["seq"])
            records, earlier = answer["records"] + records, answer["earlier"]
        return records


def _earlier(page: Page, before: int) -> Event:
    """The records before one, over HTTP."""
    site = page.url.replace("ws://", "http://").removesuffix("/ws/chat/")
    query = {"before": before, "html": page.options.get("html", "0")}
    address = f"{site}/api/conversations/{page.conversation}/records?{urlencode(query)}"
    cookie = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Cookie": cookie}), timeout=30) as answer:
        return json.load(answer)


async def check_transcript(page: Page, url: str | None = None) -> None:
    """The page holds what the database holds, and what it was shown as a stream is what was recorded."""
    page.check()
    stored = await reread(page, url)
    assert [record["seq"] for record in page.transcript] == list(range(1, len(stored) + 1))
    assert page.transcript == stored
    for message in page.messages():
        if "html" in page.options or (page.crashed and message["status"] == "interrupted"):
            continue  # of what a process was writing when it died, its last second may be lost
        shown = page.texts.get(message["id"], "")
        streamed = page.streamed.get(message["id"], message["content"])
        if message.get("truncated"):  # no frame holds all of it
            shown, streamed = shown[: len(message["content"])], streamed[: len(message["content"])]
        assert message["content"].startswith(shown)
        assert streamed == message["content"], f"streamed {streamed!r}: {page.events}"
