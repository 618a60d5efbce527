"""A real Chromium, and pages in it that let no fault of theirs pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Route, expect, sync_playwright

from tests import programs
from tests.browser.chat import ANSWER_MS, Chat
from tests.servers import Server
from tests.stub_llm import StubServer

expect.set_options(timeout=ANSWER_MS)  # a busy machine needs more than Playwright's 5 s

STATIC = Path(__file__).parents[2] / "chat" / "static"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one file of tests: Playwright's loop runs in the main thread as long as it lives, and tests of
    other files, which may come next in this worker, run loops of their own.
    """
    path = programs.require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser profile of this test's own: cookies, storage."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


VIEWER = (
    "Could not find page for Y position"  # Chromium's own viewer of PDFs, at a key before it has laid out its pages
)


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page. The test fails on an uncaught error, on a message of the CSP, and on a request to another host."""
    faults: list[str] = []
    page = context.new_page()
    watch(page, faults)
    yield page
    assert faults == []


def watch(page: Page, faults: list[str]) -> None:
    """Collect in `faults` what must not happen on `page`."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            faults.append(message.text)

    def on_request(request: Any) -> None:
        own = urlsplit(page.url).hostname
        other = urlsplit(request.url)
        if other.scheme in ("http", "https") and own and other.hostname != own:
            faults.append(f"a request to {other.hostname}")

    def on_error(error: Error) -> None:
        if VIEWER not in str(error):
            faults.append(str(error))

    page.on("pageerror", on_error)
    page.on("console", on_console)
    page.on("request", on_request)


@pytest.fixture(scope="session")
def server(stub: StubServer, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Server]:
    """One server for all tests of the page: each has a visitor of its own."""
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(tmp_path_factory.mktemp("server"), kind=pytestconfig.getoption("--server"), **environment) as server:
        yield server


@pytest.fixture
def chat(page: Page, server: Server) -> Chat:
    return Chat(page, server.url).open()


@pytest.fixture
def modules(page: Page) -> Page:
    """A blank page that can import the modules by their names."""
    names = [path.relative_to(STATIC).as_posix() for path in STATIC.glob("chat/**/*.js")]
    import_map = json.dumps({"imports": {name: f"/{name}" for name in names}})
    blank = f'<!DOCTYPE html><title>blank</title><script type="importmap">{import_map}</script>'

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix("http://blank.test/")
        if name in names:
            route.fulfill(path=STATIC / name, content_type="text/javascript")
        else:
            route.fulfill(body=blank, content_type="text/html")

    page.route("**/*", serve)
    page.goto("http://blank.test/")
    return page
