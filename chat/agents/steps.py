"""A step of an agent's work, as its code tells how far it has come."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType

from chat.observer import StepReport

Reporter = Callable[[StepReport], None]


class Step:
    """`with context.step("Reading 12 files") as step: step(3, 12)`. From any thread."""

    def __init__(self, label: str, report: Reporter | None) -> None:
        self._label = label
        self._report = report

    def __enter__(self) -> Step:
        self._tell(StepReport(label=self._label))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._tell(StepReport(label=self._label, is_over=True))

    def __call__(self, done: float, total: float | None = None, *, label: str = "") -> None:
        """So much of so much is done; `label` says something else from now on."""
        self._label = label or self._label
        fraction = part_of(done / total) if total else None
        self._tell(StepReport(label=self._label, fraction=fraction, done=done, total=total))

    def _tell(self, report: StepReport) -> None:
        if self._report is not None:
            self._report(report)


def part_of(fraction: float | None) -> float | None:
    """A number from 0 to 1; None: it is not known how much is done."""
    if fraction is None or not math.isfinite(fraction):
        return None
    return min(max(float(fraction), 0.0), 1.0)
