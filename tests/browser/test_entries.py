"""What an entry of `CHAT_AGENTS` adds to the page, shown with our own examples and their mock model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat, check
from tests.servers import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The example project as it is, without a model."""
    folder = tmp_path_factory.mktemp("examples")
    with Server(folder, settings="webui_project.settings", CHAT_MOCK_MODEL="1", SECRET_KEY="x", DEBUG="1") as server:
        yield server


def opened(page: Page, server: Server, agent: str) -> Chat:
    chat = Chat(page, server.url).open()
    page.locator(f"input[name=agent][value={agent}]").check()
    chat.connected()
    return chat


def test_a_tool_is_approved_edited_rejected_and_allowed(page, server):
    chat = opened(page, server, "postman")
    ask, tools = page.locator(".ask"), page.locator(".tool")
    chat.say("Invite a@example.org to lunch")
    expect(ask).to_contain_text("send_letter", timeout=ANSWER_MS)
    ask.get_by_role("button", name="Edit…").click()
    check(page, "an approval's arguments in a form")
    ask.get_by_label("To", exact=True).fill("b@example.org")
    ask.get_by_role("button", name="Approve").click()
    expect(chat.stop).to_be_hidden(timeout=ANSWER_MS)
    expect(chat.replies.last).to_contain_text("The letter to b@example.org was sent")
    expect(page.locator(".bubble").last).to_contain_text("Approved, changed to")

    chat.say("Invite a@example.org to lunch")
    ask.get_by_role("button", name="Reject…").click()
    ask.get_by_label("Reason").fill("not today")
    ask.get_by_role("button", name="Reject with this reason").click()
    expect(page.locator(".bubble").last).to_have_text("Rejected: not today")
    expect(tools.last).to_contain_text("Rejected")

    chat.say("Invite a@example.org to lunch")
    ask.get_by_label("Always allow").check()
    ask.get_by_role("button", name="Approve").click()
    allowed = page.locator(".allowed")
    expect(allowed).to_contain_text("send_letter")
    expect(chat.stop).to_be_hidden()
    chat.say("Invite c@example.org to lunch")
    expect(chat.replies.last).to_contain_text("The letter to c@example.org was sent", timeout=ANSWER_MS)
    check(page, "a tool that is allowed here")
    page.reload()
    expect(allowed).to_contain_text("send_letter", timeout=ANSWER_MS)
    allowed.get_by_role("button", name="Ask again").click()
    expect(allowed).to_be_hidden()


def test_a_form_is_filled_in_and_asked_again_where_it_does_not_fit(page, server):
    chat = opened(page, server, "receptionist")
    ask = page.locator(".ask")
    chat.say("I should like a room")
    ask.get_by_role("button", name="sea").click(timeout=ANSWER_MS)
    ask.get_by_role("button", name="Send").click()
    expect(ask.get_by_text("This is needed.")).to_be_visible()
    check(page, "a form with a field that is missing")
    ask.get_by_label("Your name").fill("Ines")
    ask.get_by_label("Bed").select_option(label="single")
    ask.get_by_label("Nights").fill("2")
    ask.get_by_role("button", name="Send").click()
    ask.get_by_role("button", name="Approve").click()
    expect(ask).to_contain_text("Any wishes?")
    chat.say("none")
    expect(chat.replies.last).to_contain_text("Booked: Ines, 2 nights, single bed, sea view", timeout=ANSWER_MS)
    expect(page.locator("#title")).to_have_text("Stay of Ines")
