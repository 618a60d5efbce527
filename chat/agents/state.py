"""What an agent's code remembers beside the transcript: `context.state`, and what all agents of a process share."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import json
import logging
import threading
from collections import UserDict
from collections.abc import Callable
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

MAX_STATE_BYTES = 64 * 1024
T = TypeVar("T")


class State(UserDict[str, Any]):
    """A mapping of JSON values. It is stored with each record of a turn, and restored where the branch goes on.

    Setting a key raises TypeError for what is no JSON, ValueError when all of it would be too long. What is changed
    inside of a value is looked at when it is stored.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key of the state is a text, not {type(key).__name__}")
        encode({**self.data, key: value})
        self.data[key] = value


def encode(values: dict[str, Any]) -> str:
    """The state as JSON. Raises: TypeError, ValueError."""
    text = json.dumps(values, allow_nan=False)
    if len(text) > MAX_STATE_BYTES:
        raise ValueError(f"the state would have {len(text)} bytes; the most is {MAX_STATE_BYTES}")
    return text


class _Shared:
    """What was made once for the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making: dict[str, threading.RLock] = {}  # guarded by self._lock
        self._being_made: set[str] = set()  # a key's, under its lock
        self._made: dict[str, Any] = {}  # a key's, under its lock
        self._closing: list[tuple[str, Callable[[Any], object]]] = []  # guarded by self._lock
        atexit.register(self.close)

    def get(self, key: str, make: Callable[[], T], close: Callable[[T], object] | None) -> T:
        with self._lock:
            making = self._making.setdefault(key, threading.RLock())
        with making:  # the others that want it wait; those that want something else do not
            if key not in self._made:
                self._made[key] = self._make(key, make)
                if close is not None:
                    with self._lock:
                        self._closing.append((key, close))
            found: T = self._made[key]
            return found

    def close(self) -> None:
        """Close all that is to be closed, the newest first: the process ends. May be called again."""
        with self._lock:
            closing, self._closing = self._closing, []
        for key, close in reversed(closing):
            with self._making[key]:
                _close(key, close, self._made.pop(key))

    def _make(self, key: str, make: Callable[[], T]) -> T:
        """Make it, under its lock. Raises: RuntimeError, TypeError, and what `make` raises."""
        if key in self._being_made:
            raise RuntimeError(f"what makes {key!r} needs itself")
        self._being_made.add(key)
        try:
            made = make()
        finally:
            self._being_made.discard(key)
        if inspect.iscoroutine(made):
            made.close()
            raise TypeError(f"what makes {key!r} is a coroutine, and only one session's loop could run it")
        return made


def _close(key: str, close: Callable[[Any], object], made: Any) -> None:
    try:
        closing = close(made)
        if inspect.iscoroutine(closing):
            asyncio.run(closing)
    except Exception:
        logger.exception("what agents shared as %r could not be closed", key)


_shared = _Shared()
shared, close_shared = _shared.get, _shared.close
