"""How long what is promised may take here.

On a busy machine all is slow, and that is no failure. `TESTS_SLACK` is how many times the promised time a test allows:
enough to tell "at once" from "when it was over anyway". With `TESTS_SLACK=1`, on a quiet machine, the promise itself is
tested.
"""

from __future__ import annotations

import os
import time

SLACK = float(os.environ.get("TESTS_SLACK", "3"))


def assert_within(seconds: float, *, since: float) -> None:
    """Check that what was promised in so many seconds is done; `since`: of the monotonic clock."""
    took = time.monotonic() - since
    assert took < seconds * SLACK, f"{took:.2f} s where {seconds:g} s are promised"
