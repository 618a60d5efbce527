"""States of the page that no other test reaches, in every look."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at
from tests.browser.sockets import Sockets

FIGURES_OUTSIDE = """() => Array.from(document.querySelectorAll("summary > .card-figures")).filter((figures) => {
    const [inner, outer] = [figures, figures.parentElement].map((element) => element.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
}).map((figures) => figures.textContent)"""


@pytest.fixture
def sockets(page: Page) -> Sockets:
    return Sockets(page)


@pytest.fixture
def tools(page: Page, server) -> Chat:
    return Chat(page, server.url).open("/?agent=tools")


def test_tools_and_sub_agents(tools, page):
    tools.say(r'[[tool=delegate args={"job":"[\u005btokens=9]\u005d"} then.text="Done."]]')
    tools.answered()
    tools.say('[[tool=square tools=4 args={"number":7} then.text="Done."]]')
    tools.answered(2)
    tools.say('[[tool=fail then.text="It failed."]]')
    tools.answered(3)
    for summary in page.locator(".turns summary").all():
        if summary.is_visible() and not summary.evaluate("(summary) => summary.parentElement.open"):
            summary.click()
    look_at(page, "tools and sub-agents")
    page.set_viewport_size({"width": 320, "height": 720})
    assert page.evaluate(FIGURES_OUTSIDE) == []


def test_questions(tools, page):
    states = {"approval": "a question for leave", "choice": "a question with choices"}
    for kind, state in states.items():
        tools.say(f"[[tool=ask_user args={json.dumps({'question': 'A question of some length?', 'kind': kind})}]]")
        expect(page.locator(".ask")).to_be_visible()
        look_at(page, state)
        tools.stop.click()
        expect(page.locator(".ask")).to_have_count(0)
    tools.say('[[tool=ask_user args={"question":"Which one?","kind":"text"}]]')
    page.get_by_role("button", name="Answer below").click()
    look_at(page, "an answer to the question")


def test_answers_that_ended_badly_and_versions(chat, page):
    chat.say("[[tokens=20 finish=length]]")
    chat.answered()
    chat.say("[[hang=60]]")
    chat.stop.click()
    chat.answered(2)
    chat.say("[[error=401]]")
    chat.answered(3)
    look_at(page, "answers that ended badly")
    chat.field.press("ArrowUp")
    page.locator(".edit-field").fill('second [[text="two"]]')
    look_at(page, "a message that is edited")
    page.locator(".editor").get_by_role("button", name="Send").click()
    expect(page.locator(".branch:visible")).to_have_count(1, timeout=ANSWER_MS)
    chat.answered(3)
    look_at(page, "two versions")


def test_an_answer_that_is_written(chat, page):
    chat.say("[[think=12 tokens=9000 tps=20]]")  # until it is stopped
    chat.writing()
    look_at(page, "an answer that is written")
    chat.stop.click()
    chat.answered()


def test_menus_and_dialogs(chat, page):
    page.locator("#menu-open").click()
    look_at(page, "the menu")
    page.keyboard.press("Escape")
    chat.say("[[tokens=2]]")
    chat.answered()
    page.locator("#chat-more").click()
    page.get_by_role("button", name="Rename…").click()
    look_at(page, "the dialog to rename")


def test_away_and_offline(sockets, page, server, context: BrowserContext):
    chat = Chat(page, server.url).open()
    chat.say("[[tokens=2]]")
    chat.answered()
    page.evaluate("() => { field.value = `odd ${String.fromCharCode(0xD83D)}`; }")
    chat.field.dispatch_event("input")
    chat.field.press("Enter")
    expect(page.locator(".failed")).to_be_visible(timeout=ANSWER_MS)
    look_at(page, "a message that was refused")
    sockets.cut(4012)
    expect(page.locator("#banner")).to_be_visible()
    chat.say("waits for its connection")
    expect(page.locator(".pending")).to_have_count(2)
    look_at(page, "away, with a message that waits")
    context.set_offline(True)
    expect(page.locator("#banner")).to_contain_text("You are offline.")
    look_at(page, "offline")


def test_a_conversation_on_its_way(sockets, page, server):
    chat = Chat(page, server.url).open()
    chat.say("[[tokens=2]]")
    chat.answered()
    sockets.is_mute = True
    page.reload()
    look_at(page, "a conversation on its way")


CLOSED = {4401: "closed: Signed out", 4403: "closed: Not allowed", 4404: "closed: Not found"}
CLOSED[4409] = "closed: Open elsewhere"


@pytest.mark.parametrize(("code", "state"), CLOSED.items())
def test_the_page_says_why_it_was_closed(sockets, page, server, code, state):
    page.clock.install()
    chat = Chat(page, server.url).open()
    chat.say("[[tokens=2]]")
    chat.answered()
    before = len(sockets.opened)
    sockets.cut(code)
    expect(page.locator("#pill")).to_have_text(state.removeprefix("closed: "))
    look_at(page, state)
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
    other.close()
    look_at(chat.page, "a conversation that was deleted elsewhere")
