"""How much a connection may be sent, and may send. Not thread-safe: the event loop's."""

from __future__ import annotations

from collections import deque

from chat.exceptions import BadFrame


class Window:
    """How much one connection has received and not acknowledged. Not thread-safe: the event loop's.

    `now` is any monotonic clock in seconds.
    """

    FRAMES = 64
    BYTES = 256 * 1024
    STALL_SECONDS = 30.0

    def __init__(self) -> None:
        self.sent = 0  # frames, ever
        self.acked = 0
        self._bytes = 0
        self._sizes: deque[int] = deque()  # of the unacknowledged frames, oldest first
        self._moved = 0.0  # when it filled, or was acknowledged since

    def is_open(self, now: float) -> bool:
        """True while a further frame may be sent."""
        return len(self._sizes) < self.FRAMES and self._bytes < self.BYTES

    def add(self, size: int, now: float) -> None:
        """Count a frame of `size` bytes that goes out."""
        if self.is_open(now):
            self._moved = now
        self.sent += 1
        self._bytes += size
        self._sizes.append(size)

    def ack(self, frames: int, now: float) -> None:
        """Take the client's count of received frames. Raises: BadFrame."""
        if frames > self.sent:
            raise BadFrame("More frames were acknowledged than sent.")
        if frames <= self.acked:
            return
        self._moved = now
        for _ in range(frames - self.acked):
            self._bytes -= self._sizes.popleft()
        self.acked = frames

    def is_stalled(self, now: float) -> bool:
        """True when it has been full for too long without a greater acknowledgement."""
        return not self.is_open(now) and now - self._moved > self.STALL_SECONDS


class Bucket:
    """A token bucket. `now` is any monotonic clock in seconds."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._at: float | None = None

    def level(self, now: float) -> float:
        if self._at is not None:
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` if it is there."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def spend(self, amount: float, now: float) -> None:
        """Take `amount` whether it is there or not: the level may fall below zero."""
        self.level(now)
        self._level -= amount


class Rate:
    """The window of clients that acknowledge nothing (the compatible profile): a fixed rate over a burst."""

    BYTES_PER_SECOND = 128 * 1024
    BURST_BYTES = 1024 * 1024
    STALL_SECONDS = 30.0

    def __init__(self) -> None:
        self._bucket = Bucket(rate=self.BYTES_PER_SECOND, burst=self.BURST_BYTES)
        self._shut: float | None = None  # since when

    def is_open(self, now: float) -> bool:
        if self._bucket.level(now) > 0:
            self._shut = None
            return True
        if self._shut is None:
            self._shut = now
        return False

    def add(self, size: int, now: float) -> None:
        self._bucket.spend(size, now)

    def ack(self, frames: int, now: float) -> None:
        raise BadFrame("Acknowledgements belong to protocol 1.")

    def is_stalled(self, now: float) -> bool:
        return not self.is_open(now) and now - (self._shut or now) > self.STALL_SECONDS
