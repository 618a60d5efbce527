"""Files that people and agents give each other, each for its owner alone.

What is not sure to be harmless is a download of bytes without a type; nothing of a file runs in the site's name.
"""

from __future__ import annotations

import logging
import tempfile
from typing import IO, BinaryIO, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from chat.actions.attach import accept_file, take_back
from chat.exceptions import BadFrame, ChatError, Internal, LimitReached, NotFound, TooLarge
from chat.files.storage import PIECE_BYTES, check_size
from chat.models import Attachment
from chat.owners import Owner
from chat.views.access import owned, refused
from chat.views.serving import served
from chat.wire.records import attachment as described

logger = logging.getLogger(__name__)

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
    except OSError:  # a full disk, or a storage that is away
        logger.exception("a file could not be kept")
        refusal = Internal("The file could not be kept on the server. Try again later.")
        return refused(refusal.code, refusal.details, status=507)
    return JsonResponse(described(row.description()), status=201)


def _receive(request: HttpRequest, file: IO[bytes]) -> None:
    """Copy the body piece by piece. Raises: TooLarge, BadFrame."""
    told = request.headers.get("Content-Length", "")
    check_size(int(told) if told.isascii() and told.isdigit() else 0)
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
        return served(request, get_object_or_404(Attachment.objects.for_owner(owner), id=attachment_id))
    try:
        take_back(owner, attachment_id)
    except NotFound:
        raise Http404 from None
    return HttpResponse(status=204)
