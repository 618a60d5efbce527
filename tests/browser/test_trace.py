"""The drawer with the steps of a turn."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at

NESTED = r'[[tool=delegate args={"job":"[\u005btokens=5]\u005d"}]]'


def trace_of(chat: Chat) -> None:
    chat.replies.last.get_by_role("button", name="What happened").click()


def axes(chat: Chat) -> set[tuple[int, int]]:
    """From where to where the waterfall goes, in each of its rows."""
    sides = """(tracks) => tracks.map((track) => {
        const { left, right } = track.getBoundingClientRect();
        return [Math.round(left), Math.round(right)];
    })"""
    return {(left, right) for left, right in chat.page.locator(".trace-track").evaluate_all(sides)}


def choose(chat: Chat, agent: str) -> None:
    chat.page.locator(f"input[name=agent][value={agent}]").check()
    chat.connected()


def test_it_shows_the_model_calls_of_an_answer_with_their_time_and_tokens(chat):
    chat.say("[[tokens=20]]")
    chat.answered()
    trace_of(chat)
    row = chat.page.locator(".trace-row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Plain")
    expect(chat.page.locator(".trace-total")).to_contain_text("1 step")
    expect(chat.page.locator(".trace-total")).to_contain_text("tokens")
    row.locator("summary").click()
    expect(row).to_contain_text("prompt_tokens")
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("button", name="What happened")).to_be_focused()


def test_it_grows_while_the_turn_runs_and_shows_the_open_question(chat):
    choose(chat, "tools")
    chat.say('[[tool=ask_user args={"question":"May I?","kind":"approval"}]]')
    expect(chat.page.locator(".ask")).to_be_visible(timeout=ANSWER_MS)
    trace_of(chat)
    kinds = "(rows) => rows.map((row) => row.dataset.kind)"
    assert chat.page.locator(".trace-row").evaluate_all(kinds)[-1] == "question"
    expect(chat.page.locator(".trace-row[data-kind=tool]")).to_contain_text("Running")
    expect(chat.page.locator(".trace-row[data-kind=question]")).to_contain_text("Waits for your answer")
    assert len(axes(chat)) == 1
    other = Chat(chat.page.context.new_page(), chat.url).open(chat.page.url.removeprefix(chat.url))
    other.page.get_by_role("button", name="Approve").click()
    expect(chat.page.locator(".trace-row[data-kind=tool]")).not_to_contain_text("Running", timeout=ANSWER_MS)
    expect(chat.page.locator(".trace-row[data-kind=model]")).not_to_have_count(0, timeout=ANSWER_MS)
    expect(chat.page.locator(".trace-row[data-kind=question]")).to_have_count(1)  # the answer, now


def test_sub_agents_stand_inside_and_all_of_it_is_accessible(chat):
    choose(chat, "tools")
    chat.say(NESTED)
    chat.answered()
    trace_of(chat)
    expect(chat.page.locator(".trace-row[data-kind=task]")).not_to_have_count(0)
    depths = "(rows) => rows.map((row) => row.style.getPropertyValue('--depth'))"
    assert len(axes(chat)) == 1
    assert "1" in chat.page.locator(".trace-rows > li").evaluate_all(depths)
    chat.page.locator(".trace-row summary").first.click()
    look_at(chat.page, "what happened in a turn")
    trace = chat.page.locator(".trace")
    assert trace.evaluate("(trace) => trace.scrollWidth <= trace.clientWidth")
