"""How much of a text is read as Markdown; what follows is shown as it is. Pure; made for `stream.py`.

Of each line and each cell of a table the parser makes some objects. While Python looks through hundreds of thousands of
them, for what it may throw away, it keeps its lock for a second and more, and nobody else's answer goes on.
"""

from __future__ import annotations

import re
from itertools import islice

MAX_CHARS = 200_000
MAX_MARKS = 10_000  # ends of lines, and bars between cells
MAX_CELLS = 10_000  # of one table: rows are filled up to as many cells as its first has

_MARK = re.compile(r"[\n|]")


def are_passed(text: str) -> bool:
    """Whether there is more of it than is read as Markdown."""
    return len(text) > MAX_CHARS or text.count("\n") + text.count("|") > MAX_MARKS


def split(text: str) -> tuple[str, str]:
    """Cut a text that is too long, after a line if it has one: into Markdown, and what is shown as it is."""
    if not are_passed(text):
        return text, ""
    mark = next(islice(_MARK.finditer(text), MAX_MARKS, None), None)
    end = min(MAX_CHARS, mark.start() if mark else MAX_CHARS)
    cut = text.rfind("\n", 0, end) + 1 or end
    return text[:cut], text[cut:]
