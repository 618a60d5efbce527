"""Files from people: chosen, pasted, dropped; sent while one writes, left out again, seen in the message."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at
from tests.part_things import picture

PHOTO = FilePayload(name="photo.png", mimeType="image/png", buffer=picture())
POEM = FilePayload(name="a poem about the sea and all that is in it.txt", mimeType="text/plain", buffer=b"the sea")
BROKEN = FilePayload(name="broken.png", mimeType="image/png", buffer=picture()[:80])


@pytest.fixture
def reads(page: Page, server) -> Chat:
    chat = Chat(page, server.url).open()
    page.locator("input[name=agent][value=reads]").check()
    chat.connected()
    return chat


def choose(chat: Chat, *files: FilePayload) -> None:
    before = chat.page.locator(".upload").count()
    chat.page.locator(".attach-slot input").set_input_files(list(files))
    expect(chat.page.locator(".upload")).to_have_count(before + len(files))
    expect(chat.page.locator(".upload:is([data-state=waiting], [data-state=sending])")).to_have_count(0)


def test_files_are_sent_with_the_message_and_seen_in_it(reads, stub):
    choose(reads, PHOTO, POEM)
    reads.say('[[tool=read then.text="Read."]]')
    reads.answered()

    expect(reads.page.locator(".upload")).to_have_count(0)
    for _ in range(2):
        expect(reads.page.locator(".user .attached-image img")).to_have_attribute("alt", "photo.png")
        expect(reads.page.locator(".user .attached-name")).to_have_text(POEM["name"])
        reads.page.wait_for_function("() => document.querySelector('.attached-image img').naturalWidth === 320")
        reads.page.reload()
        reads.connected()


def test_files_alone_are_a_message(reads):
    choose(reads, POEM)
    reads.page.locator("#send").click()
    reads.answered()
    expect(reads.page.locator(".user .bubble")).to_be_hidden()
    expect(reads.page.locator(".user .attached-name")).to_have_text(POEM["name"])


def test_each_state_is_accessible_and_inside_its_edges(reads):
    choose(reads, PHOTO, POEM, BROKEN)
    expect(reads.page.locator(".upload[data-state=failed]")).to_contain_text("This image cannot be read.")
    reads.say("[[tokens=2]]")
    reads.answered()
    choose(reads, PHOTO, POEM, BROKEN)
    look_at(reads.page, "files of a message")


def test_a_file_is_left_out_again(reads):
    choose(reads, PHOTO, POEM)
    with reads.page.expect_request(lambda request: request.method == "DELETE"):
        reads.page.get_by_role("button", name="Remove photo.png").click()
    reads.say('[[tool=read then.text="Read."]]')
    reads.answered()
    expect(reads.page.locator(".user .attached")).to_have_count(1)


def test_what_is_too_large_or_too_much_is_refused_here(reads):
    reads.page.locator(".attach-slot input").set_input_files([POEM] * 11)
    expect(reads.page.locator(".upload-problem")).to_have_text("A message takes 10 files at most.")
    look_at(reads.page, "too many files")
    expect(reads.page.locator(".upload")).to_have_count(10)
    reads.page.get_by_role("button", name="Remove").first.click()
    expect(reads.page.locator(".upload-problem")).to_be_hidden()
    drop(reads, "new File([new Uint8Array(20000001)], 'big.bin')")
    expect(reads.page.locator(".upload[data-state=failed]")).to_contain_text("Larger than 20 MB")


def test_what_could_not_be_sent_is_sent_again(reads):
    held: list[Route] = []
    reads.page.route("**/api/attachments?*", lambda route: held.append(route), times=1)
    reads.page.locator(".attach-slot input").set_input_files([POEM])
    look_at(reads.page, "an upload on its way")
    held.pop().abort()
    expect(reads.page.locator(".upload[data-state=failed]")).to_contain_text("It could not be sent.")
    look_at(reads.page, "an upload that failed")
    reads.page.get_by_role("button", name="again").press("Enter")
    expect(reads.page.locator(".upload[data-state=done]")).to_have_count(1)
    expect(reads.page.get_by_role("button", name="again")).to_be_hidden()


def drop(chat: Chat, file: str, *, events: Sequence[str] = ("dragover", "drop")) -> None:
    chat.page.evaluate(
        f"""() => {{
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add({file});
            for (const type of {list(events)})
                document.querySelector(".scroller").dispatchEvent(new DragEvent(type, {{
                    dataTransfer, bubbles: true, cancelable: true,
                }}));
        }}"""
    )


def paste(chat: Chat, what: str) -> None:
    chat.page.evaluate(
        f"""() => {{
            const clipboardData = new DataTransfer();
            {what};
            document.querySelector("#field").dispatchEvent(
                new ClipboardEvent("paste", {{ clipboardData, bubbles: true, cancelable: true }}));
        }}"""
    )


def test_files_are_dropped_and_pasted_and_a_long_text_becomes_one(reads):
    sign = reads.page.get_by_text("Drop files here")
    drop(reads, "new File(['dropped'], 'dropped.txt')", events=["dragover"])
    expect(sign).to_be_visible()
    look_at(reads.page, "where files are dropped")
    drop(reads, "new File(['dropped'], 'dropped.txt')", events=["drop"])
    expect(sign).to_be_hidden()
    paste(reads, "clipboardData.items.add(new File(['pasted'], 'image.txt'))")
    paste(reads, "clipboardData.setData('text/plain', 'long '.repeat(5000))")
    paste(reads, "clipboardData.setData('text/plain', 'short')")
    expect(reads.page.locator(".upload-name")).to_have_text(["dropped.txt", "image.txt", "pasted.txt"])
    expect(reads.page.locator(".upload[data-state=done]")).to_have_count(3)
    assert reads.field.input_value() == ""


def test_a_question_for_a_file_is_answered_in_its_card(reads):
    reads.say('[[tool=ask_file then.text="Thanks."]]')
    expect(reads.page.locator(".ask")).to_contain_text("asks for a file", timeout=ANSWER_MS)
    look_at(reads.page, "asks for a file")
    reads.page.locator(".ask input[type=file]").set_input_files([POEM])
    expect(reads.page.locator(".ask")).to_have_count(0)
    expect(reads.page.locator(".reply").last).to_contain_text("Thanks.", timeout=ANSWER_MS)
    expect(reads.page.locator(".user .attached-name")).to_have_text(POEM["name"])
