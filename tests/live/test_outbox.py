"""The bridge: what an agent's thread emits reaches the group once, in order, and costs few sends."""

from __future__ import annotations

import asyncio
import gc
import json
import queue
import threading
import uuid
import weakref

import pytest
from channels.layers import get_channel_layer

from chat.live import layer
from chat.live.flusher import Flusher
from chat.live.inbox import Inbox, InboxClosed
from chat.live.outbox import Outbox
from chat.live.threads import in_thread, start_thread
from chat.markdown.stream import MarkdownStream
from chat.models import Message
from chat.wire.codes import CHUNK_CHARS
from tests.client import patch_blocks

pytestmark = pytest.mark.django_db(transaction=True)  # blocking work gives back its thread's connection

ID = str(uuid.uuid4())


def start(id=ID):
    return {"type": "stream_start", "message_id": id, "sender": "assistant"}


class Listener:
    """A member of the outbox's group, which hears what a consumer would."""

    def __init__(self, outbox):
        self.group = outbox.group
        self.layer = get_channel_layer()
        self.messages = []

    async def __aenter__(self):
        self.channel = await self.layer.new_channel()
        await self.layer.group_add(self.group, self.channel)
        return self

    async def __aexit__(self, *_):
        await self.layer.group_discard(self.group, self.channel)

    async def until(self, kind, mode="raw"):
        """The events up to the first of this type."""
        events = []
        async with asyncio.timeout(30):
            while not any(event["type"] == kind for event in events):
                message = await self.layer.receive(self.channel)
                self.messages.append(message)
                events += [json.loads(frame) for frame in message[mode].split("\n") if frame]
        return events


@pytest.fixture
async def outbox(monkeypatch):
    monkeypatch.setattr(layer.breaker, "_until", 0.0)
    yield Outbox(f"group.{uuid.uuid4().hex}", "conversation")
    Flusher.of_loop().end()


def agent(work):
    """Run `work` in a thread such as agents have."""
    return start_thread(work, name="test-agent")


async def test_tokens_arrive_once_in_order_and_in_few_sends(outbox):
    def work():
        outbox.open(start())
        for number in range(2000):
            outbox.text(ID, f"{number} ")
        outbox.close(ID, "".join(f"{number} " for number in range(2000)), "", {"type": "status", "state": "idle"})

    async with Listener(outbox) as listener:
        await agent(work)
        events = await listener.until("status")
    tokens = [event for event in events if event["type"] == "stream_token"]
    assert "".join(event["token"] for event in tokens) == "".join(f"{number} " for number in range(2000))
    assert [event["n"] for event in tokens] == list(range(len(tokens)))
    assert [event["type"] for event in events if event["type"] != "stream_token"] == [
        "stream_start",
        "stream_end",
        "status",
    ]
    assert len(listener.messages) < 40


async def test_the_first_word_does_not_wait(outbox):
    sent = threading.Event()

    def work():
        outbox.emit({"type": "status", "state": "running"})  # has just used the free send
        outbox.open(start())
        outbox.text(ID, "first")
        outbox.text(ID, " second")
        sent.wait(30)

    async with Listener(outbox) as listener:
        task = agent(work)
        events = await listener.until("stream_token")
        sent.set()
        await task
    assert events[-1]["token"] in ("first", "first second")


async def test_what_a_pausing_agent_leaves_behind_is_sent_all_the_same(outbox):
    heard = threading.Event()

    def work():
        outbox.open(start())
        outbox.text(ID, "one")
        outbox.text(ID, "two")
        assert heard.wait(30), "the agent pauses until the page has everything"

    async with Listener(outbox) as listener:
        task = agent(work)
        text = ""
        while text != "onetwo":
            text += (await listener.until("stream_token"))[-1]["token"]
        heard.set()
        await task


async def test_a_thread_of_the_agent_s_own_may_emit_too(outbox):
    def work():
        outbox.open(start())
        helper = threading.Thread(target=lambda: outbox.text(ID, "from elsewhere"))
        helper.start()
        helper.join()

    async with Listener(outbox) as listener:
        await agent(work)
        events = await listener.until("stream_token")
    assert events[-1]["token"] == "from elsewhere"


async def test_a_callback_inside_a_loop_may_emit_too(outbox):
    def work():
        async def callback():
            outbox.text(ID, "from a loop")

        outbox.open(start())
        asyncio.run(callback())

    async with Listener(outbox) as listener:
        await agent(work)
        assert (await listener.until("stream_token"))[-1]["token"] == "from a loop"


async def test_no_chunk_grows_beyond_its_bound(outbox):
    text = "x🙂" * 50_000

    def work():
        outbox.open(start())
        outbox.text(ID, text)
        outbox.close(ID, text, "")

    async with Listener(outbox) as listener:
        await agent(work)
        events = await listener.until("stream_end")
    tokens = [event["token"] for event in events if event["type"] == "stream_token"]
    assert "".join(tokens) == text and max(map(len, tokens)) <= CHUNK_CHARS


async def test_reasoning_and_text_are_numbered_apart_and_keep_their_order(outbox):
    def work():
        outbox.open(start())
        outbox.reasoning(ID, "hm")
        outbox.text(ID, "a")
        outbox.reasoning(ID, "hm")
        outbox.close(ID, "a", "hmhm")

    async with Listener(outbox) as listener:
        await agent(work)
        events = await listener.until("stream_end")
    chunks = [(e["type"], e["n"], e["token"]) for e in events if "token" in e]
    assert chunks == [("stream_reasoning", 0, "hm"), ("stream_token", 0, "a"), ("stream_reasoning", 1, "hm")]


async def test_a_view_and_the_chunks_after_it_make_the_whole_text(outbox):
    go_on = threading.Event()

    def work():
        outbox.open(start())
        for number in range(50):
            outbox.text(ID, f"{number} ")
        assert go_on.wait(30)
        for number in range(50, 100):
            outbox.text(ID, f"{number} ")
        outbox.close(ID, "".join(f"{n} " for n in range(100)), "")

    task = agent(work)
    async with Listener(outbox) as listener:
        await listener.until("stream_token")
        (view,) = outbox.views(html=False)
        go_on.set()
        await task
        later = await listener.until("stream_end")
    chunks = [event for event in later if event["type"] == "stream_token" and event["n"] >= view.n]
    assert view.text + "".join(event["token"] for event in chunks) == "".join(f"{n} " for n in range(100))


async def test_html_is_made_only_once_someone_wants_it_and_then_equals_the_record(outbox):
    text = "# Title\n\nSome **bold** text\n\n```python\nx = 1\n```\n\nend"
    go_on = threading.Event()

    def work():
        outbox.open(start())
        outbox.text(ID, text[:30])
        outbox.flush()
        assert go_on.wait(30)
        for at in range(30, len(text)):
            outbox.text(ID, text[at])
        record = {"type": "message", "seq": 1, "message": {"sender": "assistant", "content": text}}
        outbox.close(ID, text, "", record)

    task = agent(work)
    async with Listener(outbox) as listener:
        await listener.until("stream_token")
        assert all("html" not in message for message in listener.messages)
        (view,) = await in_thread(outbox.views, html=True)
        go_on.set()
        await task
        events = await listener.until("message", mode="html")
    blocks = list(view.blocks)
    patches = [event for event in events if event["type"] == "stream_html" and event["n"] >= view.n]
    assert [patch["n"] for patch in patches] == list(range(view.n, view.n + len(patches)))
    for patch in patches:
        patch_blocks(blocks, patch)
    assert "".join(blocks) == events[-1]["message"]["html"]
    assert not [event for event in events if event["type"] == "stream_token"]


async def test_a_text_that_takes_long_to_render_holds_nobody_up(outbox, monkeypatch):
    """Not another session, nor the plain pages, checkpoints and views of its own."""
    feed, go_on, tried = MarkdownStream.feed, threading.Event(), threading.Event()

    def slow(self, text):
        if "[" in text:
            tried.set()
            assert go_on.wait(30)
        return feed(self, text)

    monkeypatch.setattr(MarkdownStream, "feed", slow)
    other = Outbox(f"group.{uuid.uuid4().hex}", "other")
    for each in (outbox, other):
        each.want_html()

    def hostile():
        outbox.open(start())
        outbox.text(ID, "[" * 5000)
        assert tried.wait(30)
        outbox.text(ID, "more")
        outbox.flush()

    def friendly():
        other.open(start())
        for number in range(100):
            other.text(ID, f"{number} ")
        other.close(ID, "".join(f"{number} " for number in range(100)), "")

    async with Listener(outbox) as plain, Listener(other) as listener:
        await agent(hostile)
        await agent(friendly)
        assert (await listener.until("stream_end", mode="html"))[-1]["type"] == "stream_end"
        await plain.until("stream_token")
        text = "[" * 5000 + "more"
        while outbox.views(html=False)[0].text != text:
            await plain.until("stream_token")
        assert outbox.sent(ID) == outbox.emitted(ID) == (text, "")
        assert not go_on.is_set()
        go_on.set()
        await plain.until("stream_html", mode="html")


async def test_a_layer_that_fails_holds_no_agent_for_long(outbox, monkeypatch):
    sends = []

    async def broken(group, message):
        sends.append(message)
        raise ConnectionError

    monkeypatch.setattr(get_channel_layer(), "group_send", broken)
    monkeypatch.setattr(layer, "BREAK_SECONDS", 60)

    def work():
        outbox.open(start())
        for _ in range(1000):
            outbox.text(ID, "x")
        outbox.close(ID, "x" * 1000, "")

    await agent(work)
    async with asyncio.timeout(30):
        while not sends or outbox.views(html=False):
            await asyncio.sleep(0.01)  # nothing tells when text was thrown away
    assert len(sends) == 1, "after a failure the layer is left alone"


# -- the inbox -------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_garbage_collector():
    gc.disable()
    yield
    gc.enable()


async def test_a_list_of_conversations_hears_of_one_after_its_own_page(outbox):
    """Both in one group here, so that their order can be seen."""

    def end_a_turn():
        outbox.emit({"type": "status", "state": "idle"})
        outbox.flush()
        outbox.tell(outbox.group, {"type": "chat.owner"})

    async with Listener(outbox) as listener, asyncio.timeout(60):
        for _ in range(20):
            await agent(end_a_turn)
            told = [(await listener.layer.receive(listener.channel))["type"] for _ in range(2)]
            assert told == ["chat.events", "chat.owner"]


async def test_telling_a_group_keeps_nothing_of_who_tells(no_garbage_collector):
    """Else the agent's frames, with the records in them, wait in a cycle for a full collection."""
    known = []

    def told():
        message = Message()
        known.append(weakref.ref(message))
        layer.tell("group.nobody", {"type": "chat.owner"})

    await agent(told)
    assert known[0]() is None


def test_the_inbox_is_bounded_and_says_so():
    inbox = Inbox(2)
    assert inbox.put(1) and inbox.put(2) and not inbox.put(3)
    assert inbox.get() == 1


def test_closing_the_inbox_ends_every_wait_now_and_later():
    inbox = Inbox(5)
    ended = queue.SimpleQueue()

    def wait():
        with pytest.raises(InboxClosed):
            inbox.get()
        ended.put(True)

    waiting = [threading.Thread(target=wait) for _ in range(3)]
    for thread in waiting:
        thread.start()
    inbox.close()
    inbox.close()
    assert [ended.get(timeout=30) for _ in waiting] == [True] * 3
    with pytest.raises(InboxClosed):
        inbox.get()


async def test_blocking_work_runs_beside_the_loop_and_not_one_after_another():
    barrier = threading.Barrier(5)
    await asyncio.gather(*(in_thread(barrier.wait, 10) for _ in range(5)))


async def test_while_the_lease_is_late_all_waits_and_comes_in_order_afterwards(monkeypatch):
    monkeypatch.setattr(layer.breaker, "_until", 0.0)  # whatever failed before
    held = [False]
    outbox = Outbox(f"chat.conversation.{uuid.uuid4().hex}", str(uuid.uuid4()), may_send=lambda: held[0])
    async with Listener(outbox) as listener:
        outbox.open(start())
        await in_thread(outbox.text, ID, "one ")
        await in_thread(outbox.text, ID, "two")
        outbox.emit({"type": "status"})
        assert outbox.take() is None
        held[0] = True
        events = await listener.until("status")
    assert [event.get("token", event["type"]) for event in events] == ["stream_start", "one two", "status"]


async def test_what_a_lost_agent_has_said_is_not_sent():
    outbox = Outbox(f"chat.conversation.{uuid.uuid4().hex}", str(uuid.uuid4()))
    Flusher.of_loop().end()  # what waits stays
    outbox.open(start())
    outbox.silence()
    outbox.emit({"type": "status"})
    assert outbox.take() is None
