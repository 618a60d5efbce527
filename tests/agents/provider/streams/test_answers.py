"""Answers of all kinds of servers, by a stub over HTTP through the real client: what a person gets to see of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.provider.streams.agents import TOOLS
from tests.agents.provider.streams.cases import Case
from tests.agents.provider.streams.servers import CASES
from tests.langroid_agents import agent_on, task_of
from tests.recorder import Chat, Recorder, chatting
from tests.stub_llm import StubServer

AFTER = "after the tools"


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


def ask(name: str) -> str:
    return f'[[replay="{name}" then.text="{AFTER}"]]'


def first_answer(recorder: Recorder):
    return recorder.outcome("m1")


def check_history(stub: StubServer) -> None:
    """Each call of the history has one result and an id of its own."""
    messages = stub.last()["messages"]
    asked = [call["id"] for message in messages for call in message.get("tool_calls") or []]
    told = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert asked == told
    assert all(asked)
    assert len(set(asked)) == len(asked)


def check(case: Case, chat: Chat, *, streams: bool) -> None:
    recorder = chat.recorder
    outcome = recorder.outcome("m1")
    runs = [(run, recorder.outcomes[run.id]) for run in recorder.runs.values()]
    ran = [(run.name, run.args) for run, ended in runs if ended.status == "complete"]
    refused = [run.name for run, ended in runs if ended.status == "error"]
    assert ran == list(case.tools)
    assert refused == list(case.refused)
    if case.text is not None:
        assert outcome.content.strip() == case.text
    assert outcome.reasoning == case.reasoning
    assert outcome.status == case.status
    if case.code:
        assert outcome.failure.code == case.code
        assert case.says in outcome.failure.details
    if case.finish:
        assert outcome.finish_reason == case.finish
    if case.usage:
        assert (outcome.usage.prompt_tokens, outcome.usage.completion_tokens) == case.usage
        assert outcome.usage.basis == "reported"
    if ran or refused:
        assert recorder.outcome("m2").content == AFTER
        assert {run.message_id for run, _ in runs} == {recorder.id("m1")}
    if streams:
        shown = "".join(line.removeprefix("think m1 ") for line in recorder.lines if line.startswith("think m1 "))
        assert case.reasoning.startswith(shown)


@pytest.mark.parametrize("way", ["fast", "sdk"])
@pytest.mark.parametrize("name", CASES)
def test_what_comes_of_an_answer(name, way, server, settings):
    settings.CHAT_FAST_STREAM = way == "fast"
    answered(name, server)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.content_type == "application/json"])
def test_what_comes_of_an_answer_that_was_to_be_no_stream(name, server):
    answered(name, server, stream=False)


def answered(name: str, server: StubServer, *, stream: bool = True) -> None:
    case = CASES[name]
    server.reset()
    agent = agent_on(server, tools=TOOLS, stream=stream)
    with chatting(task_of(agent)) as chat:
        chat.say(ask(name))
        check(case, chat, streams=stream)
        lines = chat.say('[[text="next answer"]]')

    assert lines[-1].endswith("complete stop: next answer")
    check_history(server)
