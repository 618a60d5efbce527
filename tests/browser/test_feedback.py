"""Two thumbs, reasons, a comment, undo: by mouse and by keyboard."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at


def given(chat: Chat) -> dict:
    return chat.page.evaluate(
        """async () => {
            const id = location.pathname.split("/")[2];
            return Object.values((await (await fetch(`/api/conversations/${id}/feedback`)).json()).feedback);
        }"""
    )


def test_a_person_says_what_was_wrong_finds_it_again_and_takes_it_back(chat):
    chat.say('hello [[text="hi"]]')
    chat.answered()
    down = chat.page.get_by_role("button", name="Bad answer")
    with chat.page.expect_response("**/feedback/*"):
        down.click()
    expect(down).to_have_attribute("aria-pressed", "true")
    look_at(chat.page, "what was wrong")
    chat.page.get_by_label("Wrong", exact=True).check()
    chat.page.get_by_role("textbox", name="Anything else?").fill("It should say more.")
    with chat.page.expect_response("**/feedback/*"):
        chat.page.get_by_role("button", name="Done").click()
    expect(down).to_be_focused()
    assert given(chat) == [{"value": "down", "reasons": ["Wrong"], "comment": "It should say more."}]

    chat.page.reload()
    chat.answered()
    expect(down).to_have_attribute("aria-pressed", "true")
    with chat.page.expect_response("**/feedback/*"):
        down.press("Enter")
    expect(down).to_have_attribute("aria-pressed", "false")
    assert given(chat) == []


def test_undo_and_escape_lead_back_to_the_thumb(chat):
    chat.say('hello [[text="hi"]]')
    chat.answered()
    up = chat.page.get_by_role("button", name="Good answer")
    up.press("Enter")
    chat.page.get_by_label("Clear").focus()
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator(".feedback")).to_have_count(0)
    expect(up).to_be_focused()
    expect(up).to_have_attribute("aria-pressed", "true")
    chat.page.get_by_role("button", name="Bad answer").click()
    expect(up).to_have_attribute("aria-pressed", "false")
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.page.locator(".feedback")).to_have_count(0)
    expect(chat.page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")


def test_what_the_server_would_not_store_is_not_shown_as_stored(chat):
    chat.say('hello [[text="hi"]]')
    chat.answered()
    chat.page.route("**/feedback/*", lambda route: route.fulfill(status=503, body="{}"))
    up = chat.page.get_by_role("button", name="Good answer")
    up.click()
    expect(chat.page.locator(".toast")).to_contain_text("could not be stored")
    expect(up).to_have_attribute("aria-pressed", "false")
