"""The chat page. It is one template for a new conversation and for a stored one; the socket brings everything else."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.conf import AgentSpec, agents, conf, default_agent
from chat.models import Conversation
from chat.owners import Owner, new_visitor, owner_of_request, remember
from chat.views.csp import new_nonce, protect

THEME_COOKIE = "chat_theme"  # set by the page (theme.js), read here so that the first paint has the right colours
THEMES = ("light", "dark")


@require_safe
@never_cache
def page(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """Show the chat page; send people who may not chat to the sign-in page.

    Raises: Http404 for a conversation that does not exist or is someone else's.
    """
    owner = owner_of_request(request)
    if owner is None and not conf.ALLOW_ANONYMOUS:
        return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
    title = _title(owner, conversation_id) if conversation_id else ""
    nonce = new_nonce()
    context = {"nonce": nonce, "conversation_id": conversation_id or "", "title": title, **_context(request)}
    response = render(request, "chat/page.html", context)
    if owner is None:
        remember(response, new_visitor()[1])
    return protect(response, nonce)


def _title(owner: Owner | None, conversation_id: UUID) -> str:
    conversations = Conversation.objects.for_owner(owner) if owner else Conversation.objects.none()
    return get_object_or_404(conversations.only("title"), id=conversation_id).title


def _context(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(THEME_COOKIE)
    return {
        "theme": theme if theme in THEMES else "",
        "agents": json.dumps([_public(agent) for agent in agents().values()]),
        "default_agent": default_agent().key,
        "max_message_chars": conf.MAX_MESSAGE_CHARS,
        "account": request.user if request.user.is_authenticated else None,
        "sign_in_url": resolve_url(settings.LOGIN_URL),
        "sign_out_url": _reverse("logout"),
        "password_url": _reverse("password_change"),
        "admin_url": _reverse("admin:index") if request.user.is_staff else "",
    }


def _public(agent: AgentSpec) -> dict[str, Any]:
    """Return what a page may know of an agent: neither the factory nor its options."""
    return {
        "key": agent.key,
        "name": agent.name,
        "description": agent.description,
        "avatar": agent.avatar,
        "greeting": agent.greeting,
        "starters": list(agent.starters),
    }


def _reverse(name: str) -> str:
    """Return the address of a page that the project may have, or "" where it has none."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
