"""The Content-Security-Policy of the chat's pages.

The app sets it itself, so that a project which installs it needs no middleware for it and cannot weaken it by accident;
django-csp leaves an answer alone that already has a policy.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TypeVar

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from chat.conf import conf
from chat.look import origin_of, other_hosts

Response = TypeVar("Response", bound=HttpResponseBase)

POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'nonce-{nonce}'",  # the nonce is for the import map, the page's only inline script
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "frame-src": "'self'",  # for PDF; the file's own answer says that it may be framed, and is sandboxed (`seal`)
    "manifest-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "chat-html",  # made once, in static/chat/html.js
}


def new_nonce() -> str:
    """Return a value that one answer uses once."""
    return secrets.token_urlsafe(16)


def protect(response: HttpResponse, nonce: str, *, ancestors: Iterable[str] | None = None) -> HttpResponse:
    """Give `response` the policy, and the headers that go with it.

    `ancestors`: origins that may show it in a frame, instead of CHAT_FRAME_ANCESTORS.
    """
    framing = list(conf.FRAME_ANCESTORS if ancestors is None else ancestors)
    directives = {**POLICY, **_of_this_project()}
    if framing:
        directives["frame-ancestors"] = " ".join(framing)
        response.xframe_options_exempt = True  # the older header knows no list
    policy = "; ".join(f"{directive} {sources}" for directive, sources in directives.items())
    response["Content-Security-Policy"] = policy.format(nonce=nonce)
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Referrer-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _of_this_project() -> dict[str, str]:
    """The directives that its settings widen."""
    hosts = "".join(f" {host}" for host in other_hosts())
    widened = {name: POLICY[name] + hosts for name in ("script-src", "style-src", "img-src", "font-src") if hosts}
    if after := origin_of(resolve_url(settings.LOGOUT_REDIRECT_URL or "/")):
        widened["form-action"] = f"{POLICY['form-action']} {after}"  # Chromium looks where a form is sent on to
    return widened


def seal(response: Response) -> Response:
    """Have a browser that shows what people and models have made run nothing of it."""
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response
