"""The page in the projects of others, as a person sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import programs
from tests.browser.chat import ANSWER_MS, Chat, check
from tests.hosts.host import Host, Trait

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
    page.wait_for_timeout(300)
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
