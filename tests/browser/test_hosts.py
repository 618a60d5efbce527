"""The page in the projects of others, as a person sees it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import programs
from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import check
from tests.hosts.host import NAME, PASSWORD, Host, Trait
from tests.hosts.test_hosts import LANGUAGES, OTHER_NAMES
from tests.hosts.test_odd import CLOSED

pytestmark = pytest.mark.timeout(300)  # each makes a project: ten times Django's start

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 32" width="120" height="32">
<rect width="32" height="32" rx="16" fill="#a3195b"/><rect x="42" y="10" width="78" height="12" fill="#a3195b"/>
</svg>"""
SHEET = """
:root {
    --accent: light-dark(#a3195b, #ff9cc8);
    --accent-soft: light-dark(#fbe9f2, #43162c);
    --on-accent: light-dark(#ffffff, #2d0418);
    --sans: Georgia, serif;
}
"""
PAGE = """{% extends "chat/page.html" %}{% load static %}
{% block head %}<meta name="author" content="Rose">{% endblock %}
{% block brand %}{{ block.super }}<small id="beta">beta</small>{% endblock %}
{% block sidebar_foot %}<a href="/imprint">Imprint</a>{% endblock %}
{% block empty_state %}<p>Answers may be wrong. Do not enter secrets.</p>{% endblock %}
{% block scripts %}{{ block.super }}<script type="module" src="{% static 'rose.js' %}"></script>{% endblock %}
"""
ROSE = Trait(
    settings="""
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
STATICFILES_DIRS = [BASE_DIR / "rose"]
CHAT_SITE_NAME = "Rose"
CHAT_LOGO = CHAT_FAVICON = "logo.svg"
CHAT_STYLESHEET = "rose.css"
CHAT_FRAME_ANCESTORS = ["http://localhost:*"]
""",
    files={
        "templates/chat/page.html": PAGE,
        "rose/logo.svg": LOGO,
        "rose/rose.css": SHEET,
        "rose/rose.js": 'document.documentElement.dataset.rose = "here";',
    },
)


OWN_BASE = Trait(
    settings='TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]',
    files={
        "templates/base.html": "<!DOCTYPE html><html lang=en><title>Ours</title>{% block body %}{% endblock %}</html>"
    },
)
HASHED_FILES = Trait(
    settings="""
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
STATIC_ROOT = BASE_DIR / "collected"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
""",
    commands=(("collectstatic", "--noinput", "-v0"),),
)
DJANGO_CSP = Trait(
    settings="""
MIDDLEWARE.append("csp.middleware.CSPMiddleware")
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": ["'self'"], "frame-ancestors": ["'none'"]}}
"""
)
ALLAUTH = Trait(
    settings="""
INSTALLED_APPS += ["allauth", "allauth.account"]
MIDDLEWARE.append("allauth.account.middleware.AccountMiddleware")
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = LOGOUT_REDIRECT_URL = "account_login"
CHAT_ALLOW_ANONYMOUS = False
""",
    urls='urlpatterns.insert(0, path("accounts/", include("allauth.urls")))',
)
ROUTER = Trait(
    settings="""
INSTALLED_APPS += ["stock"]
DATABASES["stock"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "stock.sqlite3"}
DATABASE_ROUTERS = ["stock.router.Router"]
""",
    files={
        "stock/__init__.py": "",
        "stock/models.py": "from django.db import models\n\nclass Item(models.Model):\n    name = models.TextField()\n",
        "stock/router.py": """
class Router:
    def db_for_read(self, model, **hints):
        return "stock" if model._meta.app_label == "stock" else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (app_label == "stock") == (db == "stock")
""",
    },
    commands=(("migrate", "--database=stock", "-v0"),),
)
OWN_ERRORS = Trait(
    settings='CSRF_FAILURE_VIEW = "mysite.errors.elsewhere"',
    urls='handler404 = "mysite.errors.nothing"',
    files={
        "mysite/errors.py": """
from django.http import HttpResponse
from django.shortcuts import redirect

def nothing(request, exception):
    return HttpResponse("Nothing of ours.", status=404)

def elsewhere(request, reason=""):
    return redirect("/")
"""
    },
)
PROJECTS = {
    "a base.html of its own": OWN_BASE,
    "files with hashes in their names": HASHED_FILES,
    "django-csp": DJANGO_CSP,
    "allauth": ALLAUTH,
    "several databases": ROUTER,
    "addresses with a language": LANGUAGES,
    "cookies and headers by other names": OTHER_NAMES,
    "all pages for those who sign in": ALLAUTH + CLOSED,
    "error pages of its own": HASHED_FILES + OWN_ERRORS,
}


class Visit:
    """A person in a browser, in somebody's project, in whatever language."""

    def __init__(self, page: Page, host: Host) -> None:
        self.page = page
        self.host = host
        self.url = f"http://{host.address}"
        self.chat = Chat(page, self.url)

    def connected(self) -> None:
        expect(self.page.locator("#pill[data-state=ok]")).to_be_visible(timeout=ANSWER_MS)

    def sign_in(self) -> None:
        """By the project's own page, where the chat leads to one; else by the admin's."""
        self.page.goto(self.url + self.host.trait.page)
        field = self.page.locator("[name=username], [name=login]")
        if not field.count():
            self.page.goto(f"{self.url}{self.host.trait.admin}login/?next={self.host.trait.page}")
        field.fill(NAME)
        self.page.locator("[name=password]").fill(PASSWORD)
        self.page.locator("[name=password]").press("Enter")
        self.connected()
        assert urlsplit(self.page.url).path == self.host.trait.page

    def talk(self) -> str:
        self.chat.say("Hello")
        self.chat.answered()
        answer = self.chat.replies.locator(".prose").inner_text()
        self.page.reload()
        expect(self.chat.replies.locator(".prose")).to_have_text(answer, use_inner_text=True, timeout=ANSWER_MS)
        self.connected()
        return self.page.url.rstrip("/").rpartition("/")[2]

    def rename(self) -> None:
        self._menu("rename")
        self.page.locator("#rename-field").fill("Renamed")
        self.page.locator("#rename-field").press("Enter")
        expect(self.page.locator(".chat-title")).to_have_text("Renamed")
        expect(self.page.locator("#title")).to_have_text("Renamed")

    def look_at_admin(self, id: str) -> None:
        path = f"{self.url}{self.host.trait.admin}chat/conversation/{id}/change/"
        answer = self.page.goto(path)
        assert answer.status == 200
        expect(self.page.get_by_text("Hello", exact=True).first).to_be_visible()
        self.page.go_back()
        self.connected()

    def delete(self) -> None:
        self._menu("delete")
        expect(self.page.locator(".chat-item")).to_have_count(0)
        with self.page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
            pass  # once it cannot be undone any more
        assert deleted.value.status == 204

    def sign_out(self) -> None:
        self.page.locator("#menu-open").click()
        self.page.locator("#menu form button").click()

    def _menu(self, action: str) -> None:
        self.page.locator(".chat-item button").click()
        self.page.locator(f"#chat-menu [data-action={action}]").click()

    def walk(self) -> None:
        self.sign_in()
        id = self.talk()
        self.rename()
        self.look_at_admin(id)
        self.delete()
        assert re.search(r"Traceback|ERROR", self.host.log) is None, self.host.log


@pytest.mark.matrix
@pytest.mark.parametrize("project", PROJECTS)
def test_a_person_in_a_project(project, page: Page, tmp_path: Path):
    with Host(tmp_path, PROJECTS[project]) as host:
        Visit(page, host).walk()


def test_a_person_in_a_project_with_much_that_is_special(page: Page, tmp_path: Path):
    special = LANGUAGES + OWN_BASE + HASHED_FILES + DJANGO_CSP + ALLAUTH + ROUTER
    with Host(tmp_path, special + OTHER_NAMES + CLOSED + OWN_ERRORS) as host:
        visit = Visit(page, host)
        visit.walk()
        page.goto(f"{visit.url}{host.trait.page}c/{uuid4()}/")
        expect(page.get_by_text("Nothing of ours.")).to_be_visible()
        page.goto(f"{visit.url}{host.trait.page}")
        visit.connected()
        visit.sign_out()
        expect(page.get_by_text("You have signed out.")).to_be_visible()


@pytest.fixture(scope="module")
def rose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A project with a look of its own."""
    with Host(tmp_path_factory.mktemp("rose"), ROSE) as host:
        yield host


def test_a_project_gives_the_page_its_look_without_a_fork(page: Page, rose: Host):
    chat = Chat(page, f"http://{rose.address}").open()

    expect(page).to_have_title("New chat · Rose")
    assert page.locator(".brand-logo").evaluate("(logo) => logo.naturalWidth") == 120
    expect(page.locator("#beta")).to_be_visible()
    expect(page.get_by_role("link", name="Imprint")).to_be_visible()
    expect(page.get_by_text("Answers may be wrong.")).to_be_visible()
    expect(page.locator("html[data-rose=here]")).to_be_attached()
    assert page.locator('meta[name="author"]').get_attribute("content") == "Rose"
    colour = "(element) => getComputedStyle(element).color"
    assert page.locator("#new-chat .icon").evaluate(colour) == "rgb(163, 25, 91)"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        check(page, scheme)
    page.set_viewport_size({"width": 320, "height": 640})
    check(page, "narrow")
    chat.say("Hello")
    chat.answered()
    expect(page.get_by_text("Answers may be wrong.")).to_be_hidden()


@pytest.fixture
def framing(rose: Host) -> Iterator[int]:
    """The port of a site whose one page has the chat in a frame."""
    body = f'<iframe src="http://{rose.address}/" width="800" height="600"></iframe>'.encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("host, is_welcome", [("localhost", True), ("127.0.0.1", False)])
def test_a_page_of_a_named_site_alone_shows_the_chat_in_a_frame(context: BrowserContext, framing, host, is_welcome):
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "frame-ancestors" in message.text else None)
    page.goto(f"http://{host}:{framing}/")
    if is_welcome:
        expect(page.frame_locator("iframe").locator("#pill")).to_have_text("Connected", timeout=ANSWER_MS)
    programs.wait_until(lambda: page.wait_for_timeout(50) or is_welcome or bool(refused))
    assert bool(refused) != is_welcome
