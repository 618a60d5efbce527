"""Whether the process can open another file or socket: without one nobody is let in, and no server says why.

Daphne's reactor tells its own log alone that it could not accept a connection, and nothing else fails that is logged.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress

logger = logging.getLogger(__name__)

SPARE = 8  # descriptors that there must be beside those in use
QUIET_SECONDS = 60.0  # between two lines of the log


def are_left() -> bool:
    """True while there are some to spare."""
    opened: list[int] = []
    try:
        while len(opened) < SPARE:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:  # EMFILE of the process, ENFILE of the machine
        return False
    finally:
        for descriptor in opened:
            with suppress(OSError):
                os.close(descriptor)
    return True


class Watch:
    """Says so in the log when none are left, once a minute."""

    def __init__(self) -> None:
        self._said_at = -QUIET_SECONDS

    def look(self) -> None:
        if are_left() or time.monotonic() - self._said_at < QUIET_SECONDS:
            return
        self._said_at = time.monotonic()
        logger.error("out of file descriptors (%d): new connections are not accepted", os.sysconf("SC_OPEN_MAX"))
