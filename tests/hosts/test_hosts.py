"""The app in the projects of others: each is made, served, and walked through.

A project with much that is special at once is tried each time (another one in `test_odd.py`); with
`--matrix` (`docs/projects.md`) each by itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.hosts.host import EMAIL, NAME, Host, Trait
from tests.hosts.walk import walk

pytestmark = pytest.mark.timeout(300)  # each makes a project: ten times Django's start

USER = """
import uuid
from django.contrib.auth.models import AbstractUser
from django.db import models

class User(AbstractUser):
    {field}
"""
PEOPLE = 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.User"\n'

BY_EMAIL = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

class Users(BaseUserManager):
    def create_superuser(self, email, password):
        user = self.model(email=email, is_superuser=True, is_staff=True)
        user.set_password(password)
        user.save()
        return user

class User(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField({options})
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    objects = Users()
    USERNAME_FIELD = "email"
"""


def user_model(code: str) -> Trait:
    return Trait(settings=PEOPLE, files={"people/__init__.py": "", "people/models.py": code})


USERS = {
    "uuid": user_model(USER.format(field="id = models.UUIDField(primary_key=True, default=uuid.uuid4)")),
    "text": user_model(
        USER.format(field="key = models.CharField(primary_key=True, max_length=40, default=uuid.uuid4)")
    ),
    "email as key": user_model(BY_EMAIL.format(options="primary_key=True")),
    "email as name": user_model(BY_EMAIL.format(options="unique=True")),
}


@pytest.mark.matrix
@pytest.mark.parametrize("kind", USERS)
def test_a_user_model_of_the_project(kind, tmp_path: Path):
    with Host(tmp_path, USERS[kind]) as host:
        walk(host, EMAIL if kind.startswith("email") else NAME)


SESSIONS = {
    name: Trait(settings=f'SESSION_ENGINE = "django.contrib.sessions.backends.{name}"')
    for name in ("signed_cookies", "cache", "cached_db", "file")
}


@pytest.mark.matrix
@pytest.mark.parametrize("engine", SESSIONS)
def test_a_session_engine(engine, tmp_path: Path):
    with Host(tmp_path, SESSIONS[engine]) as host:
        walk(host)


ATOMIC = Trait(settings='DATABASES["default"]["ATOMIC_REQUESTS"] = True')
ODD_ZONE = Trait(settings='USE_TZ = False\nTIME_ZONE = "Asia/Kathmandu"')


@pytest.mark.matrix
def test_atomic_requests(tmp_path: Path):
    with Host(tmp_path, ATOMIC) as host:
        walk(host)


@pytest.mark.matrix
def test_local_times_of_a_zone_with_odd_minutes(tmp_path: Path):
    with Host(tmp_path, ODD_ZONE) as host:
        walk(host)


def included_at(address: str) -> str:
    return f'urlpatterns[-1] = path("{address}", include("chat.urls"))\n'


def under(prefix: str, **options: bool) -> Trait:
    return Trait(settings=f'FORCE_SCRIPT_NAME = "{prefix}"', prefix=prefix, **options)


SUPPORT = Trait(urls=included_at("support/chat/"), page="/support/chat/")
LANGUAGES = Trait(
    settings="""
MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
""",
    urls="""
from django.conf.urls.i18n import i18n_patterns
urlpatterns = i18n_patterns(path("admin/", admin.site.urls), path("help/", include("chat.urls")))
""",
    page="/de/help/",
    admin="/de/admin/",
)
PLACES = {
    "included elsewhere": SUPPORT,
    "a prefix": under("/tool"),
    "a prefix that the proxy takes away": under("/tool", takes_prefix=True),
    "both": SUPPORT + under("/tool", takes_prefix=True),
    "addresses with a language": LANGUAGES,
    "a path for the socket": Trait(settings='CHAT_SOCKET_PATH = "/live/agents/"'),
}


@pytest.mark.matrix
@pytest.mark.parametrize("place", PLACES)
def test_a_place_in_the_site(place, tmp_path: Path):
    with Host(tmp_path, PLACES[place]) as host:
        walk(host)


ECHO = """
from channels.generic.websocket import AsyncWebsocketConsumer

class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)
"""
OWN_SOCKETS = Trait(
    files={"mysite/echo.py": ECHO},
    asgi="""
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path
from chat.routing import websocket_urlpatterns
from mysite.echo import Echo
own = {"http": get_asgi_application(), "websocket": URLRouter([path("ws/echo/", Echo.as_asgi())])}
application = with_chat(ProtocolTypeRouter(own))
""",
)
BY_HAND = OWN_SOCKETS + Trait(
    settings='CHAT_SOCKET_PATH = "/live/ws/chat/"',
    asgi="""
own["websocket"] = URLRouter([path("ws/echo/", Echo.as_asgi()), path("live/", URLRouter(websocket_urlpatterns))])
application = ProtocolTypeRouter(own)
""",
)


@pytest.mark.matrix
@pytest.mark.parametrize("trait", [OWN_SOCKETS, BY_HAND], ids=["with_chat", "by hand"])
def test_sockets_of_the_project(trait, tmp_path: Path):
    with Host(tmp_path, trait) as host:
        with connect(f"ws://{host.address}/ws/echo/") as echo:
            echo.send("Is there anybody?")
            assert echo.recv(timeout=60) == "Is there anybody?"
        walk(host)


WRAPPED = Trait(
    asgi="""
def noted(application):
    async def wrapper(scope, receive, send):
        await application({**scope, "noted": True}, receive, send)
    return wrapper

application = noted(with_chat(noted(get_asgi_application())))
"""
)
OTHER_NAMES = Trait(
    settings="""
SESSION_COOKIE_NAME, LANGUAGE_COOKIE_NAME = "sid", "tongue"
CSRF_COOKIE_NAME, CSRF_HEADER_NAME, CSRF_COOKIE_HTTPONLY = "xsrf", "HTTP_X_XSRF_TOKEN", True
"""
)
TLS = Trait(
    settings="""
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
""",
    is_behind_tls=True,
)
NO_TRANSLATIONS = Trait(settings="USE_I18N = False")
WAYS = {
    "an application in wrappers": WRAPPED,
    "cookies and headers by other names": OTHER_NAMES,
    "TLS alone": TLS,
    "no translations": NO_TRANSLATIONS,
}


@pytest.mark.matrix
@pytest.mark.parametrize("way", WAYS)
def test_a_way_of_the_project_s_own(way, tmp_path: Path):
    with Host(tmp_path, WAYS[way]) as host:
        walk(host)


def test_a_project_with_much_that_is_special(tmp_path: Path):
    places = SUPPORT + under("/tool") + WRAPPED + OTHER_NAMES + TLS + NO_TRANSLATIONS
    with Host(tmp_path, USERS["email as key"] + SESSIONS["signed_cookies"] + ATOMIC + ODD_ZONE + places) as host:
        walk(host, EMAIL)
