"""What a file is, by its content. Its name and what a browser says of it count for nothing that could be run."""

from __future__ import annotations

import re

HEAD_BYTES = 4096  # of a file are enough to know

# What a browser may show in its place: none of it runs anything.
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
AUDIO = frozenset({"audio/mpeg", "audio/wav", "audio/ogg", "audio/flac", "audio/mp4"})
PDF = "application/pdf"
SHOWN = IMAGES | AUDIO | {PDF}

TEXTS = frozenset({"application/json", "image/svg+xml"})  # beside all of text/
BYTES = "application/octet-stream"
TEXT = "text/plain"

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
# Plain texts that differ by what people call them: nobody runs one.
_TEXTS = {
    "csv": "text/csv",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "json": "application/json",
    "diff": "text/x-diff",
    "patch": "text/x-diff",
}
_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<(?:!doctype html|html|head|body|script|iframe|style|title)\b", re.IGNORECASE)


def type_of(head: bytes, name: str = "") -> str:
    """The media type of a file that begins with `head`. What could run, in whatever disguise, is none of `SHOWN`."""
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], BYTES)
    if head[4:8] == b"ftyp":
        return "audio/mp4" if head[8:11] == b"M4A" else "video/mp4"
    return _text_type(head, name) if _is_text(head) else BYTES


def _text_type(head: bytes, name: str) -> str:
    if _SVG.search(head):
        return "image/svg+xml"
    if _HTML.search(head):
        return "text/html"
    return _TEXTS.get(name.rpartition(".")[2].lower(), TEXT)


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start > len(head) - 4  # a character that the end of the head has cut
    return True
