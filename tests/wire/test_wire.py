"""The wire protocol: parsing, flow control, cutting."""

from __future__ import annotations

import contextlib
import functools
import json
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.exceptions import BadFrame, ChatError, TooLarge, UnknownType
from chat.wire.commands import decode, parse
from chat.wire.flow import Rate, Window
from chat.wire.frames import encode, fits, shorten
from chat.wire.values import clean, clean_json

ID = "11111111-1111-4111-8111-111111111111"

BAD_FRAMES = {
    "binary": None,
    "empty": "",
    "not json": "hello",
    "half": '{"type":',
    "a number": "3",
    "null": "null",
    "a list": "[]",
    "NaN": '{"type":"ack","frames":NaN}',
    "Infinity": '{"type":"ack","frames":Infinity}',
    "60,000 brackets": "[" * 60_000,
    "60,000 objects": '{"a":' * 12_000,
    "5,000 digits": '{"type":"ack","frames":' + "9" * 5000 + "}",
    "lone surrogate": '{"type":"message","content":"\\ud800"}',
    "lone surrogate in a key": '{"type":"ping","\\udfff":1}',
    "no type": "{}",
    "type is a number": '{"type":1}',
    "content missing": '{"type":"message"}',
    "content is a number": '{"type":"message","content":1}',
    "content is empty": '{"type":"message","content":" \\n"}',
    "content with NUL": '{"type":"message","content":"a\\u0000b"}',
    "id is a number": '{"type":"message","content":"a","message_id":5}',
    "id is empty": '{"type":"message","content":"a","message_id":""}',
    "id too long": '{"type":"message","content":"a","message_id":"' + "x" * 65 + '"}',
    "attachments are a text": '{"type":"message","content":"a","attachments":"x"}',
    "attachments of numbers": '{"type":"message","content":"a","attachments":[1]}',
    "ack of a text": '{"type":"ack","frames":"1"}',
    "ack of a bool": '{"type":"ack","frames":true}',
    "ack below zero": '{"type":"ack","frames":-1}',
    "sync without id": '{"type":"sync"}',
    "sync of no UUID": '{"type":"sync","message_id":"x"}',
    "command without name": '{"type":"command"}',
    "edit without id": '{"type":"command","command":"edit","content":"a"}',
    "edit without content": '{"type":"command","command":"edit","message_id":"' + ID + '"}',
    "branch to a number": '{"type":"command","command":"branch","turn":5}',
    "answer without id": '{"type":"answer","content":"a"}',
    "answer of nothing": '{"type":"answer","request_id":"' + ID + '"}',
    "approved as text": '{"type":"answer","request_id":"' + ID + '","approved":"yes"}',
    "tool_args as list": '{"type":"answer","request_id":"' + ID + '","approved":true,"tool_args":[]}',
    "choice with NUL": '{"type":"answer","request_id":"' + ID + '","choice":"\\u0000"}',
}


@pytest.mark.parametrize("text", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_a_bad_frame_is_refused_with_a_sentence(text):
    with pytest.raises(BadFrame) as refusal:
        parse(decode(text), max_chars=100)
    assert refusal.value.details.endswith(".")


def test_a_frame_or_text_that_is_too_long_is_refused():
    with pytest.raises(TooLarge):
        decode('{"type":"message","content":"' + "é" * 33_000 + '"}')
    with pytest.raises(TooLarge):
        parse({"type": "message", "content": "x" * 101}, max_chars=100)
    assert parse({"type": "message", "content": "🙂" * 100}, max_chars=100).content == "🙂" * 100


@pytest.mark.parametrize("frame", [{"type": "sing"}, {"type": "command", "command": "sing"}])
def test_what_is_not_known_is_said_to_be_unknown(frame):
    with pytest.raises(UnknownType):
        parse(frame, max_chars=100)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_no_frame_raises_anything_but_a_chat_error(value):
    for frame in (value, {"type": "message", "content": value}, {"type": "answer", "request_id": ID, "choice": value}):
        with contextlib.suppress(ChatError):
            parse(decode(json.dumps(frame)), max_chars=100)


def test_the_user_s_text_is_kept_as_typed():
    text = '  SYSTEM \t{"request": "x"}\r\n q '
    assert parse(decode(json.dumps({"type": "message", "content": text})), max_chars=100).content == text


@pytest.mark.parametrize("levels", [50, 60, 950])
def test_arguments_nested_deeper_than_can_be_shown_are_refused(levels):
    args = functools.reduce(lambda inner, _: {"a": [inner]}, range(levels // 2), 1)
    frame = {"type": "answer", "request_id": str(uuid4()), "approved": True, "tool_args": args}

    with pytest.raises(BadFrame, match=r"nested|JSON"):
        parse(frame, max_chars=100)


def test_an_answer_has_a_text_whatever_its_kind():
    def content(**fields):
        return parse({"type": "answer", "request_id": ID, **fields}, max_chars=100).content

    assert content(content="yes") == "yes"
    assert content(choice="red") == "red"
    assert content(choice=["red", 2]) == '["red", 2]'
    assert content(approved=True) == "Approved"
    assert content(approved=False) == "Rejected"
    assert content(approved=False, content="too dear") == "too dear"


def test_the_window_closes_after_64_frames_and_opens_with_an_ack():
    window = Window()
    for _ in range(64):
        assert window.is_open(0)
        window.add(10, 0)
    assert not window.is_open(0)
    window.ack(1, 0)
    assert window.is_open(0)


def test_the_window_closes_after_256_kib():
    window = Window()
    window.add(256 * 1024, 0)
    assert not window.is_open(0)
    window.ack(1, 0)
    assert window.is_open(0)


def test_a_full_window_stalls_only_without_a_greater_ack():
    window = Window()
    for _ in range(70):
        window.add(10, now=100)
    assert not window.is_stalled(now=129)
    assert window.is_stalled(now=131)
    window.ack(3, now=131)
    assert not window.is_stalled(now=160)
    window.ack(3, now=160)
    assert window.is_stalled(now=162)


def test_an_ack_of_frames_never_sent_is_refused():
    window = Window()
    window.add(10, 0)
    with pytest.raises(BadFrame):
        window.ack(2, 0)


def test_the_compatible_rate_lets_a_burst_pass_and_then_128_kib_a_second():
    rate = Rate()
    rate.add(1024 * 1024, now=0)
    assert not rate.is_open(now=0)
    rate.add(256 * 1024, now=0)
    assert not rate.is_open(now=1.9)
    assert rate.is_open(now=2.1)
    assert not rate.is_stalled(now=2.1)


def test_the_compatible_rate_stalls_after_30_seconds():
    rate = Rate()
    rate.add(1024 * 1024 + 40 * 128 * 1024, now=0)
    assert not rate.is_stalled(now=1)
    assert rate.is_stalled(now=32)


@pytest.mark.parametrize("text", ["x" * 400_000, "é" * 300_000, '"\\' * 200_000, "🙂" * 100_000], ids=ascii)
def test_a_record_too_long_for_a_frame_is_cut_and_says_where_the_rest_is(text):
    record = {"type": "message", "seq": 1, "message": {"content": text, "html": "<p>x</p>", "url": "/all", "id": ID}}
    cut = shorten(record)
    message = cut["message"]
    assert fits(encode(cut))
    assert message["truncated"] is True and message["url"] == "/all" and message["html"] == "<p>x</p>"
    assert text.startswith(message["content"]) and len(message["content"]) > 20_000


def test_a_tool_s_long_arguments_and_result_are_cut():
    record = {
        "type": "tool_result",
        "seq": 1,
        "result": "r" * 300_000,
        "tool_args": {"a": "b" * 300_000},
        "error": None,
    }
    cut = shorten(record)
    assert fits(encode(cut))
    assert cut["truncated"] and cut["tool_args"] == {} and len(cut["result"]) > 100_000


def test_a_record_that_fits_is_left_alone():
    record = {"type": "message", "seq": 1, "message": {"content": "é" * 100_000}}
    assert shorten(record) is record


def test_what_cannot_be_stored_or_sent_is_replaced():
    assert clean("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    value = clean_json({"a": "x\x00", 1: object, "b": ("\udfff", 2, None), "c": float("nan")})
    assert value == {"a": "x\ufffd", "1": str(object), "b": ["\ufffd", 2, None], "c": "nan"}
