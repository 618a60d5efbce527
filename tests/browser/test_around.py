"""The pages around the chat, in every look: sign-in, passwords, errors, and the chat without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.looks import look_at
from tests.servers import Server

BY_NAME = ["templates/403.html", "templates/403_csrf.html", "templates/404.html", "templates/429.html"]
BY_NAME += ["templates/500.html", "templates/registration/logged_out.html"]
BY_NAME += ["templates/registration/password_change_done.html", "templates/registration/password_reset_complete.html"]
BY_NAME += ["templates/registration/password_reset_done.html"]
USER = "from django.contrib.auth.models import User; User.objects.create_user('ann', 'ann@example.org', 'pw')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("around")
    with Server(folder, settings="tests.browser.around_settings", CHAT_MOCK_MODEL="1") as server:
        yield server


@pytest.mark.parametrize("state", BY_NAME)
def test_a_page_that_tells_something(page: Page, server: Server, state: str):
    page.goto(f"{server.url}/{state}")
    look_at(page, state)


def test_forms_of_who_is_not_signed_in(page: Page, server: Server):
    page.goto(f"{server.url}/accounts/password_reset/")
    look_at(page, "templates/registration/password_reset_form.html")
    page.goto(f"{server.url}/accounts/reset/Mg/set-password/")
    look_at(page, "templates/registration/password_reset_confirm.html")
    page.goto(f"{server.url}/accounts/login/?next=/accounts/password_change/")
    look_at(page, "templates/registration/login.html")
    page.locator("#id_username").fill("nobody")
    page.locator("#id_password").fill("wrong")
    page.locator("#id_password").press("Enter")
    expect(page.locator(".problem")).to_be_visible()
    look_at(page, "sign-in that failed")


def test_who_is_signed_in_changes_the_password(page: Page, server: Server):
    server.manage("shell", "-c", USER)
    page.goto(f"{server.url}/accounts/login/?next=/accounts/password_change/")
    page.locator("#id_username").fill("ann")
    page.locator("#id_password").fill("pw")
    page.locator("#id_password").press("Enter")
    page.wait_for_url("**/password_change/")
    look_at(page, "templates/registration/password_change_form.html")
    page.goto(server.url)
    page.locator("#menu-open").click()
    look_at(page, "the menu of an account")


def test_the_chat_without_javascript(page: Page, server: Server):
    """A browser that runs no script would run none of the check's: it is given what such a browser shows."""

    def serve(route: Route) -> None:
        answer = route.fetch()
        without = re.sub(r"<script.*?</script>", "", answer.text(), flags=re.S)
        route.fulfill(response=answer, body=without.replace("noscript", "div"))

    page.route(server.url + "/", serve)
    page.goto(server.url)
    look_at(page, "without JavaScript")
