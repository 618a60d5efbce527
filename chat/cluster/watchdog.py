"""Notices that nothing else could run for a while, and names in the log who was at fault.

Python runs one thread at a time. Code in C that keeps the interpreter's lock (a regular expression, a library that does
not give it back) stops every thread of the process, this one too: it finds out when it is woken late, and whose thread
has used the processor meanwhile. A thread that blocks the event loop stops all pages. Nothing can cure either from
within the process: the log says which agent to mend.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import uuid
from types import FrameType
from typing import Protocol

from chat.live.session import AgentSession
from chat.live.threads import start_thread

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
STALL_SECONDS = 1.0  # what is shorter happens on a busy machine
HELD_SHARE = 0.7  # of the processor time that all threads have had meanwhile: whose it is has kept the others out
LEAST_SECONDS = 0.1  # of it, or nobody has run
QUIET_SECONDS = 10.0  # between two lines of the log
PLACES = 4  # of a thread's innermost calls that are named


class Home(Protocol):
    """Whose agents are named: the process."""

    sessions: dict[uuid.UUID, AgentSession]


class Watchdog:
    """Watches the interpreter and the event loop of a process, from a thread of its own."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ends = threading.Event()
        self._loop_thread = 0
        self._loop_seen = 0.0  # when the loop last ran something (monotonic)
        self._loop_asked = False
        self._told = -QUIET_SECONDS
        self._untold = 0

    def start(self) -> None:
        """Watch from now on. Call on the event loop."""
        loop = asyncio.get_running_loop()
        self._ends, self._loop_thread = threading.Event(), threading.get_ident()
        self._loop_seen, self._loop_asked = time.monotonic(), False
        start_thread(lambda: self._run(loop, self._ends), name="chat-watchdog")

    def end(self) -> None:
        """Watch no more. May be called again."""
        self._ends.set()

    def _run(self, loop: asyncio.AbstractEventLoop, ends: threading.Event) -> None:
        used, last = _used_seconds(), (0, "")
        while True:
            slept = time.monotonic()
            if ends.wait(LOOK_SECONDS):
                return
            late = time.monotonic() - slept - LOOK_SECONDS
            before, used = used, _used_seconds()
            ident, share = _busiest(before, used)
            place = _place(sys._current_frames().get(ident))
            try:
                if late >= STALL_SECONDS:
                    self._loop_seen = time.monotonic()  # it could not run either
                    self._tell_held(late, ident, share, place, last[1] if last[0] == ident else "elsewhere")
                self._watch(loop)
            except RuntimeError:
                return  # the loop is closed
            last = ident, place

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the loop for a sign, and tell if it has given none for long. Raises: RuntimeError."""
        stood = time.monotonic() - self._loop_seen
        if self._loop_asked and stood >= STALL_SECONDS:
            where = _place(sys._current_frames().get(self._loop_thread))
            self._tell("the event loop has stood still for %.1f s, in %s; %s", stood, where, self._running())
        if not self._loop_asked:
            self._loop_asked, self._loop_seen = True, time.monotonic()
            loop.call_soon_threadsafe(self._seen)

    def _seen(self) -> None:
        """On the event loop."""
        self._loop_asked = False

    def _tell_held(self, late: float, ident: int, share: float, place: str, place_before: str) -> None:
        """Tell whose thread it was. It may have gone on before this one was woken: so both places are told."""
        if share < HELD_SHARE:  # no thread of ours: the process was stopped, or the machine was busy
            return self._tell("nothing has run for %.1f s, and nothing here was the reason; %s", late, self._running())
        text = "%s has kept the interpreter's lock for %.1f s, now in %s, before in %s"
        self._tell(text, self._name(ident), late, place, place_before)

    def _tell(self, text: str, *values: object) -> None:
        """Log it, but not again and again."""
        now = time.monotonic()
        if now - self._told < QUIET_SECONDS:
            self._untold += 1
            return
        more, self._told, self._untold = self._untold, now, 0
        logger.warning(text + (f" ({more} such lines left out)" if more else ""), *values)

    def _name(self, ident: int) -> str:
        thread = next((each.name for each in threading.enumerate() if each.ident == ident), "a thread that has ended")
        for session in list(self._home.sessions.values()):
            if session.thread_name == thread:
                return f"conversation {session.conversation_id}: agent {session.record.agent_key}"
        return f"thread {thread} ({self._running()})"

    def _running(self) -> str:
        """The agents that have a turn."""
        sessions = [each for each in list(self._home.sessions.values()) if each.turn is not None]
        names = [f"{each.record.agent_key} of conversation {each.conversation_id}" for each in sessions]
        return f"running agents: {', '.join(names) or 'none'}"


def _used_seconds() -> dict[int, float]:
    """What each thread has used of the processor."""
    used: dict[int, float] = {}
    for thread in threading.enumerate():
        if thread.ident is not None and thread.is_alive():
            try:
                used[thread.ident] = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
            except OSError:
                continue  # it has just ended
    return used


def _busiest(before: dict[int, float], used: dict[int, float]) -> tuple[int, float]:
    """The thread that has used most of the processor meanwhile, and its share of what all have used."""
    grown = {ident: seconds - before.get(ident, 0.0) for ident, seconds in used.items()}
    ident = max(grown, key=lambda each: grown[each])
    return ident, grown[ident] / max(sum(grown.values()), LEAST_SECONDS)


def _place(frame: FrameType | None) -> str:
    """Where a thread is, innermost call first. Modules and functions: never values, nor paths."""
    places: list[str] = []
    while frame is not None and len(places) < PLACES:
        places.append(f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(places) or "an unknown place"
