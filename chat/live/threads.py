"""Threads that know the event loop, and blocking work beside it.

    start_thread    a daemon thread that asgiref knows, so that `async_to_sync` in it uses the server's loop
    in_thread       blocking work (the database, rendering) from the loop
    beside_loop        the same without a connection: for work that takes locks before it takes one

asgiref 3.12+ would make a new loop, and with Redis a new connection, for each call of a thread that it does not know
(asgiref/sync.py, `AsyncToSync.__call__`).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from chat.mends.sqlite import going_first, lent_connection
from chat.threads import KeptThreads, fulfil, start

logger = logging.getLogger(__name__)

IO_THREADS = 16  # blocking calls of the loop that run at the same time
P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """One new daemon thread per call: no limit to wait for, and never joined when the interpreter ends.

    Non-daemon threads, and those of any ThreadPoolExecutor, that wait for a user would hang Daphne's exit and the
    autoreload.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        work = functools.partial(fn, *args, **kwargs)
        start(threading.Thread(target=fulfil, args=(future, work), daemon=True, name=self._name), future.set_exception)
        return future


def start_thread(function: Callable[[], None], *, name: str) -> asyncio.Task[None]:
    """Run `function` in a daemon thread bound to the running loop; return the task that ends with it.

    Never cancel the task: the thread would see CancelledError inside `async_to_sync`.
    """
    call = sync_to_async(  # type: ignore[call-overload]  # it asks for a ThreadPoolExecutor, and takes any
        function, thread_sensitive=False, executor=DaemonThreads(name)
    )
    task = asyncio.ensure_future(call())
    return keep(task)


_running: set[asyncio.Task[None]] = set()


def keep(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Keep a task until it is done, and log what it raises: the loop itself has only weak references."""
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.error("a thread died", exc_info=error)


Slots = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
_slots: Slots = weakref.WeakKeyDictionary()
_first_slots: Slots = weakref.WeakKeyDictionary()
io_threads = KeptThreads("chat-io")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work beside the loop; database connections are given back when it returns.

    Not in the process-wide sync thread: one slow query there would delay every socket.
    """
    return await beside_loop(_with_connection, functools.partial(function, *args, **kwargs))


async def first_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same before all other work: for what goes on with something that has waited its time already.

    It has as many places of its own: without any, each conversation that waits for a lock would hold a thread.
    """
    loop, work = asyncio.get_running_loop(), functools.partial(function, *args, **kwargs)
    async with _first_slots.setdefault(loop, asyncio.Semaphore(IO_THREADS)):
        return await loop.run_in_executor(io_threads, _first_with_connection, work)


async def beside_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work beside the loop; it sees to its connection itself."""
    loop = asyncio.get_running_loop()
    async with _slots.setdefault(loop, asyncio.Semaphore(IO_THREADS)):
        return await loop.run_in_executor(io_threads, functools.partial(function, *args, **kwargs))


async def at_length(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what may take the processor for seconds, such as rendering, beside the loop and in nobody's place."""
    return await asyncio.get_running_loop().run_in_executor(io_threads, functools.partial(function, *args, **kwargs))


def _with_connection(work: Callable[[], T]) -> T:
    with lent_connection():
        return work()


def _first_with_connection(work: Callable[[], T]) -> T:
    with going_first(), lent_connection():
        return work()
