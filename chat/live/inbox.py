"""User to agent: a bounded queue that ends by a sentinel."""

from __future__ import annotations

import queue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class InboxClosed(Exception):
    """The other side has hung up."""


class Inbox(Generic[T]):
    """A bounded, thread-safe queue of what the user gives to the agent. Closing it wakes and ends every wait."""

    _CLOSED = object()

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: T) -> bool:
        """Add an item without waiting, from any thread; False when the inbox is full."""
        if self._queue.qsize() >= self._capacity:
            return False
        self._queue.put(item)
        return True

    def get(self, timeout: float | None = None) -> T:
        """Wait for the next item. Raises: InboxClosed; queue.Empty after `timeout` seconds."""
        item: T = self._queue.get(timeout=timeout)
        if item is self._CLOSED:
            self._queue.put(item)  # for the next wait
            raise InboxClosed
        return item

    def close(self) -> None:
        """End every wait, now and later. May be called again."""
        self._queue.put(self._CLOSED)

    def empty(self) -> bool:
        return self._queue.empty()
