"""Small things that people trip over."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at


def ask(chat: Chat, kind: str = "approval") -> None:
    chat.page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    chat.say(f'[[tool=ask_user args={{"question":"May I?","kind":"{kind}"}}]]')
    expect(chat.page.locator(".ask")).to_be_visible(timeout=ANSWER_MS)


def test_the_focus_is_in_the_field_after_stop_and_after_an_answer(chat):
    ask(chat)
    chat.page.get_by_role("button", name="Approve").click()
    expect(chat.field).to_be_focused()
    chat.answered(2)
    chat.say("[[tokens=600 tps=40]]")
    chat.writing()
    chat.stop.click()
    expect(chat.stop).to_be_hidden()
    expect(chat.field).to_be_focused()


REFUSALS = {  # made up: what a server says that is in trouble, has enough, or does not let everybody approve
    "internal": "Something went wrong here.",
    "rate_limited": "Not so fast.",
    "forbidden": "You may not approve this.",
}


class Line:
    """The page's way to the server, which a test cuts, and in which answers get lost."""

    def __init__(self, page: Page) -> None:
        self.is_cut = False
        self.refusals = dict(REFUSALS)
        self.answers: list[str] = []
        self.sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile(r"/ws/chat/"), self._route)

    def cut(self) -> None:
        self.is_cut = True
        self.sockets[-1].close(code=4012)

    def _route(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            return socket.close(code=4503)
        self.sockets.append(socket)
        upstream = socket.connect_to_server()

        def on_message(text: str | bytes) -> None:
            id = re.search(r'"message_id":"([^"]+)"', str(text))
            if '"type":"answer"' not in str(text) or not id:
                return upstream.send(text)
            self.answers.append(id[1])
            if not self.refusals:
                return upstream.send(text)
            code, details = self.refusals.popitem()
            socket.send(json.dumps({"type": "error", "error": code, "details": details, "client_id": id[1]}))

        socket.on_message(on_message)


def test_an_answer_that_was_refused_says_so_and_can_be_given_again(page, server):
    line = Line(page)
    chat = Chat(page, server.url).open()
    ask(chat)
    approve = page.get_by_role("button", name="Approve")
    for details in reversed(REFUSALS.values()):
        approve.click()
        expect(page.locator(".ask").get_by_role("alert")).to_have_text(f"Not sent: {details}")
        expect(approve).to_be_enabled()
        expect(chat.field).to_be_focused()
    look_at(page, "an answer that was refused")
    approve.click()
    expect(page.locator(".ask")).to_have_count(0)
    chat.answered(2)
    assert len(set(line.answers)) == 4


def test_an_answer_without_a_connection_waits_in_its_card_and_goes_out_once(page, server):
    line = Line(page)
    line.refusals.clear()
    chat = Chat(page, server.url).open()
    ask(chat)
    page.route(re.compile(r"^http.*/ws/chat/"), lambda route: route.abort())
    line.cut()
    card = page.locator(".ask")
    reject = card.get_by_role("button", name="Reject")
    reject.click()
    card.get_by_label("Reason").fill("no")
    reject.click()
    expect(card).to_contain_text("Queued until the connection is back")
    expect(reject).to_be_disabled()
    expect(page.locator(".pending")).to_have_count(0)  # said once
    look_at(page, "an answer that waits for the connection")
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_label("Reason")).to_be_editable()
    expect(chat.field).to_have_value("")
    card.get_by_role("button", name="Approve").click()
    line.is_cut = False
    page.evaluate("() => dispatchEvent(new Event('online'))")  # unless the page has come back by itself
    expect(card).to_have_count(0)
    chat.answered(2)
    assert len(line.answers) == 1


def test_an_answer_that_is_too_long_says_so_and_can_be_made_shorter(chat):
    ask(chat)
    card = chat.page.locator(".ask")
    reject = card.get_by_role("button", name="Reject")
    reject.click()
    for length, problem in ((70_000, "too long to be sent: 64 kB"), (20_000, "16000 characters at most")):
        card.get_by_label("Reason").fill("x" * length)
        reject.click()
        expect(card.get_by_role("alert")).to_contain_text(problem)
        expect(reject).to_be_enabled()
    card.get_by_label("Reason").fill("no")
    reject.click()
    expect(card).to_have_count(0)
    chat.answered(2)


def test_an_error_offers_one_way_to_try_again(chat):
    chat.say("[[error=401]]")
    expect(chat.page.locator(".failure")).to_be_visible(timeout=ANSWER_MS)
    expect(chat.stop).to_be_hidden()
    expect(
        chat.page.get_by_role("button", name=re.compile("Retry|Answer again")).locator("visible=true")
    ).to_have_count(1)


def test_a_reader_above_is_told_of_new_answers_and_gets_there(chat):
    chat.say("[[tokens=600]]")
    chat.answered()
    chat.page.locator("#scroller").evaluate("(scroller) => scroller.scrollTo(0, 0)")
    expect(chat.page.locator("#latest")).to_have_text("Latest")
    chat.page.evaluate("() => { const f = document.querySelector('#field'); f.focus({ preventScroll: true }); }")
    other = chat.page.context.new_page()
    Chat(other, chat.url).open(chat.page.url.removeprefix(chat.url)).say("[[tokens=5]]")
    expect(chat.page.locator("#latest")).to_have_text("1 new answer", timeout=ANSWER_MS)
    chat.page.locator("#latest").click()
    expect(chat.page.locator("#latest")).to_be_hidden()


def test_a_megabyte_in_the_field_does_not_stop_the_page(chat):
    took = chat.page.evaluate(
        """async () => {
            const field = document.querySelector("#field");
            const began = performance.now();
            field.focus();
            document.execCommand("insertText", false, "lorem ipsum ".repeat(90_000));
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            return performance.now() - began;
        }"""
    )
    assert took < 10_000  # 56 s before
    expect(chat.page.locator(".composer-note")).to_contain_text("Too long by")
    expect(chat.page.locator("#send")).to_be_disabled()


def test_a_full_storage_loses_no_message(page, server):
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }")
    chat = Chat(page, server.url).open()
    chat.say('[[text="received"]]')
    chat.answered()
    expect(chat.replies.last).to_contain_text("received")


def test_at_400_percent_there_is_room_to_read(chat):
    chat.page.set_viewport_size({"width": 320, "height": 256})
    assert chat.page.locator("#scroller").evaluate("(scroller) => scroller.clientHeight") >= 140


def test_latest_covers_no_text_on_a_narrow_window(chat):
    chat.page.set_viewport_size({"width": 320, "height": 640})
    chat.say("[[tokens=400]]")
    chat.answered()
    chat.page.locator("#scroller").evaluate("(scroller) => scroller.scrollTo(0, 0)")
    latest, scroller = chat.page.locator("#latest").bounding_box(), chat.page.locator("#scroller").bounding_box()
    assert latest and scroller and latest["y"] >= scroller["y"] + scroller["height"] - 1
    look_at(chat.page, "away from the end")


def test_the_field_keeps_its_room_on_a_narrow_window(chat):
    chat.page.set_viewport_size({"width": 320, "height": 640})
    width = "(field) => field.clientWidth"
    chat.field.fill("x" * 17_000)
    expect(chat.page.locator("#composer")).to_contain_text("Too long")
    look_at(chat.page, "a message that is too long")
    chat.page.set_viewport_size({"width": 320, "height": 640})
    assert chat.field.evaluate(width) > 240  # a line of its own
    chat.field.fill("")
    before = chat.page.locator("#composer").bounding_box()
    chat.say("[[tokens=400 tps=20]]")
    expect(chat.stop).to_be_visible(timeout=ANSWER_MS)
    assert chat.page.locator("#composer").bounding_box() == before  # nothing moves when an answer begins
    assert chat.field.evaluate(width) > 120


def test_with_large_text_the_skip_link_is_out_of_sight_until_it_is_needed_and_signs_have_room(chat):
    skip = chat.page.locator(".skip")
    chat.page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    bottom = "(link) => link.getBoundingClientRect().bottom"
    assert skip.evaluate(bottom) <= 0
    skip.focus()
    assert skip.evaluate(bottom) > 0
    # Signs and initials keep to their places.
    signs = chat.page.locator(":is(.icon-button, .send, .avatar):visible")
    outside = "(all) => all.filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.outerHTML)"
    assert signs.count() > 5 and signs.evaluate_all(outside) == []


def test_toasts_stand_in_the_middle_of_the_chat(chat):
    chat.page.evaluate(
        "async () => { const { Toasts } = await import('chat/toasts.js');"
        " new Toasts(document.querySelector('#toasts')).show('Hello', { action: 'Undo', ms: 600_000 }); }"
    )
    look_at(chat.page, "a toast with a button")
    middle = "(element) => { const { left, right } = element.getBoundingClientRect(); return (left + right) / 2; }"
    toast, column = (chat.page.locator(name).evaluate(middle) for name in (".toast", ".dock-column"))
    assert abs(toast - column) < 2


def test_the_escape_that_ends_a_composition_stops_nothing(chat):
    """Safari tells of it by the number 229 alone, after the composition has ended."""
    chat.say("[[tokens=2000 tps=40]]")
    chat.writing()
    press = "(field, key) => field.dispatchEvent(new KeyboardEvent('keydown', { ...key, bubbles: true }))"
    chat.field.evaluate(press, {"key": "Escape", "keyCode": 229})
    expect(chat.stop).to_be_visible()
    expect(chat.stop).to_be_enabled()
    chat.field.evaluate(press, {"key": "Escape", "keyCode": 27})
    expect(chat.stop).to_be_hidden()


def test_a_message_that_waits_says_so_and_has_no_dots(chat):
    chat.say("[[tokens=2000 tps=40]]")
    chat.writing()
    chat.say("[[text=second]]")
    waiting = chat.page.locator("#turns > .turn").last
    expect(waiting).to_contain_text("Waiting for its turn", timeout=ANSWER_MS)
    expect(waiting.locator(".waiting:visible")).to_have_count(0)
    chat.stop.click()


def test_the_caret_rests_while_the_connection_is_away(page, server):
    sockets: list[WebSocketRoute] = []

    def route(socket: WebSocketRoute) -> None:
        if sockets:
            return socket.close(code=4503)
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket(re.compile(r"/ws/chat/"), route)
    chat = Chat(page, server.url).open()
    chat.say("[[tokens=2000 tps=40]]")
    chat.writing()
    last = page.locator("[data-writing] .prose > :last-child")
    caret = "(last) => getComputedStyle(last, '::after').animationName"
    assert last.evaluate(caret) == "blink"
    sockets[0].close(code=1011)
    expect(page.locator("#pill")).not_to_have_text("Connected")
    assert last.evaluate(caret) == "none"


def test_the_keys_of_the_editor_are_in_the_list(chat):
    chat.page.locator("#field").evaluate("(field) => field.blur()")
    chat.page.keyboard.press("?")
    expect(chat.page.locator("#keys")).to_contain_text("Send an edited message")
    look_at(chat.page, "the list of keys")
