"""The one thread that sends, with `async_to_sync(group_send)`, what all outboxes hold.

A hop from a thread into the loop and back costs more than all that is sent with it: so one thread does it for all
sessions, and their sends fall on common beats.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import weakref
from typing import Protocol

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from chat.live.layer import SEND_SECONDS, breaker
from chat.live.threads import (
    start_thread,
)
from chat.wire.events import Event

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.040  # shortest time between two sends of one session
BUSY_FLUSH_SECONDS = 0.120  # the same while the process is under full load
LIGHT_LOAD, FULL_LOAD = 200.0, 500.0  # sends per second of the process
PACE_SECONDS = 0.2  # how fast the pace follows the load
BEATS = (0.020, 0.010, 0.005)  # seconds between all sessions' sends; a coarse beat is a fine one too
FEWEST_BEATS = 5  # between two sends of one session


class Pace:
    """How many sends per second the process makes, and how far apart those of one session should be."""

    def __init__(self) -> None:
        self._since = 0.0  # when sends were last counted (monotonic)
        self._rate = 0.0

    def count(self, sends: int, now: float) -> None:
        """Count sends; what was counted before fades. In the flusher's thread."""
        self._rate = self._rate * math.exp((self._since - now) / PACE_SECONDS) + sends / PACE_SECONDS
        self._since = now

    def interval(self) -> float:
        """Seconds between two sends of one session: grows from 40 to 120 ms with the process's pace."""
        share = (self._rate - LIGHT_LOAD) / (FULL_LOAD - LIGHT_LOAD)
        return FLUSH_SECONDS + min(max(share, 0.0), 1.0) * (BUSY_FLUSH_SECONDS - FLUSH_SECONDS)

    def next_beat(self, moment: float) -> float:
        """The first time from `moment` on at which sessions send.

        The beats are few and do not follow the pace in between: else each session would have its own, and each send a
        hop into the loop of its own.
        """
        interval = self.interval()
        beat = next(beat for beat in BEATS if beat * FEWEST_BEATS <= interval)
        return math.ceil(moment / beat) * beat


pace = Pace()


class Source(Protocol):
    """What the flusher sends from: an outbox."""

    group: str

    def take(self) -> Event | None:
        """Number and encode what waits as one layer message; None: nothing is due."""

    def taken(self, seconds: float) -> None:
        """Sending it has cost so much: the next send may wait."""


class Flusher:
    """One bound thread per loop that sends what all outboxes hold, each when it is due."""

    _by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Flusher] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._lock = threading.Lock()  # guards all below
        self._due: dict[Source, float] = {}  # when to send what it holds (monotonic)
        self._loose: list[tuple[str, Event]] = []  # messages with their groups, to be sent with the next
        self._next = math.inf  # when this thread looks again
        self._wake = threading.Event()
        self._ended = False
        start_thread(self._run, name="chat-flusher")

    @classmethod
    def of_loop(cls) -> Flusher:
        """The flusher of the running loop."""
        loop = asyncio.get_running_loop()
        flusher = cls._by_loop.get(loop)
        if flusher is None or flusher._ended:
            flusher = cls._by_loop[loop] = cls()
        return flusher

    def mark(self, outbox: Source, due: float) -> None:
        """Send what this outbox holds at the time `due`, or before."""
        with self._lock:
            due = self._due[outbox] = min(due, self._due.get(outbox, math.inf))
            if due < self._next:
                self._wake.set()

    def post(self, group: str, message: Event) -> None:
        """Send a message to a group, at the next beat."""
        with self._lock:
            self._loose.append((group, message))
            if pace.next_beat(time.monotonic()) < self._next:
                self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._flush_due())

    def _flush_due(self) -> float | None:
        """Send what is due; return the seconds until the next is, None when nothing waits."""
        now = time.monotonic()
        with self._lock:
            outboxes = [outbox for outbox, due in self._due.items() if due <= now]
            for outbox in outboxes:
                del self._due[outbox]
            loose, self._loose = self._loose, []
        taken = [(outbox.group, message) for outbox in outboxes if (message := _taken_from(outbox))]
        messages = taken + loose  # what a conversation's list is told of comes after it
        if messages:
            self._send(messages)
        cost = (time.monotonic() - now) / max(len(outboxes), 1)
        for outbox in outboxes:
            outbox.taken(cost)
        with self._lock:
            self._wake.clear()
            self._next = pace.next_beat(time.monotonic()) if self._loose else min(self._due.values(), default=math.inf)
            return None if self._next == math.inf else max(self._next - time.monotonic(), 0.0)

    def _send(self, messages: list[tuple[str, Event]]) -> None:
        if not breaker.is_closed(time.monotonic()):
            return
        try:
            async_to_sync(self._group_send)(messages)
        except (Exception, asyncio.CancelledError) as error:
            # Records and the text so far are elsewhere: the process's tick repairs what this loses.
            breaker.open(error)
        pace.count(len(messages), time.monotonic())

    async def _group_send(self, messages: list[tuple[str, Event]]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            for group, message in messages:
                await self._layer.group_send(group, message)


def _taken_from(outbox: Source) -> Event | None:
    try:
        return outbox.take()
    except Exception:  # one session's trouble must not hold the others' text back
        logger.exception("flush failed")
        return None
