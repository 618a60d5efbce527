"""Files that people and agents give each other, each for its owner alone.

What is not sure to be harmless is a download of bytes without a type; nothing of a file runs in the site's name.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from typing import IO, BinaryIO, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST

from chat.actions.attach import accept_file, take_back
from chat.exceptions import BadFrame, ChatError, Internal, LimitReached, NotFound, TooLarge
from chat.files.kinds import BYTES
from chat.files.storage import PIECE_BYTES, check_size
from chat.live.threads import beside_loop
from chat.models import Attachment
from chat.owners import Owner
from chat.views.access import owned, refused
from chat.views.csp import seal
from chat.wire.records import attachment as described

IN_MEMORY_BYTES = 2**20  # of an upload; what is more lies in a temporary file
STATUSES = {TooLarge: 413, BadFrame: 400, LimitReached: 403, NotFound: 404, Internal: 500}
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")  # what a page of another site may send


@require_POST
@owned
def attachments(request: HttpRequest, owner: Owner) -> HttpResponseBase:
    """Take a file: the body as it is, `?name=`. It waits for the message that names its id."""
    if request.content_type in FORMS:
        return refused("bad_frame", "The body is the file, and no form.", status=415)
    try:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
            _receive(request, file)
            row = accept_file(owner, cast(BinaryIO, file), name=request.GET.get("name", ""))
    except ChatError as error:
        return refused(error.code, error.details, status=STATUSES.get(type(error), 400))
    return JsonResponse(described(row.description()), status=201)


def _receive(request: HttpRequest, file: IO[bytes]) -> None:
    """Copy the body piece by piece. Raises: TooLarge, BadFrame."""
    check_size(int(request.headers.get("Content-Length") or 0))
    while piece := request.read(PIECE_BYTES):
        file.write(piece)
        check_size(file.tell())
    if not file.tell():
        raise BadFrame("The file is empty.")


@require_http_methods(["GET", "HEAD", "DELETE"])
@owned
def attachment(request: HttpRequest, owner: Owner, attachment_id: UUID) -> HttpResponseBase:
    """The file; DELETE takes one back that no message has taken."""
    if request.method != "DELETE":
        return _file(request, owner, attachment_id)
    try:
        take_back(owner, attachment_id)
    except NotFound:
        raise Http404 from None
    return HttpResponse(status=204)


def _file(request: HttpRequest, owner: Owner, attachment_id: UUID) -> HttpResponseBase:
    """Images, audio and PDF in their place, or with `?download=1`, like all else, to be saved."""
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
