"""An agent whose last page has gone is kept for the grace period, and then leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest
from channels.layers import get_channel_layer

from chat.agents.langroid import setup
from chat.cluster.process import this_process
from chat.models import ChatSession, Conversation
from tests.test_consumers import Page

GRACE_SECONDS = 0.5
WAIT_SECONDS = 30

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def process(settings):
    """A process of this test's own, ended with it, whose grace is short."""
    settings.CHAT_AGENTS = {"mock": {"FACTORY": "tests.server_agents.mock"}}
    settings.CHAT_ALLOW_ANONYMOUS = True
    settings.CHAT_GRACE_SECONDS = GRACE_SECONDS
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "chat.layers.InMemoryLayer", "CONFIG": {"capacity": 2000}}}
    await asyncio.to_thread(setup.import_langroid)  # takes seconds, which no turn is to wait for
    yield
    await this_process.end()


async def converse() -> str:
    """Open a page, have one turn, close the page; return the conversation's id."""
    page = Page()
    id = (await page.open())["session_id"]
    await page.send_json_to({"type": "message", "content": "hello"})
    while (await page.next_of("message"))["message"]["sender"] != "assistant":
        pass
    while (await page.next_of("status"))["state"] != "idle":
        pass
    assert len(this_process.sessions) == len(agent_threads()) == 1
    await page.disconnect()
    return id


async def eventually(holds) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, holds
        await asyncio.sleep(0.05)


def agent_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("agent-")]


def langroid_objects() -> int:
    from langroid.utils.object_registry import ObjectRegistry

    return len(ObjectRegistry.registry)


def agents_alive() -> int:
    from langroid import ChatAgent, Task

    gc.collect()
    return sum(isinstance(thing, ChatAgent | Task) for thing in gc.get_objects())


async def test_the_session_outlives_its_page_for_the_grace_period_and_leaves_nothing():
    await converse()  # imports the agent library, and fills whatever is kept once per process
    await eventually(lambda: not this_process.sessions and not agent_threads())
    before = langroid_objects(), agents_alive()

    id = await converse()
    left = time.monotonic()
    assert len(this_process.sessions) == 1, "ended with its page"
    await eventually(lambda: not this_process.sessions and not agent_threads())
    assert time.monotonic() - left >= GRACE_SECONDS
    assert not this_process.connections
    assert all(group.startswith("chat.process.") for group in get_channel_layer().groups)
    assert (langroid_objects(), agents_alive()) == before
    session = await ChatSession.objects.aget(conversation=id)
    assert session.ended and session.end_reason == ChatSession.EndReason.GRACE
    conversation = await Conversation.objects.aget(id=id)
    assert conversation.owner_process_id is None and conversation.state == "idle"
