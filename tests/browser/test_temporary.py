"""A conversation that is not kept."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at


def begin(chat: Chat) -> None:
    chat.page.get_by_role("button", name="Temporary chat").click()
    expect(chat.page.locator(".temporary")).to_contain_text("erased when you leave it")
    chat.connected()


def listed(chat: Chat) -> list[dict]:
    return chat.page.evaluate("async () => (await (await fetch('/api/conversations')).json()).conversations")


def exists(chat: Chat, id: str) -> bool:
    return chat.page.evaluate("async (id) => (await fetch(`/api/conversations/${id}/records`)).ok", id)


def test_it_says_so_is_in_no_list_and_is_erased_when_another_one_is_opened(chat):
    sockets = []
    chat.page.on("websocket", lambda socket: sockets.append(socket))
    begin(chat)
    look_at(chat.page, "a temporary chat")
    chat.say('between us [[text="sure"]]')
    chat.answered()
    expect(chat.page).to_have_url(re.compile(r":\d+/$"))
    expect(chat.page.locator(".chat-item")).to_have_count(0)
    assert listed(chat) == []
    chat.page.locator("#chat-more").click()
    expect(chat.page.get_by_role("button", name="Share…")).to_be_hidden()
    id = re.search(r"conversations/([\w-]+)/export", chat.page.locator("[data-format=json]").get_attribute("href"))[1]
    assert exists(chat, id)
    chat.page.keyboard.press("Escape")
    chat.field.fill("a draft in it")

    with chat.page.expect_response(lambda response: response.request.method == "DELETE"):
        chat.page.locator("#new-chat").click()
    assert not exists(chat, id)
    expect(chat.page.locator(".temporary")).to_be_hidden()
    assert "a draft in it" not in chat.page.evaluate("() => JSON.stringify(localStorage)")
    chat.say('to be kept [[text="ok"]]')
    chat.answered()
    expect(chat.page.locator(".chat-item")).to_have_count(1)


def test_it_goes_with_the_page(chat, context):
    begin(chat)
    chat.say('between us [[text="sure"]]')
    chat.answered()
    chat.page.locator("#chat-more").click()
    id = re.search(r"conversations/([\w-]+)/export", chat.page.locator("[data-format=json]").get_attribute("href"))[1]
    other = Chat(context.new_page(), chat.url).open()
    chat.page.close(run_before_unload=True)
    other.page.wait_for_function("async (id) => !(await fetch(`/api/conversations/${id}/records`)).ok", arg=id)
    assert listed(other) == []
