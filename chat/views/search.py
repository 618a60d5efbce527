"""Search over the owner's conversations, as somebody types."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from chat.owners import Owner
from chat.search.find import Found, Hit, find
from chat.views.access import owned
from chat.wire.values import iso, text_or_none, visible

MAX_QUERY_CHARS = 200


@require_GET
@owned
def search(request: HttpRequest, owner: Owner) -> HttpResponse:
    """What is found of `?q=`. With an empty one the index catches up alone, so that the next answer is quick."""
    return JsonResponse(_public(find(owner, request.GET.get("q", "")[:MAX_QUERY_CHARS].replace("\x00", ""))))


def _public(found: Found) -> dict[str, Any]:
    return {
        "hits": [_hit(hit) for hit in found.hits],
        "titles": [row.summary() for row in found.titles],
        "complete": found.is_complete,
        "has_index": found.has_index,
    }


def _hit(hit: Hit) -> dict[str, Any]:
    message = hit.message
    return {
        "conversation": str(message.conversation_id),
        "title": visible(message.conversation.title),
        "message_id": str(message.id),
        "turn": text_or_none(message.turn),
        "seq": message.seq,
        "sender": message.kind,
        "agent": message.agent,
        "timestamp": iso(message.created),
        "passage": hit.passage,
        "current": hit.is_current,
    }
