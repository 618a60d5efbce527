"""What `with_chat` makes of a project's own application: the chat's sockets, and all else as it was."""

from __future__ import annotations

import pytest
from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

from chat import routing
from chat.origins import is_allowed, is_host_allowed
from chat.routing import with_chat

HOST = [(b"host", b"testserver")]


@pytest.mark.parametrize("is_believed", [True, False])
def test_the_name_that_a_proxy_tells_counts_where_django_believes_it(settings, is_believed):
    settings.USE_X_FORWARDED_HOST, settings.ALLOWED_HOSTS = is_believed, ["chat.example.org"]
    headers = [(b"host", b"127.0.0.1:8001"), (b"x-forwarded-host", b"chat.example.org")]
    scope = {"type": "websocket", "scheme": "wss", "headers": headers}

    assert is_host_allowed(scope) == is_allowed("https://chat.example.org", scope) == is_believed


@pytest.fixture(autouse=True)
def cold(monkeypatch):
    """No agent library a second later."""
    monkeypatch.setattr(routing, "warm_soon", lambda: None)


def wrapped(inner):
    """A project's application in a wrapper, with a socket and a start of its own."""

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
        elif scope["path"] == "/ws/echo/":
            await send({"type": "websocket.accept"})
        elif scope["path"] == "/ws/broken/":
            raise ValueError("of the project's own")
        else:
            await inner(scope, receive, send)

    return with_chat(application)


async def is_accepted(application, path):
    socket = WebsocketCommunicator(application, path, headers=HOST)
    accepted, _ = await socket.connect(timeout=30)
    return accepted


async def test_a_wrapper_keeps_its_sockets_and_its_start():
    application = wrapped(get_asgi_application())
    assert await is_accepted(application, "/ws/echo/")
    with pytest.raises(ValueError, match="of the project's own"):
        await is_accepted(application, "/ws/broken/")
    server = ApplicationCommunicator(application, {"type": "lifespan"})
    assert (await server.receive_output())["type"] == "lifespan.startup.complete"


@pytest.mark.parametrize("wrap", [with_chat, wrapped])
async def test_a_socket_that_only_django_would_get_is_refused(wrap):
    assert not await is_accepted(wrap(get_asgi_application()), "/ws/other/")


def test_without_a_channel_layer_no_server_starts_and_the_reason_is_a_sentence(settings):
    settings.CHANNEL_LAYERS = {}
    with pytest.raises(ImproperlyConfigured, match=r"CHANNEL_LAYERS = \{"):
        with_chat(get_asgi_application())
