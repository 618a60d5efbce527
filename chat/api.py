"""The JSON beside the socket, for the page: conversations, their earlier records, and the health of the process.

All of it is checked by owner; what is someone else's answers like what does not exist. Session cookie and CSRF token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from chat import download
from chat.backlog import with_html
from chat.bridge import SEND_SECONDS
from chat.exceptions import BadFrame, TooLarge
from chat.models import NEWEST_RECORDS, Conversation
from chat.owners import Owner, owner_of_request
from chat.process import here
from chat.protocol import load

MAX_RECORDS = 200
MAX_CONVERSATIONS = 100
TITLE_CHARS = 200

View = Callable[..., HttpResponse]


def owned(view: View) -> View:
    """Call the view with the owner; people who may not chat get 401."""

    @never_cache
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        owner = owner_of_request(request)
        if owner is None:
            return _error("unauthorized", "Please sign in.", status=401)
        try:
            return view(request, owner, *args, **kwargs)
        except Http404:
            return _error("not_found", "There is no such conversation.", status=404)

    return checked


@require_GET
@owned
def conversations(request: HttpRequest, owner: Owner) -> HttpResponse:
    """List the owner's conversations, the last used first. `?before=ID` goes on after that one; `?limit=`."""
    limit = _number(request, "limit", 50, MAX_CONVERSATIONS)
    rows = Conversation.objects.for_owner(owner).order_by("-updated", "-id")
    if before := request.GET.get("before"):
        last = _conversation(owner, before)
        rows = rows.filter(Q(updated__lt=last.updated) | Q(updated=last.updated, id__lt=last.id))
    page = list(rows[: limit + 1])
    return JsonResponse({"conversations": [row.summary() for row in page[:limit]], "more": len(page) > limit})


@require_http_methods(["PATCH", "DELETE"])
@owned
def conversation(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """Rename (PATCH {"title": text}) or delete a conversation. Deleting is for ever, and stops its agent first."""
    row = _conversation(owner, id)
    if request.method == "DELETE":
        async_to_sync(here.delete)(row, owner)
        return HttpResponse(status=204)
    title = _body(request).get("title")
    if not isinstance(title, str) or not title.strip() or "\x00" in title:
        return _error("bad_frame", "A title is a text.", status=400)
    row.title = title.strip()[:TITLE_CHARS]
    row.save(update_fields=["title"])
    here.summary_changed(row, owner)
    return JsonResponse(row.summary())


@require_GET
@owned
def records(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """The records before `?before=SEQ`, extended back to the start of a turn; `?limit=`, `?html=1`."""
    row = _conversation(owner, id)
    before = _number(request, "before", row.newest_seq + 1, row.newest_seq + 1)
    rows = row.newest(_number(request, "limit", NEWEST_RECORDS, MAX_RECORDS), before=before)
    events = [record.event() for record in rows]
    if request.GET.get("html") == "1":
        events = [with_html(event) for event in events]
    return JsonResponse({"records": events, "earlier": bool(rows) and rows[0].seq > 1})


@require_GET
@owned
def record_text(request: HttpRequest, owner: Owner, id: UUID, message_id: UUID) -> HttpResponse:
    """All of the text of a record that a frame had to cut."""
    record = get_object_or_404(_conversation(owner, id).messages, id=message_id)
    return _sealed(HttpResponse(record.content, content_type="text/plain; charset=utf-8"))


@require_GET
@owned
def export(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """The conversation as a file: `?format=json` (the default) or `markdown`."""
    row = _conversation(owner, id)
    try:
        content_type, ending, write = download.FORMATS[request.GET.get("format", "json")]
    except KeyError:
        return _error("bad_frame", f"A format is one of: {', '.join(download.FORMATS)}.", status=400)
    response = HttpResponse(write(row), content_type=f"{content_type}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="conversation-{row.id}.{ending}"'
    return _sealed(response)


@require_GET
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@require_GET
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 while the process takes new connections: database and channel layer answer, and it is not shutting down."""
    problems = [name for name, check in _CHECKS.items() if not check()]
    if problems:
        return JsonResponse({"status": "not ready", "problems": problems}, status=503)
    return JsonResponse({"status": "ok"})


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # whatever the driver raises, the answer is no
        return False
    return True


def _layer_answers() -> bool:
    try:
        async_to_sync(_send_to_nobody)()
    except Exception:  # whatever the layer raises, the answer is no
        return False
    return True


async def _send_to_nobody() -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await get_channel_layer().group_send("chat.ready", {"type": "chat.ready"})


_CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database_answers,
    "channel layer": _layer_answers,
    "shutting down": lambda: not here.is_draining,
}


def _sealed(response: HttpResponse) -> HttpResponse:
    """Have a browser that shows a text of people and models run nothing of it."""
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _conversation(owner: Owner, id: UUID | str) -> Conversation:
    try:
        return Conversation.objects.for_owner(owner).get(id=UUID(str(id)))
    except (Conversation.DoesNotExist, ValueError):
        raise Http404 from None


def _number(request: HttpRequest, name: str, default: int, most: int) -> int:
    try:
        return max(1, min(int(request.GET.get(name, default)), most))
    except ValueError:
        return default


def _body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that was sent; {} for anything else."""
    try:
        return load(request.body.decode())
    except (BadFrame, TooLarge, UnicodeDecodeError):
        return {}


def _error(code: str, details: str, *, status: int) -> JsonResponse:
    return JsonResponse({"error": code, "details": details}, status=status)
