"""The websocket application: the chat's sockets from exact origins; every other socket is the project's own.

application = get_asgi_application()  # loads the apps, so it comes first
from chat.routing import with_chat
application = with_chat(application)

A project that has sockets gives `with_chat` its own `ProtocolTypeRouter`, wrapped in whatever it likes, or puts
`websocket_urlpatterns` among its routes.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.urls import Resolver404, re_path, resolve
from django.utils import translation

from chat.cluster.process import warm_soon
from chat.conf import conf
from chat.consumers import ChatConsumer
from chat.layers import LAYER_FOR_ONE_PROCESS, NO_LAYER
from chat.mends import known
from chat.mends.mend import look_at
from chat.origins import header, is_allowed, is_host_allowed, own_origin
from chat.paths import path_in_site
from chat.views.socket import socket

logger = logging.getLogger(__name__)


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
        origin = header(scope, b"origin")
        if not is_host_allowed(scope):
            logger.warning("a socket is refused: its host is not in ALLOWED_HOSTS: %r", own_origin(scope))
        elif origin is not None and not is_allowed(origin, scope):
            expected = ", ".join([own_origin(scope), *conf.ALLOWED_ORIGINS])
            told = "a socket is refused: its Origin is %r, expected is %s; others are named in CHAT_ALLOWED_ORIGINS"
            logger.warning(told, origin, expected)
        else:
            await self._application(scope, receive, send)
            return
        await self._refuse(scope, receive, send)


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


class Wrapped:
    """The sockets of an application in a wrapper: refused where inside is Django alone, which takes none."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await self._application(scope, receive, send)
        except ValueError as error:
            if not str(error).startswith("Django can only handle"):  # django/core/handlers/asgi.py:161 of 5.2
                raise
            await Refuse.as_asgi()(scope, receive, send)


websocket_application = Sockets(Refuse.as_asgi())


def with_chat(application: Any) -> ProtocolTypeRouter:
    """Return `application` with the chat's sockets beside it. For a server's entry point.

    `application` is Django's, a `ProtocolTypeRouter`, or either in a wrapper of the project's own: what it does with
    other sockets, and with the server's start and end, stays as it is.

    The agent library is imported in the background, a second later: the first page does not wait for it.

    Raises: ImproperlyConfigured where there is no channel layer.
    """
    if get_channel_layer() is None:  # runserver's checks say so too, other servers ask no checks
        raise ImproperlyConfigured(f"{NO_LAYER} {LAYER_FOR_ONE_PROCESS}")
    look_at(known.MENDS)
    if "daphne.ws_protocol" in sys.modules:  # what serves, or may serve; it loads all of Twisted
        from chat.mends.daphne_close import close_patiently

        close_patiently()
    warm_soon()
    own = _by_type(application)
    sockets = Sockets(own["websocket"]) if "websocket" in own else websocket_application
    return ProtocolTypeRouter({**own, "websocket": sockets})


def _by_type(application: Any) -> dict[str, Any]:
    """What is asked for each type of connection. Of a wrapper nobody knows what it takes: all."""
    if isinstance(application, ProtocolTypeRouter):
        return dict(application.application_mapping)
    if isinstance(application, ASGIHandler):
        return {"http": application}
    return {"http": application, "websocket": Wrapped(application), "lifespan": application}
