"""The websocket application: the chat's sockets from exact origins; every other socket is the project's own.

application = get_asgi_application()  # loads the apps, so it comes first
from chat.routing import with_chat
application = with_chat(application)

A project that has sockets gives `with_chat` its own `ProtocolTypeRouter`, or puts `websocket_urlpatterns` among its
routes.
"""

from __future__ import annotations

import logging
import sys
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.urls import Resolver404, re_path, resolve
from django.utils import translation

from chat.cluster.process import warm_soon
from chat.conf import conf
from chat.consumers import ChatConsumer
from chat.mends import known
from chat.mends.mend import look_at
from chat.paths import path_in_site
from chat.views.page import socket

logger = logging.getLogger(__name__)

MAX_LOGGED_CHARS = 300  # of a header
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Refuse(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Refuses the handshake with 403."""

    async def connect(self) -> None:
        await self.close()


class ExactOrigin:
    """Lets a socket through only from a page of this site, or of `CHAT_ALLOWED_ORIGINS`: scheme, host and port alike.

    Programs that send no Origin are no browsers and carry no user's cookies by themselves: they pass.
    Channels' own validator lets any scheme and any port of an allowed host pass.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._refuse = Refuse.as_asgi()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if not _is_host_allowed(scope, headers):
            logger.warning("a socket is refused: its Host %r is not in ALLOWED_HOSTS", _text(headers, b"host"))
        elif origin is not None and not _is_origin_allowed(scope, headers, origin):
            expected = ", ".join([_own(scope, headers), *conf.ALLOWED_ORIGINS])
            told = "a socket is refused: its Origin is %r, expected is %s; others are named in CHAT_ALLOWED_ORIGINS"
            logger.warning(told, _text(headers, b"origin"), expected)
        else:
            await self._application(scope, receive, send)
            return
        await self._refuse(scope, receive, send)


def _is_host_allowed(scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
    """Apply ALLOWED_HOSTS, which Django checks for HTTP only."""
    request = HttpRequest()
    request.META = {"HTTP_HOST": headers.get(b"host", b"").decode("latin-1"), "SERVER_NAME": "", "SERVER_PORT": "80"}
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _is_origin_allowed(scope: dict[str, Any], headers: dict[bytes, bytes], origin: bytes) -> bool:
    given = _origin(origin.decode("latin-1"))
    if given is None:
        return False
    if settings.DEBUG and conf.COMPATIBLE_PROFILE and given[1] in THIS_MACHINE:
        return True  # an older page comes from its own development server, at whatever port
    own = _origin(_own(scope, headers))
    return given == own or given in {_origin(allowed) for allowed in conf.ALLOWED_ORIGINS}


def _own(scope: dict[str, Any], headers: dict[bytes, bytes]) -> str:
    """The origin of the site's own pages."""
    scheme = "https" if scope.get("scheme") in ("wss", "https") or _is_secure(headers) else "http"
    return f"{scheme}://{_text(headers, b'host')}"


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")[:MAX_LOGGED_CHARS]


def _is_secure(headers: dict[bytes, bytes]) -> bool:
    """True if the proxy says, by SECURE_PROXY_SSL_HEADER, that the browser speaks TLS."""
    if not settings.SECURE_PROXY_SSL_HEADER:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER
    header = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
    return headers.get(header, b"").decode("latin-1").split(",")[0].strip() == value


def _origin(text: str) -> tuple[str, str, int] | None:
    """(scheme, host, port); None for "null" and for what is no origin."""
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname, port


chat_socket: Any = ExactOrigin(ChatConsumer.as_asgi())  # Any: `re_path` asks for a view

# Where the site's root is, or for a `URLRouter` of the project's own. `/ws` is for pages of the compatible profile.
websocket_urlpatterns = [re_path(r"^ws/chat/?$", chat_socket), re_path(r"^ws/?$", chat_socket)]


class Sockets:
    """The chat's sockets wherever `chat.urls` is included; others go to `others`."""

    def __init__(self, others: Any) -> None:
        self._others = others

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        application = chat_socket if _is_of_chat(path_in_site(scope)) else self._others
        await application(scope, receive, send)


def _is_of_chat(path: str) -> bool:
    """True for the root's sockets, the path that CHAT_SOCKET_PATH names, and beside the chat's page."""
    if any(route.pattern.match(path.lstrip("/")) for route in websocket_urlpatterns):
        return True
    if conf.SOCKET_PATH:
        return path_in_site({"path": conf.SOCKET_PATH}) == path
    with translation.override(translation.get_language_from_path(path)):  # `i18n_patterns` asks for it
        try:
            return resolve(path).func is socket
        except Resolver404:
            return False


websocket_application = Sockets(Refuse.as_asgi())


def with_chat(application: Any) -> ProtocolTypeRouter:
    """Return `application` with the chat's sockets beside it. For a server's entry point.

    `application` is a project's own for HTTP, or a `ProtocolTypeRouter`, whose other sockets stay as they are.

    The agent library is imported in the background, a second later: the first page does not wait for it.
    """
    look_at(known.MENDS)
    if "daphne.ws_protocol" in sys.modules:  # what serves, or may serve; it loads all of Twisted
        from chat.mends.daphne_close import close_patiently

        close_patiently()
    warm_soon()
    own = application.application_mapping if isinstance(application, ProtocolTypeRouter) else {"http": application}
    sockets = Sockets(own["websocket"]) if "websocket" in own else websocket_application
    return ProtocolTypeRouter({**own, "websocket": sockets})
