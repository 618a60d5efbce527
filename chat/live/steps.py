"""How far what runs has come. In the agent's threads, but for the last word of a fast one, which has a timer's.

State, not records: the newest counts, nothing is stored, and each place (a tool's run, or the turn) has one bar.
"""

from __future__ import annotations

import threading
import time

from chat.live.outbox import Outbox
from chat.wire.events import StepProgress

PAUSE_SECONDS = 0.25  # between two words about one place


class Steps:
    """The bars of one session."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()
        # Guarded by _lock, by the id of the tool's run or None:
        self._newest: dict[str | None, StepProgress] = {}
        self._told_at: dict[str | None, float] = {}
        self._waiting: set[str | None] = set()  # whose newest word a timer will tell

    def tell(self, event: StepProgress) -> None:
        """Tell the pages, but not more often than they can be read."""
        place = event["tool_call_id"]
        with self._lock:
            self._newest[place] = event
            if place in self._waiting:
                return
            left = self._told_at.get(place, 0.0) + PAUSE_SECONDS - time.monotonic()
            if left > 0:
                self._waiting.add(place)
                timer = threading.Timer(left, self._tell_newest, [place])
                timer.daemon = True
                return timer.start()
        self._tell_newest(place)

    def over(self, place: str | None) -> None:
        """Take the bar of a place away."""
        with self._lock:
            event = self._newest.pop(place, None)
        if event:
            self._outbox.emit({**event, "is_over": True})

    def end(self) -> None:
        """The turn is over: nothing runs."""
        with self._lock:
            self._newest.clear()
            self._told_at.clear()

    def all(self) -> list[StepProgress]:
        """What a page that joins is told."""
        with self._lock:
            return list(self._newest.values())

    def _tell_newest(self, place: str | None) -> None:
        with self._lock:
            self._waiting.discard(place)
            event = self._newest.get(place)
            if event is None:
                return
            self._told_at[place] = time.monotonic()
            self._outbox.emit(event)
