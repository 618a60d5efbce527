"""Exporting, printing and sharing a conversation from its menu."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pypdfium2
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at


def open_menu(chat: Chat) -> None:
    chat.page.locator("#chat-more").click()


def test_a_link_is_made_opened_by_a_stranger_and_revoked(chat, chromium):
    chat.say('one and two [[text="It is **three**."]]')
    chat.answered()
    open_menu(chat)
    look_at(chat.page, "the menu of a conversation")
    chat.page.get_by_role("button", name="Share…").click()
    look_at(chat.page, "the dialog to share")
    chat.page.get_by_role("button", name="Make a link").click()
    field = chat.page.get_by_role("textbox", name="Link")
    expect(field).to_have_value(re.compile(rf"^{re.escape(chat.url)}/s/[\w-]{{43}}/$"))
    look_at(chat.page, "the dialog to share, with a link")

    stranger = chromium.new_context()
    reader = stranger.new_page()
    faults: list[str] = []
    reader.on("console", lambda message: faults.append(message.text))
    url = field.input_value()
    reader.goto(url)
    expect(reader.locator(".prose strong")).to_have_text("three")
    look_at(reader, "chat/templates/chat/reading.html")
    assert stranger.cookies() == [] and faults == []

    other = Chat(chat.page.context.new_page(), chat.url).open(chat.page.url.removeprefix(chat.url))
    open_menu(other)
    other.page.get_by_role("button", name="Share…").click()
    expect(other.page.get_by_role("textbox", name="Link")).to_have_count(1)
    for each in (chat, other):  # the second one finds it revoked
        each.page.get_by_role("button", name="Revoke").click()
        expect(each.page.get_by_role("textbox", name="Link")).to_have_count(0)
    reader.goto(url)
    expect(reader.get_by_role("heading")).to_have_text("This link shows nothing")
    look_at(reader, "chat/templates/chat/reading_gone.html")
    stranger.close()


def test_the_menu_saves_the_conversation_as_files(chat, tmp_path):
    chat.say('keep me [[text="kept"]]')
    chat.answered()
    for name, ending in (("Save as Markdown", ".md"), ("Save as JSON", ".json"), ("Save with all files", ".zip")):
        open_menu(chat)
        with chat.page.expect_download() as download:
            chat.page.get_by_role("link", name=name).click()
        path = Path(download.value.path())
        assert download.value.suggested_filename.endswith(ending)
        assert ending == ".zip" or "keep me" in path.read_text()


CHAPTERS = "".join(f"## Chapter {number}\n\n{'word ' * 9 * number}\n\n" for number in range(1, 25))
LONG_LINE = f"```python\nline = '{'x' * 200}end of the line'\n```\n\nAs [a page](https://example.org/page) says."


def test_what_is_printed_is_the_whole_conversation_on_white(chat, context):
    for number, text in enumerate((CHAPTERS, LONG_LINE, "short"), 1):
        chat.say(f"question {number} [[text={json.dumps(text)}]]")
        chat.answered(number)
    open_menu(chat)
    context.add_init_script("window.print = () => document.documentElement.setAttribute('data-printed', '')")
    with context.expect_page() as opened:
        chat.page.get_by_role("link", name="Print…").click()
    paper = opened.value
    expect(paper.locator("html[data-printed]")).to_have_count(1)
    look_at(paper, "a page to print")
    paper.emulate_media(media="print", color_scheme="dark")
    assert paper.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "light"
    assert paper.locator("article").count() == 6
    pages = [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(paper.pdf(format="A4"))]
    assert len(pages) > 2 and [page.strip().endswith(f"{at} / {len(pages)}") for at, page in enumerate(pages, 1)]
    assert not [page for page in pages if re.search(r"Chapter \d+\s+(\d+ / \d+\s*)?$", page)]  # with what is below it
    text = re.sub(r"\s", "", "".join(pages))
    assert "endoftheline" in text and "apage(https://example.org/page)says" in text
