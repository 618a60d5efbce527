"""Files that people and agents give each other, each for its owner alone.

What is not sure to be harmless is a download of bytes without a type; nothing of a file runs in the site's name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import BinaryIO
from uuid import UUID

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from chat.files.kinds import BYTES
from chat.files.storage import PIECE_BYTES
from chat.live.threads import beside_loop
from chat.models import Attachment
from chat.owners import Owner
from chat.views.access import owned
from chat.views.csp import seal


@require_GET
@owned
def attachment(request: HttpRequest, owner: Owner, attachment_id: UUID) -> HttpResponseBase:
    """The file. Images, audio and PDF in their place, or with `?download=1`, like all else, to be saved."""
    row = get_object_or_404(Attachment.objects.for_owner(owner), id=attachment_id)
    try:
        file = row.open()
        first = file.read(PIECE_BYTES)
    except FileNotFoundError:
        raise Http404 from None
    is_shown = row.is_shown and request.GET.get("download") != "1"
    response = StreamingHttpResponse(_rest(first, file), content_type=row.media_type if row.is_shown else BYTES)
    response["Content-Length"] = str(row.size_bytes)
    response["Content-Disposition"] = content_disposition_header(not is_shown, row.name) or "attachment"
    return seal(response)


async def _rest(first: bytes, file: BinaryIO) -> AsyncIterator[bytes]:
    """The file, read beside the loop."""
    try:
        yield first
        while piece := await beside_loop(file.read, PIECE_BYTES):
            yield piece
    finally:
        await beside_loop(file.close)
