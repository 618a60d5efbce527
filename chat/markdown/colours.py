"""The colours of code, from processes of their own. Any thread.

Pygments' lexers are regular expressions, and some of them backtrack without end with the interpreter's lock held: 77
characters could stop a server for good. So they run in a few children, which are started when they are first needed,
replaced when a text takes them too long, and end with the server, however that ends (`colour_process.py`).

    Patience    how long one reader waits for colours, in all
    Colours     the colours of one message's code

What was coloured is kept for a while, and also what was too slow: it is shown plain from then on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from chat.markdown import colour_process
from chat.markdown.kept import Kept

logger = logging.getLogger(__name__)

MAX_COLOURED_CHARS = 20_000  # of one code block, and
MAX_COLOURED_LINE = 1_000  # of one of its lines
PROCESSES = 2
CPU_SECONDS = 1.0  # of a child for one code block: of the longest, several times what it needs
WALL_SECONDS = 10.0  # until it must have an answer, on whatever machine
IDLE_SECONDS = 300.0  # a child without work ends
BROKEN_SECONDS = 10.0  # until the next try when one has failed
PATIENCE_SECONDS = 1.0
MAX_ASKED = 4  # code blocks of one message that wait to be coloured
MAX_WAITING = 200  # of all messages
KEPT_CHARS = 4_000_000  # of coloured code
KEPT_SLOW = 20_000  # texts that were too slow, as hashes


class Patience:
    """How long one reader waits for colours, in all. Not thread-safe."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._left = seconds

    def wait(self, job: _Job) -> None:
        """Wait until the job is done, as long as there is patience left."""
        began = time.monotonic()
        job.done.wait(max(self._left, 0.0))
        self._left -= time.monotonic() - began


class Colours:
    """The colours of one message's code. Not thread-safe.

    Once a text was too slow no more are asked for: a message full of such texts would keep others waiting.
    """

    def __init__(self, patience: Patience) -> None:
        self.are_late = False  # some code was shown without colours that it may get yet
        self._patience = patience
        self._asked: list[_Job] = []
        self._met_slow = False

    @property
    def have_come(self) -> bool:
        """Whether it is time to ask again for those that are late."""
        return not self._asked or any(job.done.is_set() for job in self._asked)

    def of(self, code: str, language: str) -> str | None:
        """Return the code as HTML with spans for its tokens, not sanitised; None: it has none, or not yet."""
        if len(code) > MAX_COLOURED_CHARS or max(map(len, code.split("\n"))) > MAX_COLOURED_LINE:
            return None
        key = hashlib.sha256(f"{language}\0{code}".encode()).digest()
        if (known := _kept.get(key)) is not None:
            return known or None
        self._met_slow = self._met_slow or _slow.get(key) is not None
        if self._met_slow or pool.is_broken:
            return None
        self._asked = [job for job in self._asked if not job.done.is_set()]
        job = pool.ask(key, code, language) if len(self._asked) < MAX_ASKED else None
        if job is not None:
            self._patience.wait(job)
            if job.done.is_set():
                self._met_slow = job.is_slow
                return job.html or None
            self._asked.append(job)
        self.are_late = True
        return None


@dataclass
class _Job:
    """A text that waits for its colours."""

    key: bytes
    request: str
    html: str = ""  # empty: it has none
    is_slow: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class _Pool:
    """The children, each with a thread that asks it one thing after the other."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards all below
        self._jobs: dict[bytes, _Job] = {}  # that are not done
        self._threads = 0
        self._broken_until = 0.0

    @property
    def is_broken(self) -> bool:
        """Whether a child has failed a moment ago, or could not be started."""
        return time.monotonic() < self._broken_until

    def ask(self, key: bytes, code: str, language: str) -> _Job | None:
        """Have a text coloured; None when too many wait. Does not wait."""
        with self._lock:
            if job := self._jobs.get(key):
                return job
            if len(self._jobs) >= MAX_WAITING:
                return None
            job = self._jobs[key] = _Job(key, json.dumps([language, code]))
            self._queue.put(job)
            if self._threads < min(PROCESSES, len(self._jobs)):
                self._threads += 1
                threading.Thread(target=self._run, daemon=True, name="chat-colours").start()
            return job

    def _run(self) -> None:
        child: _Child | None = None
        while job := self._next():
            try:
                child = child or _Child()
                job.html = child.ask(job.request) or ""
                _kept.put(job.key, job.html)
            except _TooSlow:
                logger.warning("code took too long to colour and is shown plain from now on")
                job.is_slow, child = True, None
                _slow.put(job.key, True)
            except (OSError, EOFError, ValueError) as error:
                logger.warning("no colours for code: their process failed (%r)", error)
                self._broken_until, child = time.monotonic() + BROKEN_SECONDS, None
            with self._lock:
                del self._jobs[job.key]
            job.done.set()
        if child:
            child.end()

    def _next(self) -> _Job | None:
        """The next job; None when there was none for a while and this thread ends."""
        while True:
            try:
                return self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._queue.empty():
                        self._threads -= 1
                        return None


class _TooSlow(Exception):
    """The text has cost a child its life."""


class _Child:
    """A process that colours, for one thread. Raises: OSError when it cannot be started."""

    def __init__(self) -> None:
        # Its own surroundings, in which there is no key; found by its path, as the server's own may not be the default.
        command = [sys.executable, "-I", str(Path(colour_process.__file__)), str(CPU_SECONDS), *sys.path]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, env={}
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._until = 0.0

    def ask(self, request: str) -> str | None:
        """Return the HTML of a request; None: there are no colours for it.

        Raises: _TooSlow; OSError, EOFError when it has failed. It is gone then.
        """
        self._until = time.monotonic() + WALL_SECONDS
        try:
            self._to.write(colour_process.framed(request))
            (length,) = colour_process.LENGTH.unpack(self._read(colour_process.LENGTH.size))
            answer: str | None = json.loads(self._read(length))
            return answer
        except (OSError, EOFError):
            self.end()
            if self._process.returncode == -signal.SIGPROF:
                raise _TooSlow from None
            raise

    def _read(self, size: int) -> bytes:
        """Return so many bytes. Raises: EOFError, TimeoutError."""
        pipe = self._from.fileno()
        parts: list[bytes] = []
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while size:
            if not poll.poll(max(self._until - time.monotonic(), 0) * 1000):
                raise TimeoutError
            part = os.read(pipe, size)
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._to.close()
        self._from.close()


_kept: Kept[bytes, str] = Kept(KEPT_CHARS, weight=lambda key, html: len(html) + 200)
_slow: Kept[bytes, bool] = Kept(KEPT_SLOW, weight=lambda key, is_slow: 1)
pool = _Pool()


def _forget_children() -> None:
    """In the child of a fork there are no threads, and the processes are its parent's."""
    global pool
    pool = _Pool()


os.register_at_fork(after_in_child=_forget_children)
