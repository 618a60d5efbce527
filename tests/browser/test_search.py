"""Search over all conversations: as one types, with the keyboard, to the message itself."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at


def found(chat: Chat):
    """The messages that were found; conversations stand before them."""
    return chat.page.locator("#search-results .found:has(.found-passage)")


def look_for(chat: Chat, text: str) -> None:
    chat.page.keyboard.press("Control+k")
    expect(chat.page.locator("#search-field")).to_be_focused()
    chat.page.keyboard.type(text)


def test_a_message_is_found_as_one_types_and_the_page_goes_to_it(chat):
    chat.say('Where do walruses live? [[text="On **icefloes**, far north."]]')
    chat.answered()
    for number in range(2, 8):
        chat.say(f'more {number} [[text="{"line " * 200}"]]')
        chat.answered(number)
    chat.page.locator("#new-chat").click()
    expect(chat.replies).to_have_count(0)

    look_for(chat, "icefl")
    expect(found(chat)).to_have_count(2)  # the answer, and the question, which says what the model is to answer
    expect(found(chat).first.locator("mark")).to_have_text("icefloes")
    look_at(chat.page, "the search with hits")
    assert chat.page.locator("#search-results").evaluate("(list) => list.scrollWidth <= list.clientWidth")
    chat.page.keyboard.press("ArrowDown")  # the conversation: its title is the question
    chat.page.keyboard.press("ArrowDown")
    expect(found(chat).first).to_be_focused()
    chat.page.keyboard.press("Enter")

    expect(chat.page.locator("#search")).to_be_hidden()
    place = chat.page.locator("[data-found]")
    expect(place).to_contain_text("On icefloes")
    expect(place).to_be_in_viewport()
    expect(chat.page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/$"))


def test_the_address_of_a_hit_leads_to_it_also_in_a_window_of_its_own(chat, context):
    chat.say('the needle [[text="in the hay"]]')
    chat.answered()
    look_for(chat, "needle")
    address = found(chat).last.get_attribute("href")
    other = Chat(context.new_page(), chat.url).open(address)
    expect(other.page.locator(".user[data-found]")).to_contain_text("the needle")


def test_a_version_that_was_left_is_said_to_be_one_and_shown(chat):
    chat.say('an olive tree [[text="green"]]')
    chat.answered()
    chat.field.press("ArrowUp")
    chat.page.locator(".edit-field").fill('an elm [[text="brown"]]')
    chat.page.locator(".editor").get_by_role("button", name="Send").click()
    expect(chat.replies.locator(".prose")).to_have_text("brown")
    chat.answered()

    look_for(chat, "olive tree")
    expect(found(chat).last).to_contain_text("Earlier version")
    found(chat).last.click()

    expect(chat.page.locator("[data-found]")).to_contain_text("an olive tree")
    expect(chat.replies.locator(".prose")).to_have_text("green")


def test_what_lies_far_above_is_loaded(chat, server):
    chat.say('the first word [[text="ok"]]')
    chat.answered()
    for number in range(2, 32):
        chat.say(f'again [[text="{number}"]]')
        chat.answered(number)
    chat.page.reload()
    chat.connected()
    expect(chat.page.locator("#earlier")).to_be_visible()
    look_at(chat.page, "there are earlier messages")

    look_for(chat, '"first word"')
    found(chat).last.click()

    expect(chat.page.locator("[data-found]")).to_contain_text("the first word")
    expect(chat.page.locator("[data-found]")).to_be_in_viewport()


def test_what_is_deleted_is_not_found_and_nothing_is_said_so(chat):
    chat.say('an unusual quokka [[text="ok"]]')
    chat.answered()
    chat.page.locator(".chat-item").hover()
    chat.page.get_by_role("button", name="Options for “").click()
    chat.page.get_by_role("button", name="Delete", exact=True).click()
    with chat.page.expect_response(lambda response: response.request.method == "DELETE"):
        pass
    look_for(chat, "quokka")
    expect(chat.page.locator("#search-note")).to_have_text("Nothing found for “quokka”.")
    look_at(chat.page, "the search without a hit")
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator("#search")).to_be_hidden()


def test_the_search_is_in_the_sidebar_too_and_shows_what_was_used_last(chat):
    chat.say('hello [[text="ok"]]')
    chat.answered()
    chat.page.set_viewport_size({"width": 320, "height": 700})
    chat.page.locator("#drawer-open").click()
    look_at(chat.page, "the list in the drawer")
    chat.page.locator("#search-open").click()
    expect(chat.page.locator("#search-results .found")).to_contain_text(re.compile("hello"))
    look_at(chat.page, "the search without a word")
