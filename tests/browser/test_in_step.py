"""One conversation in two windows and on a phone: what is done in one is seen in the others, without a reload."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.conftest import watch
from tests.browser.test_list import choose

TITLES = "nav.chats .chat-title"


@pytest.fixture
def others(chat: Chat, context: BrowserContext) -> Iterator[list[Chat]]:
    """The conversation that the first window has begun, in a second one and on a phone."""
    chat.page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    chat.say('apples [[text="ok"]]')
    chat.answered()
    faults: list[str] = []
    found = []
    for width in (1280, 390):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        watch(page, faults)
        found.append(Chat(page, chat.url).open(chat.page.url.removeprefix(chat.url)))
        expect(found[-1].replies).to_have_count(1)
    yield found
    assert faults == []


def listed(page: Page) -> Page:
    """With the list to be seen: on a phone it is a drawer."""
    if page.locator("#drawer-open").is_visible():
        page.locator("#drawer-open").click()
    return page


def test_what_is_said_asked_answered_and_judged(chat, others):
    chat.page.locator(".composer input[type=file]").first.set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"a note"}
    )
    expect(chat.page.locator(".upload[data-state=done]")).to_have_count(1)
    chat.say('[[tool=ask_user args={"question":"May I?","kind":"approval"}]]')
    for other in others:
        expect(other.page.locator(".attached")).to_contain_text("notes.txt")
        expect(other.page.locator(".ask")).to_contain_text("May I?", timeout=ANSWER_MS)
    others[1].page.locator(".ask").get_by_role("button", name="Approve").click()
    for each in (chat, *others):
        expect(each.page.locator(".ask")).to_have_count(0)
        expect(each.page.locator(".bubble").last).to_have_text("Approved")
        each.answered(3)

    chat.replies.last.get_by_role("button", name="Good answer").click()
    for other in others:
        expect(other.replies.last.locator("[aria-pressed=true]")).to_have_count(1)

    first = chat.page.locator(".user").first
    first.hover()
    first.get_by_role("button", name="Edit message").click()
    chat.page.locator(".edit-field").fill('pears [[text="fine"]]')
    chat.page.locator(".edit-field").press("Control+Enter")
    for each in (chat, *others):
        expect(each.page.locator(".bubble")).to_have_text([re.compile("^pears")])
        each.answered(1)
    others[0].page.locator(".user").hover()
    others[0].page.get_by_role("button", name="Previous version").click()
    for each in (chat, *others):
        expect(each.page.locator(".bubble").first).to_have_text(re.compile("^apples"))
    others[1].say("[[tokens=9000 tps=20]]")
    chat.writing()
    chat.stop.click()
    for each in (chat, *others):
        expect(each.stop).to_be_hidden()


def test_what_is_done_with_it_in_the_list(chat, others):
    for other in others:
        listed(other.page)
    choose(chat, "apples", "Rename…")
    chat.page.locator("#rename-field").fill("Fruit")
    chat.page.keyboard.press("Enter")
    for other in others:
        expect(other.page.locator(TITLES)).to_have_text(["Fruit"])
        expect(other.page.locator("#title")).to_have_text("Fruit")
    choose(chat, "Fruit", "Pin")
    for other in others:
        expect(other.page.locator(".chats-group").first).to_have_text("Pinned")
    choose(chat, "Fruit", "Archive")
    for other in others:
        expect(other.page.locator(TITLES)).to_have_count(0)
    chat.page.locator(".toast").get_by_role("button", name="Undo").click()
    for other in others:
        expect(other.page.locator(TITLES)).to_have_text(["Fruit"])
    choose(chat, "Fruit", "Move to a folder…")
    chat.page.locator("#folder input").fill("Market")
    chat.page.keyboard.press("Enter")
    for other in others:
        expect(other.page.locator("#chats-view option", has_text="Market")).to_have_count(1)
    choose(chat, "Fruit", "Delete")
    chat.page.goto("about:blank")  # the time to undo is over
    for other in others:
        expect(other.page.locator(TITLES)).to_have_count(0)
