"""The links of a conversation, for its owner: which there are, a new one, taking one back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from chat.actions.share import live_shares, revoke, share
from chat.exceptions import LimitReached, NotFound
from chat.models import Share
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused
from chat.views.body import body_of
from chat.wire.values import iso

DAYS = 30


@require_http_methods(["GET", "POST"])
@owned
def shares(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """The links that work now; POST {"follows": bool, "with_tools": bool, "days": number} makes one."""
    if request.method == "GET":
        rows = live_shares(conversation_of(owner, id))
        return JsonResponse({"shares": [_public(request, row) for row in rows]})
    wanted = {"follows": False, "with_tools": False, "days": DAYS} | body_of(request)
    follows, with_tools, days = wanted["follows"], wanted["with_tools"], wanted["days"]
    if not isinstance(follows, bool) or not isinstance(with_tools, bool) or type(days) is not int:
        return refused("bad_frame", "follows and with_tools are true or false, days is a number.", status=400)
    try:
        made = share(owner, id, follows=follows, with_tools=with_tools, days=days)
    except NotFound as error:
        raise Http404 from error
    except LimitReached as error:
        return refused(error.code, error.details, status=409)
    return JsonResponse(_public(request, made), status=201)


@require_http_methods(["DELETE"])
@owned
def one(request: HttpRequest, owner: Owner, share_id: UUID) -> HttpResponse:
    """Take a link back, for good."""
    try:
        revoke(owner, share_id)
    except NotFound as error:
        raise Http404 from error
    return HttpResponse(status=204)


def _public(request: HttpRequest, row: Share) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "url": request.build_absolute_uri(reverse("chat:shared", args=[row.token])),
        "created": iso(row.created),
        "views": row.views,
        **row.terms(),
    }
