"""The server's entry point: HTTP to Django, WebSocket to the chat."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui_project.settings")
application = get_asgi_application()  # loads the apps, so it comes before the chat's import

from chat.routing import with_chat  # noqa: E402

application = with_chat(application)
