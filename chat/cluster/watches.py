"""What is wrong with the machine, said in the log once a minute: whoever runs the site is to hear of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

QUIET_SECONDS = 60.0  # between two lines of the log


class Watch:
    """Looks at one thing. `problem` returns what is wrong with it as a sentence, "" for nothing."""

    def __init__(self, problem: Callable[[], str]) -> None:
        self._problem = problem
        self._said_at = -QUIET_SECONDS

    def look(self) -> None:
        if time.monotonic() - self._said_at < QUIET_SECONDS or not (said := self._problem()):
            return
        self._said_at = time.monotonic()
        logger.error("%s", said)
