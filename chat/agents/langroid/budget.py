"""What a turn has taken so far of what its agent's entry allows (`LIMITS`)."""

from __future__ import annotations

import threading

from chat.conf import Limits
from chat.exceptions import too_much


class Budget:
    """Counts for the turn that runs. Thread-safe: tools run agents in threads of their own."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self.renew()

    def renew(self) -> None:
        """A new turn begins."""
        with self._lock:
            self._steps = self._calls = self._rounds = 0  # guarded by _lock
            self._cost = 0.0  # guarded by _lock

    def step(self) -> None:
        """A task, at any depth, takes a step. Raises: LimitReached."""
        with self._lock:
            self._steps += 1
            _check(self._steps - 1, self.limits.steps, f"{self.limits.steps} steps")

    def model_call(self) -> None:
        """A model is called. Raises: LimitReached."""
        limits = self.limits
        with self._lock:
            self._calls += 1
            _check(self._calls - 1, limits.model_calls, f"{limits.model_calls} model calls")
            _check(self._cost, limits.cost, f"{limits.cost:g} US dollars")

    def spend(self, cost: float) -> None:
        """A model call has cost so many US dollars."""
        with self._lock:
            self._cost += cost

    def is_last_round(self) -> bool:
        """The root task has taken a step; True when it was the turn's last, as an author's `turns=` says."""
        with self._lock:
            self._rounds += 1
            return 0 < self.limits.turns <= self._rounds


def _check(used: float, limit: float, what: str) -> None:
    if limit and used >= limit:
        raise too_much(what)
