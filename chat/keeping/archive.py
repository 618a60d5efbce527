"""A conversation with its files as one ZIP archive, written piece by piece: none of it is ever whole in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator

from chat.files import storage
from chat.keeping.export import to_json, to_markdown
from chat.models import Attachment, Conversation

FOLDER = "files"


def to_zip(conversation: Conversation) -> Iterator[bytes]:
    """Yield the archive: `conversation.json`, `conversation.md`, and each attachment in `files`."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in _members(conversation):
            with archive.open(name, "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
                    yield from pipe.written()
    yield from pipe.written()


def _members(conversation: Conversation) -> Iterator[tuple[str, Iterable[bytes]]]:
    yield "conversation.json", (text.encode() for text in to_json(conversation))
    yield "conversation.md", (text.encode() for text in to_markdown(conversation))
    for attachment in conversation.attachments.iterator():
        yield f"{FOLDER}/{attachment.id.hex[:8]}-{attachment.name}", _bytes_of(attachment)


def _bytes_of(attachment: Attachment) -> Iterator[bytes]:
    """Its bytes; none where the storage has lost them."""
    try:
        with attachment.open() as file:
            yield from storage.pieces(file)
    except FileNotFoundError:
        return


class _Pipe(io.RawIOBase):
    """What is written waits here to be taken."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # of any buffer
        self._waiting.append(bytes(data))
        return len(data)

    def written(self) -> Iterator[bytes]:
        waiting, self._waiting = self._waiting, []
        yield from filter(None, waiting)
