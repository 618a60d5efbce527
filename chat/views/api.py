"""The JSON beside the socket, for the page: conversations and their earlier records.

All of it is checked by owner; what is someone else's answers like what does not exist. Session cookie and CSRF token.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.http import require_GET, require_http_methods

from chat.cluster import announce
from chat.cluster.process import this_process
from chat.exceptions import BadFrame
from chat.live.rendering import with_html
from chat.markdown.colours import Patience
from chat.models import Conversation
from chat.models.conversation import NEWEST_RECORDS, listed_as
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused
from chat.views.body import body_of
from chat.wire.values import visible

MAX_RECORDS = 200
MAX_CONVERSATIONS = 100
MAX_FOLDERS = 200


@require_GET
@owned
def conversations(request: HttpRequest, owner: Owner) -> HttpResponse:
    """List the owner's conversations, pinned ones first, then the last used. `?before=ID` goes on after that one;
    `?limit=`; `?archived=1` lists those that were put away, `?folder=` those in a folder.
    """
    limit = _number(request, "limit", 50, MAX_CONVERSATIONS)
    mine = Conversation.objects.listed(owner)
    rows = mine.filter(archived=request.GET.get("archived") == "1").order_by("-pinned", "-updated", "-id")
    if folder := request.GET.get("folder"):
        rows = rows.filter(folder=folder)
    if before := request.GET.get("before"):
        rows = rows.filter(_after(conversation_of(owner, before)))
    page = list(rows[: limit + 1])
    folders = mine.exclude(folder="").order_by("folder").values_list("folder", flat=True).distinct()
    listed = {"conversations": [row.summary() for row in page[:limit]], "more": len(page) > limit}
    return JsonResponse({**listed, "folders": [visible(name) for name in folders[:MAX_FOLDERS]]})


def _after(last: Conversation) -> Q:
    """The rows that a list has after this one. SQLite compares times as texts, and may find one before itself."""
    later = Q(updated__lt=last.updated) | Q(updated=last.updated, id__lt=last.id)
    rest = Q(pinned=False) | Q(pinned=True) & later if last.pinned else Q(pinned=False) & later
    return rest & ~Q(id=last.id)


@require_http_methods(["PATCH", "DELETE"])
@owned
def conversation(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """Change how a conversation is listed (PATCH), or delete it. Deleting is for ever, and stops its agent first."""
    row = conversation_of(owner, id)
    if request.method == "DELETE":
        async_to_sync(this_process.delete)(row, owner)
        return HttpResponse(status=204)
    try:
        changes = _changes(body_of(request))
    except BadFrame as error:
        return refused(error.code, error.details, status=400)
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))
    announce.summary(row, owner)
    return JsonResponse(row.summary())


def _changes(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that are to be changed, checked. Raises: BadFrame."""
    changes: dict[str, Any] = {name: body[name] for name in ("title", "folder", "pinned", "archived") if name in body}
    for name, value in changes.items():
        if not isinstance(value, bool if name in ("pinned", "archived") else str):
            raise BadFrame("title and folder are texts, pinned and archived are true or false.")
        if isinstance(value, str):
            changes[name] = listed_as(name, value)
            if "\x00" in value:
                raise BadFrame("The text holds a NUL character.")
    if not changes or changes.get("title") == "":
        raise BadFrame("A title is a text.")
    return changes


@require_GET
@owned
def records(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """The records before `?before=SEQ`, extended back to the start of a turn; `?limit=`, `?html=1`."""
    row = conversation_of(owner, id)
    before = _number(request, "before", row.newest_seq + 1, row.newest_seq + 1)
    rows = row.newest(_number(request, "limit", NEWEST_RECORDS, MAX_RECORDS), before=before)
    events = [record.event() for record in rows]
    if request.GET.get("html") == "1":
        patience = Patience()
        events = [with_html(event, patience) for event in events]
    return JsonResponse({"records": events, "earlier": bool(rows) and rows[0].seq != 1})


@require_GET
@owned
def token(request: HttpRequest, owner: Owner) -> HttpResponse:
    """The CSRF token, for a page that was opened before the last sign-in and may not read the cookie."""
    return JsonResponse({"token": get_token(request)})


def _number(request: HttpRequest, name: str, default: int, most: int) -> int:
    try:
        return max(1, min(int(request.GET.get(name, default)), most))
    except ValueError:
        return default
