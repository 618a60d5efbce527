"""Long conversations and long messages: what is counted here is work, which a slow machine does not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks import page as benchmark
from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.conftest import watch
from tests.browser.looks import look_at
from tests.servers import Server

TURNS = 2000
LONG_ANSWER = "\n\n".join(f"Paragraph {number} of a long answer, with some **words** in it." for number in range(90))

COUNT = """() => {
    const counted = (window.counted = { elsewhere: 0, draws: 0, frames: 0, largest: 0 });
    const ask = window.requestAnimationFrame.bind(window);
    const tick = () => { counted.frames += 1; counted.now = 0; ask(tick); };
    ask(tick);
    window.requestAnimationFrame = (run) => ask((at) => {
        if (run.name === "draw") counted.largest = Math.max(counted.largest, (counted.now += 1));
        counted.draws += run.name === "draw";
        run(at);
    });
    const last = document.querySelector("#turns").lastElementChild;
    window.observer = new MutationObserver((records) => {
        counted.elsewhere += records.filter(({ target }) => !last.contains(target)).length;
    });
    window.observer.observe(document.querySelector("#turns"),
        { subtree: true, childList: true, characterData: true, attributes: true });
}"""


class Long(Chat):
    """A page of a long conversation."""

    @property
    def turns(self) -> Any:
        return self.page.locator("#turns > .turn")

    def open_stored(self, conversation: str) -> Long:
        self.open(f"/c/{conversation}/")
        expect(self.page.get_by_text("You said").last).to_be_attached()
        return self

    def wait(self, condition: str) -> None:
        """As `expect`, which outlines the page when its first look fails: with 300 turns that takes it seconds."""
        self.page.wait_for_function(f"() => {condition}", timeout=ANSWER_MS)

    def load(self, turns: int) -> None:
        """Scroll up until so many turns are there, then to the end."""
        while (count := self.turns.count()) < turns:
            self.page.locator("#scroller").evaluate("(scroller) => scroller.scrollTo(0, 0)")
            self.wait(f"document.querySelectorAll('#turns > .turn').length !== {count}")
        self.page.locator("#scroller").evaluate("(scroller) => scroller.scrollTo(0, scroller.scrollHeight)")


@pytest.fixture(scope="module")
def stored(server: Server) -> tuple[str, dict[str, str]]:
    return benchmark.store(server, TURNS)


@pytest.fixture
def long(chromium: Browser, server: Server, stored: tuple[str, dict[str, str]]) -> Iterator[Long]:
    conversation, cookies = stored
    yield from opened(chromium, server, conversation, cookies)


def opened(chromium: Browser, server: Server, conversation: str, cookies: dict[str, str]) -> Iterator[Long]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in cookies.items()])
    page = context.new_page()
    faults: list[str] = []
    watch(page, faults)
    yield Long(page, server.url).open_stored(conversation)
    context.close()
    assert faults == []


def test_of_2000_turns_the_last_ones_are_there_at_once_and_found_by_the_browser_s_search(long):
    expect(long.turns).to_have_count(25)
    expect(long.page.get_by_text(f"Question {TURNS}", exact=True)).to_be_in_viewport()
    assert long.page.evaluate("() => document.querySelectorAll('*').length") < 6000
    found = "(text) => { getSelection().removeAllRanges(); return window.find(text, true, true, true); }"
    assert long.page.evaluate(found, f"Question {TURNS - 20}")
    assert not long.page.evaluate(found, "Question 77 ")


def test_among_300_turns_an_answer_changes_its_own_and_is_drawn_once_a_frame(long):
    long.load(300)
    long.say("[[tokens=3000 tps=100]]")
    long.wait("""document.querySelector("[aria-busy=true] .prose")?.textContent.includes("word")""")
    long.page.evaluate(COUNT)
    long.wait("window.counted.draws > 5")
    counted = long.page.evaluate("() => { window.observer.disconnect(); return window.counted; }")
    assert counted["elsewhere"] == 0
    assert counted["largest"] == 1
    long.stop.click()


FAR = """() => {
    window.far = 0;
    const observer = new MutationObserver((changes) => (window.far += changes.length));
    const turns = Array.from(document.querySelectorAll("#turns > .turn")).slice(0, 20);
    for (const turn of turns) observer.observe(turn, { attributes: true, childList: true, subtree: true });
}"""


def test_turns_out_of_sight_change_when_they_are_seen(long):
    """Hundreds of them would be restyled whenever an answer begins or ends."""
    long.load(60)
    long.wait("!document.querySelector('#turns article').checkVisibility({ contentVisibilityAuto: true })")
    long.page.evaluate(FAR)
    long.say("[[tokens=3000 tps=100]]")
    long.wait("""document.querySelector("[aria-busy=true] .prose")?.textContent.includes("word")""")
    assert long.page.evaluate("() => window.far") == 0
    seq = long.turns.first.locator(".user").get_attribute("data-seq")  # earlier ones come before it
    pen = long.page.locator(f"#turns .user[data-seq='{seq}']").get_by_role("button", name="Edit message")
    long.page.locator("#scroller").evaluate("(scroller) => scroller.scrollTo(0, 0)")
    expect(pen).to_be_disabled()
    long.stop.click()
    expect(pen).to_be_enabled()


def test_what_a_reader_has_loaded_is_let_go_once_the_reader_is_back_at_the_end(long):
    long.load(425)
    long.wait("document.querySelectorAll('#turns > .turn').length === 100")
    expect(long.page.locator("#earlier")).to_be_attached()
    long.load(110)  # and comes again


@pytest.fixture(scope="module")
def long_answers(server: Server) -> tuple[str, dict[str, str]]:
    return benchmark.store(server, 3, LONG_ANSWER)


@pytest.fixture
def folded(chromium: Browser, server: Server, long_answers: tuple[str, dict[str, str]]) -> Iterator[Long]:
    yield from opened(chromium, server, *long_answers)


def is_cut(page: Page) -> list[bool]:
    cut = "(all) => all.map((prose) => prose.scrollHeight > prose.clientHeight + 100)"
    return list(page.locator(".reply .prose").evaluate_all(cut))


def test_a_long_answer_is_cut_until_it_is_asked_for_but_not_the_last(folded):
    page = folded.page
    assert is_cut(page) == [True, True, False]
    look_at(page, "cut answers")
    page.get_by_role("button", name="Show all").first.click()
    assert is_cut(page) == [False, True, False]
    page.get_by_role("button", name="Show less").click()
    assert is_cut(page) == [True, True, False]


def test_a_cut_answer_opens_where_something_in_it_is_brought_into_sight(folded):
    """As the browser's search does it, and Tab."""
    hidden = folded.page.locator(".reply").first.get_by_text("Paragraph 80")
    hidden.evaluate("(paragraph) => paragraph.scrollIntoView()")
    expect(folded.page.get_by_role("button", name="Show less")).to_have_count(1)
    assert is_cut(folded.page).count(True) == 1


def test_a_long_message_is_cut_and_edited_whole(chat):
    text = "\n".join(f"line {number}" for number in range(100))
    chat.say(f"[[tokens=5]]\n{text}")
    chat.answered()
    cut = chat.page.get_by_role("button", name="Show all")
    expect(cut).to_be_visible()
    chat.page.get_by_role("button", name="Edit message").click()
    expect(cut).to_be_hidden()
    expect(chat.page.locator(".edit-field")).to_have_value(f"[[tokens=5]]\n{text}")
    chat.page.keyboard.press("Escape")
    cut.click()
    expect(chat.page.get_by_text("line 99")).to_be_in_viewport(timeout=ANSWER_MS)
