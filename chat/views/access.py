"""Who may: every view of the page's data is called with the owner, and finds nothing that is someone else's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from chat.actions.away import refusal
from chat.mends.locks import AWAY, reason_of
from chat.models import Conversation
from chat.owners import Owner, has_access, owner_of_request

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]


def owned(view: View) -> View:
    """Call the view with the owner; people who may not chat get 401.

    What the view stores it commits itself, also in a project with ATOMIC_REQUESTS: an agent's thread may wait for it.
    """

    @csrf_exempt  # but for a cookie's owner, see below
    @transaction.non_atomic_requests
    @never_cache
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not has_access(request) and (forbidden := _needs_token(request)):
            return forbidden
        owner = owner_of_request(request)
        if owner is None:
            return refused("unauthorized", "Please sign in.", status=401)
        try:
            return view(request, owner, *args, **kwargs)
        except Http404:
            return refused("not_found", "There is no such conversation.", status=404)
        except AWAY as error:  # as on the socket
            logger.warning("a request was refused: %s", reason_of(error))
            refuses = refusal(error)
            return refused(refuses.code, refuses.details, status=503)

    return checked


class _Passed(HttpResponse):
    """Of a request whose token is right. Anything else is CSRF_FAILURE_VIEW's, with whatever status it gives."""


@csrf_protect
def _token_is_right(request: HttpRequest) -> HttpResponse:
    return _Passed()


def _needs_token(request: HttpRequest) -> HttpResponse | None:
    """The answer to a request that carries its owner's cookie and not the CSRF token; None: it has all it needs."""
    if isinstance(_token_is_right(request), _Passed):
        return None
    return refused("csrf", "The CSRF token is missing or wrong: load the page again.", status=403)


def conversation_of(owner: Owner, id: UUID | str) -> Conversation:
    """The owner's conversation. Raises: Http404."""
    try:
        return Conversation.objects.for_owner(owner).get(id=UUID(str(id)))
    except (Conversation.DoesNotExist, ValueError):
        raise Http404 from None


def refused(code: str, details: str, *, status: int) -> JsonResponse:
    """The answer of a view that does not do what was asked, and why."""
    return JsonResponse({"error": code, "details": details}, status=status)
