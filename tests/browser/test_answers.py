"""What an answer's HTML holds, and what can be done with it: code, footnotes, details, callouts."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.looks import look_at

CODE = "```python\ndef double(number):\n    return number * 2\n\n\nprint(1)  # " + "a long comment " * 12 + "\n```"
NOTES = "Water[^1] boils[^boil].\n\n[^1]: H<sub>2</sub>O\n[^boil]: At 100 °C.\n"
DETAILS = "<details><summary>The steps</summary>\n\n1. one\n2. two\n\n</details>\n"
KINDS = ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION")
CALLOUTS = "\n\n".join(f"> [!{kind}]\n> Press <kbd>Ctrl</kbd>+<kbd>C</kbd>." for kind in KINDS)
ALL = "\n\n".join((NOTES, DETAILS, CALLOUTS, CODE, "- [x] done\n- [ ] open", "| a | b |\n|---|---|\n| 1<br>2 | 3 |"))


def answer(chat: Chat, text: str) -> None:
    chat.say(f"[[text={json.dumps(text)}]]")
    chat.answered()


def test_code_has_numbers_wraps_and_is_saved(chat):
    answer(chat, CODE)
    page = chat.page
    figure = page.locator("figure.code")
    numbers, wrap = (page.get_by_role("button", name=name) for name in ("Line numbers", "Wrap lines"))
    numbers.click()
    expect(figure.locator(".code-lines")).to_have_text("1\n2\n3\n4\n5")
    expect(numbers).to_have_attribute("aria-pressed", "true")
    wrap.click()
    expect(figure.locator(".code-lines")).to_have_count(0)
    expect(numbers).to_have_attribute("aria-pressed", "false")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download code").click()
    assert saved.value.suggested_filename == "code.py"
    assert saved.value.path().read_text().startswith("def double(number):\n")


def test_a_mark_leads_to_its_note_and_the_note_back(chat):
    answer(chat, NOTES + "\n\n" + "more\n\n" * 40)
    chat.page.get_by_role("button", name="Note boil", exact=True).click()
    note = chat.page.get_by_role("button", name="Note boil, back to the text")
    expect(note).to_be_focused()
    note.press("Enter")
    expect(chat.page.get_by_role("button", name="Note boil", exact=True)).to_be_focused()


def test_details_that_a_reader_opened_stay_open_while_the_answer_goes_on(chat):
    chat.say(f"[[tps=30 text={json.dumps(DETAILS + 'word ' * 120)}]]")
    summary = chat.page.locator(".prose summary")
    expect(summary).to_be_visible()
    expect(chat.page.locator(".prose > p")).to_contain_text("word")
    details = chat.page.locator(".prose details")
    is_open = details.evaluate("(details) => details.open")
    summary.click()
    chat.answered()
    assert details.evaluate("(details) => details.open") is not is_open


def test_all_of_it_is_accessible_and_nothing_sticks_out(chat):
    answer(chat, ALL)
    chat.page.get_by_role("button", name="Line numbers").click()
    look_at(chat.page, "all that Markdown has")
