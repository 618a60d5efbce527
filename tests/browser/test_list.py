"""The list of conversations: pinned, archived, in folders, several at once, on and on, out of the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at


def titles(chat: Chat):
    return chat.page.locator(".chat-title")


def begin(chat: Chat, *texts: str) -> None:
    for text in texts:
        chat.page.locator("#new-chat").click()
        chat.connected()
        chat.say(f'{text} [[text="ok"]]')
        chat.answered()
        expect(titles(chat).first).to_contain_text(text)


def choose(chat: Chat, title: str, action: str) -> None:
    item = chat.page.locator(".chat-item").filter(has_text=title)
    item.hover()
    item.get_by_role("button", name="Options for").click()
    chat.page.locator("#chat-menu").get_by_role("button", name=action, exact=True).click()


def test_a_pinned_one_stands_above_all_and_an_archived_one_apart(chat):
    begin(chat, "apples", "pears", "plums")
    choose(chat, "apples", "Pin")
    expect(titles(chat)).to_have_text([re.compile("apples"), re.compile("plums"), re.compile("pears")])
    expect(chat.page.locator(".chats-group").first).to_have_text("Pinned")
    look_at(chat.page, "a pinned conversation")

    choose(chat, "pears", "Archive")
    expect(titles(chat)).to_have_count(2)
    chat.page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(titles(chat)).to_have_count(3)
    choose(chat, "pears", "Archive")
    chat.page.get_by_label("What the list shows").select_option("archived")
    expect(titles(chat)).to_have_text([re.compile("pears")])
    chat.page.reload()
    expect(titles(chat)).to_have_text([re.compile("apples"), re.compile("plums")])


def test_several_are_put_into_a_folder_and_deleted_and_both_can_be_undone(chat):
    begin(chat, "apples", "pears", "plums")
    choose(chat, "apples", "Select several")
    chat.page.get_by_label("Select “pears").check()
    expect(chat.page.locator("#selected-count")).to_have_text("2 conversations")
    look_at(chat.page, "several are selected")
    chat.page.set_viewport_size({"width": 320, "height": 720})
    chat.page.locator("#drawer-open").click()
    look_at(chat.page, "several are selected in the drawer")
    chat.page.get_by_role("button", name="Folder…").click()
    chat.page.locator("#folder input").fill("Fruit")
    look_at(chat.page, "the dialog of folders")
    chat.page.get_by_role("button", name="Move", exact=True).click()
    chat.page.get_by_label("What the list shows").select_option("folder:Fruit")
    expect(titles(chat)).to_have_text([re.compile("pears"), re.compile("apples")])

    chat.page.get_by_label("What the list shows").select_option("")
    choose(chat, "apples", "Select several")
    chat.page.get_by_label("Select “plums").check()
    chat.page.locator("#chats-selected").get_by_role("button", name="Delete").click()
    expect(titles(chat)).to_have_text([re.compile("pears")])
    chat.page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(titles(chat)).to_have_count(3)
    chat.page.reload()
    expect(titles(chat)).to_have_count(3)


def test_the_arrows_go_through_the_menu_and_the_focus_comes_back(chat):
    begin(chat, "apples")
    options = chat.page.get_by_role("button", name="Options for “apples")
    chat.page.locator("a.chat").focus()
    chat.page.keyboard.press("Tab")
    expect(options).to_be_focused()
    chat.page.keyboard.press("Enter")
    menu = chat.page.locator("#chat-menu")
    expect(menu.get_by_role("button", name="Rename…")).to_be_focused()
    chat.page.keyboard.press("ArrowUp")
    expect(menu.get_by_role("button", name="Delete")).to_be_focused()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        chat.page.keyboard.press(key)
    expect(chat.page.locator(".chats-group").first).to_have_text("Pinned")
    expect(options).to_be_focused()
    chat.page.keyboard.press("Enter")
    menu.get_by_role("button", name="Select several").press("Enter")
    expect(chat.page.get_by_label("Select “apples")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator("#chats-selected")).to_be_hidden()


def test_the_list_goes_on_by_itself_as_one_scrolls(chat):
    many = [
        {"id": f"00000000-0000-4000-8000-{n:012}", "title": f"old {n}", "agent": "plain", "state": "idle"}
        | {"updated": f"2020-01-01T00:00:00.{900 - n}Z", "newest_seq": 1, "read_seq": 1}
        | {"pinned": False, "archived": False, "folder": ""}
        for n in range(90)
    ]

    def serve(route) -> None:
        before = re.search(r"before=[0-9a-f-]*?(\d{12})\b", route.request.url)
        start = int(before[1]) + 1 if before else 0
        page = many[start : start + 30]
        route.fulfill(json={"conversations": page, "more": start + 30 < 90, "folders": []})

    chat.page.route("**/api/conversations?*", serve)
    chat.page.reload()
    expect(titles(chat)).to_have_count(30)
    for count in (60, 90):
        chat.page.locator("#chats").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
        expect(titles(chat)).to_have_count(count)


def test_the_list_gives_way_and_stays_away_over_a_reload(chat):
    toggle = chat.page.get_by_role("button", name="List of conversations")
    toggle.click()
    expect(chat.page.locator("#sidebar")).to_be_hidden()
    look_at(chat.page, "without the list")
    chat.page.reload()
    expect(chat.page.locator("#sidebar")).to_be_hidden()
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    expect(chat.page.locator("#sidebar")).to_be_visible()


@pytest.mark.parametrize("way", ["another conversation", "the page is left"])
def test_what_was_just_read_has_no_dot(chat, context, way):
    chat.say('hello [[text="ok"]]')
    chat.answered()
    if way == "the page is left":
        chat.page.goto("about:blank")
        chat.open()
    else:
        chat.page.locator("#new-chat").click()
        chat.connected()
    item = chat.page.locator(".chat-item")
    expect(item).to_have_count(1)
    expect(item).not_to_have_attribute("data-unread", re.compile(".*"))
    other = Chat(context.new_page(), chat.url).open(item.locator("a").get_attribute("href"))
    other.say("more [[tokens=600 tps=50]]")
    other.writing()
    other.page.close()  # before it is all there
    expect(item).to_have_attribute("data-unread", re.compile(".*"), timeout=60_000)
