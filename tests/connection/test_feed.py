"""What one connection is sent, beside the tests of whole conversations."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from typing import Any

import pytest

from chat.connection import catch_up as catch_up_module
from chat.connection.catch_up import Lack, Stored
from chat.connection.feed import Feed
from chat.live.snapshot import Snapshot, StreamView
from chat.live.threads import IO_THREADS, in_thread
from chat.markdown.stream import render
from chat.mends.sqlite import has_place
from chat.wire.codes import SNAPSHOT_CHARS
from chat.wire.compatible import Compatible
from chat.wire.flow import Rate, Window
from chat.wire.frames import encode


class Known:
    """What the database and the agent know, as a test has it."""

    def __init__(self) -> None:
        self.stored = Stored()
        self.snapshot: Snapshot | None = None

    def read(self, lack: Lack) -> Stored:
        return self.stored

    async def ask(self, *args: Any, html: bool) -> Snapshot | None:
        return self.snapshot


def feed_into(
    frames: list[dict[str, Any]], known: Known | None = None, *, of: uuid.UUID | None = None, **options: Any
) -> Feed:
    """The feed of a connection whose page keeps every frame."""

    async def write(frame: str) -> None:
        frames.append(json.loads(frame))

    known = known or Known()
    options = {"html": False, "flow": Window(), **options}
    return Feed(of or uuid.uuid4(), write, read=known.read, ask=known.ask, **options)


def compatible() -> dict[str, Any]:
    """Of a page of the prototype."""
    return {"flow": Rate(), "tell": Compatible().tell}


async def catch_up(feed: Feed) -> None:
    feed.fall_behind()
    await feed.catch_up()


async def test_nothing_comes_before_the_connection_frame():
    frames: list[dict[str, Any]] = []
    feed = feed_into(frames)
    feed.compare(5, "running")  # the process's tick, while the socket is being opened
    await feed.catch_up()
    assert frames == [] and not feed.is_behind


@pytest.mark.django_db(transaction=True)  # of the threads that read
async def test_what_has_begun_is_told_once_and_not_after_its_end():
    """It may be known from the database or the agent before the layer brings it."""
    frames: list[dict[str, Any]] = []

    async def hear(*events: dict[str, Any]) -> None:
        raw = "\n".join(map(encode, events))
        await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})

    known = Known()
    feed = feed_into(frames, known)
    ended = {"type": "tool_result", "seq": 1, "tool_call_id": "ended"}
    running = {"type": "tool_call", "tool_call_id": "running"}
    task = {"type": "task_start", "task_id": "task", "parent_id": "running"}
    question = {"type": "input_request", "request_id": "question"}
    status = {"type": "status", "state": "waiting"}
    snapshot = Snapshot(status=status, tasks=[task], calls=[running], question=question)
    known.stored = Stored(records=[ended], snapshot=snapshot)
    await catch_up(feed)
    shown = [ended, status, task, running, question]
    assert frames == shown

    await hear({"type": "tool_call", "tool_call_id": "ended"}, ended, running, task, status, question)
    assert frames == shown
    await hear({"type": "tool_call", "tool_call_id": "new"})
    assert len(frames) == len(shown) + 1


@pytest.mark.django_db(transaction=True)  # of the threads that read
async def test_an_open_message_begins_with_its_start_also_where_the_window_was_full():
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known)
    start = {"type": "stream_start", "message_id": str(uuid.uuid4())}
    text = "x" * (2 * SNAPSHOT_CHARS)
    view = StreamView(start=start, text=text, n=7, reasoning="", reasoning_n=0, blocks=None)
    for _ in range(Window.FRAMES):
        await feed.send({"type": "pong"})

    known.snapshot = snapshot_of(view)
    await catch_up(feed)
    assert len(frames) == Window.FRAMES
    await feed.ack(Window.FRAMES)
    _, *sent = frames[Window.FRAMES :]
    assert [frame["type"] for frame in sent] == ["stream_start", "stream_more"]
    assert "".join(frame["content"] for frame in sent) == text


def view_of(id: str, text: str, n: int) -> StreamView:
    start = {"type": "stream_start", "message_id": id}
    return StreamView(start=start, text=text, n=n, reasoning="", reasoning_n=0, blocks=None)


def snapshot_of(view: StreamView, **more: Any) -> Snapshot:
    return Snapshot(status={"type": "status", "state": "running"}, streams=[view], **more)


async def know(feed: Feed, known: Known, snapshot: Snapshot) -> None:
    """Have the connection catch up with what is known now."""
    known.stored = Stored(snapshot=snapshot)
    await catch_up(feed)


def text_in(frames: list[dict[str, Any]]) -> str:
    """The text of the one open message, on the page that has these frames."""
    text = ""
    for frame in frames:
        if frame["type"] == "stream_start":
            text = frame.get("content", "")
        elif frame["type"] == "stream_token":
            text += frame["token"]
    return text


@pytest.mark.django_db(transaction=True)  # of the threads that read
@pytest.mark.parametrize("is_compatible", [False, True])
async def test_no_chunk_is_added_to_a_checkpoint(is_compatible):
    """Text is stored that was not sent yet: the first chunk comes after it, or the agent answers without it."""
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known, **(compatible() if is_compatible else {}))
    id = str(uuid.uuid4())
    words = ["one", " two", " three", " four"]

    def know(stored: str | None, *, n: int = 0) -> None:
        """What is known next: the checkpoint alone, or from the agent the first n chunks."""
        view = view_of(id, "".join(words[:n]) if stored is None else stored, n)
        snapshot = snapshot_of(view, is_stored=stored is not None)
        known.stored = Stored(snapshot=snapshot)

    async def hear(n: int) -> None:
        raw = encode({"type": "stream_token", "message_id": id, "n": n, "token": words[n]})
        await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})

    know("one two")
    await catch_up(feed)
    await hear(0)  # what the checkpoint has: the agent's process still does not answer
    assert text_in(frames) == "one two"
    know(None, n=1)
    await hear(0)  # it answers, from before it has sent the second word
    assert text_in(frames) in ("one", "one two")
    await hear(1)
    know(None, n=3)
    await hear(2)
    await hear(3)
    assert text_in(frames) == "one two three four"


@pytest.mark.django_db(transaction=True)  # of the threads that read
async def test_pages_whose_texts_take_long_to_render_keep_no_connection_and_nobody_s_thread(monkeypatch):
    go_on, places = threading.Event(), []

    def slow(event, patience):
        places.append(has_place())
        assert go_on.wait(60)
        return event

    monkeypatch.setattr(catch_up_module, "with_html", slow)
    known = Known()
    message = {"id": str(uuid.uuid4()), "sender": "assistant", "content": "["}
    known.stored = Stored(records=[{"type": "message", "seq": 1, "message": message}])
    feeds = [feed_into([], known, html=True) for _ in range(2 * IO_THREADS)]
    opening = [
        asyncio.create_task(feed.open(lambda *_: {"type": "connection", "seq": 0}, after=None)) for feed in feeds
    ]
    try:
        while len(places) < len(feeds):
            await in_thread(bool)  # as others do meanwhile
    finally:
        go_on.set()
    await asyncio.gather(*opening)
    assert places == [False] * len(feeds)


@pytest.mark.django_db(transaction=True)  # of the threads that read
@pytest.mark.parametrize("options", [{}, {"html": True}, compatible()], ids=["text", "html", "compatible"])
async def test_a_checkpoint_grows_with_each_tick_as_long_as_the_agent_does_not_answer(options):
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known, **options)
    id = str(uuid.uuid4())

    def shown() -> str:
        return "".join(frames[-1]["blocks"]) if "html" in options else text_in(frames)

    async def tick(text: str) -> None:
        snapshot = snapshot_of(view_of(id, text, 0), is_stored=True)
        known.stored = Stored(snapshot=snapshot)
        feed.compare(0, "running")
        await feed.catch_up()

    await feed.open_new(lambda *_: {"type": "connection", "seq": 0})
    feed.fall_behind()
    for text in ("one", "one two", "one two three"):
        await tick(text)
        assert shown() == (render(text) if "html" in options else text)
    sent = len(frames)
    await tick("one two three")
    assert len(frames) == sent


@pytest.mark.django_db(transaction=True)  # of the threads that read
async def test_a_checkpoint_takes_nothing_from_a_page_that_has_more():
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known)
    id = str(uuid.uuid4())
    await know(feed, known, snapshot_of(view_of(id, "one two", 2)))
    for stored in ("one", "one two"):
        await know(feed, known, snapshot_of(view_of(id, stored, 0), is_stored=True))
        assert text_in(frames) == "one two"
    await know(feed, known, snapshot_of(view_of(id, "one two three", 0), is_stored=True))
    assert text_in(frames) == "one two three"
    await know(feed, known, snapshot_of(view_of(id, "one two three four", 4)))
    assert text_in(frames) == "one two three four"


@pytest.mark.django_db(transaction=True)  # of the threads that read
async def test_a_message_that_began_with_its_checkpoint_has_all_its_text_before_it_ends():
    """Its owner has not answered, and its last chunks were sent before this page came."""
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known)
    id = str(uuid.uuid4())
    await know(feed, known, snapshot_of(view_of(id, "half", 0), is_stored=True))
    end, record = (
        {"type": "stream_end", "message_id": id},
        {"id": id, "sender": "assistant", "content": "half and whole"},
    )
    raw = "\n".join(map(encode, [end, {"type": "message", "seq": 1, "message": record}]))
    await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})

    assert [frame["type"] for frame in frames] == ["status", "stream_start", "stream_token", "stream_end", "message"]
    assert frames[1]["content"] + frames[2]["token"] == "half and whole"


@pytest.mark.django_db(transaction=True)  # of the threads that read
async def test_a_message_whose_last_chunks_were_lost_has_all_its_text_before_it_ends():
    """The layer was left alone for a second, and its next message is the end."""
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known)
    id = str(uuid.uuid4())
    await know(feed, known, snapshot_of(view_of(id, "half", 1)))
    message = {"id": id, "sender": "assistant", "content": "half and whole"}
    record = {"type": "message", "seq": 1, "message": message}
    known.stored = Stored(records=[record])
    raw = "\n".join(map(encode, [{"type": "stream_end", "message_id": id, "n": 2}, record]))
    await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})

    ended = [frame["type"] for frame in frames if frame["type"] != "status"]
    assert ended == ["stream_start", "stream_token", "stream_end", "message"]
    assert text_in(frames) == "half and whole"


@pytest.mark.django_db(transaction=True)  # of the threads that read
@pytest.mark.parametrize("is_told", [True, False], ids=["live", "by the database"])
async def test_a_message_that_was_never_stored_ends_when_nothing_runs_any_more(is_told):
    """Its process had it in memory alone, and died or lost the conversation."""
    frames: list[dict[str, Any]] = []
    known = Known()
    feed = feed_into(frames, known)
    await know(feed, known, snapshot_of(view_of(str(uuid.uuid4()), "half", 1)))
    known.snapshot, known.stored = None, Stored()
    if is_told:
        raw = encode({"type": "status", "state": "idle"})
        await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})
    else:
        await catch_up(feed)

    assert [frame["type"] for frame in frames if "message_id" in frame] == ["stream_start", "stream_end"]
    assert not feed.is_behind
