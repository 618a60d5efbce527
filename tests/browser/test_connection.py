"""The page while servers and people come and go."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests import nginx, programs
from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.conftest import watch
from tests.browser.looks import look_at
from tests.faults.store import Store
from tests.servers import Server

RICH = r"# T\n\n1. one\n2. two\n\n   more\n\n```python\nx = 1\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n"
RICH += r"$x^2$ *end* 🙂 [r]\n\n[r]: /x"

# The elements that people see. Ids are numbered by each page, and `data-live` makes room for what was sent just now.
SHOWN = """() => {
    const turns = document.querySelector("#turns").cloneNode(true);
    for (const element of turns.querySelectorAll("[hidden]")) element.remove();
    for (const element of turns.querySelectorAll("*")) {
        for (const name of ["id", "aria-labelledby", "data-live"]) element.removeAttribute(name);
    }
    return turns.innerHTML.replaceAll("><", ">\\n<").split("\\n");
}"""


@pytest.fixture
def own_server(stub, tmp_path):
    """A server of one test's own, which may stop."""
    with Server(tmp_path, CHAT_API_BASE=stub.url, CHAT_API_KEY="sk-x", CHAT_DRAIN_SECONDS="0") as server:
        yield server


def test_what_is_sent_while_the_server_is_away_goes_out_once_when_it_is_back(page: Page, own_server, stub):
    chat = Chat(page, own_server.url).open()
    chat.say('before [[text="one"]]')
    chat.answered()
    stub.reset()
    own_server.stop()
    expect(page.locator("#banner")).to_contain_text("No connection", timeout=ANSWER_MS)
    chat.say('meanwhile [[text="two"]]')
    expect(page.locator(".pending")).to_have_count(1)
    own_server.start(migrate=False)
    page.evaluate("() => dispatchEvent(new Event('online'))")  # unless the page has come back by itself
    chat.answered(2)
    expect(chat.replies.last.locator(".prose")).to_have_text("two")
    expect(page.locator(".pending")).to_have_count(0)
    expect(page.locator(".bubble")).to_have_count(2)
    assert stub.stats().requests == 1
    told = [message["content"] for message in stub.last()["messages"] if message["role"] != "system"]
    assert told == ['before [[text="one"]]', "one", 'meanwhile [[text="two"]]']


def test_a_server_that_dies_in_mid_answer_leaves_what_was_written(page: Page, own_server, tmp_path):
    store = Store(tmp_path / "chat.sqlite3")
    chat = Chat(page, own_server.url).open()
    chat.say("[[tokens=600 tps=40]]")
    chat.writing()
    written = chat.replies.last.locator(".prose").inner_text()
    stored = "SELECT 1 FROM chat_message WHERE seq IS NULL AND content LIKE ?"
    programs.wait_until(lambda: store.query(stored, f"{written}%"))
    own_server.kill()
    own_server.start(migrate=False)
    chat.answered()
    kept = chat.replies.last.locator(".prose").inner_text()
    assert kept.startswith(written)
    expect(chat.replies.last).to_contain_text("Interrupted")


def test_a_proxy_without_sockets_is_told_and_what_to_look_at(page: Page, server, tmp_path):
    with nginx.before(server.port, tmp_path) as url:
        page.goto(url)
        chat = Chat(page, url)
        banner = page.locator("#banner")
        expect(banner).to_contain_text("live connection", timeout=ANSWER_MS)
        expect(banner).to_contain_text("Upgrade and Connection")
        chat.say("hello")
        expect(banner).to_contain_text("One message waits here.")
        look_at(page, "no socket opens")
    upgrade = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
    with nginx.before(server.port, tmp_path, upgrade) as url:
        Chat(page, url).open()
        expect(banner).to_be_hidden()


def test_a_server_that_is_away_is_no_trouble_of_sockets(page: Page, own_server):
    chat = Chat(page, own_server.url).open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    own_server.stop()
    programs.wait_until(lambda: page.wait_for_timeout(100) or any("origin=" in url for url in asked))
    expect(page.locator("#banner")).to_contain_text("No connection", timeout=ANSWER_MS)
    own_server.start(migrate=False)
    chat.connected()


FULL = """() => {
    const fill = (storage, size) => {
        try { for (;;) storage.setItem(`fill ${storage.length}`, "x".repeat(size)); } catch {}
        return size > 1 && fill(storage, Math.floor(size / 8));
    };
    fill(localStorage, 2 ** 20);
    fill(sessionStorage, 2 ** 20);
}"""


def test_a_full_storage_is_told_and_no_draft_is_lost_by_going_elsewhere(chat):
    chat.say("[[tokens=2]]")
    chat.answered()
    chat.page.evaluate(FULL)
    chat.field.fill("a draft")
    banner = chat.page.locator("#banner")
    expect(banner).to_contain_text("storage for this site is full")
    look_at(chat.page, "full storage")
    chat.page.get_by_role("link", name="New chat").click()
    expect(chat.field).to_have_value("")
    chat.page.locator(".chat").click()
    expect(chat.field).to_have_value("a draft")
    asked = []
    chat.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    chat.page.reload()
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("code", [0xD83D, 0], ids=["half a character", "NUL"])
def test_what_no_frame_can_hold_is_refused_where_it_was_typed_and_stays_there(chat, code):
    text = "(code) => { field.value = `odd ${String.fromCharCode(code)}`; field.dispatchEvent(new Event('input')); }"
    chat.page.evaluate(text, code)
    chat.field.press("Enter")
    expect(chat.page.locator(".failed", has_text="odd")).to_be_visible(timeout=ANSWER_MS)
    chat.page.get_by_role("button", name="Put back into the field").click()
    expect(chat.field).to_have_value(re.compile("^odd "))
    chat.say("[[tokens=2]]")
    chat.answered()


@pytest.fixture
def forbidding(context, tmp_path):
    """A page of a browser whose user has forbidden cookies and storage."""
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    kind, path = context.browser.browser_type, programs.require("chromium")
    own = kind.launch_persistent_context(tmp_path, executable_path=path, args=["--no-sandbox"])
    faults: list[str] = []
    page = own.new_page()
    watch(page, faults)
    yield page
    own.close()
    assert faults == []


def test_without_cookies_and_storage_the_page_says_so_and_loses_nothing(forbidding: Page, server):
    chat = Chat(forbidding, server.url).open()
    banner = forbidding.locator("#banner")
    expect(banner).to_contain_text("cookies or storage are blocked")
    look_at(forbidding, "blocked storage")
    chat.say('hello [[text="one"]]')
    chat.answered()
    chat.field.fill("a draft")
    banner.get_by_role("button", name="Dismiss").click()
    expect(banner).to_be_hidden()
    expect(chat.field).to_have_value("a draft")
    asked = []
    forbidding.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    forbidding.reload()
    assert asked == ["beforeunload"]


class Network:
    """What is between a page and its server. `is_dead`: it swallows what either sends, and closes nothing.

    A socket that lost a frame stays dead: no TCP connection delivers the next one without it.
    """

    def __init__(self, page: Page) -> None:
        self.is_dead = False
        page.route_web_socket("**/ws/chat/**", self._route)

    def _route(self, near: WebSocketRoute) -> None:
        far = near.connect_to_server()
        has_lost = False

        def carry(to: WebSocketRoute, frame: str | bytes) -> None:
            nonlocal has_lost
            has_lost = has_lost or self.is_dead
            if not has_lost:
                to.send(frame)

        near.on_message(lambda frame: carry(far, frame))
        far.on_message(lambda frame: carry(near, frame))


def test_a_page_whose_network_dies_without_a_word_notices_and_comes_back(page: Page, server):
    network = Network(page)
    chat = Chat(page, server.url).open()
    chat.say("[[tokens=3]]")
    chat.answered()
    network.is_dead = True
    expect(page.locator("#pill")).not_to_have_text("Connected", timeout=ANSWER_MS)
    network.is_dead = False
    chat.connected()
    chat.say("[[tokens=3]]")
    chat.answered(2)


# A `Connection` with a socket that does what the test says. `told`: the phases of its link, and what it sent.
CONNECTION = """async () => {
    const { Connection } = await import("chat/connection.js");
    window.told = [];
    window.WebSocket = class {
        static OPEN = 1;
        readyState = 1;
        send(frame) { told.push(JSON.parse(frame).type); }
        close() {}
    };
    const target = () => ({ path: "/ws/chat/" });
    window.connection = new Connection({ target, onFrame() {}, onLink: ({ phase }) => told.push(phase) });
    connection.open();
    connection.socket.onopen();
}"""


def test_a_silent_server_is_asked_after_8_seconds_and_given_up_after_15(modules: Page):
    modules.clock.install()
    modules.clock.pause_at(modules.evaluate("() => Date.now() + 1000"))
    modules.evaluate(CONNECTION)

    def told_after(milliseconds: int) -> list[str]:
        modules.clock.run_for(milliseconds)
        return modules.evaluate("() => told.splice(0)")

    assert told_after(7_999) == ["connecting"]
    assert told_after(1) == ["ping"]
    modules.evaluate("""() => connection.socket.onmessage({ data: '{"type":"pong"}' })""")
    assert told_after(7_999) == []
    modules.evaluate("""() => connection.socket.onmessage({ data: '{"type":"status"}' })""")
    assert told_after(7_999) == []
    assert told_after(1) == ["ping"]
    assert told_after(6_999) == []
    assert told_after(1) == ["waiting"]


def test_a_reload_in_mid_answer_makes_the_same_elements_as_none(chat, context):
    """Two tabs of one conversation: one is reloaded again and again, the other never."""
    chat.say(f'[[text="{RICH}" tps=9]]')
    chat.writing()
    expect(chat.page).to_have_url(re.compile(r"/c/"))
    other = Chat(context.new_page(), chat.url)
    faults: list[str] = []
    watch(other.page, faults)
    other.page.goto(chat.page.url)
    for _ in range(3):
        other.writing()
        other.page.reload()
    for each in (chat, other):
        each.answered()
    assert chat.html() == other.html() and "🙂" in chat.html() and "<math" in chat.html()
    assert chat.page.evaluate(SHOWN) == other.page.evaluate(SHOWN)
    assert faults == []


def test_a_new_chat_is_another_conversation_and_the_old_one_is_in_the_list(chat, stub):
    chat.say('my name is Ada [[text="Hello Ada"]]')
    chat.answered()
    first = chat.page.url
    chat.page.get_by_role("link", name="New chat").click()
    expect(chat.replies).to_have_count(0)
    chat.connected()
    expect(chat.field).to_be_focused()
    chat.say('who am I? [[text="I do not know"]]')
    chat.answered()
    expect(chat.replies.locator(".prose")).to_have_text("I do not know")
    assert "Ada" not in str(stub.last()["messages"])
    assert chat.page.url != first
    chat.page.locator(".chat", has_text="my name is Ada").click()
    expect(chat.replies.locator(".prose")).to_have_text("Hello Ada")
    expect(chat.page).to_have_url(first)
    chat.page.go_back()
    expect(chat.replies.locator(".prose")).to_have_text("I do not know")


def test_signing_in_and_out(page: Page, context, server):
    server.manage(
        "shell", "-c", "from django.contrib.auth.models import User; User.objects.create_user('ann', password='pw')"
    )
    page.goto(f"{server.url}/accounts/login/")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("pw")
    page.get_by_role("button", name="Sign in").click()
    chat = Chat(page, server.url)
    chat.connected()
    chat.say('secret of ann [[text="kept"]]')
    chat.answered()
    chat.field.fill("a draft")

    other = context.new_page()
    other.goto(page.url)
    other.locator("#menu-open").click()
    other.get_by_role("button", name="Sign out").click()
    expect(page.locator("#pill")).to_have_text("Signed out")
    expect(page.locator("#banner")).to_contain_text("Your draft is kept")
    other.reload()
    assert "secret of ann" not in other.content()
    expect(other.locator(".chat-item")).to_have_count(0)

    page.locator("#banner").get_by_role("link", name="Sign in").click()
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("pw")
    page.get_by_role("button", name="Sign in").click()
    chat.connected()
    expect(chat.replies.locator(".prose")).to_have_text("kept")
    expect(chat.field).to_have_value("a draft")


HIDDEN_COOKIE = """
    const real = Object.getOwnPropertyDescriptor(Document.prototype, "cookie");
    Object.defineProperty(document, "cookie", {
        get: () => real.get.call(document).replace(/csrftoken=\\w+/, ""),
        set: (cookie) => real.set.call(document, cookie),
    });
"""


@pytest.fixture
def ann(server) -> str:
    """Somebody who can sign in with the password "pw"."""
    name = f"ann-{uuid.uuid4().hex[:8]}"
    code = f"from django.contrib.auth.models import User; User.objects.create_user('{name}', password='pw')"
    server.manage("shell", "-c", code)
    return name


def sign_in(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("pw")
    page.get_by_label("Password").press("Enter")
    Chat(page, url).connected()


def test_a_visitor_who_signs_in_stays_in_the_conversation_and_is_told_once(page: Page, server, ann):
    chat = Chat(page, server.url).open()
    chat.say('[[text="said to a visitor"]]')
    chat.answered()
    here = page.url
    page.locator("#menu-open").click()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Username").fill(ann)
    page.get_by_label("Password").fill("pw")
    page.get_by_label("Password").press("Enter")

    expect(page.locator("#toasts")).to_contain_text("are yours now")
    assert page.url == here and "/c/" in here
    expect(chat.replies.locator(".prose")).to_have_text("said to a visitor")
    page.reload()
    chat.connected()
    expect(page.locator(".toast")).to_have_count(0)
    page.locator("#menu-open").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server.url}/")
    expect(page.locator(".chat-item")).to_have_count(0)
    assert page.goto(here).status == 404


@pytest.mark.parametrize("cookies", ["readable", "hidden"])
def test_after_another_sign_in_elsewhere_the_first_tab_does_all_as_before(cookies, page: Page, context, server, ann):
    """Signing in makes a new CSRF token; the page of the first tab has an old one in it."""
    if cookies == "hidden":
        page.add_init_script(HIDDEN_COOKIE)
    sign_in(page, server.url, ann)
    chat = Chat(page, server.url)
    chat.say("hello")
    chat.answered()
    other = context.new_page()
    sign_in(other, server.url, ann)

    page.get_by_role("button", name="Options for “").click()
    page.get_by_role("button", name="Rename…").click()
    page.locator("#rename-field").fill("Renamed")
    page.locator("#rename-field").press("Enter")
    expect(other.locator(".chat-title")).to_have_text("Renamed")

    page.get_by_role("button", name="Options for “").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(other.locator(".chat-item")).to_have_count(0)  # once it cannot be undone any more

    page.locator("#menu-open").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server.url}/")
    expect(page.locator("#menu-open .initials")).to_have_count(0)


def test_a_change_that_the_server_refuses_says_what_to_do(chat):
    chat.say("hello")
    chat.answered()
    chat.page.route("**/api/conversations/*", lambda route: route.fulfill(status=403, body="CSRF"))
    chat.page.get_by_role("button", name="Options for “").click()
    chat.page.get_by_role("button", name="Rename…").click()
    chat.page.locator("#rename-field").fill("Renamed")
    chat.page.locator("#rename-field").press("Enter")
    toast = chat.page.locator(".toast", has_text="This page is out of date")
    with chat.page.expect_navigation():
        toast.get_by_role("button", name="Load again").click()
