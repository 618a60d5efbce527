"""Asynchronous code in an agent's thread, which has no event loop of its own.

    with loops.kept():                  # the whole of a session, in its thread
        loops.run(tool.handle_async())  # on the thread's loop, which lives as long as the block
        loops.run_once(batch())         # on a loop of its own, as `asyncio.run`

Inside of a running loop both work in a thread beside it, with the same context: Langroid's batches call `asyncio.run`,
and a tool that is asynchronous itself may start one.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class _Kept(threading.local):
    runner: asyncio.Runner | None = None


_kept = _Kept()


@contextmanager
def kept() -> Iterator[None]:
    """Keep one loop for this thread: what a tool has opened on it, as a connection to an MCP server, stays open."""
    with asyncio.Runner() as runner:  # makes its loop with the first run
        _kept.runner = runner
        try:
            yield
        finally:
            _kept.runner = None


def is_kept() -> bool:
    """True in a session's thread."""
    return _kept.runner is not None


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end on this thread's loop, and block until then."""
    runner = _kept.runner
    if runner is None or is_running():
        return run_once(coroutine)
    return runner.run(coroutine, context=contextvars.copy_context())


def run_once(coroutine: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run to the end on a new loop, as `asyncio.run`, also where a loop runs already."""
    if is_running():
        return _beside(lambda: asyncio.run(coroutine, debug=debug))
    return asyncio.run(coroutine, debug=debug)


def is_running() -> bool:
    """True on a thread whose event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _beside(work: Callable[[], T]) -> T:
    """Do the work in another thread, with this one's context, and block until it is done."""
    results: list[T] = []
    errors: list[BaseException] = []

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:  # of whoever waits
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(do,), name="beside-loop", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
