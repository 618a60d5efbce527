"""The socket's address, asked for over plain HTTP."""

from __future__ import annotations

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.origins import MAX_HEADER_CHARS, is_allowed, own_origin

WSGI = "This server speaks WSGI, which knows no WebSockets. It has to serve the project's ASGI application."
UPGRADE = (
    "Here is a WebSocket, and a browser's request for one does not arrive as one. The proxy before this server has to"
    " pass on the headers Upgrade and Connection, with HTTP/1.1."
)
ORIGIN = (
    "A page of {origin} may not open the socket of {own}. If {own} is not the address that people use, the proxy has"
    " to pass on Host and X-Forwarded-Proto; otherwise {origin} belongs into CHAT_ALLOWED_ORIGINS."
)


@require_safe
@never_cache
def socket(request: HttpRequest) -> HttpResponse:
    """Tell why no socket opens. The page that asks names its origin: `?origin=`."""
    answer = HttpResponse(f"{_trouble(request)}\n", status=426, content_type="text/plain; charset=utf-8")
    answer["Upgrade"] = "websocket"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _trouble(request: HttpRequest) -> str:
    if not isinstance(request, ASGIRequest):
        return WSGI
    origin = request.GET.get("origin", "")[:MAX_HEADER_CHARS]
    if origin and not is_allowed(origin, request.scope):
        return ORIGIN.format(origin=origin, own=own_origin(request.scope))
    return UPGRADE
