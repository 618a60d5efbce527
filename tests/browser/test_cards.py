"""Cards of tools, chips of sources, an agent that speaks first, and settings before the first message, on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at
from tests.servers import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cards")
    with Server(folder, settings="tests.browser.card_settings", CHAT_MOCK_MODEL="true") as server:
        yield server


def test_each_card_shows_what_its_tool_is_about(page, server):
    chat = Chat(page, server.url).open()
    tools = page.locator(".tool")
    for at, word in enumerate(["sql", "search", "json", "letter"], start=1):
        chat.say(word)
        chat.answered(at)
    sql, search, json, letter = (tools.nth(at) for at in range(4))
    expect(sql.locator("figure.code .k").first).to_have_text("SELECT")
    expect(sql.locator(".shown-table tbody tr")).to_have_count(3)
    expect(search.locator(".hit")).to_have_count(3)
    expect(search.locator("a.hit-title")).to_have_count(2)  # what is no page of the web is no link
    expect(json.locator(".json")).to_contain_text("moons2 fields")
    expect(letter.locator("blockquote")).to_have_text("Come to lunch & bring the engine.")
    expect(letter).to_contain_text("To Ada <b>Lovelace</b>")
    expect(sql.get_by_text("Result", exact=True)).to_be_hidden()
    sql.get_by_text("Arguments and result").click()
    expect(sql.get_by_text("Result", exact=True)).to_be_visible()
    look_at(page, "cards of tools")
    page.reload()
    chat.connected()
    expect(sql.locator(".shown-table tbody tr")).to_have_count(3, timeout=ANSWER_MS)


def test_code_is_read_before_it_is_approved(page, server):
    chat = Chat(page, server.url).open()
    chat.say("code")
    expect(page.locator(".ask")).to_contain_text("Run this code?", timeout=ANSWER_MS)
    expect(page.locator(".tool figure.code .k").first).to_have_text("def")
    look_at(page, "code that waits")
    page.get_by_role("button", name="Edit…").click()
    page.get_by_label("Arguments as JSON").fill("nonsense")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("This is not a JSON object.")).to_be_visible()
    look_at(page, "an approval's arguments as JSON")
    page.get_by_label("Arguments as JSON").fill('{"seconds": 1}')
    page.get_by_role("button", name="Approve").click()
    chat.answered(2)  # before the user's answer, and after it


def test_a_mark_in_the_text_opens_its_source(page, server):
    chat = Chat(page, server.url).open()
    chat.say("sources")
    chat.answered(1)
    prose, sources = page.locator(".reply .prose").last, page.locator(".sources")
    marks = prose.locator(".footnote-mark")
    assert marks.all_text_contents() == ["1", "2", "3", "1", "4"]
    expect(prose).not_to_contain_text("274 known moons [^")
    expect(marks.first.get_by_role("button")).to_have_attribute("title", "The Moons of Saturn, page 12")
    marks.first.get_by_role("button").press("Enter")
    quote = sources.locator("blockquote").first
    expect(quote).to_contain_text("Saturn has 274 known moons.")
    expect(quote).to_be_visible()
    expect(sources.locator("summary").first).to_be_focused()
    marks.nth(1).get_by_role("button").click()
    expect(sources.locator("a[href='https://example.org/rings']")).to_be_focused()
    expect(sources.locator("a[href='https://example.org/rings']")).to_have_text("2rings.example(example.org)")
    marks.nth(2).get_by_role("button").click()
    expect(sources.get_by_role("link", name="Notes")).to_be_visible()
    look_at(page, "sources")


def test_an_agent_that_was_chosen_speaks_first_and_only_once(page, server):
    chat = Chat(page, server.url).open("/?agent=host")
    chat.answered(1)
    expect(chat.replies).to_contain_text("Welcome, guest, 1 nights.")
    expect(page.locator(".bubble")).to_have_count(0)
    look_at(page, "an agent that has spoken first")
    page.reload()
    chat.connected()
    chat.answered(1)
    chat.say("Thank you")
    chat.answered(2)


def test_what_is_set_before_the_first_message_holds_for_it(page, server):
    chat = Chat(page, server.url).open("/?agent=desk")
    page.get_by_role("button", name="Settings of the agent").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Nights").fill("99")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert").or_(dialog.locator(":invalid"))).not_to_have_count(0)
    dialog.get_by_label("Nights").fill("3")
    look_at(page, "settings of a new conversation")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    chat.say("Hello")
    chat.answered(1)
    expect(chat.replies).to_contain_text("Welcome, guest, 3 nights.")
