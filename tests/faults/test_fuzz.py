"""Frames of every shape, right ones, nearly right ones and nonsense, against a real server on PostgreSQL.

Nothing in a frame may raise in the server, show what is another's, or break a rule for those who look on. All of it:

    FAULTS_FRAMES=10000 python -m pytest -n0 tests/faults/test_fuzz.py
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.faults.page import Page, check_transcript
from tests.faults.store import Store

FRAMES = int(os.environ.get("FAULTS_FRAMES", "1000"))
PER_EXAMPLE, AT_ONCE = 25, 5
CLOSED_WITH = {4400, 4413}  # five that were bad, or too large, within ten seconds

# Stand for ids that are known only when the frame is sent.
MINE, OTHERS, QUESTION, OPEN = "<my turn>", "<another's turn>", "<my question>", "<my open message>"
ID = st.sampled_from([MINE, OTHERS, QUESTION, OPEN]) | st.uuids().map(str)
TEXT = st.text(st.characters(), max_size=40)  # with lone surrogates and NUL
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | ID,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CONTENT = st.sampled_from(
    ["[[tokens=2]]", "[[tokens=20 tps=100]]", "[[error=500]]", "[[tool=ask_user then.tokens=2]]", "q", " \n"]
)
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "content": CONTENT | TEXT,
    "message_id": ID | st.just("the-same") | TEXT,
    "request_id": st.just(QUESTION),
    "turn": ID,
    "frames": st.integers(0, 60),
    "approved": st.booleans(),
    "always": st.booleans(),
    "tool_args": st.dictionaries(TEXT, VALUE, max_size=2),
    "choice": VALUE,
    "attachments": st.lists(ID, max_size=2),
    "command": st.sampled_from(["stop", "edit", "regenerate", "branch", "clear", "reset", "dance"]),
}
TYPE = st.sampled_from(["message", "answer", "command", "command", "ack", "sync", "ping", "sing"])


@st.composite
def nearly_right(draw: st.DrawFn) -> str:
    """A frame of a known type, whose fields are mostly as they should be."""
    frame = {"type": draw(TYPE)}
    for name in draw(st.lists(st.sampled_from(sorted(RIGHT)), unique=True, max_size=5)):
        frame[name] = draw(RIGHT[name] if draw(st.integers(0, 5)) else VALUE)
    return json.dumps(frame)


@st.composite
def right(draw: st.DrawFn) -> str:
    """A frame with the fields that its type needs."""
    needs = {
        "message": ("content", "message_id"),
        "answer": ("request_id", "approved", "message_id"),
        "command": ("command", "content", "message_id", "turn"),
        "ack": ("frames",),
        "sync": ("message_id",),
    }
    kind = draw(TYPE)
    return json.dumps({"type": kind} | {name: draw(RIGHT[name]) for name in needs.get(kind, ())})


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A frame that lost a part, or has one twice."""
    text = draw(right())
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return (
        text[:start]
        + draw(st.sampled_from(["", text[start:end] * 2, "\\u0000", "\\ud800", "9" * 5000, "[" * 2000]))
        + text[end:]
    )


FRAME = st.one_of(
    right(),
    right(),
    right(),
    nearly_right(),
    broken(),
    st.text(max_size=200),
    st.binary(max_size=50),
    st.builds(json.dumps, VALUE),
    st.integers(60_000, 70_000).map(lambda size: json.dumps({"type": "message", "content": "x" * size})),
)


class Fuzz:
    """A page whose user sends anything, a second tab of it that behaves, and the page of somebody else."""

    def __init__(self, server, cookies: dict[str, str]) -> None:
        self.server = server
        self.cookies = cookies
        self.tab: Page | None = None
        self.other: Page | None = None
        self.seen: Counter[str] = Counter()  # kinds of answers, over all

    async def open(self) -> None:
        self.tab = Page(self.server.ws_url, cookies=self.cookies, agent="tools")
        self.other = Page(self.server.ws_url, cookies=await asyncio.to_thread(self.server.visitor))
        for page in (self.tab, self.other):
            await page.connect()
            await page.say("hello [[tokens=2]]")
            await page.settled()

    async def send(self, frames: list[str | bytes]) -> None:
        """Send all of them, a few at a time: each time the page is answered, or closed because of them."""
        page = await self._page()
        for at in range(0, len(frames), AT_ONCE):
            if not await self._are_answered(page, frames[at : at + AT_ONCE]):
                assert page.close_code in CLOSED_WITH, page.close_code
                page = await self._page()
        self._check(page)
        await page.close()

    async def _page(self) -> Page:
        page = Page(self.server.ws_url, cookies=self.cookies, conversation=self.tab.conversation, agent="tools")
        await page.connect()
        return page

    async def _are_answered(self, page: Page, frames: list[str | bytes]) -> bool:
        mark = len(page.events)
        try:
            for frame in frames:
                await page.send_raw(self._with_ids(frame) if isinstance(frame, str) else frame)
            await page.send(type="ping")
        except ConnectionClosed:
            await page.closed()
        await page.until(lambda: page.close_code or any(event["type"] == "pong" for event in page.events[mark:]))
        self._check(page)
        return page.close_code is None

    def _with_ids(self, frame: str) -> str:
        turns, asked = self.tab.messages("user"), self.tab.of("input_request")
        for name, id in {
            MINE: turns[-1]["id"],
            OTHERS: self.other.messages("user")[0]["id"],
            QUESTION: asked[-1]["request_id"] if asked else str(uuid.UUID(int=0)),
            OPEN: next(iter(self.tab.streams), MINE),
        }.items():
            frame = frame.replace(name, id)
        return frame

    def _check(self, page: Page) -> None:
        for each in (page, self.tab, self.other):
            each.check()
        assert not [event for event in page.events if event.get("error") == "internal"], page.events[-5:]
        others = {message["id"] for sender in ("user", "assistant") for message in self.other.messages(sender)}
        assert not others & {event["message"]["id"] for event in page.of("message")}
        self.seen.update(event.get("error", event["type"]) for event in page.events)

    async def close(self) -> None:
        """End what runs; then both conversations are whole, and their pages are served as ever."""
        while not self.tab.is_settled:
            turn = self.tab.status["turn"]
            await self.tab.command("stop")
            await self.tab.until(lambda turn=turn: self.tab.is_settled or self.tab.status["turn"] not in (None, turn))
        await self.tab.say("and now? [[tokens=2]]")
        await self.tab.settled()
        for page in (self.tab, self.other):
            await check_transcript(page)
            await page.close()
        assert len(self.other.records) == 2


@pytest.mark.timeout(60 + FRAMES / 4)
def test_no_frame_breaks_anything(start, postgres_url):
    server = start(DATABASE_URL=postgres_url)
    fuzz = Fuzz(server, server.visitor())
    with asyncio.Runner() as runner:
        runner.run(fuzz.open())

        @settings(
            max_examples=FRAMES // PER_EXAMPLE,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(FRAME, min_size=PER_EXAMPLE, max_size=PER_EXAMPLE))
        def send(frames: list[str | bytes]) -> None:
            runner.run(fuzz.send(frames))

        send()
        runner.run(fuzz.close())
    Store(postgres_url).check(fuzz.tab.conversation)
    assert "Traceback" not in server.log, server.log[-4000:]
    assert {"accepted", "bad_frame", "not_found", "unknown_type", "too_large", "conflict"} <= set(fuzz.seen)
