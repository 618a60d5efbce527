"""The chat page. It is one template for a new conversation and for a stored one; the socket brings everything else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.actions.share import may_share
from chat.addresses import address_of_request
from chat.conf import AgentSpec, agents, conf, default_agent
from chat.connection.strangers import strangers
from chat.exceptions import RateLimited
from chat.models import Conversation
from chat.owners import Owner, new_visitor, owner_of_request, remember, renewed
from chat.views.csp import new_nonce, protect
from chat.views.sign_in import TAKEN
from chat.wire.values import visible
from chat.words import page_words

THEME_COOKIE = "chat_theme"  # set by the page (theme.js), read here so that the first paint has the right colours
THEMES = ("light", "dark")


@require_safe
@transaction.non_atomic_requests
@never_cache
def page(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """Show the chat page; send people who may not chat to the sign-in page.

    Raises: Http404 for a conversation that does not exist or is someone else's.
    """
    owner = owner_of_request(request)
    here = _address_of(conversation_id)
    if owner is None and not conf.ALLOW_ANONYMOUS:
        return redirect_to_login(here + _wished(request), resolve_url(settings.LOGIN_URL))
    if owner is None:
        try:
            strangers.check_new(address_of_request(request))
        except RateLimited as error:
            return HttpResponse(
                f"{error.details}\n", status=429, content_type="text/plain", headers={"Retry-After": "30"}
            )
    title = _title(owner, conversation_id) if conversation_id else ""
    nonce = new_nonce()
    own = {"nonce": nonce, "here": here, "conversation_id": conversation_id or "", "title": title}
    context = {**own, **_context(request)}
    response = render_page(request, context)
    if owner is None:
        remember(response, new_visitor()[1])
    elif cookie := renewed(request.COOKIES):
        remember(response, cookie)
    return protect(response, nonce)


def _address_of(conversation_id: UUID | None) -> str:
    """Where the browser is. `request.path` has no prefix where a proxy takes it away."""
    return reverse("chat:conversation", args=[conversation_id]) if conversation_id else reverse("chat:page")


def _wished(request: HttpRequest) -> str:
    """What a link wants of a new conversation (`?agent=KEY&q=text`), as a query for after the sign-in."""
    wished = {name: request.GET[name] for name in ("agent", "q") if name in request.GET}
    return f"?{urlencode(wished)}" if wished else ""


def _title(owner: Owner | None, conversation_id: UUID) -> str:
    conversations = Conversation.objects.for_owner(owner) if owner else Conversation.objects.none()
    return visible(get_object_or_404(conversations.only("title"), id=conversation_id).title)


def _context(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(THEME_COOKIE)
    return shown_of(agents().values(), default_agent()) | {
        "theme": theme if theme in THEMES else "",
        "may_be_temporary": conf.TEMPORARY,
        "csrf_cookie": _readable_csrf_cookie(),
        "csrf_header": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
        "taken": request.session.pop(TAKEN, 0) if request.user.is_authenticated else 0,
        "account": request.user if request.user.is_authenticated else None,
        "sign_in_url": _sign_in_url(),
        "sign_out_url": _reverse("logout", "account_logout"),
        "password_url": _reverse("password_change", "account_change_password"),
        "admin_url": _reverse("admin:index") if request.user.is_staff else "",
    }


def _readable_csrf_cookie() -> str:
    """The cookie that the page finds the token of now in, or "": one of the same name would be another project's."""
    return "" if settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY else settings.CSRF_COOKIE_NAME


def render_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The page in the request's language, or whole in English where there is no translation of it."""
    language, is_rtl, words = page_words()
    with override(language):
        context = {**context, "language": language, "is_rtl": is_rtl, "words": words}
        return render(request, "chat/page.html", context)


def shown_of(specs: Iterable[AgentSpec], default: AgentSpec) -> dict[str, Any]:
    """What the page is told of these agents and of the site, whoever looks at it."""
    return {
        "agents": json.dumps([_public(agent) for agent in specs]),
        "default_agent": default.key,
        "max_message_chars": conf.MAX_MESSAGE_CHARS,
        "max_files": conf.MAX_ATTACHMENTS,
        "max_file_bytes": conf.MAX_ATTACHMENT_BYTES,
        "socket_path": conf.SOCKET_PATH or reverse("chat:socket").rstrip("/") + "/",
    }


def _public(agent: AgentSpec) -> dict[str, Any]:
    """Return what a page may know of an agent: neither the factory nor its options."""
    return {
        "key": agent.key,
        "name": agent.name,
        "description": agent.description,
        "group": agent.group,
        "avatar": agent.avatar,
        "greeting": agent.greeting,
        "opens": bool(agent.opening),
        "starters": list(agent.starters),
        "share": may_share(agent),
        "feedback": agent.feedback,
        "commands": [{name.lower(): text for name, text in command.items()} for command in agent.commands],
        "has_settings": bool(agent.settings),
        "show": {name.lower(): how for name, how in agent.show.items()},
        "styles": {name: {key.lower(): value for key, value in style.items()} for name, style in agent.styles.items()},
    }


def _reverse(*names: str) -> str:
    """Return the address of the first of these pages that the project has (Django's, then allauth's), or ""."""
    for name in names:
        with suppress(NoReverseMatch):
            return reverse(name)
    return ""


def _sign_in_url() -> str:
    """Return where people sign in, or "" where LOGIN_URL, which is `/accounts/login/` by default, leads nowhere."""
    try:
        address = resolve_url(settings.LOGIN_URL)
        if not urlsplit(address).netloc:
            resolve("/" + urlsplit(address).path.removeprefix(get_script_prefix()).lstrip("/"))
    except (NoReverseMatch, Resolver404):
        return ""
    return address
