"""Bars: on the card of a tool, and in the answer's place while the agent is made."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at
from tests.browser.sockets import Sockets


@pytest.fixture
def sockets(page: Page) -> Sockets:
    return Sockets(page)


def opened(page: Page, server, agent: str) -> Chat:
    chat = Chat(page, server.url).open()
    page.locator(f"input[name=agent][value={agent}]").check()
    chat.connected()
    return chat


def test_a_tool_s_bar_stands_on_its_card_until_it_has_run(sockets, page, server):
    chat = opened(page, server, "steps")
    chat.say('[[tool=ingest args={"many":4,"seconds":0.6} then.text="All in."]]')
    bar = page.locator(".tool").get_by_role("progressbar", name="Ingesting")
    expect(bar).to_be_visible(timeout=ANSWER_MS)
    expect(page.locator(".tool .step")).to_contain_text("50 %")
    sockets.hold()
    look_at(page, "a bar")
    sockets.release()
    chat.answered()
    expect(bar).to_be_hidden()


def test_while_an_agent_is_made_its_steps_stand_in_the_answer_s_place(sockets, page, server):
    chat = opened(page, server, "slow_steps")
    chat.say("[[tokens=2]]")
    expect(page.locator(".reply > .step")).to_contain_text("Reading 4 files", timeout=ANSWER_MS)
    expect(page.locator(".reply > .step")).to_contain_text("of 4")
    sockets.hold()
    look_at(page, "a bar in the answer's place")
    sockets.release()
    chat.answered()
    expect(page.locator(".reply > .step")).to_be_hidden()
