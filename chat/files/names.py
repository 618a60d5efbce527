"""A file's name as people may see it and save it under: no folders, nothing that is not seen, not too long."""

from __future__ import annotations

import re

from chat.wire.values import clean, without_unseen

MAX_CHARS = 150
MAX_BYTES = 200  # as UTF-8: file systems take 255
_RESERVED = re.compile(r'[<>:"|?*\x00-\x1f]')  # what file systems do not take


def safe_name(name: str, *, default: str = "file") -> str:
    """Return the last part of `name`, fit for any file system, its ending kept."""
    last = re.split(r"[/\\]", clean(name))[-1]
    last = _RESERVED.sub("_", without_unseen(last))
    last = " ".join(last.split()).strip(". ")
    stem, dot, ending = last.rpartition(".")
    if not dot or len(ending) > 20:
        stem, dot, ending = last, "", ""
    ending = f"{dot}{ending}"
    room = MAX_BYTES - len(ending.encode())
    return stem[: MAX_CHARS - len(ending)].encode()[:room].decode(errors="ignore") + ending or default
