"""The JSON beside the socket, for the page: conversations and their earlier records.

All of it is checked by owner; what is someone else's answers like what does not exist. Session cookie and CSRF token.
"""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.http import require_GET, require_http_methods

from chat.cluster import announce
from chat.cluster.process import this_process
from chat.live.rendering import with_html
from chat.markdown.colours import Patience
from chat.models import Conversation
from chat.models.conversation import NEWEST_RECORDS
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused
from chat.views.body import body_of

MAX_RECORDS = 200
MAX_CONVERSATIONS = 100
TITLE_CHARS = 200


@require_GET
@owned
def conversations(request: HttpRequest, owner: Owner) -> HttpResponse:
    """List the owner's conversations, the last used first. `?before=ID` goes on after that one; `?limit=`."""
    limit = _number(request, "limit", 50, MAX_CONVERSATIONS)
    rows = Conversation.objects.listed(owner).order_by("-updated", "-id")
    if before := request.GET.get("before"):
        last = conversation_of(owner, before)
        rows = rows.filter(Q(updated__lt=last.updated) | Q(updated=last.updated, id__lt=last.id))
    page = list(rows[: limit + 1])
    return JsonResponse({"conversations": [row.summary() for row in page[:limit]], "more": len(page) > limit})


@require_http_methods(["PATCH", "DELETE"])
@owned
def conversation(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """Rename (PATCH {"title": text}) or delete a conversation. Deleting is for ever, and stops its agent first."""
    row = conversation_of(owner, id)
    if request.method == "DELETE":
        async_to_sync(this_process.delete)(row, owner)
        return HttpResponse(status=204)
    title = body_of(request).get("title")
    if not isinstance(title, str) or not title.strip() or "\x00" in title:
        return refused("bad_frame", "A title is a text.", status=400)
    row.title = title.strip()[:TITLE_CHARS]
    row.save(update_fields=["title"])
    announce.summary(row, owner)
    return JsonResponse(row.summary())


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
