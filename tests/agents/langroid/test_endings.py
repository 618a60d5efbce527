# ruff: noqa: E402
"""How turns end: what ends them, what people see of it, and what they may take."""

from __future__ import annotations

import itertools
import json

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, ChatAgentConfig, Task, TaskConfig, ToolMessage
from langroid.agent.tools.orchestration import (
    AgentDoneTool,
    DoneTool,
    FinalResultTool,
    ForwardTool,
    ResultTool,
    SendTool,
)
from langroid.agent.tools.recipient_tool import RecipientTool
from langroid.language_models.mock_lm import MockLMConfig
from langroid.mytypes import Entity, NonToolAction
from pydantic import BaseModel

from chat.agents.langroid.turns import NO_RESULT
from chat.conf import Limits
from tests.langroid_agents import Square, mock_agent
from tests.recorder import Chat, chatting

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def saying(*texts: str, name: str = "Assistant", **config) -> ChatAgent:
    """An agent whose model says these texts, one after the other, and then the last again and again."""
    left = itertools.chain(texts, itertools.repeat(texts[-1]))
    return ChatAgent(ChatAgentConfig(name=name, llm=MockLMConfig(response_fn=lambda _: next(left)), **config))


def alone(agent: ChatAgent, **options) -> Task:
    """A task that runs by itself, as its author has made it."""
    return Task(agent, interactive=False, **options)


def call(name: str, **args) -> str:
    return json.dumps({"request": name, **args})


def seen(lines: list[str]) -> list[str]:
    """What people read: the texts of the root agent, and the cards."""
    texts = [line.partition(": ")[2] for line in lines if line.startswith("end m")]
    cards = [line for line in lines if line.startswith("tool ")]
    return [*(text for text in texts if text), *(card.split()[2] for card in cards)]


class Capital(ToolMessage):
    request: str = "capital"
    purpose: str = "To give the <city> of a <country>."
    country: str = "France"
    city: str = "Paris"


# -- DONE --------------------------------------------------------------------------------------------------------------


def test_a_task_that_runs_by_itself_ends_when_it_says_so_and_people_do_not_read_the_word():
    agent = saying("thinking", "DONE: it is 5", handle_llm_no_tool="Go on, and say DONE when you have it.")
    with chatting(alone(agent)) as chat:
        assert seen(chat.say("2 + 3?")) == ["thinking", "it is 5"]


def test_an_answer_that_is_only_a_signal_is_an_end_without_an_answer():
    with chatting(alone(saying("DO-NOT-KNOW"))) as chat:
        assert seen(chat.say("what?")) == [NO_RESULT]


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "calls"),
    [(Limits(model_calls=4), 4), (Limits(steps=6), 3), (Limits(turns=3), 2)],
    ids=["model calls", "steps", "turns"],
)
def test_a_turn_takes_no_more_than_its_entry_allows(limits, calls):
    numbers = itertools.count()
    agent = mock_agent(lambda _: f"thought {next(numbers)}", handle_llm_no_tool="Go on.")
    with chatting(alone(agent), limits=limits) as chat:
        lines = chat.say("go")
        assert len([line for line in lines if line.startswith("llm")]) == calls
        assert (lines[-1] == "failed limit_reached") is (limits.turns == 0)
        if chat.recorder.failures:
            assert "most that one message may take" in chat.recorder.failures[0].details
        chat.say("again")  # each turn has the whole of it


def test_an_agent_inside_a_tool_is_counted_too():
    class Ask(ToolMessage):
        request: str = "ask"
        purpose: str = "To ask."

        def handle(self) -> str:
            helper = mock_agent(lambda _: "hm", name="Helper")
            while True:
                helper.llm_response("more")

    agent = mock_agent(lambda _: call("ask"))
    agent.enable_message(Ask)
    with chatting(Task(agent), limits=Limits(model_calls=10)) as chat:
        lines = chat.say("go")
        assert lines[-1] == "failed limit_reached"
        assert len([line for line in lines if line.startswith("llm")]) == 10


def test_the_turns_of_an_authors_run_are_the_answer_and_no_failure():
    agent = saying(call("square", n=3), "nine")
    agent.enable_message(Square)
    with chatting(alone(agent), limits=Limits(turns=2)) as chat:
        assert seen(chat.say("3?")) == ["9", "square"]


# -- results -----------------------------------------------------------------------------------------------------------


class Person(BaseModel):
    name: str
    born: int
    parts: list[str]


CARD = "- **name**: Ada\n- **born**: 1815\n- **parts**:\n  - countess\n  - writer"
ADA = Person(name="Ada", born=1815, parts=["countess", "writer"])


@pytest.mark.parametrize(
    "result",
    [
        FinalResultTool(**ADA.model_dump()),
        ResultTool(**ADA.model_dump()),
        AgentDoneTool(content=ADA),
        AgentDoneTool(content=CARD),
        DoneTool(content=CARD),
    ],
    ids=lambda result: type(result).__name__,
)
@pytest.mark.parametrize("interactive", [True, False])
def test_a_result_that_a_tool_gives_is_a_readable_message(result, interactive):
    class Look(ToolMessage):
        request: str = "look"
        purpose: str = "To look someone up."

        def handle(self) -> ToolMessage:
            return result

    agent = saying(call("look"))
    agent.enable_message(Look)
    with chatting(Task(agent, interactive=interactive, only_user_quits_root=False)) as chat:
        assert [line.partition(": ")[2] for line in chat.say("Ada?") if line.startswith("end")][-1] == CARD


def test_the_result_of_a_sub_task_that_ends_all_tasks_is_a_message():
    class Look(ToolMessage):
        request: str = "look"
        purpose: str = "To look someone up."

        def handle(self) -> ToolMessage:
            return FinalResultTool(**ADA.model_dump())

    helper = saying(call("look"), name="Helper")
    helper.enable_message(Look)
    task = alone(saying("who is Ada?"))
    task.add_sub_task(alone(helper))
    with chatting(task) as chat:
        lines = chat.say("Ada?")
        assert seen(lines) == ["who is Ada?", CARD, "look"]


@pytest.mark.parametrize("interactive", [True, False])
def test_a_call_that_ends_the_task_is_a_card_and_the_answer(interactive):
    agent = saying(call("capital", country="Italy", city="Rome"))
    agent.enable_message(Capital)
    config = TaskConfig(done_if_tool=True)
    with chatting(Task(agent, interactive=interactive, config=config)) as chat:
        lines = chat.say("Italy?")
        assert seen(lines) == ["- **country**: Italy\n- **city**: Rome", "capital"]
        assert "tool_end t1 complete: " in lines


def test_a_sub_tasks_done_tool_has_its_card_inside_the_sub_task():
    helper = saying(call("done_tool", content="42"), name="Helper")
    helper.enable_message(DoneTool)
    task = alone(saying("what is it?", "DONE It is 42."))
    task.add_sub_task(alone(helper))
    with chatting(task) as chat:
        lines = chat.say("please")
        places = [line.split()[0] for line in lines]
        assert places.index("task") < places.index("tool") < places.index("task_end")
        assert seen(lines)[:3] == ["what is it?", "It is 42.", "done_tool"]


def test_a_call_that_another_agent_runs_has_one_card():
    root = saying(call("square", n=3), "DONE nine")
    root.enable_message(Square, use=True, handle=False)
    helper = ChatAgent(ChatAgentConfig(name="Helper", llm=None))
    helper.enable_message(Square, use=False, handle=True)
    task = alone(root)
    task.add_sub_task(alone(helper, done_if_response=[Entity.AGENT]))
    with chatting(task) as chat:
        assert seen(chat.say("3?")) == ["nine", "square"]


@pytest.mark.parametrize("tool", [SendTool, RecipientTool, ForwardTool])
@pytest.mark.parametrize("interactive", [True, False])
def test_what_is_addressed_to_the_user_is_a_message(tool, interactive):
    calls = {
        SendTool: call("send_tool", to="User", content="here you are"),
        RecipientTool: call("recipient_message", intended_recipient="User", content="here you are"),
        ForwardTool: call("forward_tool", agent="User"),
    }
    agent = saying(calls[tool], "more")
    agent.enable_message(tool)
    with chatting(Task(agent, interactive=interactive)) as chat:
        assert "here you are" in seen(chat.say("give it")) or tool is ForwardTool
        assert seen(chat.say("and?"))[0] == "more"


@pytest.mark.parametrize("action", [NonToolAction.DONE, NonToolAction.FORWARD_USER])
def test_an_answer_without_a_tool_is_shown_once(action):
    agent = saying("It is 5.", handle_llm_no_tool=action)
    agent.enable_message(Square)
    with chatting(alone(agent)) as chat:
        assert seen(chat.say("2 + 3?")) == ["It is 5."]
        assert seen(chat.say("again")) == ["It is 5."]


@pytest.mark.parametrize("kind", [Capital, Person])
def test_a_task_with_a_return_type_says_its_answer(kind):
    agent = saying(call("capital", country="Italy", city="Rome") if kind is Capital else "a text")
    agent.enable_message(Capital)
    task = alone(agent, config=TaskConfig(done_if_tool=True))[kind]
    with chatting(task) as chat:
        assert seen(chat.say("Italy?"))[0] in ("- **country**: Italy\n- **city**: Rome", "a text")


def test_a_tool_that_gives_nothing_back_does_not_end_the_turn():
    class Note(ToolMessage):
        request: str = "note"
        purpose: str = "To note."

        def handle(self) -> None:
            return None

    agent = saying(call("note"), "Noted.")
    agent.enable_message(Note)
    with chatting(Task(agent)) as chat:
        assert seen(chat.say("note it")) == ["Noted.", "note"]


def test_a_task_that_waits_for_a_tool_without_a_result_ends_there():
    class Note(ToolMessage):
        request: str = "note"
        purpose: str = "To note."

        def handle(self) -> None:
            return None

    agent = saying(call("note"), "never said")
    agent.enable_message(Note)
    with chatting(alone(agent, done_if_no_response=[Entity.AGENT])) as chat:
        assert "never said" not in seen(chat.say("note it"))


# -- the end of the session --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interactive", [True, False])
def test_a_session_that_ends_after_a_done_tool_says_nothing_more(interactive):
    agent = saying(call("done_tool", content="42"))
    agent.enable_message(DoneTool)
    chat = Chat(Task(agent, interactive=interactive, restart=False))
    assert seen(chat.say("go"))[0] == "42"
    before = len(chat.recorder.lines)
    chat.hang_up()
    assert chat.recorder.lines[before:] == []
