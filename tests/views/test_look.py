"""What a project gives the page of its own by its settings: logo, icon, style sheet, who may frame it."""

from __future__ import annotations

import re

import django
import pytest
from django.core.checks import run_checks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def open_site(settings):
    settings.CHAT_ALLOW_ANONYMOUS = True


def policy(answer) -> dict[str, str]:
    return dict(directive.split(" ", 1) for directive in answer["Content-Security-Policy"].split("; "))


def links(answer) -> list[str]:
    return re.findall(r'<link rel="(?:icon|stylesheet)" href="([^"]+)"', answer.content.decode())


def test_logo_icon_and_style_sheet_are_the_project_s(client, settings):
    settings.CHAT_LOGO = "admin/img/icon-yes.svg"
    settings.CHAT_FAVICON = "/media/icon.png"
    settings.CHAT_STYLESHEET = "site/site.css"

    answer = client.get("/")

    assert '<img class="brand-logo" src="/static/admin/img/icon-yes.svg"' in answer.content.decode()
    assert links(answer)[0] == "/media/icon.png" and links(answer)[-1] == "/static/site/site.css"
    assert "icon-chat" not in answer.content.decode().split('class="brand"')[1].split("</div>")[0]
    assert links(client.get("/accounts/login/"))[0] == "/media/icon.png"


def test_without_any_of_it_the_page_is_the_chat_s_own(client):
    answer = client.get("/")

    assert links(answer)[0] == "/static/chat/favicon.svg"
    assert "brand-logo" not in answer.content.decode()


def test_files_of_another_host_are_allowed_by_its_name_alone(client, settings):
    settings.STATIC_URL = "https://cdn.example.org/static/"
    settings.CHAT_LOGO = "https://brand.example.org/logo.svg"

    given = policy(client.get("/"))

    for directive in ("script-src", "style-src", "font-src", "img-src"):
        assert given[directive].endswith(" https://brand.example.org https://cdn.example.org")
    assert given["connect-src"] == "'self'"


def test_who_may_frame_the_page_is_said_and_the_older_header_is_silent(client, settings):
    assert client.get("/")["X-Frame-Options"] == "DENY"
    settings.CHAT_FRAME_ANCESTORS = ["'self'", "https://intranet.example.org"]

    answer = client.get("/")

    assert policy(answer)["frame-ancestors"] == "'self' https://intranet.example.org"
    assert "X-Frame-Options" not in answer


def test_signing_out_may_lead_to_another_host(client, settings):
    settings.LOGOUT_REDIRECT_URL = "https://sso.example.org/bye"

    assert policy(client.get("/"))["form-action"] == "'self' https://sso.example.org"


def test_a_visitor_s_cookie_goes_where_the_session_s_goes(client, settings):
    settings.SESSION_COOKIE_SAMESITE = "None"

    assert client.get("/").cookies["chat_visitor"]["samesite"] == "None"


@pytest.mark.parametrize("name", ["LOGO", "FAVICON", "STYLESHEET"])
def test_a_file_that_is_not_there_is_named_before_a_page_needs_it(settings, name):
    setattr(settings, f"CHAT_{name}", "mine/nothing.svg")

    [message] = [message for message in run_checks(tags=["chat"]) if message.id == "chat.E015"]

    assert f"CHAT_{name}" in message.msg and "mine/nothing.svg" in message.msg


@pytest.mark.parametrize("ancestor", ["self", "intranet.example.org", "https://a; script-src *", "https://a/path", 1])
def test_who_is_no_origin_frames_nothing(settings, ancestor):
    settings.CHAT_FRAME_ANCESTORS = ["'self'", "https://*.example.org", "http://127.0.0.1:8001", ancestor]

    [message] = [message for message in run_checks(tags=["chat"]) if message.id == "chat.E016"]

    assert repr(ancestor) in message.msg


@pytest.mark.skipif(django.VERSION < (6,), reason="Django has a policy of its own since 6.0: the matrix of noxfile.py")
def test_django_s_own_policy_leaves_the_chat_s_alone(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csp.ContentSecurityPolicyMiddleware"]
    settings.SECURE_CSP = {"default-src": ["'none'"]}

    policy = client.get("/").headers["Content-Security-Policy"]

    assert "script-src 'self' 'nonce-" in policy and "trusted-types chat-html" in policy
    assert client.get("/healthz").headers["Content-Security-Policy"] == "default-src 'none'"
