# ruff: noqa: E402
"""How much of a tool's result its model is given."""

from __future__ import annotations

import uuid

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ToolMessage
from langroid.agent.tools.orchestration import DoneTool

from chat.agents.langroid import history
from chat.models import Message
from tests.langroid_agents import agent_on, task_of
from tests.recorder import chatting

LONG = "".join(f"line {number} of what the tool has found\n" for number in range(300_000)).strip()  # 10 MB


class Find(ToolMessage):
    request: str = "find"
    purpose: str = "to find"

    def handle(self) -> str:
        return LONG


class FindLittle(Find):
    request: str = "find_little"
    _max_result_tokens: int | None = 10


class FindLater(ToolMessage):
    request: str = "find_later"
    purpose: str = "to find, asynchronously"

    async def handle_async(self) -> str:
        return LONG


def given_to(stub) -> str:
    return stub.last()["messages"][-1]["content"]


@pytest.mark.parametrize(("tool", "tokens"), [(Find, 50), (FindLittle, 10), (FindLater, 50)])
@pytest.mark.parametrize("native", [True, False], ids=["native", "json"])
def test_a_model_is_given_the_beginning_of_a_long_result(stub, settings, tool, tokens, native):
    stub.reset()
    settings.CHAT_MAX_TOOL_RESULT_TOKENS = 50
    json = "" if native else " json=1"
    with chatting(task_of(agent_on(stub, tools=[tool], native=native))) as chat:
        chat.say(f"[[tool={tool.default_value('request')}{json} then.tokens=1]]")

        outcome = chat.recorder.outcome("t1")
        assert outcome.result == LONG, "people have all of it"
        assert 0 < outcome.model_chars <= 8 * tokens
        assert history.given(LONG, outcome.model_chars) in given_to(stub)
        assert len(given_to(stub)) < outcome.model_chars + 200


def test_an_agent_that_is_made_anew_remembers_what_the_model_was_given(stub, settings):
    stub.reset()
    settings.CHAT_MAX_TOOL_RESULT_TOKENS, settings.CHAT_MAX_TOOL_RESULT_CHARS = 5000, 1000
    with chatting(task_of(agent_on(stub, tools=[Find]))) as chat:
        chat.say("[[tool=find then.tokens=1]]")
        outcome, told = chat.recorder.outcome("t1"), given_to(stub)
    record = Message(id=uuid.uuid4(), kind="tool", tool_name="find", content=outcome.result[:1000])
    record.model_chars = outcome.model_chars

    task = task_of(agent_on(stub, tools=[Find]))
    history.install(task, [record])

    assert outcome.model_chars == 1000, "no more than is stored"
    assert task.agent.message_history[-1].content == told


def test_a_result_that_ends_the_task_is_not_cut(stub, settings):
    stub.reset()
    settings.CHAT_MAX_TOOL_RESULT_TOKENS = 5
    said = "a long farewell " * 40
    with chatting(task_of(agent_on(stub, tools=[DoneTool]))) as chat:
        lines = chat.say(f'[[tool=done_tool args={{"content":"{said.strip()}"}}]]')
    assert any(line.endswith(said.strip()) for line in lines)


def test_a_short_result_is_given_as_it_is(stub):
    class Short(ToolMessage):
        request: str = "short"
        purpose: str = "to be short"

        def handle(self) -> str:
            return "brief"

    stub.reset()
    with chatting(task_of(agent_on(stub, tools=[Short]))) as chat:
        chat.say("[[tool=short then.tokens=1]]")
        assert chat.recorder.outcome("t1").model_chars is None
    assert given_to(stub) == "brief"
