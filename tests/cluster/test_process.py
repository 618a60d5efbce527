"""Who may stay in a process: agents that wait for somebody, and those that fail."""

from __future__ import annotations

import asyncio
import time
import uuid
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from chat.cluster import process as processes
from chat.cluster.process import Process
from chat.exceptions import NotFound
from chat.live.threads import in_thread
from chat.mends.sqlite import goes_first


class Session:
    """An agent that waits for an answer."""

    is_idle, is_waiting, is_fruitless, has_waiting = False, True, False, False

    def __init__(self, asked_at: float = 0.0) -> None:
        self.conversation_id = uuid.uuid4()
        self.quiet_since = asked_at
        self.ends: list[str] = []

    def close(self, reason: str) -> None:
        self.ends.append(reason)

    def park(self, reason: str) -> bool:
        self.ends.append(f"{reason}, its question open")
        return True


@pytest.fixture
def process(settings) -> Process:
    settings.CHAT_GRACE_SECONDS, settings.CHAT_MAX_SESSIONS = 60, 1
    return Process()


def waiting(process: Process, *, seconds: float) -> Session:
    session = Session(time.monotonic() - seconds)
    process.sessions[session.conversation_id] = session
    return session


async def work_of(process: Process) -> None:
    await asyncio.gather(*process._work)


async def test_an_agent_that_asks_nobody_ends_after_the_grace_period(process):
    process._loop = asyncio.get_running_loop()
    late, new = waiting(process, seconds=61), waiting(process, seconds=59)
    process.end_unwatched()
    await work_of(process)
    assert (late.ends, new.ends) == (["grace, its question open"], [])
    assert list(process.sessions) == [new.conversation_id]


async def test_an_agent_whose_user_has_written_on_meanwhile_is_not_kept_for_its_question(process):
    process._loop = asyncio.get_running_loop()
    late = waiting(process, seconds=61)
    late.has_waiting = True
    process.end_unwatched()
    await work_of(process)
    assert late.ends == ["grace"]


def test_an_agent_whose_page_is_at_another_process_goes_on_waiting(process):
    session = waiting(process, seconds=600)
    process.connections.seen_elsewhere(session.conversation_id)
    process.end_unwatched()
    assert not session.ends


async def test_an_agent_that_asks_nobody_makes_room(process):
    session = waiting(process, seconds=processes.RETURN_SECONDS + 1)
    assert not process.is_full(uuid.uuid4())
    await process._make_room()
    assert session.ends == ["evicted, its question open"]


def test_an_agent_whose_page_may_be_loading_again_makes_no_room(process):
    waiting(process, seconds=1)
    assert process.is_full(uuid.uuid4())


def test_agents_that_fail_before_any_turn_are_counted_for_a_while(process):
    later: list[tuple] = []
    process._loop = SimpleNamespace(call_later=lambda seconds, work, *args: later.append((work, args)))
    session = Session()
    session.is_fruitless = True
    for _ in range(processes.STARTS):
        process._forget(session)
    assert process._failed[session.conversation_id] == processes.STARTS
    for work, args in later:
        work(*args)
    assert not process._failed


async def test_what_waits_in_vain_for_a_lock_is_a_line_in_the_log_and_no_defect(process, caplog):
    async def locked() -> None:
        raise OperationalError("canceling statement due to lock timeout\nCONTEXT: a row")

    async def broken() -> None:
        raise ValueError

    process._loop = asyncio.get_running_loop()
    for work in (locked, broken):
        process.spawn(work())
    await work_of(process)

    told = [(record.levelname, record.exc_info is not None) for record in caplog.records]
    assert told == [("WARNING", False), ("ERROR", True)]


@pytest.mark.django_db(transaction=True)
async def test_a_conversation_whose_message_was_accepted_is_taken_before_others_write(process, monkeypatch):
    seen: list[bool] = []

    def claim(*_: object) -> None:
        seen.append(goes_first())
        raise NotFound

    monkeypatch.setattr(processes, "claim", claim)
    process.record = SimpleNamespace(id=uuid.uuid4())
    with pytest.raises(NotFound):
        await process.wake(uuid.uuid4())
    assert seen == [True]
    assert not await in_thread(goes_first)  # its thread is anybody's again
