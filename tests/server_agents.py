"""Agents for end-to-end tests: real Langroid agents whose model is `tests/stub_llm.py`, or a scripted mock."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
from typing import Any

import langroid as lr
from langroid.agent.tools.orchestration import DoneTool
from langroid.language_models.base import Role
from langroid.language_models.mock_lm import MockLMConfig

from chat.agents import AgentContext
from chat.agents.llm import llm_config


class Square(lr.ToolMessage):
    request: str = "square"
    purpose: str = "To square a <number>."
    number: int = 3

    def handle(self) -> str:
        return str(self.number**2)


class Fail(lr.ToolMessage):
    request: str = "fail"
    purpose: str = "To fail."
    secret: str = ""

    def handle(self) -> str:
        raise RuntimeError("the tool's own secret: /etc/secret sk-12345678")


class Sleep(lr.ToolMessage):
    request: str = "sleep"
    purpose: str = "To sleep <seconds>."
    seconds: float = 30

    def handle(self) -> str:
        threading.Event().wait(self.seconds)  # nothing can cut this short
        return "slept"


class Backtrack(lr.ToolMessage):
    request: str = "backtrack"
    purpose: str = "To match in C for some <seconds>, with the interpreter's lock kept."
    seconds: float = 3

    def handle(self) -> str:
        letters, took = 16, 0.0
        while took < self.seconds / 2:  # each letter more doubles it
            letters += 1
            started = time.monotonic()
            re.match(r"(a+)+$", "a" * letters + "b")
            took = time.monotonic() - started
        return f"matched {letters} letters"


class Delegate(lr.ToolMessage):
    request: str = "delegate"
    purpose: str = "To have a <job> done by a helper."
    job: str = "[[tokens=5]]"

    def handle(self) -> str:
        helper = lr.ChatAgent(lr.ChatAgentConfig(name="Helper", llm=llm_config()))
        task = lr.Task(helper, interactive=False, single_round=True, name="Helper")
        answer = task.run(self.job)
        return answer.content if answer else "nothing"


def plain(context: AgentContext) -> lr.ChatAgent:
    return lr.ChatAgent(lr.ChatAgentConfig(name="Plain", llm=llm_config()))


def tools(context: AgentContext) -> lr.ChatAgent:
    """Native tools; `ask_user` asks for approval."""

    class AskUser(lr.ToolMessage):
        request: str = "ask_user"
        purpose: str = "To ask the user a <question> of a <kind>."
        question: str = "May I?"
        kind: str = "approval"

        def handle(self) -> str:
            options = ["red", "blue"] if self.kind == "choice" else []
            if options and not self.question.isprintable():
                options.append(self.question)
            answer = context.ask(self.question, kind=self.kind, options=options)
            return "no answer" if answer is None else f"{answer.content}|{answer.approved}|{answer.choice}"

    config = lr.ChatAgentConfig(name="Tools", llm=llm_config(), use_functions_api=True, use_tools=False)
    agent = lr.ChatAgent(config)
    agent.enable_message([Square, Fail, Sleep, Backtrack, Delegate, AskUser])
    return agent


def json_tools(context: AgentContext) -> lr.ChatAgent:
    """Tools written as JSON in the text, Langroid's default; without them in the schema of the request."""
    agent = lr.ChatAgent(lr.ChatAgentConfig(name="JsonTools", llm=llm_config()))
    agent.enable_message([Square, Sleep])
    return agent


def team(context: AgentContext) -> lr.Task:
    """A root agent with a sub-task that it addresses."""
    boss = lr.ChatAgent(lr.ChatAgentConfig(name="Boss", llm=llm_config()))
    worker = lr.ChatAgent(lr.ChatAgentConfig(name="Worker", llm=llm_config()))
    worker.enable_message(DoneTool)
    task = lr.Task(boss, interactive=True, name="Boss")
    task.add_sub_task(lr.Task(worker, interactive=False, single_round=True, name="Worker"))
    return task


def mock(context: AgentContext) -> lr.ChatAgent:
    """Answers with what it was told, in one piece."""
    return lr.ChatAgent(lr.ChatAgentConfig(name="Mock", llm=MockLMConfig(response_fn=lambda text: f"You said: {text}")))


class CountingAgent(lr.ChatAgent):
    """Counts the runs of its tool `square`, and tells them by its tool `count`."""

    squares = 0

    def square(self, tool: lr.ToolMessage) -> str:
        self.squares += 1
        return str(tool.number**2)

    def count(self, tool: lr.ToolMessage) -> str:
        return str(self.squares)


def counting(context: AgentContext) -> lr.ChatAgent:
    """Native tools that count: `square`, `hidden_square` that the model is not told of, `count`."""
    return _count(CountingAgent(lr.ChatAgentConfig(llm=llm_config(), use_functions_api=True, use_tools=False)))


def json_counting(context: AgentContext) -> lr.ChatAgent:
    """The same with tools written as JSON in the text."""
    return _count(CountingAgent(lr.ChatAgentConfig(llm=llm_config())))


def _count(agent: CountingAgent) -> CountingAgent:
    class Square(lr.ToolMessage):
        request: str = "square"
        purpose: str = "To square a <number>."
        number: int = 3

    class HiddenSquare(Square):
        request: str = "hidden_square"

        def handle(self) -> str:
            return agent.square(self)

    class Count(lr.ToolMessage):
        request: str = "count"
        purpose: str = "To tell how often square has run."

    agent.enable_message([Square, Count])
    agent.enable_message(HiddenSquare, use=False)
    return agent


class CountedTask(lr.Task):
    """Counts the calls of its own `run`."""

    runs = 0

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.runs += 1
        return super().run(*args, **kwargs)


def loop(context: AgentContext) -> lr.Task:
    """Answers with how its task was run: which task, how often, in which thread, with how many messages before."""
    name = uuid.uuid4().hex

    def describe(_: str) -> str:
        seen = sum(message.role == Role.USER for message in agent.message_history)
        return json.dumps({"task": name, "runs": task.runs, "thread": threading.get_ident(), "messages": seen})

    agent = lr.ChatAgent(lr.ChatAgentConfig(name="Loop", llm=MockLMConfig(response_fn=describe)))
    task = CountedTask(agent, interactive=True)
    return task


def slow_start(context: AgentContext) -> lr.ChatAgent:
    time.sleep(float(context.settings.get("seconds", 1)))
    return mock(context)


def broken(context: AgentContext) -> Any:
    raise RuntimeError("the factory's own secret: sk-12345678")


def panics(context: AgentContext) -> Any:
    """As a library in Rust does it (pyo3's PanicException)."""
    raise BaseException("the factory's own secret: sk-12345678")


def forking(context: AgentContext) -> lr.ChatAgent:
    """Answers twice: in the process, and in a child of it that goes on as if it were the same."""

    def answer(text: str) -> str:
        return f"the {'parent' if os.fork() else 'child'} says: {text}"

    return lr.ChatAgent(lr.ChatAgentConfig(name="Forking", llm=MockLMConfig(response_fn=answer)))


def wrong_type(context: AgentContext) -> Any:
    return "not an agent"


def letters(context: AgentContext) -> lr.ChatAgent:
    """The agent of `tests/agents/provider/streams/cases.py`."""
    from tests.agents.provider.streams.agents import TOOLS

    config = lr.ChatAgentConfig(name="Letters", llm=llm_config(), use_functions_api=True, use_tools=False)
    agent = lr.ChatAgent(config)
    agent.enable_message(TOOLS)
    return agent
