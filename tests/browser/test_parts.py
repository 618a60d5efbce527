"""What agents show beside their words, on the page: seen, sorted, unfolded, saved, and accessible in every look."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at
from tests.part_things import picture

KINDS = ["image", "plot", "table", "long_table", "json", "diff", "audio", "pdf", "svg"]


@pytest.fixture
def shows(page: Page, server) -> Chat:
    chat = Chat(page, server.url).open()
    page.locator("input[name=agent][value=shows]").check()
    chat.connected()
    return chat


def show(chat: Chat, *kinds: str) -> None:
    before = chat.replies.count()
    for what in kinds:
        chat.say(f'[[tool=show args={json.dumps({"what": what})} then.text="Here is the {what}."]]')
        before += 1
        chat.answered(before)


def test_each_kind_is_accessible_and_inside_its_edges(shows):
    show(shows, *KINDS)
    for _ in "12":  # a figure's points, and JSON
        shows.page.locator(".shown details:not([open]) > summary").first.click()
    expect(shows.page.locator("[data-kind=image] tbody tr")).to_have_count(3)
    look_at(shows.page, "all that agents show")


def test_an_image_is_seen_with_its_words_before_and_after_a_reload(shows):
    show(shows, "image")
    for _ in range(2):
        image = shows.page.locator(".shown img")
        expect(image).to_have_attribute("alt", "as it is")
        image.scroll_into_view_if_needed()
        shows.page.wait_for_function("() => document.querySelector('.shown img').naturalWidth === 320")
        assert shows.page.locator(".reply .part").first.get_attribute("class") == "part"  # the tool stands before it
        shows.page.reload()
        shows.connected()


def test_pictures_and_a_pdf_are_looked_at_large_with_the_keyboard_alone(shows):
    show(shows, "image", "pdf", "plot")
    page, large = shows.page, shows.page.locator(".lightbox")
    links = page.locator("a[data-large]")
    links.first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="a image.png")).to_be_visible()
    expect(large.get_by_role("status")).to_have_text("1 of 3")
    page.wait_for_function("() => document.querySelector('.lightbox-image').naturalWidth === 320")
    look_at(page, "a picture large")
    page.keyboard.press("ArrowRight")
    assert large.locator("iframe").get_attribute("src").endswith(links.nth(1).get_attribute("href"))
    expect(large.get_by_role("button", name="Actual size")).to_be_hidden()
    look_at(page, "a PDF large")
    # Chromium's viewer of PDFs takes the focus when it is there, and with it the arrows.
    large.get_by_role("button", name="Next one").press("Enter")
    zoom = large.get_by_role("button", name="Actual size")
    zoom.press("Enter")
    expect(zoom).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as saved:
        large.get_by_role("link", name="Download a plot.png").press("Enter")
    assert saved.value.suggested_filename == "a plot.png"
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(links.nth(2)).to_be_focused()
    with page.context.expect_page() as opened:
        links.first.click(modifiers=["ControlOrMeta"])
    opened.value.close()
    expect(large).to_be_hidden()
    links.nth(1).click()
    large.locator("iframe").click()
    page.wait_for_function("() => document.activeElement.tagName === 'IFRAME'")
    large.get_by_role("status").hover()  # out of the viewer, which had all keys to itself
    expect(large.get_by_role("button", name="Close")).to_be_focused()


def test_a_table_is_sorted_by_its_columns(shows):
    show(shows, "table")
    cells = shows.page.locator(".shown-table td:first-child")
    assert cells.all_text_contents() == ["Rome", "Paris", "Łódź"]
    millions = shows.page.get_by_role("button", name="Millions")
    millions.click()
    assert cells.all_text_contents() == ["Paris", "Rome", "Łódź"]
    expect(shows.page.locator("th[aria-sort=ascending]")).to_have_text("Millions")
    millions.click()
    assert cells.all_text_contents() == ["Rome", "Paris", "Łódź"]
    shows.page.get_by_role("button", name="City").press("Enter")
    assert cells.all_text_contents() == ["Łódź", "Paris", "Rome"]


def test_a_file_is_saved_under_its_name(shows):
    show(shows, "long_table", "svg")
    expect(shows.page.locator(".shown-caption").first).to_contain_text("200 of 5,000 rows")
    for at, (name, part) in enumerate([("a long_table.csv", b"City,Millions"), ("a svg.svg", b"<svg")]):
        with shows.page.expect_download() as saved:
            shows.page.locator(".shown-download").nth(at).click()
        assert saved.value.suggested_filename == name
        with open(saved.value.path(), "rb") as file:
            assert file.read().startswith(part)


def test_json_is_unfolded_level_by_level(shows):
    show(shows, "json")
    json_view = shows.page.locator(".json")
    expect(json_view).to_contain_text("works1 item")
    expect(json_view).not_to_contain_text("1843")
    for _ in range(2):
        json_view.locator("details:not([open]) > summary").first.click()
    expect(json_view).to_contain_text("1843")


def test_what_is_shown_is_seen_at_once_in_a_second_page(shows, context):
    shows.say("[[tokens=1]]")
    shows.answered()
    other = context.new_page()
    other.goto(shows.page.url)
    Chat(other, "").connected()
    show(shows, "image")
    expect(other.locator(".shown img")).to_have_attribute("width", "320", timeout=ANSWER_MS)
    assert picture()
