"""The chat page as the server sends it: who gets it, under which policy, with what in it."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from chat.assets import later_module_names, later_style_names, module_names, style_names
from chat.models import Conversation
from chat.owners import owner_of_cookies

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
TEMPLATES = sorted([*ROOT.glob("templates/**/*.html"), *ROOT.glob("chat/templates/**/*.html")])
STATIC = ROOT / "chat/static"
MODULES = sorted(STATIC.glob("chat/**/*.js"))
SHEETS = sorted(STATIC.glob("chat/styles/**/*.css"))


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text of its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.strip():
            self.scripts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    def app(self) -> dict[str, str | None]:
        return next(attributes for _, attributes in self.found if attributes.get("id") == "app")


def has_code(module: Path) -> bool:
    return re.sub(r"/\*.*?\*/", "", module.read_text(), flags=re.S).strip() != ""


@pytest.fixture
def open_site(settings):
    settings.CHAT_ALLOW_ANONYMOUS = True


@pytest.fixture
def developed_site(settings, open_site):
    """As a developer has it: with the modules and sheets themselves, not the bundles."""
    settings.DEBUG = True


@pytest.fixture
def closed_site(settings):
    settings.CHAT_ALLOW_ANONYMOUS = False


@pytest.fixture
def alice(client) -> User:
    """A signed-in user."""
    user = User.objects.create_user("alice", password="secret")
    client.force_login(user)
    return user


def policy(response) -> dict[str, str]:
    directives = response["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_the_policy_allows_this_site_only_and_html_through_one_policy(client, open_site):
    given = policy(client.get("/"))
    nonce = re.fullmatch(r"'self' 'nonce-([\w-]{16,})'", given.pop("script-src"))
    assert nonce
    assert given == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "frame-src": "'self'",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "object-src": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "chat-html",
    }


def test_only_the_import_map_is_inline_and_it_has_the_nonce_of_this_answer(client, developed_site):
    first, second = client.get("/"), client.get("/")
    [inline] = [script for script in Elements(first.content.decode()).all("script") if "src" not in script]
    assert inline["type"] == "importmap"
    assert f"'nonce-{inline['nonce']}'" in first["Content-Security-Policy"]
    assert inline["nonce"] not in second["Content-Security-Policy"]


def test_the_import_map_names_every_module_and_the_preloads_those_that_the_page_begins_with(client, developed_site):
    page = Elements(client.get("/").content.decode())
    imports = json.loads(page.scripts[0])["imports"]
    assert (
        set(imports)
        == {*module_names(), *later_module_names()}
        == {path.relative_to(STATIC).as_posix() for path in MODULES if has_code(path)} - {"chat/print.js"}
    )
    preloads = [link["href"] for link in page.all("link") if link["rel"] == "modulepreload"]
    assert sorted(preloads) == sorted(imports[name] for name in module_names())


def test_cards_and_slots_are_loaded_without_being_named_anywhere_and_before_the_page(client, developed_site):
    scripts = [script["src"] for script in Elements(client.get("/").content.decode()).all("script") if "src" in script]
    names = [source.removeprefix("/static/") for source in scripts]
    added = [path.relative_to(STATIC).as_posix() for path in MODULES if path.parent.name in ("cards", "slots")]
    assert names == [*added, "chat/main.js"]
    for path in MODULES:
        assert not re.search(r'from "chat/(cards|slots)/', path.read_text()), path


def test_what_comes_later_is_named_apart_and_nothing_begins_with_it(client, developed_site):
    [meta] = [
        meta for meta in Elements(client.get("/").content.decode()).all("meta") if meta.get("name") == "chat-later"
    ]
    later = [path.relative_to(STATIC).as_posix() for path in MODULES if path.parent.name == "later"]
    assert meta["content"].split() == later
    for name in module_names():
        assert 'from "chat/later/' not in (STATIC / name).read_text(), name


def test_no_module_imports_one_that_imports_it():
    names = (*module_names(), *later_module_names())  # each after its imports: with a circle that cannot be
    for at, name in enumerate(names):
        text = (STATIC / name).read_text()
        assert set(re.findall(r'from "([^"]+)";$', text, re.M)) <= set(names[:at]), name


def test_the_sheet_that_puts_the_layers_in_order_comes_first(client, developed_site):
    page = Elements(client.get("/").content.decode())
    sheets = [link["href"].removeprefix("/static/") for link in page.all("link") if link["rel"] == "stylesheet"]
    assert sheets == [*style_names(), *later_style_names()]
    assert sorted(sheets) == sorted(path.relative_to(STATIC).as_posix() for path in SHEETS)
    order = re.search(r"@layer ([\w, ]+);", (STATIC / sheets[0]).read_text())
    assert sheets[0] == "chat/styles/tokens.css" and order
    layers = {name for path in SHEETS for name in re.findall(r"^@layer (\w+) {", path.read_text(), re.M)}
    assert layers == set(order[1].split(", "))


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_has_one_concern_and_one_layer(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    in_layer = re.sub(r"/\*.*?\*/|^@layer [\w, ]+;", "", text, flags=re.S | re.M).strip()
    if path.name in ("prose.css", "code.css", "formulas.css"):  # also in the admin, whose styles stand in no layer
        assert "@layer" not in text
    else:
        assert re.fullmatch(r"@layer \w+ {\n(  .*\n|\n)*}", in_layer)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_inline_handlers_styles_or_scripts(path):
    for tag, attributes in Elements(path.read_text()).found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert tag != "style"
        assert tag != "script" or "src" in attributes


def test_the_page_is_neither_cached_nor_framed_nor_sniffed(client, open_site):
    response = client.get("/")
    assert "no-store" in response["Cache-Control"]
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_visitor_of_a_closed_site_is_sent_to_sign_in_and_back(client, closed_site):
    address = f"/c/{uuid4()}/"
    assert client.get(address)["Location"] == f"{reverse('login')}?next={address}"


def test_a_signed_in_user_may_chat_on_a_closed_site(client, alice, closed_site):
    page = Elements(client.get("/").content.decode())
    assert client.get("/").status_code == 200
    assert page.app()["data-conversation"] == ""


def test_a_new_visitor_of_an_open_site_gets_a_cookie_once(client, open_site):
    assert "chat_visitor" in client.get("/").cookies
    assert "chat_visitor" not in client.get("/").cookies


def test_a_visitor_s_cookie_is_bound_to_the_site_where_there_is_tls(client, open_site, settings):
    settings.SESSION_COOKIE_SECURE = True
    cookie = client.get("/").cookies["__Host-chat_visitor"]
    assert cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]
    assert not client.get("/").cookies.get("__Host-chat_visitor")


def test_a_visitor_s_cookie_ends(client, open_site, monkeypatch):
    client.get("/")
    monkeypatch.setattr("chat.owners.COOKIE_SECONDS", -1)
    assert "chat_visitor" in client.get("/").cookies


def test_a_visitor_who_comes_back_keeps_the_conversations_beyond_the_cookie_s_year(client, open_site, monkeypatch):
    client.get("/")
    now, year = time.time(), 365 * 24 * 3600
    owners = []
    for days in (200, 400, 600):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * 24 * 3600)
        cookie = client.get("/").cookies["chat_visitor"]
        assert cookie["max-age"] == year and cookie["httponly"]
        owners.append(owner_of_cookies({"chat_visitor": cookie.value}))
    assert owners[0] and owners == owners[:1] * 3
    monkeypatch.setattr(time, "time", lambda: now + 600 * 24 * 3600 + 3600)
    assert "chat_visitor" not in client.get("/").cookies


def test_few_cookies_are_given_to_one_address(client, open_site, settings):
    settings.CHAT_VISITORS_PER_MINUTE = 2
    statuses = [Client().get("/", REMOTE_ADDR="203.0.113.5").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert Client().get("/", REMOTE_ADDR="203.0.113.6").status_code == 200


def test_an_own_conversation_is_shown_with_its_title(client, alice):
    conversation = Conversation.objects.create(user=alice, agent_key="assistant", title="Tax <letter>")
    response = client.get(f"/c/{conversation.id}/")
    app = Elements(response.content.decode()).app()
    assert (app["data-conversation"], app["data-title"]) == (str(conversation.id), "Tax <letter>")
    assert "<letter>" not in response.content.decode()


@pytest.mark.parametrize("visitor", ["mallory", "anonymous"])
def test_the_conversation_of_someone_else_answers_like_none(client, alice, visitor, open_site):
    conversation = Conversation.objects.create(user=alice, agent_key="assistant", title="Secret plan")
    stranger = Client()
    if visitor == "mallory":
        stranger.force_login(User.objects.create_user("mallory"))
    theirs, nobodys = stranger.get(f"/c/{conversation.id}/"), stranger.get(f"/c/{uuid4()}/")
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert b"Secret plan" not in theirs.content


def test_the_page_is_told_of_agents_what_people_may_see(client, settings, open_site):
    settings.CHAT_AGENTS = {
        "sales": {
            "FACTORY": "shop.agents.secret_path",
            "NAME": "Sales",
            "STARTERS": ["Hi"],
            "OPTIONS": {"token": "t0ken"},
        }
    }
    html = client.get("/").content.decode()
    (told,) = json.loads(Elements(html).app()["data-agents"])
    assert told.items() >= {"key": "sales", "name": "Sales", "starters": ["Hi"], "share": True}.items()
    assert not {"factory", "options", "limits"} & told.keys() and told["feedback"]["up"]
    assert "secret_path" not in html
    assert "t0ken" not in html


@pytest.mark.parametrize(
    ("cookie", "theme"), [("dark", "dark"), ("light", "light"), ('"><script>', None), (None, None)]
)
def test_the_first_paint_has_the_chosen_theme(client, open_site, cookie, theme):
    if cookie:
        client.cookies["chat_theme"] = cookie
    [html] = Elements(client.get("/").content.decode()).all("html")
    assert html.get("data-theme") == theme


def test_the_menu_offers_sign_in_or_sign_out(client, open_site):
    assert reverse("login") in client.get("/").content.decode()
    client.force_login(User.objects.create_user("alice", is_staff=True))
    html = client.get("/").content.decode()
    forms = {form["action"]: form["method"] for form in Elements(html).all("form") if "action" in form}
    assert forms == {reverse("logout"): "post"}
    assert reverse("admin:index") in html


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_page_can_only_be_read(client, open_site, method):
    assert getattr(client, method)("/").status_code == 405


@pytest.mark.parametrize("name", ["login", "password_change"])
def test_the_pages_of_the_account_have_no_inline_code_and_the_chosen_theme(client, alice, name):
    client.cookies["chat_theme"] = "dark"
    page = Elements(client.get(reverse(name)).content.decode())
    assert page.all("html")[0]["data-theme"] == "dark"
    assert page.all("script") == []


def test_a_page_that_does_not_exist_has_the_look_of_the_site(client, settings):
    settings.DEBUG = False
    response = client.get("/nothing/here/")
    assert response.status_code == 404
    assert "site/site" in response.content.decode()


@pytest.mark.parametrize(
    ("setting", "value", "cookie", "header"),
    [
        ("CSRF_COOKIE_NAME", "xsrf", "xsrf", "X-CSRFTOKEN"),
        ("CSRF_HEADER_NAME", "HTTP_X_XSRF_TOKEN", "csrftoken", "X-XSRF-TOKEN"),
        ("CSRF_USE_SESSIONS", True, "", "X-CSRFTOKEN"),
        ("CSRF_COOKIE_HTTPONLY", True, "", "X-CSRFTOKEN"),
    ],
)
def test_the_page_hears_where_the_token_of_now_is_and_how_it_is_sent(
    client, open_site, settings, setting, value, cookie, header
):
    """A cookie of that name which scripts can read is another project's then, on another port of this host."""
    setattr(settings, setting, value)

    app = Elements(client.get("/").content.decode()).app()

    assert (app["data-csrf-cookie"], app["data-csrf-header"]) == (cookie, header)
    assert app["data-csrf"]
