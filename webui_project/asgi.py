"""The server's entry point: HTTP to Django, WebSocket to the chat."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui_project.settings")
application = get_asgi_application()  # loads the apps, so it comes before the chat's import

from django.conf import settings  # noqa: E402

from chat.routing import with_chat  # noqa: E402
from webui_project.body_limit import BodyLimit, limit_daphne  # noqa: E402

limit_daphne(settings.MAX_BODY_BYTES)
application = with_chat(BodyLimit(application, settings.MAX_BODY_BYTES))
