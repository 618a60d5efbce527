"""How much visitors of one address may ask of this process: without an account anybody is a new owner at no cost.

Each process counts for itself, in memory; `address` is what `chat.addresses` makes of it, and None, which nobody knows,
is not counted. Signed-in users are limited by their accounts alone.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from chat.cluster.process import this_process
from chat.conf import conf
from chat.exceptions import Busy, RateLimited
from chat.owners import Owner

MINUTE_SECONDS = 60.0
SWEEP_ABOVE = 10_000  # addresses that are remembered, before those of the last minute alone stay


def is_stranger(owner: Owner) -> bool:
    """True for whom nobody vouches: neither an account nor an embedding site."""
    return owner.user_id is None and not owner.is_vouched_for


class _PerMinute:
    """How often something came from each address within the last minute. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)  # guarded by self._lock

    def takes(self, address: str | None, most: int) -> bool:
        """Count once more; False, and not counted, if that is above `most` (0: no limit)."""
        if address is None or not most:
            return True
        now = time.monotonic()
        with self._lock:
            if len(self._times) > SWEEP_ABOVE:
                self._sweep(now)
            times = self._times[address]
            while times and now - times[0] >= MINUTE_SECONDS:
                times.popleft()
            if len(times) >= most:
                return False
            times.append(now)
            return True

    def forget(self) -> None:
        with self._lock:
            self._times.clear()

    def _sweep(self, now: float) -> None:
        for address, times in list(self._times.items()):
            if now - times[-1] >= MINUTE_SECONDS:
                del self._times[address]


class Strangers:
    """The visitors of this process by their addresses."""

    def __init__(self) -> None:
        self._new = _PerMinute()
        self._turns = _PerMinute()
        self._unnamed: Counter[str] = Counter()  # sockets of embedded pages without their ticket yet; on the event loop
        self._opening: Counter[str] = Counter()  # sockets that are not connections yet; on the event loop
        self._asked_from: dict[uuid.UUID, str] = {}  # conversations with turns of visitors; on the event loop

    def check_new(self, address: str | None) -> None:
        """Somebody without a cookie comes. From any thread. Raises: RateLimited."""
        if not self._new.takes(address, conf.VISITORS_PER_MINUTE):
            raise RateLimited("Too many new visitors from this address.", retry_ms=30_000)

    @contextmanager
    def opening(self, owner: Owner, address: str | None) -> Iterator[None]:
        """A connection opens, and counts until it is one. On the event loop. Raises: RateLimited."""
        most = conf.MAX_SOCKETS_PER_IP
        if not is_stranger(owner) or address is None or not most:
            yield
            return
        if this_process.connections.count_from(address) + self._opening[address] >= most:
            raise RateLimited("Too many connections from this address.")
        self._opening[address] += 1
        try:
            yield
        finally:
            self._opening -= Counter([address])

    def let_wait(self, address: str | None) -> None:
        """A socket waits for its ticket until `waited`. On the event loop. Raises: RateLimited, and it does not."""
        most = conf.MAX_SOCKETS_PER_IP
        if address is None or not most:
            return
        if self._unnamed[address] >= most:
            raise RateLimited("Too many connections from this address.")
        self._unnamed[address] += 1

    def waited(self, address: str | None) -> None:
        """A socket waits for its ticket no more. On the event loop."""
        if address is not None and self._unnamed[address]:
            self._unnamed[address] -= 1
        self._unnamed += Counter()  # without those that have none

    def check_turn(self, owner: Owner, address: str | None, conversation_id: uuid.UUID) -> None:
        """A turn is asked for. On the event loop. Raises: Busy, RateLimited."""
        if not is_stranger(owner) or address is None:
            return
        most = conf.MAX_RUNNING_VISITOR_TURNS
        if most and self._running(address, besides=conversation_id) >= most:
            raise Busy("Many conversations from this address are being answered.", retry_ms=5000)
        if not self._turns.takes(address, conf.VISITOR_TURNS_PER_MINUTE):
            raise RateLimited("Too many messages from this address.", retry_ms=15_000)
        self._asked_from[conversation_id] = address

    def forget(self) -> None:
        """Count from zero."""
        self._new.forget()
        self._turns.forget()
        self._asked_from.clear()
        self._unnamed.clear()
        self._opening.clear()

    def _running(self, address: str, *, besides: uuid.UUID) -> int:
        sessions = this_process.sessions
        self._asked_from = {id: known for id, known in self._asked_from.items() if id in sessions}
        mine = [id for id, known in self._asked_from.items() if known == address and id != besides]
        return sum(not sessions[id].is_idle for id in mine)


strangers = Strangers()
