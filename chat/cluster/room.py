"""Whether there is room for what is to be stored: where SQLite's file lies, and where attachments do."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.backends.sqlite3.creation import DatabaseCreation

from chat.files.storage import storage

MIN_FREE_BYTES = 64 * 2**20  # for SQLite's file and its log
MIN_FREE_FILES = 16  # SQLite makes some, and each attachment is one

_first_seen: dict[str, tuple[int, int]] = {}  # which file each database was: connections go on with that one


def problem() -> str:
    """What keeps from storing, for the log: "" for nothing. Never a path."""
    wrong = ["SQLite's file is full, gone or another one"] if not database_has_room() else []
    wrong += ["the folder of the attachments is full, or may not be written"] if not files_have_room() else []
    return f"{' and '.join(wrong)}: new messages or files cannot be stored" if wrong else ""


def database_has_room() -> bool:
    """SQLite's file is there, the one that it was, on a disk with room.

    Open connections go on with a file that was deleted or replaced, and what they write is lost: start again then.
    """
    path = _file_of_sqlite()
    if path is None:
        return True
    try:
        found = path.stat()
    except OSError:
        return False
    is_the_same = _first_seen.setdefault(str(path), (found.st_dev, found.st_ino)) == (found.st_dev, found.st_ino)
    return is_the_same and _has_room(path.parent)


def _file_of_sqlite() -> Path | None:
    """None: another database, or one in memory. SQLite takes a name that is a URI, too (sqlite.org/uri.html)."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or DatabaseCreation.is_in_memory_db(name):
        return None
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def files_have_room() -> bool:
    """The folder of the attachments has room. Of a storage elsewhere nobody knows."""
    there = storage()
    if not isinstance(there, FileSystemStorage):
        return True
    folder = Path(there.location)  # made with the first file
    return _has_room(next(each for each in (folder, *folder.parents) if os.path.exists(each)))


def _has_room(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    has_files = found.f_files == 0 or found.f_favail >= MIN_FREE_FILES  # some file systems do not count them
    is_writable = not found.f_flag & os.ST_RDONLY and os.access(folder, os.W_OK)
    return found.f_bavail * found.f_frsize >= MIN_FREE_BYTES and has_files and is_writable
