"""Thoughts of a model whose template has written the opening tag: shown as thoughts from the second answer on."""

from __future__ import annotations

from chat.agents.provider.answer import Answer
from tests.agents.provider.streams.cases import CASES
from tests.langroid_agents import agent_on, task_of
from tests.recorder import chatting


def said(*texts: str, finish: str = "stop") -> tuple[list[tuple[bool, str]], Answer]:
    answer = Answer(begins_in="</think>")
    events = [{"choices": [{"delta": {"content": text}}]} for text in texts]
    return list(answer.read([*events, {"choices": [{"delta": {}, "finish_reason": finish}]}])), answer


def test_a_text_that_begins_in_a_thought_is_told_as_one_from_its_first_word():
    told, answer = said("I think", " it over.", "\n</think>\n\n", "Hello.")
    assert told == [(True, "I think"), (True, " it over."), (False, "Hello.")]
    assert (answer.text, answer.reasoning, answer.began_in) == ("Hello.", "I think it over.", "</think>")


def test_a_text_that_began_in_none_is_text_at_its_end():
    told, answer = said("Hello", " world.")
    assert told[-1] == (False, "Hello world.")
    assert (answer.text, answer.reasoning, answer.began_in) == ("Hello world.", "", "")


def test_a_thought_that_broke_off_stays_one():
    _, answer = said("I think", " it over", finish="length")
    assert (answer.text, answer.reasoning) == ("", "I think it over")


def test_a_tag_that_opens_is_read_as_ever():
    _, answer = said("<think>one</think>Hello.")
    assert (answer.text, answer.reasoning, answer.began_in) == ("Hello.", "one", "")


def test_a_model_is_known_by_its_answer_before(fresh_stub):
    name = "thought: only closed"
    with chatting(task_of(agent_on(fresh_stub, chat_model="template"))) as chat:
        for number in (1, 2):
            chat.say(f'[[replay="{name}"]]')
            outcome = chat.recorder.outcome(f"m{number}")
            assert (outcome.content, outcome.reasoning) == (CASES[name].text, CASES[name].reasoning)
        lines = [line for line in chat.recorder.lines if line.startswith(("think m2", "text m2"))]
        assert lines[0].startswith("think m2 I think") and not [line for line in lines if "text m2 I" in line]
        chat.say('[[text="Hello again."]]')
        assert chat.recorder.outcome("m3").content == "Hello again."
        assert chat.say('[[text="And again."]]')[1] == "text m4 And again."
