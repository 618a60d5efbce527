"""Drain before the process ends, whatever ends it: nothing that runs is cut before its pages have heard of it.

`drain_before_exit` is called once, when the process is registered; the drain itself is `Process.drain`.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from chat.conf import conf

logger = logging.getLogger(__name__)

SAME_SIGNAL_SECONDS = 0.5

Drain = Callable[[float], Coroutine[Any, Any, None]]  # lets turns go on for so many seconds


def drain_before_exit(loop: asyncio.AbstractEventLoop, drain: Drain) -> None:
    """Drain before whatever ends the process goes on.

    In the main thread the signals are caught ahead of the server's own handlers; one that the process ignores, as a
    shell has it for what runs in the background, stays ignored. Under runserver's reloader the loop runs in another
    thread and the main thread just exits: there it is done at exit, while daemon threads still run.
    """
    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, _drain_first(loop, drain, signum))
    else:
        atexit.unregister(_drain_at_exit)  # of a loop before this one
        atexit.register(_drain_at_exit, loop, drain)


def _drain_first(loop: asyncio.AbstractEventLoop, drain: Drain, signum: int) -> Callable[..., None]:
    previous = signal.getsignal(signum)

    def handle(number: int, frame: Any) -> None:
        # One Ctrl-C may come twice, from the terminal and passed on by a supervisor. A later one does not wait.
        signal.signal(signum, lambda *_: None)

        async def drain_and_go_on() -> None:
            loop.call_later(SAME_SIGNAL_SECONDS, signal.signal, signum, previous)
            try:
                await drain(conf.DRAIN_SECONDS if number == signal.SIGTERM else 0)
            finally:
                signal.signal(signum, previous)
                os.kill(os.getpid(), number)

        loop.call_soon_threadsafe(lambda: loop.create_task(drain_and_go_on()))

    return handle


def _drain_at_exit(loop: asyncio.AbstractEventLoop, drain: Drain) -> None:
    if not loop.is_running():
        return
    try:
        asyncio.run_coroutine_threadsafe(drain(0), loop).result(1.5)
    except Exception:
        logger.warning("the server ended before its sessions did", exc_info=True)
