"""A stored file as an answer: all of it, or the range that a player of sound or a reader of PDF asks for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import BinaryIO

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from chat.files.kinds import BYTES, PDF
from chat.files.storage import PIECE_BYTES
from chat.live.threads import beside_loop
from chat.models import Attachment
from chat.views.csp import seal

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")  # one; whoever asks for several gets all


def served(request: HttpRequest, row: Attachment) -> HttpResponseBase:
    """Images, audio and PDF in their place, or with `?download=1`, like all else, to be saved. Raises: Http404."""
    wanted = _wanted(request, row)
    if wanted is not None and not wanted:
        return seal(HttpResponse(status=416, headers={"Content-Range": f"bytes */{row.size_bytes}"}))
    span = wanted or range(row.size_bytes)
    try:
        file = row.open()
        file.seek(span.start)
        first = file.read(min(PIECE_BYTES, len(span)))
    except FileNotFoundError:
        raise Http404 from None
    is_shown = row.is_shown and request.GET.get("download") != "1"
    response = StreamingHttpResponse(
        _rest(first, file, len(span)),
        status=206 if wanted else 200,
        content_type=row.media_type if row.is_shown else BYTES,
    )
    response["Content-Length"] = str(len(span))
    response["Content-Disposition"] = content_disposition_header(not is_shown, row.name) or "attachment"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = _tag(row)
    if is_shown and row.media_type == PDF:
        # The page's own frame for it. Browsers show no PDF in a frame with a `sandbox` attribute; the answer has one.
        response["X-Frame-Options"] = "SAMEORIGIN"
    if wanted:
        response["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{row.size_bytes}"
    return seal(response)


def _wanted(request: HttpRequest, row: Attachment) -> range | None:
    """The bytes that are asked for; None: all of them; empty: none that there are."""
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if not found or not any(found.groups()) or request.headers.get("If-Range", _tag(row)) != _tag(row):
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, row.size_bytes - int(last)), row.size_bytes)
    return range(int(first), min(int(last) + 1, row.size_bytes) if last else row.size_bytes)


def _tag(row: Attachment) -> str:
    return f'"{row.sha256}"'


async def _rest(first: bytes, file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """So many bytes of the file, read beside the loop."""
    try:
        yield first
        left = size - len(first)
        while left and (piece := await beside_loop(file.read, min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece
    finally:
        await beside_loop(file.close)
