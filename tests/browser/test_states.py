"""Every state that a page can be in: accessible, inside its edges, in every look."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.chat import ANSWER_MS, Chat, check
from tests.browser.looks import LOOKS, check_in_all_looks
from tests.servers import Server

FIGURES_OUTSIDE = """() => Array.from(document.querySelectorAll("summary > .card-figures")).filter((figures) => {
    const [inner, outer] = [figures, figures.parentElement].map((element) => element.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
}).map((figures) => figures.textContent)"""


class Sockets:
    """The sockets of a page: on their way to the server until they are cut, and afterwards refused."""

    def __init__(self, page: Page) -> None:
        self.opened: list[WebSocketRoute] = []
        self.is_cut = False
        page.route_web_socket("**/ws/chat/**", self._route)

    def _route(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            return socket.close(code=4503)
        self.opened.append(socket)
        socket.connect_to_server()

    def cut(self, code: int) -> None:
        self.is_cut = True
        self.opened[-1].close(code=code)


@pytest.fixture(params=list(LOOKS)[:4])
def look(request, page):
    media, width, height, direction, _ = LOOKS[request.param]
    page.emulate_media(**media)
    page.set_viewport_size({"width": width, "height": height})
    page.add_init_script(f"addEventListener('DOMContentLoaded', () => document.documentElement.dir = '{direction}')")


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The example project as it is, without a model."""
    folder = tmp_path_factory.mktemp("examples")
    with Server(folder, settings="webui_project.settings", CHAT_MOCK_MODEL="1", SECRET_KEY="x", DEBUG="1") as server:
        yield server


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password_reset/", "/s/none/"])
def test_the_pages_around_are_accessible_in_every_look(page, examples, path):
    page.goto(examples.url + path)
    check_in_all_looks(page, path)


def test_each_state_is_accessible_and_nothing_sticks_out(look, page, server):
    sockets = Sockets(page)
    chat = Chat(page, server.url).open()
    page.locator("input[name=agent][value=tools]").check()
    chat.connected()

    chat.say(r'[[tool=delegate args={"job":"[\u005btokens=9]\u005d"} then.text="Done."]]')
    chat.answered()
    for summary in page.locator(".turns summary:visible").all():
        summary.click()
    check(page, "sub-agent")
    assert page.evaluate(FIGURES_OUTSIDE) == []

    for kind in ("approval", "choice", "text"):
        order = {"question": "A question of some length?", "kind": kind}
        chat.say(f"[[tool=ask_user args={json.dumps(order)}]]")
        expect(page.locator(".ask")).to_be_visible()
        check(page, kind)
        chat.stop.click()
        expect(page.locator(".ask")).to_have_count(0)
    check(page, "stopped")

    chat.say("[[think=12 tokens=400 tps=60]]")
    expect(page.locator("[aria-busy=true] .prose")).to_contain_text("stub", timeout=ANSWER_MS)
    check(page, "streaming")
    chat.field.press("Escape")
    expect(chat.stop).to_be_hidden()

    page.locator("#menu-open").click()
    check(page, "menu")
    page.locator("#keys-open").click()
    check(page, "keys")
    page.keyboard.press("Escape")
    if page.locator("#drawer-open").is_visible():
        page.locator("#drawer-open").click()
        check(page, "drawer")
        page.keyboard.press("Escape")

    sockets.cut(4012)
    expect(page.locator("#banner")).to_be_visible()
    chat.say("waits for its connection")
    expect(page.locator(".pending")).to_have_count(1)
    check(page, "away, with a message that waits")


@pytest.mark.parametrize("code", [4401, 4404, 4409])
def test_the_page_says_why_it_was_closed(page, server, code):
    sockets = Sockets(page)
    page.clock.install()
    chat = Chat(page, server.url).open()
    chat.say("[[tokens=2]]")
    chat.answered()
    before = len(sockets.opened)
    sockets.cut(code)
    words = {4401: "Signed out", 4404: "Not found", 4409: "Open elsewhere"}
    expect(page.locator("#pill")).to_have_text(words[code])
    check(page, words[code])
    sockets.is_cut = False
    page.clock.run_for(60_000)
    assert len(sockets.opened) == before


def test_a_conversation_that_was_deleted_elsewhere_is_not_shown_any_more(chat, context):
    chat.say('a secret [[text="told"]]')
    chat.answered()
    other = context.new_page()
    other.goto(chat.page.url)
    item = other.locator(".chat-item")
    item.hover()
    item.get_by_role("button").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    heading = chat.page.get_by_role("heading", name="This conversation is not here")
    expect(heading).to_be_in_viewport()  # the other page offers to undo it for a while
    expect(chat.page.locator(".bubble")).to_be_hidden()
    expect(chat.page.locator(".chat-item")).to_have_count(0)
    check(chat.page, "deleted")
