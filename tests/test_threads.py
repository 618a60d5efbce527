"""Threads that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Executor
from contextlib import nullcontext

import pytest

from chat.live.threads import IO_THREADS, DaemonThreads, first_in_thread
from chat.threads import KeptThreads
from tests.pace import SLACK

KINDS = pytest.mark.parametrize("kind", [DaemonThreads, KeptThreads])


@KINDS
def test_whoever_wants_a_thread_does_not_wait_for_its_start(kind: type[Executor], monkeypatch):
    may_start, plainly = threading.Event(), threading.Thread.start

    def late(thread: threading.Thread) -> None:
        if thread.name == "late":
            assert may_start.wait(SLACK), "whoever is to let it start waits for it"
        plainly(thread)

    monkeypatch.setattr(threading.Thread, "start", late)
    future = kind("late").submit(lambda: "done")

    may_start.set()

    assert future.result(SLACK) == "done"


@KINDS
def test_work_for_which_the_system_has_no_thread_fails(kind: type[Executor], monkeypatch):
    plainly = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "none":
            raise RuntimeError("can't start new thread")
        plainly(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    with pytest.raises(RuntimeError, match="new thread"):
        kind("none").submit(lambda: "done").result(SLACK)


async def test_what_goes_first_holds_no_more_threads_than_it_has_places(monkeypatch):
    monkeypatch.setattr("chat.live.threads.lent_connection", nullcontext)
    may_end, begun = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        assert may_end.wait(30)

    waiting = [asyncio.ensure_future(first_in_thread(work)) for _ in range(IO_THREADS + 1)]
    for _ in range(IO_THREADS):
        assert await asyncio.to_thread(begun.acquire, timeout=30)
    assert not begun.acquire(blocking=False)
    assert sum(task.done() for task in waiting) == 0
    may_end.set()
    await asyncio.gather(*waiting)
    assert begun.acquire(blocking=False)
