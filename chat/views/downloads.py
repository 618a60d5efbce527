"""What a person takes away: a conversation as a file, the whole of a text that a frame had to cut."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from chat.keeping.export import FORMATS
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused


@require_GET
@owned
def record_text(request: HttpRequest, owner: Owner, id: UUID, message_id: UUID) -> HttpResponse:
    """All of the text of a record that a frame had to cut."""
    record = get_object_or_404(conversation_of(owner, id).messages, id=message_id)
    return _sealed(HttpResponse(record.content, content_type="text/plain; charset=utf-8"))


@require_GET
@owned
def export(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """The conversation as a file: `?format=json` (the default) or `markdown`."""
    row = conversation_of(owner, id)
    try:
        content_type, ending, write = FORMATS[request.GET.get("format", "json")]
    except KeyError:
        return refused("bad_frame", f"A format is one of: {', '.join(FORMATS)}.", status=400)
    response = HttpResponse(write(row), content_type=f"{content_type}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="conversation-{row.id}.{ending}"'
    return _sealed(response)


def _sealed(response: HttpResponse) -> HttpResponse:
    """Have a browser that shows a text of people and models run nothing of it."""
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
