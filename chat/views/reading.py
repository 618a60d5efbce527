"""A conversation to read without the page: by a shared link, and on paper. No script takes part in showing it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import OperationalError, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from chat.actions.share import may_share
from chat.clock import Now
from chat.conf import agents
from chat.models import Attachment, Conversation, Message, Share
from chat.owners import Owner
from chat.views.access import conversation_of, owned
from chat.views.reading_entries import Address, entries, with_files
from chat.views.serving import served
from chat.wire.values import visible

RECORDS_PER_PAGE = 200
MAX_PRINTED = 5_000  # records

SHOWN = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@require_safe
@transaction.non_atomic_requests
@never_cache
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """What a link shows. It asks for no cookie, sets none and reads nothing that belongs to one."""
    share = _live(token)
    if share is None:
        return _gone(request)
    with suppress(OperationalError):  # who reads waits for nobody who writes
        Share.objects.filter(id=share.id).update(views=F("views") + 1, last_viewed=Now())
    row = share.conversation
    page = Paginator(_shown_ids(share), RECORDS_PER_PAGE).get_page(request.GET.get("page"))

    def address_of(id: str) -> str:
        return reverse("chat:shared-file", args=[token, id])

    response = _reading(request, row, page, with_tools=share.with_tools, address_of=address_of, share=share)
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response["Referrer-Policy"] = "no-referrer"
    response["Content-Security-Policy"] = SHOWN
    return response


@require_safe
@transaction.non_atomic_requests
@never_cache
def shared_file(request: HttpRequest, token: str, attachment_id: uuid.UUID) -> HttpResponseBase:
    """A file of one of the records that a link shows."""
    share = _live(token)
    row = share and Attachment.objects.filter(id=attachment_id, conversation=share.conversation).first()
    if not share or not row or not _shows(share, row):
        return _gone(request)
    response = served(request, row)
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return response


def _live(token: str) -> Share | None:
    """The link, if it works."""
    share = Share.objects.live().select_related("conversation").filter(token=token).first()
    return share if share and may_share(agents().get(share.conversation.agent_key)) else None


def _shows(share: Share, file: Attachment) -> bool:
    """Whether a record names the file that the link shows: of whatever turn, as an edited message keeps its files."""
    records = share.conversation.records()
    if not share.with_tools:
        records = records.exclude(kind=Message.Kind.TOOL)  # what a tool's card shows
    named = records.values_list("id", "attachments", "parts", "sources")
    wanted = str(file.id)
    holders = {id for id, *given in named if wanted in _ids_of(*given)}
    return bool(holders) and not holders.isdisjoint(_shown_ids(share))


def _ids_of(given: list[dict[str, Any]], parts: list[dict[str, Any]] | None, sources: list[Any]) -> list[str]:
    return [item["id"] for item in [*given, *(part["attachment"] for part in with_files([*(parts or ()), *sources]))]]


def _shown_ids(share: Share) -> list[uuid.UUID]:
    """The records of the way to the head, of a snapshot those that were there."""
    row = share.conversation
    if share.follows:
        return row.ids_to(row.head)
    there = set(row.records().filter(seq__lte=share.seq).values_list("id", flat=True))
    return [id for id in row.ids_to(share.head) if id in there]


def _gone(request: HttpRequest) -> HttpResponse:
    """Never was, was taken back, is over, or sharing is off: nobody learns which."""
    response = render(request, "chat/reading_gone.html", status=404)
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response["Content-Security-Policy"] = SHOWN
    return response


@require_GET
@owned
def printed(request: HttpRequest, owner: Owner, conversation_id: uuid.UUID) -> HttpResponse:
    """All of the owner's current transcript, for paper: the browser's print dialog opens by itself."""
    row = conversation_of(owner, conversation_id)
    page = Paginator(row.ids_to(row.head), MAX_PRINTED).get_page(1)

    def address_of(id: str) -> str:
        return reverse("chat:attachment", args=[id])

    response = _reading(request, row, page, with_tools=True, address_of=address_of, is_printed=True)
    response["Content-Security-Policy"] = f"{SHOWN}; script-src 'self'"
    return response


def _reading(
    request: HttpRequest,
    row: Conversation,
    page: Page[uuid.UUID],
    *,
    with_tools: bool,
    address_of: Address,
    **context: Any,
) -> HttpResponse:
    context |= {"title": visible(row.title), "agent": row.agent_name, "page": page, "created": row.created}
    shown = list(entries(list(page.object_list), with_tools=with_tools, address_of=address_of))
    response = render(request, "chat/reading.html", {**context, "entries": shown})
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
