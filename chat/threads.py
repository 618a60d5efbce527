"""Daemon threads that nobody waits for: neither for their start nor, when the interpreter ends, for their end.

start          start a thread without waiting for it
KeptThreads    threads that take one piece of work after the other
"""

from __future__ import annotations

import functools
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0  # kept threads end after so long without work

Failed = Callable[[Exception], object]


def start(thread: threading.Thread, failed: Failed) -> None:
    """Start a thread, and return at once; `failed` is told, in another thread, if the system has none left.

    `Thread.start` itself waits until the new thread has had the interpreter. Where many want it that takes 3 ms, and up
    to 20: the event loop, which starts a thread for each new conversation, stood still for a fifth of the second in
    which 50 began.
    """
    _starter.start(thread, failed)


class _Starter:
    """One thread that starts others, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_running = False  # guarded by _lock
        self._asked: queue.SimpleQueue[tuple[threading.Thread, Failed]] = queue.SimpleQueue()

    def start(self, thread: threading.Thread, failed: Failed) -> None:
        self._asked.put((thread, failed))
        with self._lock:
            if not self._is_running:
                threading.Thread(target=self._run, daemon=True, name="chat-starter").start()
                self._is_running = True

    def _run(self) -> None:
        while True:
            thread, failed = self._asked.get()
            try:
                thread.start()
            except Exception as error:  # RuntimeError: the system has none left
                failed(error)
            del thread, failed  # else they live as long as this thread waits


_starter = _Starter()


def fulfil(future: Future[Any], work: Callable[[], Any]) -> None:
    """Do the work, and put what comes of it into the future."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # whatever ends the thread belongs to the future
        future.set_exception(error)


class KeptThreads(Executor):
    """Daemon threads that take one piece of work after the other, and end when there is none for a while."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads without work that nobody counts on yet; guarded by self._lock

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._work.put((future, functools.partial(fn, *args, **kwargs)))
        with self._lock:
            if self._idle:
                self._idle -= 1
                return future
        start(threading.Thread(target=self._run, daemon=True, name=self._name), self._failed)
        return future

    def _failed(self, error: Exception) -> None:
        """There is a thread less than pieces of work: one of these is told so."""
        try:
            future, _ = self._work.get_nowait()
        except queue.Empty:
            return  # another thread has had the time
        if future.set_running_or_notify_cancel():
            future.set_exception(error)

    def _run(self) -> None:
        while True:
            try:
                future, work = self._work.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                continue  # somebody counts on this thread: the work is there in a moment
            fulfil(future, work)
            del future, work  # else they live as long as this thread waits
            with self._lock:
                self._idle += 1
