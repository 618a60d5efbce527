"""Where attachments lie: one of Django's storages, under random names, never where a web server serves files from.

`CHAT_STORAGE` names the alias in `STORAGES`. A project without one of its own gets a folder beside its code.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, InvalidStorageError, Storage, storages
from django.utils import timezone

from chat.conf import conf
from chat.exceptions import TooLarge
from chat.files.kinds import HEAD_BYTES, type_of

logger = logging.getLogger(__name__)

FOLDER = "var/attachments"  # of a project that names no storage
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file that has been written."""

    path: str
    size_bytes: int
    sha256: str
    type: str  # by its content


def storage() -> Storage:
    """The storage of all attachments."""
    try:
        return storages[conf.STORAGE]
    except InvalidStorageError:
        if conf.STORAGE in settings.STORAGES:
            raise
    return FileSystemStorage(location=Path(getattr(settings, "BASE_DIR", ".")) / FOLDER)


def write(file: BinaryIO, *, name: str = "") -> Stored:
    """Store a file from its beginning. Blocking. `name` helps to tell one kind of plain text from another.

    Raises: TooLarge, before anything is stored; whatever the storage raises, with nothing left of it.
    """
    size, digest, head = 0, hashlib.sha256(), b""
    for piece in pieces(file):
        head = head or piece[:HEAD_BYTES]
        size += len(piece)
        digest.update(piece)
        check_size(size)
    path, here = _new_path(), storage()
    file.seek(0)
    try:
        path = here.save(path, File(file))
    except BaseException:
        here.delete(path)
        raise
    return Stored(path=path, size_bytes=size, sha256=digest.hexdigest(), type=type_of(head, name))


def check_size(size_bytes: int) -> None:
    """Raises: TooLarge."""
    if size_bytes > conf.MAX_ATTACHMENT_BYTES:
        raise TooLarge(f"A file may have {conf.MAX_ATTACHMENT_BYTES / 1e6:g} MB at most.")


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The file's bytes from its beginning."""
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece


def remove(path: str) -> None:
    """Delete a file. One that cannot be deleted now is found by the next purge: see `strays`."""
    try:
        storage().delete(path)
    except Exception:  # a storage is somebody else's code, and may be away: what was asked for is done already
        logger.exception("a deleted attachment's file is left in the storage")


def strays(known: set[str], *, older_than: timedelta) -> Iterator[str]:
    """Files of the storage that are so old, and none of those `known`."""
    here, before = storage(), timezone.now() - older_than
    for folder in _listed(here, "")[0]:
        for name in _listed(here, folder)[1]:
            path = f"{folder}/{name}"
            if path not in known and here.get_modified_time(path) < before:
                yield path


def _listed(here: Storage, path: str) -> tuple[list[str], list[str]]:
    try:
        return here.listdir(path)
    except FileNotFoundError:  # nothing was ever stored
        return [], []


def _new_path() -> str:
    """A name that nobody can guess, in one of 256 folders."""
    token = secrets.token_hex(20)
    return f"{token[:2]}/{token[2:]}"
