"""The page of the example project in one state after the other, in whatever language."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat


def states(page: Page, url: str) -> Iterator[str]:
    """Bring a page of the example project into one state after the other, and say which. It is as wide as a desk's.

    By their places alone, for the words may be of any language.
    """
    chat = Chat(page, url)

    def begin(agent: str, text: str) -> None:
        page.goto(f"{url}/?agent={agent}")
        expect(page.locator("#pill")).to_have_attribute("data-state", "ok", timeout=ANSWER_MS)
        chat.say(text)

    def until_answered() -> None:
        expect(page.locator(".reply .actions[data-always]")).to_be_visible(timeout=ANSWER_MS)
        expect(chat.stop_button).to_be_hidden(timeout=ANSWER_MS)

    def open_menu(action: str) -> None:
        page.locator("#chat-more").click()
        page.locator(f"#chat-menu [data-action={action}]").click()

    def close() -> None:
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open], :popover-open")).to_have_count(0)

    page.goto(url)
    expect(page.locator("#pill")).to_have_attribute("data-state", "ok", timeout=ANSWER_MS)
    yield "the first visit"
    page.locator("#temporary").click()
    expect(page.locator(".temporary")).to_be_visible()
    yield "a temporary chat"
    page.locator("#temporary").click()

    begin("showcase", "Show me everything")
    until_answered()
    for fold in page.locator(".tools > summary, .tool > summary").all():
        if fold.is_visible():
            fold.click()
    yield "all that an agent shows, a tool that failed, sources"
    page.locator(".user").first.hover()
    page.locator(".user .icon-button:has(.icon-edit)").first.click()
    yield "a message that is edited"
    page.keyboard.press("Escape")
    page.locator(".thumbs button").last.click()
    expect(page.locator(".feedback")).to_be_visible()
    yield "why an answer is bad"
    page.keyboard.press("Escape")
    page.locator(".steps-button").last.click()
    expect(page.locator(".trace-row").first).to_be_visible()
    page.locator(".trace-row summary").first.click()
    yield "the trace"
    close()
    page.locator("#chat-more").click()
    yield "the menu of a conversation"
    close()
    for dialog in ("rename", "folder", "share"):
        open_menu(dialog)
        expect(page.locator(f"#{dialog}")).to_be_visible()
        if dialog == "share":
            page.locator("#share-make").click()
            expect(page.locator("#share-links li")).to_have_count(1)
        yield f"the dialog “{dialog}”"
        close()
    page.locator("#search-open").click()
    page.locator("#search-field").fill("everything")
    expect(page.locator(".found").first).to_be_visible()
    yield "the search with hits"
    close()
    page.locator("#menu-open").click()
    yield "the menu"
    page.locator("#keys-open").click()
    yield "the list of keys"
    close()
    page.locator(".chat-item").first.hover()
    page.locator(".chat-item .icon-button").first.click()
    page.locator("#chat-menu [data-action=select]").click()
    expect(page.locator("#chats-selected")).to_be_visible()
    yield "several are selected"
    page.locator("#chats-selected [data-action=cancel]").click()

    begin("receptionist", "I should like a room")
    expect(page.locator(".ask")).to_be_visible(timeout=ANSWER_MS)
    yield "a choice"
    page.locator(".ask .choice").first.click()
    expect(page.locator(".ask .schema-field").first).to_be_visible(timeout=ANSWER_MS)
    page.locator(".ask .primary").click()
    expect(page.locator(".ask-problem:visible").first).to_be_visible()
    yield "a form with errors"

    begin("postman", "Invite alice@example.org to lunch")
    expect(page.locator(".ask .primary")).to_be_visible(timeout=ANSWER_MS)
    yield "an approval"
    page.locator(".ask .quiet").nth(0).click()
    expect(page.locator(".ask :is(input, textarea)").first).to_be_visible()
    yield "an approval's arguments"

    begin("counter", "Add 10.")
    until_answered()
    expect(page.locator(".suggestion").first).to_be_visible()
    yield "suggestions"
    page.locator(".composer-row .icon-gear").click()
    expect(page.locator("dialog[open] .schema-field").first).to_be_visible()
    yield "the settings of an agent"
    close()

    page.goto(f"{url}/?agent=writing_team")
    expect(page.locator("#pill")).to_have_attribute("data-state", "ok", timeout=ANSWER_MS)
    chat.field.press_sequentially("/")
    expect(page.locator(".commands > li").first).to_be_visible()
    yield "commands"
