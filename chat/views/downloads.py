"""What a person takes away: a conversation as a file, the whole of a text that a frame had to cut."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from chat.exceptions import Busy
from chat.keeping.archive import to_zip
from chat.keeping.export import to_json, to_markdown
from chat.live.threads import in_thread
from chat.models import Conversation
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused
from chat.views.csp import seal

Pieces = Iterator[str | bytes]

# Media type, ending of the file's name, and who writes it.
FORMATS: dict[str, tuple[str, str, Callable[[Conversation], Pieces]]] = {
    "json": ("application/json; charset=utf-8", "json", to_json),
    "markdown": ("text/markdown; charset=utf-8", "md", to_markdown),
    "zip": ("application/zip", "zip", to_zip),
}
ABANDONED_SECONDS = 30.0  # an export that did not go on for so long has nobody who reads it


@require_GET
@owned
def record_text(request: HttpRequest, owner: Owner, id: UUID, message_id: UUID) -> HttpResponse:
    """All of the text of a record that a frame had to cut."""
    record = get_object_or_404(conversation_of(owner, id).messages, id=message_id)
    return seal(HttpResponse(record.content, content_type="text/plain; charset=utf-8"))


@require_GET
@owned
def export(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponseBase:
    """The conversation as a file: `?format=json` (the default), `markdown`, or `zip` with its attachments."""
    row = conversation_of(owner, id)
    try:
        content_type, ending, write = FORMATS[request.GET.get("format", "json")]
    except KeyError:
        return refused("bad_frame", f"A format is one of: {', '.join(FORMATS)}.", status=400)
    try:
        pieces = _exports.begin(owner.id, write(row))
    except Busy as error:
        return refused(error.code, error.details, status=429)
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="conversation-{row.id}.{ending}"'
    return seal(response)


class _Exports:
    """The exports that are being written: one of each owner at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, tuple[object, float]] = {}  # the export of each owner, and when it last went on

    def begin(self, owner: str, pieces: Pieces) -> AsyncIterator[str | bytes]:
        """Return the pieces of the owner's export, each made beside the loop. Raises: Busy."""
        name = object()
        with self._lock:
            _, went_on = self._steps.get(owner, (None, -math.inf))
            if time.monotonic() - went_on < ABANDONED_SECONDS:
                raise Busy("Another export of yours is still being written.")
            self._steps[owner] = name, time.monotonic()
        return self._pieces(owner, name, pieces)

    async def _pieces(self, owner: str, name: object, pieces: Pieces) -> AsyncIterator[str | bytes]:
        try:
            while (piece := await in_thread(next, pieces, None)) is not None:
                with self._lock:
                    self._steps[owner] = name, time.monotonic()
                yield piece
        finally:
            with self._lock:
                if self._steps.get(owner, (None, 0))[0] is name:
                    del self._steps[owner]


_exports = _Exports()
