"""What a user may say next: texts that the agent offers, or the callable `SUGGESTIONS` of its entry."""

from __future__ import annotations

import logging

from django.utils.module_loading import import_string

from chat.wire.values import clean

logger = logging.getLogger(__name__)

MOST, MOST_CHARS = 6, 200  # suggestions, and the length of each


class Suggestions:
    """Of one session. In the agent's thread."""

    def __init__(self, path: str) -> None:
        """`path`: of the entry's callable; empty: the agent's own alone."""
        self._path = path
        self.given: list[str] = []  # by the agent, in this turn

    def after(self, question: str, answer: str) -> list[str]:
        """The suggestions after an answer. What goes wrong in the callable is logged: there are none then."""
        texts, self.given[:] = list(self.given), []
        if not texts and self._path and answer:
            try:
                texts = list(import_string(self._path)(question, answer))
            except Exception:
                logger.exception("%s failed", self._path)
        return [clean(str(text))[:MOST_CHARS] for text in texts[:MOST]]
