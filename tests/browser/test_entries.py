"""What an entry of `CHAT_AGENTS` adds to the page, shown with our own examples and their mock model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at
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
    look_at(page, "an approval's arguments in a form")
    ask.get_by_label("To", exact=True).fill("b@example.org")
    ask.get_by_role("button", name="Approve").click()
    expect(chat.stop).to_be_hidden(timeout=ANSWER_MS)
    expect(chat.replies.last).to_contain_text("The letter to b@example.org was sent")
    expect(page.locator(".bubble").last).to_contain_text("Approved, changed to")

    chat.say("Invite a@example.org to lunch")
    ask.get_by_role("button", name="Reject…").click()
    look_at(page, "why something is rejected")
    ask.get_by_label("Reason").fill("not today")
    ask.get_by_role("button", name="Reject with this reason").click()
    expect(page.locator(".bubble").last).to_have_text("Rejected: not today")
    expect(tools.last).to_contain_text("Rejected")
    look_at(page, "a tool that was rejected")

    chat.say("Invite a@example.org to lunch")
    ask.get_by_label("Always allow").check()
    ask.get_by_role("button", name="Approve").click()
    allowed = page.locator(".allowed")
    expect(allowed).to_contain_text("send_letter")
    expect(chat.stop).to_be_hidden()
    chat.say("Invite c@example.org to lunch")
    expect(chat.replies.last).to_contain_text("The letter to c@example.org was sent", timeout=ANSWER_MS)
    look_at(page, "a tool that is allowed here")
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
    look_at(page, "a form with a field that is missing")
    ask.get_by_label("Your name").fill("Ines")
    ask.get_by_label("Bed").select_option(label="single")
    ask.get_by_label("Nights").fill("2")
    ask.get_by_label("Arrival").fill("2027-03-01")
    ask.get_by_label("Who comes with you").fill("Ann\n\nBen")
    ask.get_by_role("group", name="Invoice").get_by_label("Company").fill("Lace Ltd")
    ask.get_by_label("E-mail").fill("nobody")
    ask.get_by_role("button", name="Send").click()
    expect(ask).to_contain_text("invoice.email")  # what the agent's own class says; what was filled in is still there
    ask.get_by_label("E-mail").fill("")
    look_at(page, "a form with a group, a day and a list")
    ask.get_by_role("button", name="Send").click()
    ask.get_by_role("button", name="Approve").click()
    expect(ask).to_contain_text("Any wishes?")
    given = page.locator(".user").get_by_text("name: Ines").last
    expect(given).to_contain_text("companions: Ann, Ben")
    expect(given).not_to_contain_text("null")
    chat.say("none")
    expect(chat.replies.last).to_contain_text(
        "Booked: Ines, 2 nights, single bed, sea view, from 01 March, with Ann, with Ben, paid by Lace Ltd",
        timeout=ANSWER_MS,
    )
    expect(page.locator("#title")).to_have_text("Stay of Ines")


def test_suggestions_and_settings_of_the_counter(page, server):
    chat = opened(page, server, "counter")
    chat.say("Add 10.")
    expect(chat.replies.last).to_contain_text("The sum is 10.", timeout=ANSWER_MS)
    suggestion = page.locator(".suggestions").get_by_role("button", name="Add 100.")
    expect(suggestion).to_be_visible()
    page.locator(".tool summary").click()
    expect(page.locator(".tool")).to_contain_text("The details are not shown here.")
    look_at(page, "suggestions")
    page.get_by_role("button", name="Settings of the agent").click()
    dialog = page.get_by_role("dialog", name="Counting")
    dialog.get_by_label("Factor").fill("11")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    look_at(page, "settings with a value that does not fit")
    dialog.get_by_label("Factor").fill("2")
    dialog.get_by_label("What is counted").fill("total")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    suggestion.click()
    expect(chat.replies.last).to_contain_text("The total is 210.", timeout=ANSWER_MS)


def test_a_slash_offers_the_commands_of_the_agent(page, server):
    chat = opened(page, server, "writing_team")
    look_at(page, "an agent with starters and commands")
    options = page.locator(".commands").get_by_role("option")
    chat.field.press_sequentially("/")
    expect(options).to_have_count(2)
    look_at(page, "commands")
    page.set_viewport_size({"width": 320, "height": 180})
    chat.field.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(options.nth(1)).to_be_in_viewport(ratio=0.9)
    chat.field.press("Escape")
    expect(options).to_have_count(0)
    chat.field.press_sequentially("p")
    chat.field.press("Enter")
    expect(chat.field).to_have_value("Write a poem about ")
    chat.field.press_sequentially("the sea")
    chat.field.press("Enter")
    chat.answered()
    expect(page.locator(".task-face .own-colour")).to_have_count(1)
