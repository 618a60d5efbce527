"""Who keeps the interpreter or the event loop from others is named in the log."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from types import SimpleNamespace

import pytest

from chat.cluster import watchdog
from chat.cluster.watchdog import Watchdog

WAIT_SECONDS = 20


@pytest.fixture
def log():
    """The lines that a watchdog has written, each of them as it comes."""
    lines, told = [], threading.Event()

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())
            told.set()

    handler = Handler()
    watchdog.logger.addHandler(handler)
    yield SimpleNamespace(lines=lines, told=told)
    watchdog.logger.removeHandler(handler)


def session(**fields):
    fields = {"conversation_id": uuid.uuid4(), "turn": uuid.uuid4(), "thread_name": "agent-1", **fields}
    return SimpleNamespace(record=SimpleNamespace(agent_key="poet"), **fields)


def watching(*sessions):
    return Watchdog(SimpleNamespace(sessions={each.conversation_id: each for each in sessions}))


async def test_a_loop_that_stands_still_is_told_with_the_place_and_the_running_agents(log):
    agent, idle = session(), session(turn=None)
    dog = watching(agent, idle)
    dog.start()
    async with asyncio.timeout(WAIT_SECONDS):
        while all(thread.name != "chat-watchdog" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
    try:
        assert log.told.wait(WAIT_SECONDS)  # on the loop, which stands still until it is told
    finally:
        dog.end()
    assert "the event loop has stood still for" in log.lines[0]
    assert "in threading." in log.lines[0] and "test_watchdog" in log.lines[0]
    assert f"poet of conversation {agent.conversation_id}" in log.lines[0]
    assert str(idle.conversation_id) not in log.lines[0]


def test_whoever_used_the_processor_is_named(log):
    ends = threading.Event()
    thread = threading.Thread(target=ends.wait, name="agent-1")
    thread.start()
    agent = session()
    try:
        watching(agent)._tell_held(3.0, thread.ident, 0.9, "re.match:1", "poet.handle:2")
    finally:
        ends.set()
    assert log.lines == [
        f"conversation {agent.conversation_id}: agent poet has kept the interpreter's lock for 3.0 s, "
        "now in re.match:1, before in poet.handle:2"
    ]


def test_a_process_that_was_stopped_blames_nobody(log):
    watching()._tell_held(3.0, threading.get_ident(), 0.1, "re.match:1", "elsewhere")
    assert "nothing here was the reason" in log.lines[0]


def test_the_log_is_told_now_and_then(log):
    dog = watching()
    for _ in range(5):
        dog._tell("one")
    dog._told -= watchdog.QUIET_SECONDS
    dog._tell("two")
    assert log.lines == ["one", "two (4 such lines left out)"]


def test_the_busiest_thread_is_found():
    assert watchdog._busiest({1: 5.0, 2: 0.5}, {1: 5.5, 2: 3.5, 3: 0.5}) == (2, 0.75)
    assert watchdog._busiest({1: 5.0, 2: 0.5}, {1: 5.0, 2: 0.5})[1] == 0.0
    assert threading.get_ident() in watchdog._used_seconds()


async def test_a_loop_that_runs_is_left_alone(log, monkeypatch):
    dog, looks = watching(), asyncio.Event()
    loop, watch, count = asyncio.get_running_loop(), dog._watch, 0

    def counted(*args):
        nonlocal count
        watch(*args)
        count += 1
        if count == 3:
            loop.call_soon_threadsafe(looks.set)

    monkeypatch.setattr(watchdog, "STALL_SECONDS", WAIT_SECONDS)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(dog, "_watch", counted)
    dog.start()
    async with asyncio.timeout(WAIT_SECONDS):
        await looks.wait()
    dog.end()
    assert log.lines == []
