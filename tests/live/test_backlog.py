"""What waits is numbered, merged and rendered when it is taken, and not before."""

from __future__ import annotations

import json
import sys
import threading

import pytest

from chat.agents.langroid.holdback import HOLD_SECONDS, HoldBack
from chat.live.backlog import Backlog
from chat.live.rendering import End, Text

ID = "m1"


@pytest.fixture
def backlog():
    backlog = Backlog()
    backlog.open({"type": "stream_start", "message_id": ID})
    return backlog


def taken(backlog, *, now=0.0):
    raw, _ = backlog.drain(now)
    return [json.loads(frame) for frame in raw]


def answer(text):
    return {"type": "message", "seq": 1, "message": {"sender": "assistant", "content": text}}


def test_what_waits_together_becomes_one_chunk(backlog):
    for word in ("one ", "two ", "three"):
        backlog.text(ID, word, 0.0)

    start, token = taken(backlog)
    assert start["content"] == "" and (token["n"], token["token"]) == (0, "one two three")
    assert taken(backlog) == [] and backlog.chars == 0


def test_only_the_first_text_is_the_first(backlog):
    backlog.reasoning(ID, "hm")

    assert not backlog.text(ID, "", 0.0)
    assert backlog.text(ID, "a", 0.0)
    assert not backlog.text(ID, "b", 0.0)
    taken(backlog)
    assert not backlog.text(ID, "c", 0.0)


def test_events_and_text_keep_their_order(backlog):
    backlog.text(ID, "before", 0.0)
    backlog.add([{"type": "tool_call"}])
    backlog.text(ID, "after", 0.0)

    assert [event.get("token", event["type"]) for event in taken(backlog)] == [
        "stream_start",
        "before",
        "tool_call",
        "after",
    ]


def test_a_closed_message_takes_nothing_more(backlog):
    backlog.text(ID, "all", 0.0)
    backlog.close(ID, "all of it", "")

    assert not backlog.text(ID, "too late", 0.0)
    backlog.close(ID, "twice", "")
    assert [event["type"] for event in taken(backlog)] == ["stream_start", "stream_token", "stream_end"]
    assert backlog.emitted(ID) == ("", "")


def test_the_rest_of_the_final_text_comes_before_the_end(backlog):
    backlog.text(ID, "all", 0.0)
    backlog.close(ID, "all of it", "")

    assert [event["token"] for event in taken(backlog) if "token" in event] == ["all of it"]


def test_a_view_holds_what_was_numbered_and_emitted_what_waits_too(backlog):
    backlog.text(ID, "shown", 0.0)
    taken(backlog)
    backlog.text(ID, " waiting", 0.0)

    (view,) = backlog.views()
    assert (view.text, view.n) == ("shown", 1)
    assert backlog.emitted(ID) == ("shown waiting", "")


def test_held_back_text_waits_for_its_time(backlog):
    backlog = Backlog()
    backlog.open({"type": "stream_start", "message_id": ID}, hold=HoldBack())
    backlog.text(ID, '{"a": ', 1.0)

    assert [event["type"] for event in taken(backlog, now=1.1)] == ["stream_start"]
    assert backlog.waits
    assert taken(backlog, now=1.0 + HOLD_SECONDS)[0]["token"] == '{"a": '
    assert not backlog.waits


def test_what_becomes_html_is_told_in_order_once_it_is_wanted(backlog):
    backlog.text(ID, "one", 0.0)
    assert backlog.drain(0.0)[1] == []

    assert backlog.want_html() == [Text(ID, "one")]
    assert backlog.want_html() == []
    backlog.reasoning(ID, "hm")
    backlog.text(ID, " two", 0.0)
    backlog.close(ID, "one two", "hm")
    backlog.add([answer("one two"), {"type": "status"}])

    raw, (thought, *html) = backlog.drain(0.0)
    assert thought == raw[0] and json.loads(thought)["token"] == "hm"
    assert html == [Text(ID, " two"), End(ID), answer("one two"), raw[-1]]


def test_what_has_been_sent_is_what_a_view_has_and_no_letter_more(backlog):
    """A checkpoint with text that waits would have it taken away by the next view."""
    backlog.text(ID, "numbered", 0.0)
    backlog.reasoning(ID, "thought")
    taken(backlog)
    backlog.text(ID, " and waiting", 0.0)
    backlog.reasoning(ID, " more")

    [view] = backlog.views()
    assert backlog.sent(ID) == (view.text, view.reasoning) == ("numbered", "thought")
    assert backlog.emitted(ID) == ("numbered and waiting", "thought more")


def test_events_may_arrive_while_what_waits_is_looked_through(backlog):
    """The loop emits without the lock, which the looking thread has."""
    for _ in range(1000):
        backlog.add([{"type": "status"}])
        backlog.text(ID, "x", 0.0)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    ends = threading.Event()

    def emit() -> None:
        while not ends.is_set():
            backlog.add([{"type": "status"}])

    thread = threading.Thread(target=emit)
    thread.start()
    try:
        for _ in range(20):
            assert backlog.emitted(ID)[0] == "x" * 1000
    finally:
        ends.set()
        thread.join()
        sys.setswitchinterval(interval)
