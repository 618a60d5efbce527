"""Choosing an agent: a few cards, many in a searchable list, or by a link."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at
from tests.servers import Server


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with four agents."""
    with Server(tmp_path_factory.mktemp("few"), settings="tests.browser.four_agents") as server:
        yield server


def test_with_few_agents_each_has_a_card_and_the_keyboard_stays_in_them(page: Page, few: Server):
    chat = Chat(page, few.url).open()
    look_at(page, "few agents")
    page.get_by_role("radio", name="Cook").focus()

    page.keyboard.press("ArrowDown")

    expect(page.get_by_role("radio", name="Poet")).to_be_focused()
    expect(page.get_by_role("radio", name="Poet")).to_be_checked()
    expect(page.get_by_role("heading", name="What shall I sing of?")).to_be_visible()
    expect(chat.field).to_have_attribute("placeholder", "Message Poet…")
    expect(page.get_by_role("searchbox")).to_have_count(0)


def test_many_agents_are_searched_and_grouped(chat: Chat, page: Page):
    search = page.get_by_role("searchbox", name="Find an agent")
    expect(page.get_by_role("group", name="Patterns")).to_be_visible()
    look_at(page, "many agents")

    search.press_sequentially("tools json")
    expect(page.locator(".agent-card:visible")).to_have_count(1)
    expect(page.locator(".agent-found")).to_have_text("1 agent")
    expect(page.get_by_role("group", name="Patterns")).to_be_hidden()

    search.press("Enter")
    expect(chat.field).to_be_focused()
    expect(chat.field).to_have_attribute("placeholder", "Message Json Tools…")
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_role("status").filter(has_text="No agent is called that.")).to_be_visible()
    look_at(page, "agents that are searched for in vain")


def test_a_link_chooses_the_agent_and_fills_the_field_but_sends_nothing(page: Page, server: Server):
    chat = Chat(page, server.url).open("/?agent=tools&q=What+is+%3Cb%3E%3F")

    expect(chat.field).to_have_value("What is <b>?")
    expect(chat.field).to_have_attribute("placeholder", "Message Tools…")
    expect(page.locator(".turn")).to_have_count(0)
    chat.say("[[text=Hello]]")
    chat.answered()
    assert "?" not in page.url and "/c/" in page.url


def test_a_link_to_no_agent_opens_the_default_one(page: Page, server: Server):
    chat = Chat(page, server.url).open("/?agent=nobody")

    expect(chat.field).to_have_attribute("placeholder", "Message Plain…")
