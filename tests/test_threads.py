"""Threads that nobody waits for."""

from __future__ import annotations

import threading
from concurrent.futures import Executor

import pytest

from chat.live.threads import DaemonThreads
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
