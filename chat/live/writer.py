"""The thread that writes for an agent whose own thread runs an event loop: Django refuses the database there.

An agent's tools may be asynchronous, and Langroid's batches are: what they report comes from inside `asyncio.run`.
Whoever reports waits until it is written, so the order is kept.
"""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


class Writer:
    """One thread, from its first work on until `close`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None] | None] | None = None  # guarded by _lock

    def do(self, work: Callable[[], T]) -> T:
        """Do it there, and block until it is done."""
        future: Future[T] = Future()

        def fulfil() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # AgentGone, too, is for who asked
                future.set_exception(error)

        self._queue().put(fulfil)
        return future.result()

    def close(self) -> None:
        """End the thread after what it has to do. Idempotent."""
        with self._lock:
            if self._work:
                self._work.put(None)
                self._work = None

    def _queue(self) -> queue.SimpleQueue[Callable[[], None] | None]:
        with self._lock:
            if self._work is None:
                self._work = queue.SimpleQueue()
                threading.Thread(target=_run, args=(self._work,), daemon=True, name=self._name).start()
            return self._work


def _run(work: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while do := work.get():
        do()
    connections.close_all()


class HasWriter(Protocol):
    writer: Writer


S = TypeVar("S", bound=HasWriter)


def off_loop(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let a method that writes do so in its writer's thread when it is called where an event loop runs."""

    @functools.wraps(method)
    def write(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return method(self, *args, **kwargs)
        return self.writer.do(functools.partial(method, self, *args, **kwargs))

    return write
