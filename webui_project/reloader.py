"""The development server's two processes: a supervisor that starts the server, and the server that watches its files.

Django's own reloader has no way to end cleanly. Its parent waits in `subprocess.run`, which kills the child at once
when the parent is told to end (django/utils/autoreload.py:270, Django 5.2), and its child runs the server beside the
main thread, where no signal can reach it. Here the parent passes SIGINT and SIGTERM on and waits, and the child has
the server in the main thread and the watching beside it: with or without reloader, one way to end.

The supervisor needs nothing but the standard library, so that it costs no second start of Django.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

CHILD = "RUN_MAIN"  # Django's name for "this is the reloader's child" (django.utils.autoreload.DJANGO_AUTORELOAD_ENV)
RELOAD = 3  # exit code of a child that wants to be started again
MIGRATE = "--migrate"


def is_child() -> bool:
    """Say whether this process was started by `supervise`."""
    return os.environ.get(CHILD) == "true"


def supervise(command: Sequence[str]) -> int:
    """Run `command`, again whenever it asks for that, and return its exit code.

    SIGINT and SIGTERM are passed on; the child decides how it ends. Both may reach it twice, from here and from the
    terminal. Migrations are for the first start only: a file that is being written must not migrate anything.
    """
    child: subprocess.Popen[bytes] | None = None
    ending: int | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = number
        if child:
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    while True:
        child = subprocess.Popen(command, env={**os.environ, CHILD: "true"}, close_fds=False)
        if ending:  # came after the last child's end and before this one was known
            child.send_signal(ending)
        code = child.wait()
        if ending or code != RELOAD:
            return code if code >= 0 else 128 - code
        command = [argument for argument in command if argument != MIGRATE]


def serve_watched(serve: Callable[[], None]) -> NoReturn:
    """Run `serve` in the main thread until it returns, and end the process; end it too when a source file changes.

    A server that cannot start (an error in the code) is reported, and started again after the next change.
    """
    from django.core.management.base import CommandError
    from django.utils import autoreload

    changed = threading.Event()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it

    def watch() -> None:
        while not changed.is_set():
            try:
                autoreload.get_reloader().run(threading.main_thread())
            except SystemExit:  # how Django says that a file has changed (autoreload.trigger_reload)
                changed.set()
                os.kill(os.getpid(), signal.SIGINT)
            except (KeyError, RuntimeError):  # sys.modules changed under it (autoreload.py:114): look again
                time.sleep(1)

    watcher = threading.Thread(target=watch, name="reloader", daemon=True)
    watcher.start()
    try:
        autoreload.check_errors(serve)()
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if isinstance(error, CommandError):
            sys.stderr.write(f"{error}\n")
        else:
            sys.excepthook(type(error), error, error.__traceback__)
        with contextlib.suppress(KeyboardInterrupt):
            watcher.join()
    end_process(RELOAD if changed.is_set() else 0)


def end_process(code: int) -> NoReturn:
    """End the process now, with its threads: one may sit in a call for long, or be importing compiled modules.

    For the first Python would wait (threading._shutdown); the second crashes while Python takes itself apart.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
