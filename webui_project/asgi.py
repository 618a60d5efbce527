"""The server's entry point: HTTP to Django, WebSocket to the chat."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui_project.settings")
django_application = get_asgi_application()  # before the chat's import: it loads the apps

from chat.routing import websocket_application  # noqa: E402

application = ProtocolTypeRouter({"http": django_application, "websocket": websocket_application})
