"""A file that a user has given, as an agent's code gets it."""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from chat.files import kinds
from chat.files.storage import storage


class GivenFile:
    """Its name and what it is; its bytes are read when they are asked for. Any thread; reading blocks."""

    def __init__(self, *, id: str, name: str, type: str, size_bytes: int, stored: str, is_new: bool) -> None:
        self.id = id
        self.name = name
        self.type = type  # by its content
        self.size_bytes = size_bytes
        self.is_new = is_new  # given with the message that is worked on, or in answer to a question of its turn
        self._stored = stored
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __repr__(self) -> str:
        return f"<GivenFile {self.type} {self.size_bytes} bytes>"

    def open(self) -> BinaryIO:
        """Its bytes, to be read. Raises: FileNotFoundError, and what the storage raises."""
        return storage().open(self._stored)  # type: ignore[return-value]  # Django's File is one

    @cached_property
    def bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    @property
    def is_text(self) -> bool:
        return self.type.startswith("text/") or self.type in kinds.TEXTS

    @property
    def text(self) -> str:
        """All of a text. Raises: ValueError for what is none."""
        if not self.is_text:
            raise ValueError(f"a file of type {self.type} is no text")
        return self.bytes.decode("utf-8-sig", errors="replace")

    @property
    def path(self) -> Path:
        """A copy of it in the file system, under its name, as long as this object lives."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="chat-file-")
            with self.open() as file, Path(self._folder.name, self.name).open("wb") as copy:
                shutil.copyfileobj(file, copy)
        return Path(self._folder.name, self.name)
