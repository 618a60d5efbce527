"""Where a socket comes from: whether its Host is the site's, and its Origin a page that may open it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from chat.conf import conf

Scope = Mapping[str, Any]  # of ASGI, of a socket or of a request

MAX_HEADER_CHARS = 300  # a longer one is cut, and is none of ours then
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def header(scope: Scope, name: bytes) -> str | None:
    """The header of that name, in lower case; None: there is none."""
    value = dict(scope["headers"]).get(name)
    return None if value is None else value.decode("latin-1")[:MAX_HEADER_CHARS]


def _host(scope: Scope) -> str:
    """The name by which people ask for the site, where Django would look for it."""
    forwarded = header(scope, b"x-forwarded-host") if settings.USE_X_FORWARDED_HOST else None
    return forwarded or header(scope, b"host") or ""


def is_host_allowed(scope: Scope) -> bool:
    """Apply ALLOWED_HOSTS, which Django checks for HTTP only."""
    request = HttpRequest()
    request.META = {"HTTP_HOST": _host(scope), "SERVER_NAME": "", "SERVER_PORT": "80"}
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def is_allowed(origin: str, scope: Scope) -> bool:
    """Whether a page of this origin may open a socket of this site."""
    given = _parts(origin)
    if given is None:
        return False
    if settings.DEBUG and conf.COMPATIBLE_PROFILE and given[1] in THIS_MACHINE:
        return True  # an older page comes from its own development server, at whatever port
    return given == _parts(own_origin(scope)) or given in {_parts(allowed) for allowed in conf.ALLOWED_ORIGINS}


def own_origin(scope: Scope) -> str:
    """The origin of the site's own pages, as far as this server knows."""
    scheme = "https" if scope.get("scheme") in ("wss", "https") or _is_secure(scope) else "http"
    return f"{scheme}://{_host(scope)}"


def _is_secure(scope: Scope) -> bool:
    """True if the proxy says, by SECURE_PROXY_SSL_HEADER, that the browser speaks TLS."""
    if not settings.SECURE_PROXY_SSL_HEADER:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER
    told = header(scope, name.removeprefix("HTTP_").replace("_", "-").lower().encode())
    return (told or "").split(",")[0].strip() == value


def _parts(text: str) -> tuple[str, str, int] | None:
    """(scheme, host, port); None for "null" and for what is no origin."""
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname, port
