"""Messages that wait while the agent works: edited, taken back, and answered in their order."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at


def waiting(chat: Chat, text: str):
    return chat.page.locator(".user").filter(has_text=text).filter(has_text="Waiting for its turn")


def test_what_waits_is_edited_and_taken_back_and_the_rest_is_answered(chat):
    chat.say("long [[tokens=9000 tps=20]]")  # until it is stopped
    chat.writing()
    for name in ("first", "second", "third"):
        chat.say(f'{name} [[text="answer to {name}"]]')
        expect(waiting(chat, name)).to_be_visible()
    look_at(chat.page, "messages that wait")

    waiting(chat, "first").get_by_role("button", name="Cancel").click()
    expect(chat.page.locator(".user").filter(has_text="first")).to_have_count(0)
    expect(chat.field).to_have_value(re.compile("^first"))
    expect(waiting(chat, "third")).to_be_visible()

    waiting(chat, "second").get_by_role("button", name="Edit").first.click()
    expect(chat.page.locator(".editor ~ .note")).to_be_hidden()  # its "Cancel" would be a second one
    look_at(chat.page, "a message that waits is edited")
    chat.page.locator(".edit-field").fill('changed [[text="answer to changed"]]')
    chat.page.locator(".editor").get_by_role("button", name="Save").click()
    expect(waiting(chat, "changed")).to_be_visible()

    chat.stop.click()
    expect(chat.replies).to_have_count(3, timeout=ANSWER_MS)
    expect(chat.replies.nth(1).locator(".prose")).to_have_text("answer to changed", timeout=ANSWER_MS)
    expect(chat.replies.nth(2).locator(".prose")).to_have_text("answer to third", timeout=ANSWER_MS)
    chat.answered(3)
    expect(chat.page.locator(".branch:visible")).to_have_count(0)
    chat.page.reload()
    chat.answered(3)
    assert [text.split()[0] for text in chat.page.locator(".bubble").all_inner_texts()] == ["long", "changed", "third"]
    expect(chat.page.locator(".branch:visible")).to_have_count(0)


def test_a_second_window_sees_the_queue_change(chat, context):
    chat.say("long [[tokens=9000 tps=20]]")  # until it is stopped
    chat.writing()
    expect(chat.page).to_have_url(re.compile("/c/"))
    other = Chat(context.new_page(), chat.url)
    other.page.goto(chat.page.url)
    other.connected()
    chat.say('regretted [[text="never"]]')
    expect(waiting(other, "regretted")).to_be_visible()
    waiting(chat, "regretted").get_by_role("button", name="Cancel").click()
    expect(other.page.locator(".user").filter(has_text="regretted")).to_have_count(0)
    other.stop.click()
    other.answered(1)
