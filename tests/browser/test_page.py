"""The page as people use it: a real Chromium, a real server, a model's server that does what the message says."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at


def test_a_person_types_sees_words_arrive_stops_reloads_and_finds_it_all(chat):
    chat.say("Tell me [[tokens=600 tps=40]]")
    chat.writing()
    early = len(chat.html())
    chat.page.wait_for_function(
        "(early) => document.querySelector('.reply .prose').innerHTML.length > early", arg=early
    )
    chat.field.press("Escape")
    chat.answered()
    expect(chat.replies.locator(".ending")).to_have_text("Stopped")
    kept = chat.html()
    expect(chat.page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/$"))

    chat.page.reload()
    chat.answered()
    assert chat.html() == kept
    expect(chat.page.locator(".bubble")).to_have_text("Tell me [[tokens=600 tps=40]]")
    expect(chat.page.locator(".chat[aria-current=page]")).to_contain_text("Tell me")


def test_hostile_text_runs_nothing_on_either_side(chat):
    dialogs: list[str] = []
    chat.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    attack = "<img src=https://evil.test/x onerror=alert(1)> <script>alert(2)</script> [x](javascript:alert(3))"
    chat.say(f"{attack} [[echo=1]]")
    chat.answered()
    assert chat.page.locator(".turns script, .turns img, .turns [onerror], .turns a[href^=javascript]").count() == 0
    expect(chat.page.locator(".bubble")).to_contain_text("<script>alert(2)</script>")
    assert dialogs == []


def test_an_error_stands_in_the_place_of_the_answer_and_can_be_tried_again(chat):
    chat.say("[[error=401]]")
    failure = chat.page.locator(".failure")
    expect(failure).to_be_visible(timeout=ANSWER_MS)
    expect(failure).to_contain_text("llm_auth")
    failure.get_by_role("button", name="Retry").click()
    expect(chat.page.locator(".branch:visible")).to_contain_text("2 / 2", timeout=ANSWER_MS)


def test_an_edited_message_makes_a_second_version_and_the_first_stays(chat):
    chat.say('first [[text="one"]]')
    chat.answered()
    chat.field.press("ArrowUp")
    chat.page.locator(".edit-field").fill('second [[text="two"]]')
    chat.page.locator(".editor").get_by_role("button", name="Send").click()
    expect(chat.replies.locator(".prose")).to_have_text("two", timeout=ANSWER_MS)
    chat.answered()
    chat.page.get_by_role("button", name="Previous version").locator("visible=true").click()
    expect(chat.replies.locator(".prose")).to_have_text("one")


def test_a_tool_waits_for_approval_and_the_question_survives_a_reload(chat):
    chat.page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    chat.say('[[tool=ask_user args={"question":"May I?"}]]')
    ask = chat.page.locator(".ask")
    expect(ask).to_contain_text("May I?", timeout=ANSWER_MS)
    chat.page.reload()
    expect(ask).to_contain_text("May I?")
    ask.get_by_role("button", name="Approve").click()
    expect(ask).to_have_count(0)
    chat.answered(2)
    expect(chat.page.locator(".bubble")).to_have_text([re.compile("ask_user"), "Approved"])


def test_a_sub_agent_shows_inside_a_card_with_the_tool_that_called_it(chat):
    chat.page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    chat.say(r'[[tool=delegate args={"job":"[\u005btokens=5]\u005d"}]]')
    chat.answered()
    task = chat.page.locator(".task")
    expect(task.locator("summary").first).to_contain_text("Asked Helper")
    task.locator("summary").first.click()
    expect(task.locator(".prose")).to_contain_text("a small stub")


def test_what_is_sent_without_a_connection_waits_and_goes_out_once(page, server):
    """Every socket is cut, and new ones are refused, until the test lets them through."""
    state = {"down": False}
    sockets: list[WebSocketRoute] = []

    def route(socket: WebSocketRoute) -> None:
        if state["down"]:
            socket.close(code=4503)
            return
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile(r"/ws/chat/"), route)
    chat = Chat(page, server.url).open()
    chat.say('[[text="before"]]')
    chat.answered()
    page.route(re.compile(r"^http.*/ws/chat/"), lambda route: route.abort())  # nor is there an answer over HTTP
    state["down"] = True
    sockets[-1].close(code=4012)
    expect(page.locator("#banner")).to_contain_text("No connection")
    chat.say('kept [[text="after"]]')
    chat.say("regretted")
    expect(page.locator(".pending")).to_have_count(2)
    page.get_by_role("button", name="Cancel").last.click()
    expect(chat.field).to_have_value("regretted")
    page.get_by_role("button", name="Retry now").click()  # in vain
    state["down"] = False
    page.evaluate("() => dispatchEvent(new Event('online'))")  # unless the page has come back by itself
    chat.answered(2)
    assert page.locator(".bubble").all_inner_texts() == ['[[text="before"]]', 'kept [[text="after"]]']


def test_what_waits_for_a_conversation_that_is_gone_goes_to_a_new_one(page, server):
    page.add_init_script(
        """if (!sessionStorage.getItem("seen")) {
            const frame = { type: "message", message_id: crypto.randomUUID(), content: "still here" };
            const items = [{ id: frame.message_id, frame, state: "queued", at: 0 }];
            const gone = { "11111111-1111-4111-8111-111111111111": { ticket: "forged", items } };
            sessionStorage.setItem("chat.outbox", JSON.stringify(gone));
            sessionStorage.setItem("seen", "yes");
        }"""
    )
    chat = Chat(page, server.url).open()
    chat.answered()
    expect(page.locator(".bubble")).to_have_text("still here")
    assert page.evaluate("() => sessionStorage.getItem('chat.outbox')") is None


SHIFTED = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifted += value;
    }).observe({ type: "layout-shift", buffered: true });
"""


def test_nothing_jumps_on_a_first_visit_while_an_answer_comes_and_when_it_is_loaded_again(page, server):
    page.add_init_script(SHIFTED)
    chat = Chat(page, server.url).open()
    visited = page.evaluate("() => window.shifted")
    chat.say("[[tokens=300 tps=200]]")
    chat.answered()
    answered = page.evaluate("() => window.shifted") - visited
    page.reload()
    chat.answered()
    assert max(visited, answered, page.evaluate("() => window.shifted")) <= 0.01


def test_a_second_tab_shows_the_same_while_it_is_written(chat, context):
    chat.say("[[tokens=200 tps=40]]")
    chat.writing()
    expect(chat.page).to_have_url(re.compile(r"/c/"))
    other = Chat(context.new_page(), chat.url)
    other.page.goto(chat.page.url)
    other.writing()
    chat.answered()
    other.answered()
    assert other.html() == chat.html()


def test_the_reader_who_scrolls_up_is_left_alone(chat):
    chat.say("[[tokens=3000 tps=150]]")
    top: Callable[[], int] = lambda: chat.page.evaluate("() => document.querySelector('#scroller').scrollTop")  # noqa: E731
    chat.page.wait_for_function("() => document.querySelector('#scroller').scrollTop > 300", timeout=ANSWER_MS)
    chat.page.mouse.move(700, 300)
    chat.page.mouse.wheel(0, -200)
    latest = chat.page.get_by_role("button", name="Latest")
    expect(latest).to_be_visible()
    stays, length = top(), len(chat.html())
    chat.page.wait_for_function(
        "(length) => document.querySelector('.prose').innerHTML.length > length + 500", arg=length
    )
    assert top() == stays
    latest.click()
    expect(latest).to_be_hidden()
    chat.stop.click()
    chat.answered()


def test_a_draft_survives_a_reload(chat):
    chat.field.fill("half a thought")
    chat.page.reload()
    expect(chat.field).to_have_value("half a thought")


def test_the_enter_of_an_input_method_does_not_send(chat):
    chat.field.fill("にほん")
    chat.field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True})
    expect(chat.field).to_have_value("にほん")
    expect(chat.page.locator(".bubble")).to_have_count(0)


def test_a_conversation_is_renamed_deleted_and_brought_back(chat):
    chat.say("hello")
    chat.answered()
    item = chat.page.locator(".chat-item")
    item.hover()
    item.get_by_role("button").click()
    chat.page.get_by_role("button", name="Rename…").click()
    chat.page.locator("#rename-field").fill("Greetings")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("Greetings")
    item.hover()
    item.get_by_role("button").click()
    chat.page.get_by_role("button", name="Delete", exact=True).click()
    expect(item).to_have_count(0)
    chat.page.get_by_role("button", name="Undo").click()
    expect(item).to_have_text(re.compile("Greetings"))


def test_a_model_that_takes_its_time_is_waited_for_in_sight_and_can_be_stopped(chat, page):
    chat.say("[[hang=60]]")

    waiting = chat.replies.last.locator(".dots-long")
    expect(waiting).to_have_text(re.compile(r"Still waiting for the model · \d+ s"), timeout=ANSWER_MS)
    look_at(page, "an answer that is waited for")
    chat.stop.click()
    chat.answered()

    expect(waiting).to_be_hidden()


def test_usage_that_nobody_has_counted_says_so_and_names_no_price_of_nothing(chat, page):
    chat.say("[[usage=0 tokens=3]]")
    chat.answered()

    figures = chat.replies.last.locator(".actions > .figures")
    expect(figures).to_contain_text(re.compile(r"about \d[\d,]* tokens"))
    expect(figures).not_to_contain_text("$0.00")


def test_a_filtered_answer_says_so(chat, page):
    chat.say('[[replay="end: filtered by content_filter"]]')
    chat.answered()

    expect(chat.replies.last).to_contain_text("content filter")
