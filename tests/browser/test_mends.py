"""Small things that people trip over."""

from __future__ import annotations

import re

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.chat import ANSWER_MS, Chat


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


def test_an_answer_that_was_refused_says_so_and_can_be_given_again(page, server):
    """The first `answer` frame never arrives; the server's refusal is made up."""
    refused: list[str] = []

    def route(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def on_message(text: str | bytes) -> None:
            id = re.search(r'"message_id":"([^"]+)"', str(text))
            if '"type":"answer"' in str(text) and id and not refused:
                refused.append(id[1])
                socket.send(f'{{"type":"error","error":"rate_limited","details":"Not so fast.","client_id":"{id[1]}"}}')
            else:
                upstream.send(text)

        socket.on_message(on_message)

    page.route_web_socket(re.compile(r"/ws/chat/"), route)
    chat = Chat(page, server.url).open()
    ask(chat)
    approve = page.get_by_role("button", name="Approve")
    approve.click()
    expect(page.locator(".ask")).to_contain_text("Not sent: Not so fast.")
    expect(approve).to_be_enabled()
    approve.click()
    expect(page.locator(".ask")).to_have_count(0)
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
