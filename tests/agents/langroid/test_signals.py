"""Words that steer a task are not what people read."""

from __future__ import annotations

import pytest

from chat.agents.langroid.signals import Signals

TEXTS = [
    ("DONE", ""),
    ("DONE.", ""),
    ("**DONE**", ""),
    ("DONE: the sum is 5", "the sum is 5"),
    ("DONE 42", "42"),
    ("The sum is 5. DONE", "The sum is 5."),
    ("The sum is 5.\n\nDONE!", "The sum is 5."),
    ("TO[User]: here you are", "here you are"),
    ("__SEND__:Helper do it", "do it"),
    ("@User: the result is 3", "the result is 3"),
    ("@Bob what is it?", "what is it?"),
    ("DO-NOT-KNOW", ""),
    ("DO-NOT-KNOW.", ""),
    ("__PASS__", ""),
    # what is no signal
    ("ABANDONED carts are DONEGAL's", "ABANDONED carts are DONEGAL's"),
    ("What is DONE is done.", "What is DONE is done."),
    ("Do not touch the TO[x] list", "Do not touch the TO[x] list"),
    ("Write to me@example.org", "Write to me@example.org"),
    ("DOING well", "DOING well"),
    ("DO-NOT-KNOW is what it says when nothing is found.", "DO-NOT-KNOW is what it says when nothing is found."),
    ("a plain answer", "a plain answer"),
    ("ends with a D", "ends with a D"),
    ("", ""),
]


def signals() -> Signals:
    return Signals(strings=True, addresses=True, prefix="@")


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_a_text_without_its_signals(text, shown):
    assert signals().without(text) == shown


@pytest.mark.parametrize(("text", "shown"), TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_a_stream_never_shows_a_signal_and_always_all_else(text, shown, size):
    stream = signals()
    seen = [stream.feed(text[at : at + size]) for at in range(0, len(text), size)]
    seen.append(stream.rest())
    assert "".join(seen).strip() == shown


def test_text_is_not_held_for_longer_than_it_may_be_a_signal():
    stream = signals()
    assert stream.feed("Hello") == "Hello"
    assert stream.feed(" D") == ""
    assert stream.feed("ay") == " Day"
    assert stream.feed(" is DONE") == " is"
    assert stream.feed(" and") == " DONE and"


def test_where_no_word_steers_all_words_are_text():
    stream = Signals(strings=False, addresses=False, prefix="@")
    assert stream.feed("DONE") == "DONE"
    assert stream.feed(": TO[Bob]") == ": TO[Bob]"
    assert stream.rest() == ""
