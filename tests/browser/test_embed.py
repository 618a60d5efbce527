"""The chat in a frame of a page of another site, in a browser that lets no third party have cookies."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import FilePayload, FrameLocator, Page, expect, sync_playwright

from tests import programs
from tests.browser.chat import ANSWER_MS
from tests.browser.looks import look_at
from tests.endtoend.test_parts import show
from tests.part_things import picture
from tests.servers import Server

SHOP = '<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width"><title>Shop</title>'
SHOP += "<main><h1>Shop</h1></main>"
KEY = "embedding-key-embedding-key-embedding"


class Site(ThreadingHTTPServer):
    """Another site (localhost is none of 127.0.0.1's): one page, and the ticket that its server asks the chat for."""

    daemon_threads = True
    chat_url = ""
    person = "customer-1"
    agent = "plain"
    tickets = 0


class Answers(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path == "/ticket":
            self.server.tickets += 1
            body = json.dumps({"person": self.server.person, "agent": self.server.agent}).encode()
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            asked = urllib.request.Request(f"{self.server.chat_url}/api/embed/tickets", body, headers)
            return self._send(urllib.request.urlopen(asked, timeout=30).read(), "application/json")
        script = (
            f'src="{self.server.chat_url}/embed/launcher.js" data-agent="{self.server.agent}" data-ticket="/ticket"'
        )
        self._send(f'{SHOP}<script {script} data-label="Ask us"></script>'.encode())

    def _send(self, body: bytes, kind: str = "text/html") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site(("127.0.0.1", programs.free_port()), Answers)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield site
    site.shutdown()


@pytest.fixture(scope="module")
def server(site, stub, tmp_path_factory) -> Iterator[Server]:
    port = site.server_address[1]
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    environment |= {"CHAT_EMBED_PARENTS": f"http://localhost:{port}", "CHAT_EMBED_KEY": KEY}
    environment |= {"CHAT_ALLOW_ANONYMOUS": "false"}
    with Server(tmp_path_factory.mktemp("embedded"), **environment) as server:
        site.chat_url = server.url
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """Without cookies of third parties."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--test-third-party-cookie-phaseout"]
        browser = playwright.chromium.launch(executable_path=programs.require("chromium"), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(context, server) -> Iterator[Page]:
    faults: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Security Policy" in message.text else None)
    yield page
    assert faults == []


def visit(page: Page, site: Site, person: str, agent: str = "plain") -> FrameLocator:
    site.person, site.agent = person, agent
    page.goto(f"http://localhost:{site.server_address[1]}/")
    page.get_by_role("button", name="Ask us").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("#pill")).to_have_text("Connected", timeout=ANSWER_MS)
    return frame


def say(frame: FrameLocator, text: str, replies: int) -> None:
    frame.locator("#field").fill(text)
    frame.locator("#field").press("Enter")
    expect(frame.locator(".reply")).to_have_count(replies, timeout=ANSWER_MS)
    expect(frame.locator("[aria-busy=true]")).to_have_count(0, timeout=ANSWER_MS)


def test_a_person_of_another_site_chats_without_a_cookie_and_goes_on_after_a_reload(page, site, server):
    frame = visit(page, site, "customer-1")
    say(frame, '[[text="You are welcome."]]', 1)
    expect(frame.locator(".reply .prose")).to_have_text("You are welcome.")
    look_at(page, "the page in another site's frame", page.frames[1])
    look_at(page, "another site's page with the chat")

    frame = visit(page, site, "customer-1")
    expect(frame.locator(".reply .prose")).to_have_text("You are welcome.", timeout=ANSWER_MS)
    assert page.context.cookies() == []

    frame = visit(page, site, "customer-2")
    expect(frame.locator(".reply")).to_have_count(0)


def test_a_new_chat_is_begun_in_the_frame_and_comes_back_with_the_connection(page, site, server):
    frame = visit(page, site, "customer-3")
    say(frame, '[[text="first"]]', 1)
    frame.get_by_role("button", name="New chat").click()
    expect(frame.locator(".reply")).to_have_count(0)
    say(frame, '[[text="second"]]', 1)
    before = site.tickets

    server.kill()
    server.start(migrate=False)
    expect(frame.locator("#pill")).to_have_text("Connected", timeout=ANSWER_MS)
    say(frame, '[[text="third"]]', 2)
    assert site.tickets > before


def test_files_are_given_seen_heard_and_saved_in_the_frame(page, site, server):
    frame = visit(page, site, "customer-5", "shows")
    photo = FilePayload(name="photo.png", mimeType="image/png", buffer=picture())
    frame.locator(".attach-slot input").set_input_files([photo])
    expect(frame.locator(".upload[data-state=done]")).to_have_count(1)
    say(frame, show("image"), 1)
    say(frame, show("audio"), 2)
    say(frame, show("svg"), 3)

    for image in (frame.locator(".attached-image img"), frame.locator(".shown img")):
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("naturalWidth", 320)
    frame.locator("audio").scroll_into_view_if_needed()
    expect(frame.locator("audio")).to_have_attribute("src", re.compile("^blob:"))
    with page.expect_download() as saved:
        frame.locator(".shown-download").last.click()
    assert saved.value.suggested_filename == "a svg.svg"
    with open(saved.value.path(), "rb") as file:
        assert file.read().startswith(b"<svg")
    assert page.context.cookies() == []


def test_what_is_for_a_page_of_its_own_is_not_in_the_frame(page, site, server):
    frame = visit(page, site, "customer-4")

    for id in ("sidebar", "menu-open", "drawer-open"):
        expect(frame.locator(f"#{id}")).to_be_hidden()
    page.get_by_role("button", name="×").click()
    expect(page.locator("iframe")).to_be_hidden()
    look_at(page, "another site's page with the button")


def test_a_page_of_a_site_that_is_not_named_gets_no_frame(context, site, server):
    page = context.new_page()
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(f"http://127.0.0.1:{site.server_address[1]}/")  # another name of the same machine
        page.get_by_role("button", name="Ask us").click()

    expect(page.frame_locator("iframe").locator("#pill")).to_have_count(0)
