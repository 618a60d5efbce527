"""How much nonsense one connection may send."""

from __future__ import annotations

import time
from collections import deque

from chat.conf import conf
from chat.exceptions import ChatError, TooLarge
from chat.wire.codes import CLOSE_ABUSE, CLOSE_RATE, CLOSE_TOO_LARGE
from chat.wire.flow import Bucket

ABUSE_FRAMES, ABUSE_SECONDS = 5, 10.0  # so many bad frames in so long a time close the socket
FLOOD_FRAMES = 200  # refused for their rate, within ABUSE_SECONDS


class Abuse:
    """Counts a connection's frames, the bad ones and those refused for their rate. On the event loop."""

    def __init__(self) -> None:
        self._bucket = Bucket(rate=conf.FRAMES_PER_SECOND, burst=conf.FRAMES_BURST)
        self._bad: deque[float] = deque(maxlen=ABUSE_FRAMES)
        self._refused: deque[float] = deque(maxlen=FLOOD_FRAMES)
        self._told_at = 0.0  # of the refusals

    def takes_frame(self) -> bool:
        """True if one more frame may come now."""
        return self._bucket.take(1, time.monotonic())

    def bad_frame(self, error: ChatError) -> int | None:
        """Count a frame that makes no sense; return the code to close with once there are too many."""
        now = time.monotonic()
        self._bad.append(now)
        if len(self._bad) < ABUSE_FRAMES or now - self._bad[0] >= ABUSE_SECONDS:
            return None
        return CLOSE_TOO_LARGE if isinstance(error, TooLarge) else CLOSE_ABUSE

    def refused_frame(self) -> tuple[bool, int | None]:
        """Count a frame that is refused for its rate.

        Return whether to say so, which is done at most once a second, and the code to close with where nobody listens.
        """
        now = time.monotonic()
        self._refused.append(now)
        tells = now - self._told_at >= 1
        if tells:
            self._told_at = now
        floods = len(self._refused) == FLOOD_FRAMES and now - self._refused[0] < ABUSE_SECONDS
        return tells, CLOSE_RATE if floods else None
