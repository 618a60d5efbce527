"""The page while servers and people come and go."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.conftest import watch
from tests.servers import Server

RICH = r"# T\n\n1. one\n2. two\n\n   more\n\n```python\nx = 1\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n"
RICH += r"$x^2$ *end* 🙂 [r]\n\n[r]: /x"

# The elements that people see. Ids are numbered by each page, and `data-live` makes room for what was sent just now.
SHOWN = """() => {
    const turns = document.querySelector("#turns").cloneNode(true);
    for (const element of turns.querySelectorAll("[hidden]")) element.remove();
    for (const element of turns.querySelectorAll("*")) {
        for (const name of ["id", "aria-labelledby", "data-live"]) element.removeAttribute(name);
    }
    return turns.innerHTML.replaceAll("><", ">\\n<").split("\\n");
}"""


@pytest.fixture
def own_server(stub, tmp_path):
    """A server of one test's own, which may stop."""
    with Server(tmp_path, CHAT_API_BASE=stub.url, CHAT_API_KEY="sk-x", CHAT_DRAIN_SECONDS="0") as server:
        yield server


def test_what_is_sent_while_the_server_is_away_goes_out_once_when_it_is_back(page: Page, own_server, stub):
    chat = Chat(page, own_server.url).open()
    chat.say('before [[text="one"]]')
    chat.answered()
    stub.reset()
    own_server.stop()
    expect(page.locator("#banner")).to_contain_text("No connection", timeout=ANSWER_MS)
    chat.say('meanwhile [[text="two"]]')
    expect(page.locator(".pending")).to_have_count(1)
    own_server.start(migrate=False)
    if retry := page.get_by_role("button", name="Retry now").all():
        retry[0].click()
    chat.answered(2)
    expect(chat.replies.last.locator(".prose")).to_have_text("two")
    expect(page.locator(".pending")).to_have_count(0)
    expect(page.locator(".bubble")).to_have_count(2)
    assert stub.stats().requests == 1
    told = [message["content"] for message in stub.last()["messages"] if message["role"] != "system"]
    assert told == ['before [[text="one"]]', "one", 'meanwhile [[text="two"]]']


def test_a_server_that_dies_in_mid_answer_leaves_what_was_written(page: Page, own_server):
    chat = Chat(page, own_server.url).open()
    chat.say("[[tokens=600 tps=40]]")
    chat.writing()
    page.wait_for_timeout(1500)  # the text is stored once a second
    written = chat.replies.last.locator(".prose").inner_text()
    own_server.kill()
    own_server.start(migrate=False)
    chat.answered()
    kept = chat.replies.last.locator(".prose").inner_text()
    assert len(kept) > 30 and (kept.startswith(written[:30]))
    expect(chat.replies.last).to_contain_text("Interrupted")


def test_a_reload_in_mid_answer_makes_the_same_elements_as_none(chat, context):
    """Two tabs of one conversation: one is reloaded again and again, the other never."""
    chat.say(f'[[text="{RICH}" tps=9]]')
    chat.writing()
    expect(chat.page).to_have_url(re.compile(r"/c/"))
    other = Chat(context.new_page(), chat.url)
    faults: list[str] = []
    watch(other.page, faults)
    other.page.goto(chat.page.url)
    for _ in range(3):
        other.writing()
        other.page.reload()
    for each in (chat, other):
        each.answered()
    assert chat.html() == other.html() and "🙂" in chat.html() and "<math" in chat.html()
    assert chat.page.evaluate(SHOWN) == other.page.evaluate(SHOWN)
    assert faults == []


def test_a_new_chat_is_another_conversation_and_the_old_one_is_in_the_list(chat, stub):
    chat.say('my name is Ada [[text="Hello Ada"]]')
    chat.answered()
    first = chat.page.url
    chat.page.get_by_role("link", name="New chat").click()
    expect(chat.replies).to_have_count(0)
    chat.connected()
    expect(chat.field).to_be_focused()
    chat.say('who am I? [[text="I do not know"]]')
    chat.answered()
    expect(chat.replies.locator(".prose")).to_have_text("I do not know")
    assert "Ada" not in str(stub.last()["messages"])
    assert chat.page.url != first
    chat.page.locator(".chat", has_text="my name is Ada").click()
    expect(chat.replies.locator(".prose")).to_have_text("Hello Ada")
    expect(chat.page).to_have_url(first)
    chat.page.go_back()
    expect(chat.replies.locator(".prose")).to_have_text("I do not know")


def test_signing_in_and_out(page: Page, context, server):
    server.manage(
        "shell", "-c", "from django.contrib.auth.models import User; User.objects.create_user('ann', password='pw')"
    )
    page.goto(f"{server.url}/accounts/login/")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("pw")
    page.get_by_role("button", name="Sign in").click()
    chat = Chat(page, server.url)
    chat.connected()
    chat.say('secret of ann [[text="kept"]]')
    chat.answered()
    chat.field.fill("a draft")

    other = context.new_page()
    other.goto(page.url)
    other.locator("#menu-open").click()
    other.get_by_role("button", name="Sign out").click()
    expect(page.locator("#pill")).to_have_text("Signed out", timeout=5_000)
    expect(page.locator("#banner")).to_contain_text("Your draft is kept")
    other.reload()
    assert "secret of ann" not in other.content()
    expect(other.locator(".chat-item")).to_have_count(0)

    page.locator("#banner").get_by_role("link", name="Sign in").click()
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("pw")
    page.get_by_role("button", name="Sign in").click()
    chat.connected()
    expect(chat.replies.locator(".prose")).to_have_text("kept")
    expect(chat.field).to_have_value("a draft")
