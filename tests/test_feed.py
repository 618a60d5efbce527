"""What one connection is sent, beside the tests of whole conversations."""

from __future__ import annotations

import json
import uuid
from typing import Any

from chat.backlog import StreamView
from chat.feed import Feed, _Position
from chat.protocol import SNAPSHOT_CHARS, Window, encode


def feed_into(frames: list[dict[str, Any]], conversation_id: uuid.UUID | None = None) -> Feed:
    """The feed of a connection whose page keeps every frame."""

    async def write(frame: str) -> None:
        frames.append(json.loads(frame))

    return Feed(conversation_id or uuid.uuid4(), write, html=False, is_compatible=False)


async def test_nothing_comes_before_the_connection_frame():
    frames: list[dict[str, Any]] = []
    feed = feed_into(frames)
    feed.compare(5, "running")  # the process's tick, while the socket is being opened
    await feed.catch_up()
    assert frames == [] and not feed.is_behind


async def test_what_has_begun_is_told_once_and_not_after_its_end():
    """It may be known from the database or the agent before the layer brings it."""
    frames: list[dict[str, Any]] = []

    async def hear(*events: dict[str, Any]) -> None:
        raw = "\n".join(map(encode, events))
        await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})

    feed = feed_into(frames)
    ended = {"type": "tool_result", "seq": 1, "tool_call_id": "ended"}
    running = {"type": "tool_call", "tool_call_id": "running"}
    task = {"type": "task_start", "task_id": "task", "parent_id": "running"}
    question = {"type": "input_request", "request_id": "question"}
    status = {"type": "status", "state": "waiting"}
    await feed._send_record(ended)
    await feed._send_open({"status": status, "tasks": [task], "calls": [running], "streams": [], "question": question})
    shown = [ended, status, task, running, question]
    assert frames == shown

    await hear({"type": "tool_call", "tool_call_id": "ended"}, ended, running, task, status, question)
    assert frames == shown
    await hear({"type": "tool_call", "tool_call_id": "new"})
    assert len(frames) == len(shown) + 1


async def test_an_open_message_begins_with_its_start_also_where_the_window_was_full():
    frames: list[dict[str, Any]] = []
    feed = feed_into(frames)
    start = {"type": "stream_start", "message_id": str(uuid.uuid4())}
    text = "x" * (2 * SNAPSHOT_CHARS)
    view = StreamView(start=start, text=text, n=7, reasoning="", reasoning_n=0, blocks=None)
    for _ in range(Window.FRAMES):
        await feed.send({"type": "pong"})

    assert not await feed._send_stream(view, _Position())
    await feed.ack(Window.FRAMES)
    assert await feed._send_stream(view, _Position())
    sent = frames[Window.FRAMES :]
    assert [frame["type"] for frame in sent] == ["stream_start", "stream_more"]
    assert "".join(frame["content"] for frame in sent) == text


async def test_a_message_that_began_with_its_checkpoint_has_all_its_text_before_it_ends():
    """Its owner has not answered, and its last chunks were sent before this page came."""
    frames: list[dict[str, Any]] = []
    feed = feed_into(frames)
    id = str(uuid.uuid4())
    start = {"type": "stream_start", "message_id": id}
    view = StreamView(start=start, text="half", n=0, reasoning="", reasoning_n=0, blocks=None)
    stored = {"is_stored": True, "tasks": [], "calls": [], "streams": [view], "question": None}
    await feed._send_open({"status": {"type": "status", "state": "running"}, **stored})
    end, record = (
        {"type": "stream_end", "message_id": id},
        {"id": id, "sender": "assistant", "content": "half and whole"},
    )
    raw = "\n".join(map(encode, [end, {"type": "message", "seq": 1, "message": record}]))
    await feed.deliver({"type": "chat.events", "conversation": str(feed.conversation_id), "raw": raw})

    assert [frame["type"] for frame in frames] == ["status", "stream_start", "stream_token", "stream_end", "message"]
    assert frames[1]["content"] + frames[2]["token"] == "half and whole"
