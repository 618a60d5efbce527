"""Projects with a setting or two that nobody would think of as the chat's business."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.host import Host, Trait
from tests.hosts.test_hosts import LANGUAGES, OWN_SOCKETS, SESSIONS, USERS
from tests.hosts.walk import walk

pytestmark = pytest.mark.timeout(300)  # each makes a project: ten times Django's start

OWN_ADMIN = Trait(
    files={
        "mysite/backstage.py": """
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig

class Backstage(AdminSite):
    site_header = "Backstage"

class BackstageConfig(AdminConfig):
    default_site = "mysite.backstage.Backstage"
""",
    },
    settings="""
INSTALLED_APPS[INSTALLED_APPS.index("django.contrib.admin")] = "mysite.backstage.BackstageConfig"
""",
)
NOSY_MIDDLEWARE = Trait(
    files={
        "mysite/nosy.py": """
def nosy(get_response):
    def middleware(request):
        answer = get_response(request)
        answer["X-Who"] = str(request.user.pk)
        request.session["seen"] = request.session.get("seen", 0) + 1
        return answer
    return middleware
"""
    },
    settings='MIDDLEWARE.append("mysite.nosy.nosy")\nSESSION_SAVE_EVERY_REQUEST = True',
)
TOKEN_IN_SESSION = Trait(settings="CSRF_USE_SESSIONS = True")
GERMAN = Trait(settings='LANGUAGE_CODE = "de"\nUSE_THOUSAND_SEPARATOR = True\nTIME_ZONE = "Europe/Berlin"')
TOOLBAR = Trait(
    settings="""
INSTALLED_APPS += ["debug_toolbar"]
MIDDLEWARE.insert(0, "debug_toolbar.middleware.DebugToolbarMiddleware")
INTERNAL_IPS = ["127.0.0.1"]
""",
    urls='urlpatterns.insert(0, path("__debug__/", include("debug_toolbar.urls")))',
)
SAME_LAYER = OWN_SOCKETS + Trait(
    files={
        "mysite/echo.py": """
from channels.generic.websocket import AsyncWebsocketConsumer

class Echo(AsyncWebsocketConsumer):
    groups = ["everybody"]

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("everybody", {"type": "told", "text": text_data})

    async def told(self, event):
        await self.send(event["text"])
"""
    }
)
OTHER_STORAGES = Trait(
    settings="""
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
"""
)
SMALL_KEYS = Trait(settings='DEFAULT_AUTO_FIELD = "django.db.models.SmallAutoField"')
NO_SLASHES = Trait(settings="APPEND_SLASH = False")
PLAIN_CACHES = Trait(
    settings="""
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    "sessions": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
SESSION_CACHE_ALIAS = "sessions"
MIDDLEWARE.insert(0, "django.middleware.cache.UpdateCacheMiddleware")
MIDDLEWARE.append("django.middleware.cache.FetchFromCacheMiddleware")
MIDDLEWARE.insert(0, "django.middleware.gzip.GZipMiddleware")
MIDDLEWARE.insert(0, "django.middleware.http.ConditionalGetMiddleware")
"""
)
STRICT_TEMPLATES = Trait(
    settings="""
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = "INVALID"
TEMPLATES[0]["OPTIONS"]["context_processors"] = ["django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]
"""
)
CLOSED = Trait(
    settings="""
MIDDLEWARE.insert(MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
                  "django.contrib.auth.middleware.LoginRequiredMiddleware")
"""
)
OWN_LOGGING = Trait(
    settings="""
LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"json": {"()": "mysite.lines.Lines"}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["lines"], "level": "DEBUG"},
}
""",
    files={
        "mysite/lines.py": """
import json, logging

class Lines(logging.Formatter):
    def format(self, record):
        return json.dumps({"level": record.levelname, "of": record.name, "text": record.getMessage()})
"""
    },
)
NO_LOGGING = Trait(settings="LOGGING_CONFIG = None")

PROJECTS = {
    "an admin of its own": OWN_ADMIN,
    "middleware that looks who it is": NOSY_MIDDLEWARE,
    "the token in the session": TOKEN_IN_SESSION,
    "German": GERMAN,
    "the debug toolbar": TOOLBAR,
    "another consumer on the same layer": SAME_LAYER,
    "storages of its own": OTHER_STORAGES,
    "keys of another kind": SMALL_KEYS,
    "no slashes": NO_SLASHES,
    "caches in front": PLAIN_CACHES,
    "strict templates": STRICT_TEMPLATES,
    "all pages for those who sign in": CLOSED,
    "logging in lines of JSON": OWN_LOGGING,
    "no logging": NO_LOGGING,
}


@pytest.mark.matrix
@pytest.mark.parametrize("project", PROJECTS)
def test_an_odd_project(project, tmp_path: Path):
    with Host(tmp_path, PROJECTS[project]) as host:
        walk(host)


def test_a_project_that_is_odd_in_many_ways(tmp_path: Path):
    odd = (
        USERS["uuid"]
        + SESSIONS["cache"]
        + LANGUAGES
        + OWN_ADMIN
        + NOSY_MIDDLEWARE
        + TOKEN_IN_SESSION
        + GERMAN
        + TOOLBAR
        + SAME_LAYER
        + OTHER_STORAGES
    )
    odd += SMALL_KEYS + NO_SLASHES + PLAIN_CACHES + STRICT_TEMPLATES + CLOSED + OWN_LOGGING
    with Host(tmp_path, odd) as host:
        walk(host)
