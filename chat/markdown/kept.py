"""What was made lately, bounded by its size: the least recently used is forgotten first. Thread-safe."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by their keys, which together weigh no more than `limit`."""

    def __init__(self, limit: int, *, weight: Callable[[K, V], int]) -> None:
        self._limit = limit
        self._weight = weight
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, V] = OrderedDict()  # guarded by _lock, as is:
        self._weighs = 0

    def get(self, key: K) -> V | None:
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: K, value: V) -> V:
        """Keep the value, unless it alone is too much; return it."""
        with self._lock:
            self._forget(key)
            self._entries[key] = value
            self._weighs += self._weight(key, value)
            while self._weighs > self._limit:
                self._forget(next(iter(self._entries)))
        return value

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._weighs = 0

    def _forget(self, key: K) -> None:
        if key in self._entries:
            self._weighs -= self._weight(key, self._entries.pop(key))
