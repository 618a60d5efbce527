"""How much visitors of one address may ask for: new visitors and sockets; their turns are counted with the message.

The database counts for all processes (`actions/addresses.py`). What this one knows itself is looked at first, so that
who floods it costs the database nothing; and it decides alone while the database cannot be asked. `address` is what
`chat.addresses` makes of it, and None, which nobody knows, is not counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, defaultdict, deque
from weakref import WeakValueDictionary

from chat.actions.addresses import count_sockets, count_visitor
from chat.cluster.process import this_process
from chat.conf import conf
from chat.exceptions import RateLimited
from chat.live.threads import in_thread
from chat.mends.locks import AWAY
from chat.models import ServerProcess

logger = logging.getLogger(__name__)

MINUTE_SECONDS = 60.0
AGAIN_SECONDS = 1.0  # then the database is told again how many sockets there are
SWEEP_ABOVE = 10_000  # addresses that are remembered, before those of the last minute alone stay


class _PerMinute:
    """How often something came from each address within the last minute. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)  # guarded by self._lock

    def takes(self, address: str, most: int) -> bool:
        """Count once more; False, and not counted, if that is above `most`."""
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


class _Database:
    """Whether the database is asked: not in the second after it did not answer, or each would wait in turn."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    @property
    def is_asked(self) -> bool:
        return time.monotonic() >= self._silent_until

    def note(self, error: Exception) -> None:
        logger.warning("visitors are counted here alone: %s", type(error).__name__)
        self._silent_until = time.monotonic() + AGAIN_SECONDS


class Place:
    """A socket's place among those of its address, from `Places.take` to `give`. On the event loop."""

    def __init__(self, places: Places, address: str) -> None:
        self._places: Places | None = places
        self._address = address

    def give(self) -> None:
        """It is free. May be called again."""
        places, self._places = self._places, None
        if places:
            places.free(self._address)


class Places:
    """The sockets of each address, of which `MAX_SOCKETS_PER_IP` may be open at all processes together."""

    def __init__(self, what: str, database: _Database) -> None:
        self._what = what
        self._database = database
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # one for an address at a time
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()  # here; guarded by self._lock
        self._untold: set[str] = set()  # addresses whose sockets here the database does not know; on the event loop

    async def take(self, address: str | None) -> Place | None:
        """Return a socket's place; None where there is no limit. Raises: RateLimited."""
        if address is None or not conf.MAX_SOCKETS_PER_IP:
            return None
        if not (self._is_free(address) and await self._try_to_take(address)):
            raise RateLimited("Too many connections from this address.")
        return Place(self, address)

    def free(self, address: str) -> None:
        """One socket less. The database hears of it in a moment."""
        with self._lock:
            self._taken -= Counter([address])
        if address not in self._untold and not this_process.is_draining:
            self._untold.add(address)
            this_process.spawn(self._tell(address))

    def forget(self) -> None:
        with self._lock:
            self._taken.clear()
        self._untold.clear()

    def _is_free(self, address: str) -> bool:
        with self._lock:
            return bool(self._taken[address] < conf.MAX_SOCKETS_PER_IP)

    async def _try_to_take(self, address: str) -> bool:
        async with self._asking.setdefault(address, asyncio.Lock()):
            record = this_process.record
            if record and self._database.is_asked:
                try:
                    return bool(await in_thread(self._take, record, address))
                except AWAY as error:
                    self._database.note(error)
            return self._take_beside(address, 0)

    def _take(self, record: ServerProcess, address: str) -> bool:
        """In an I/O thread. Raises: OperationalError."""
        is_taken = False

        def decide(others: int) -> int:
            nonlocal is_taken
            is_taken = self._take_beside(address, others)
            return self._taken[address]

        try:
            count_sockets(record, self._what, address, decide)
        except AWAY:
            if not is_taken:
                raise
        return is_taken

    def _take_beside(self, address: str, others: int) -> bool:
        """Take a place if there is one beside those that others have. Any thread."""
        with self._lock:
            if self._taken[address] + others >= conf.MAX_SOCKETS_PER_IP:
                return False
            self._taken[address] += 1
            return True

    async def _tell(self, address: str) -> None:
        """Tell the database how many sockets there are, as soon as it can be told."""
        while record := this_process.record:
            self._untold.discard(address)
            try:
                return await in_thread(count_sockets, record, self._what, address, lambda _: self._taken[address])
            except AWAY:
                self._untold.add(address)
            await asyncio.sleep(AGAIN_SECONDS)


class Strangers:
    """The visitors of this process by their addresses."""

    def __init__(self) -> None:
        self._new = _PerMinute()
        self._database = _Database()
        self.sockets = Places("sockets", self._database)
        self.unnamed = Places("unnamed", self._database)  # sockets of embedded pages without their ticket yet

    def check_new(self, address: str | None) -> None:
        """Somebody without a cookie comes. Blocks: not on the event loop. Raises: RateLimited."""
        most = conf.VISITORS_PER_MINUTE
        if address is not None and most and not (self._new.takes(address, most) and self._is_welcome(address)):
            raise RateLimited("Too many new visitors from this address.", retry_ms=30_000)

    def _is_welcome(self, address: str) -> bool:
        if self._database.is_asked:
            try:
                return count_visitor(address)
            except AWAY as error:
                self._database.note(error)
        return True

    def forget(self) -> None:
        """Count from zero."""
        self._new.forget()
        self.sockets.forget()
        self.unnamed.forget()


strangers = Strangers()
