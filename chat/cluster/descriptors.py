"""Whether the process can open another file or socket: without one nobody is let in, and no server says why.

Daphne's reactor tells its own log alone that it could not accept a connection, and nothing else fails that is logged.
"""

from __future__ import annotations

import os
from contextlib import suppress

SPARE = 8  # descriptors that there must be beside those in use


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


def problem() -> str:
    """What is wrong, for the log: "" for nothing."""
    if are_left():
        return ""
    return f"out of file descriptors ({os.sysconf('SC_OPEN_MAX')}): new connections are not accepted"
