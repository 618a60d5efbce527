"""Files of a chat in the terminal: those that a person names by their paths, and copies of those that are shown."""

from __future__ import annotations

import io
from pathlib import Path

from chat.actions.attach import accept_file
from chat.files.given import GivenFile
from chat.files.storage import check_size
from chat.models import Attachment
from chat.owners import Owner


class TerminalFiles:
    """What one person gives and is shown. In the main thread; each blocks."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._copies: list[GivenFile] = []  # a copy lies there as long as its object lives

    def take(self, path: str) -> Attachment:
        """Keep the file at this path until a message takes it. Raises: OSError, ChatError."""
        file = Path(path.strip().strip("'\"")).expanduser()
        check_size(file.stat().st_size)
        return accept_file(self._owner, io.BytesIO(file.read_bytes()), name=file.name)

    def copy(self, id: str) -> Path | None:
        """A file that lies under its name until the chat is left; None: it is gone."""
        row = Attachment.objects.for_owner(self._owner).filter(id=id).first()
        if row is None:
            return None
        self._copies.append(row.given(is_new=False))
        return self._copies[-1].path
