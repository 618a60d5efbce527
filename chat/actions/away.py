"""What people are told when the database does not take what they send."""

from __future__ import annotations

from chat.exceptions import Busy
from chat.mends.locks import has_no_room


def refusal(error: Exception) -> Busy:
    """The answer to a command, or a request, that has met one of `mends.locks.AWAY`."""
    if has_no_room(error):
        return Busy("Nothing can be stored now: the server's disk is full, or fails. Try again later.", retry_ms=10_000)
    return Busy("The database is busy. Try again in a moment.", retry_ms=2000)
