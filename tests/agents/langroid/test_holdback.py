"""Tool calls in a model's text: what is shown while it streams, and what is left of it in the end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.agents.langroid.holdback import HOLD_SECONDS, HoldBack, objects, without_tool_calls

CALL = '{"request": "square", "n": 9}'
FENCED = f"```json\n{CALL}\n```"

FRAGMENTS = [
    *("text ", "a", " ", "\n", "\n\n", "{", "}", "[", "]", '"', "'", ":", ",", "\\", "{x}", "{ {", '{"', "`", "```\n"),
    *("```json\n", "~~~\n", CALL, FENCED, '{"a": 1}', '{"a": {"request": "x"}}', '{"request": 5}', '"request"', "true"),
    *(
        '{"properties": {"request": "x"}}',
        "{'request': 'x', }",
        '{"a": "}{"}',
        '{"a": [1, {"b": "\n"}]}',
        "```py\nx = {",
    ),
]


def shown(text: str, *, size: int = 1) -> str:
    """What a person sees of a text that comes in pieces of so many characters, fast, up to its end."""
    hold = HoldBack()
    pieces = [hold.feed(text[at : at + size], now=0.0) for at in range(0, len(text), size)]
    return "".join(pieces) + hold.rest()


def is_call(value: dict[str, Any]) -> bool:
    holder = value["properties"] if isinstance(value.get("properties"), dict) else value
    return isinstance(holder.get("request"), str)


# -- while it streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "plain text",
            "a {x} b",
            "\\frac{a}{b}",
            "{",
            "{ not json }",
            "f = {1, 2}",
            '{"a": 1}',
            "{}",
            "{ }",
            '{"a',
        ),
        *('say {"a": [1, 2, {"b": null}], "c": -1.5e3} now', '{"request": 5}', '{"other": {"request": "x"}}', "{{x}}"),
        *(
            "```py\nx = {1: 2}\n```",
            "```json\n[1]\n```\nmore",
            "`code` {",
            "``",
            "~~~~\na\n~~~~",
            '{"a": "{b}"} c',
            '{"a"}',
        ),
        *(
            '{"a": "\\"}"}',
            '{"a": tru e}',
            '[{"a": 1}, {"b": 2}]',
            "if (x) {\n  y();\n}",
            '{"a" "request"}',
            "```\n\n\n",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_without_a_call_is_shown_whole(text, size):
    assert shown(text, size=size) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (CALL, ""),
        (FENCED, ""),
        (f"Let me see. {CALL}", "Let me see. "),
        (f"Let me see.\n\n{FENCED}\n", "Let me see.\n\n"),
        (f"before\n{CALL}\nafter", "before\n\nafter"),
        (f"before\n\n{FENCED}\n\nafter {{x}}", "before\n\n\nafter {x}"),
        (f"before {CALL} after", "before \n\nafter"),
        (f"{CALL}\n{CALL}", ""),
        (f"{FENCED}\n{FENCED}\nafter", "after"),
        (f"{CALL}\n```py\nx\n```", "```py\nx\n```"),
        (f"set {{x and {CALL}", "set {x and "),
        (f'{{"a": {CALL}', '{"a": {"request": "square", "n": 9}'),  # the outer object has no end: it goes as it is
        ('{"type": "object", "properties": {"request": "square"}, "required": []}', ""),
        ("{'request': 'square', 'n': None,}", ""),
        ('{"text": "a } b \\" {", "request": "x"}', ""),
        ('{"request": "x", "code": "line\nline"}', ""),
        ("~~~\n" + CALL + "\n~~~\nafter", "after"),
        (f"- a\n  ```json\n  {CALL}\n  ```\n- b", "- a\n  \n\n- b"),
        (f"```{CALL}\n{{b}}", "```\n\n{b}"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_call_and_its_fence_are_never_shown(text, left, size):
    assert shown(text, size=size) == left


@pytest.mark.parametrize(
    ("begun", "broken"),
    [
        ("{", "x"),
        ('{"a"', "}"),
        ('{"a": ', "}"),
        ('{"a": 1 ', "2"),
        ('{"a": "b" ', ":"),
        ("{\n", "r"),
        ('{"a": [1}', " "),
    ],
)
def test_text_goes_out_as_soon_as_it_cannot_be_a_call(begun, broken):
    hold = HoldBack()
    held = hold.feed(begun, now=0.0)
    assert held + hold.feed(broken, now=0.0) == begun + broken
    assert not hold.held


def test_an_object_goes_out_when_it_ends_without_naming_a_tool():
    hold = HoldBack()
    assert hold.feed('so {"a": {"b": 1}', now=0.0) == "so "
    assert hold.feed("} then", now=0.1) == '{"a": {"b": 1}} then'


def test_the_line_of_a_fence_waits_for_what_is_in_it():
    hold = HoldBack()
    assert hold.feed("a\n```json\n", now=0.0) == "a\n"
    assert hold.held
    assert hold.feed("x", now=0.0) == "```json\nx"


def test_what_is_held_goes_out_after_two_seconds():
    hold = HoldBack()
    assert hold.feed('a {"b": ', now=10.0) == "a "
    assert (hold.held, hold.deadline) == (True, 10.0 + HOLD_SECONDS)
    assert hold.feed('"c', now=11.0) == ""
    assert hold.deadline == 10.0 + HOLD_SECONDS
    assert hold.due(11.9) == ""
    assert hold.due(12.0) == '{"b": "c'
    assert (hold.held, hold.deadline) == (False, None)
    assert hold.feed(' d"} e', now=12.1) == ' d"} e'


def test_a_second_candidate_in_held_text_gets_no_second_two_seconds():
    hold = HoldBack()
    hold.feed('{"a": {"b": ', now=0.0)
    assert hold.feed("!", now=1.5) == '{"a": {"b": !'
    hold.feed('{"a": {', now=10.0)
    assert hold.feed(' "b": 1 : ', now=11.5) == '{"a": { "b": 1 : '
    hold.feed('{"a" {"b": ', now=20.0)
    assert hold.deadline == 22.0


def test_what_is_a_call_does_not_go_out_by_time():
    hold = HoldBack()
    hold.feed('{"request": "square", "text": "', now=0.0)
    assert (hold.held, hold.deadline) == (False, None)
    assert hold.due(1000.0) == hold.rest() == ""
    assert hold.feed('long"} after', now=1001.0) == "after"


def test_white_space_after_a_call_keeps_no_one_waiting():
    hold = HoldBack()
    hold.feed(f"{FENCED}\n\n", now=0.0)
    assert not hold.held


def test_text_is_not_read_again_with_every_piece():
    call = json.dumps({"request": "write", "text": "x" * 300_000, "list": [1] * 30_000})
    started = time.process_time()
    assert shown(call, size=20) == ""
    assert time.process_time() - started < 10  # a fraction of a second; hours if each piece went over it all


@pytest.mark.parametrize(
    "bomb",
    [
        "{ " * 50_000,
        "{" * 100_000,
        '{"a":' * 20_000,
        '{"a":[' * 20_000,
        "[{" * 50_000,
        '{"a":"' + "{" * 100_000,
        "~~~ " * 50_000,
    ],
)
@pytest.mark.parametrize("size", [100, 1_000_000])
def test_no_brackets_are_a_bomb(bomb, size):
    started = time.process_time()
    assert shown(bomb, size=size) == bomb
    assert time.process_time() - started < 10


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.integers(1, 9))
def test_the_pieces_do_not_matter(text, size):
    assert shown(text, size=size) == shown(text, size=10_000)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.lists(st.floats(0, 5), min_size=40))
def test_no_text_is_lost_or_repeated_whenever_time_releases_it(text, pauses):
    hold, now, seen = HoldBack(), 0.0, ""
    for at in range(0, len(text), 3):
        now += pauses[at // 3 % len(pauses)]
        seen += hold.due(now) + hold.feed(text[at : at + 3], now)
        assert not hold.held or now <= hold.deadline <= now + HOLD_SECONDS
    seen += hold.rest()
    rest = iter(text)
    assert all(character in rest for character in seen.replace("\n", ""))
    if '"request"' not in text and "'request'" not in text:
        assert seen == text


# -- the whole text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no call {x} here", "no call {x} here"),
        ("  spaces stay \n", "  spaces stay \n"),
        ('{"a": 1}', '{"a": 1}'),
        (CALL, ""),
        (FENCED, ""),
        (f"before\n\n{FENCED}\n\nafter", "before\n\nafter"),
        (f"before {CALL} after", "before\n\nafter"),
        (f"```\n{CALL}", ""),
        (f"a\n[{CALL}, {CALL}]\nb", "a\n\nb"),
        (f"```json\n[\n{CALL},\n{CALL}\n]\n```", ""),
        (f"```json\n{CALL}\n{CALL}\n```\nb", "b"),
        (f"set {{x and {CALL}", "set {x and"),
        ('{"a": {"request": "x"}}', '{"a": {"request": "x"}}'),
        (f"```py\nx = 1\n```\n{CALL}\n```py\ny = 2\n```", "```py\nx = 1\n```\n\n```py\ny = 2\n```"),
        (f"a\x00b {CALL}", "a\ufffdb"),
        ('{"request": "x", "text": "line\nline"}', ""),
        ('{"request": "x"', '{"request": "x"'),
    ],
)
def test_calls_are_taken_out_with_their_fences_and_lists(text, left):
    assert without_tool_calls(text, is_call) == left


def test_every_outermost_object_is_asked_about_once_and_in_order():
    asked: list[dict[str, Any]] = []

    def answer(value: dict[str, Any]) -> bool:
        asked.append(value)
        return "a" in value

    text = 'x {"a": {"n": 1}} {"b": 2} [3] {nope} {"a": 4}'
    assert without_tool_calls(text, answer) == 'x\n\n{"b": 2} [3] {nope}'
    assert asked == [{"a": {"n": 1}}, {"b": 2}, {"a": 4}]


def test_what_is_no_json_may_be_mended_by_the_caller():
    text = "a {request: x} b"
    assert without_tool_calls(text, is_call) == text
    assert without_tool_calls(text, is_call, parse=lambda source: {"request": source}) == "a\n\nb"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a {b} c {d {e}}", ["{b}", "{d {e}}"]),
        ('{"}" }', ['{"}" }']),
        ('{"a\\"}" }', ['{"a\\"}" }']),
        ("set {x and {y}", ["{y}"]),
        ("} {a}", ["{a}"]),
        ('{it"s}\n{b}', ['{it"s}', "{b}"]),
        ('"{a}"', ["{a}"]),
        ("{" * 20 + "}" * 20, ["{" * 20 + "}" * 20]),
        ("{" * 21 + "}" * 21, []),
        ("no", []),
    ],
)
def test_objects_are_the_outermost_balanced_braces(text, found):
    assert [text[start:end] for start, end in objects(text)] == found


@pytest.mark.parametrize(
    "bomb",
    [
        *(
            "{ " * 500_000,
            '{"a":' * 100_000 + "1" + "}" * 100_000,
            "{}" * 200_000,
            '{"' * 200_000,
            "[" * 100_000 + CALL,
        ),
        *(
            '{"a":' + "[" * 200_000 + "}",
            '{"\\"' + '\\"' * 300_000,
            "```\n" * 100_000 + CALL,
            CALL + " " * 500_000 + CALL,
        ),
    ],
)
def test_a_whole_text_takes_time_in_proportion_to_it(bomb):
    started = time.process_time()
    without_tool_calls(bomb, is_call)
    assert time.process_time() - started < 10


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_nothing_but_calls_is_taken_out(text):
    left = without_tool_calls(text, lambda value: False)
    assert left == text
    rest = iter(text.replace("\x00", "\ufffd"))
    assert all(character in rest for character in without_tool_calls(text, is_call).replace("\n", ""))
