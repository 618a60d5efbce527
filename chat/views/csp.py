"""The Content-Security-Policy of the chat's pages.

The app sets it itself, so that a project which installs it needs no middleware for it and cannot weaken it by accident;
django-csp leaves an answer alone that already has a policy.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TypeVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase

Response = TypeVar("Response", bound=HttpResponseBase)

POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'nonce-{nonce}'",  # the nonce is for the import map, the page's only inline script
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
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


def protect(response: HttpResponse, nonce: str, *, ancestors: Iterable[str] = ()) -> HttpResponse:
    """Give `response` the policy, and the headers that go with it. `ancestors`: origins that may show it in a frame."""
    directives = POLICY | {"frame-ancestors": " ".join(ancestors) or POLICY["frame-ancestors"]}
    policy = "; ".join(f"{directive} {sources}" for directive, sources in directives.items())
    response["Content-Security-Policy"] = policy.format(nonce=nonce)
    response["Cross-Origin-Opener-Policy"] = "same-origin"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Referrer-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def seal(response: Response) -> Response:
    """Have a browser that shows what people and models have made run nothing of it."""
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response
