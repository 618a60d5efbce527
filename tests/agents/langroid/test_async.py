# ruff: noqa: E402
"""Agents and tools that are asynchronous, in a thread that has no event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, Task, ToolMessage
from langroid.agent.batch import run_batch_tasks
from langroid.utils.object_registry import ObjectRegistry

from chat.agents.langroid import loops
from chat.conf import Limits
from tests.langroid_agents import agent_on, task_of
from tests.recorder import chatting
from tests.stub_llm import StubServer


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture
def stub(server: StubServer) -> StubServer:
    server.reset()
    return server


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = set(ObjectRegistry.registry)
    yield
    assert set(ObjectRegistry.registry) <= before


class Wait(ToolMessage):
    """Asynchronous only, as the tools of MCP are."""

    request: str = "wait"
    purpose: str = "To wait."
    seconds: float = 0

    async def handle_async(self) -> str:
        await asyncio.sleep(self.seconds)
        return f"waited on {type(asyncio.get_running_loop()).__name__}"


class Asking(ToolMessage):
    request: str = "asking"
    purpose: str = "To ask a crowd."
    order: str = "tokens=1"

    def ask(self) -> str:
        helper = Task(agent_on(Asking.stub(), name="Helper"), interactive=False, single_round=True)
        answers = run_batch_tasks(helper, [f"[[{self.order}]]"] * 4, sequential=False)
        return " ".join(answer.content for answer in answers)

    @staticmethod
    def stub() -> StubServer:
        """The server of the test."""


class Crowd(Asking):
    request: str = "crowd"

    def handle(self) -> str:
        return self.ask()


class AsyncCrowd(Asking):
    request: str = "async_crowd"

    async def handle_async(self) -> str:
        return self.ask()


@pytest.fixture
def crowd(stub, monkeypatch) -> None:
    monkeypatch.setattr(Asking, "stub", staticmethod(lambda: stub))


def agent(stub: StubServer, *, native: bool = True) -> ChatAgent:
    return agent_on(stub, tools=[Wait, Crowd, AsyncCrowd], native=native)


@pytest.mark.parametrize("native", [True, False])
def test_a_tool_that_is_asynchronous_only_runs(stub, native):
    with chatting(task_of(agent(stub, native=native))) as chat:
        lines = chat.say(f"[[tool=wait {'' if native else 'json=1'} then.tokens=1]]")
        assert any(line.startswith("tool_end t1 complete: waited") for line in lines)
        assert lines[-1] == "end m2 complete stop: a"


def test_a_tool_that_is_asynchronous_can_be_stopped(stub):
    with chatting(task_of(agent(stub))) as chat:
        chat.begin('[[tool=wait args={"seconds":30}]]')
        chat.recorder.wait_for("tool t1")
        chat.stop()
        assert chat.rest()[-1] == "tool_end t1 stopped: "
        assert chat.say("[[tokens=1]]")[-1] == "end m2 complete stop: a"


def test_a_tool_that_is_asynchronous_ends_in_time(stub):
    with chatting(task_of(agent(stub)), limits=Limits(tool_seconds=0.2)) as chat:
        lines = chat.say('[[tool=wait args={"seconds":30} then.tokens=1]]')
        assert "tool_end t1 error [The tool failed. It gave no result in 0.2 seconds.]: " in lines


@pytest.mark.parametrize("tool", ["crowd", "async_crowd"])
def test_one_batch_after_the_other(stub, crowd, tool):
    with chatting(task_of(agent(stub))) as chat:
        for _ in range(3):
            lines = chat.say(f"[[tool={tool} then.tokens=1]]")
            assert any(" complete: a a a a" in line for line in lines if line.startswith("tool_end")), lines


def test_a_batch_is_told_in_order(stub, crowd):
    with chatting(task_of(agent(stub))) as chat:
        chat.say("[[tool=crowd then.tokens=1]]")
        recorder = chat.recorder
        helpers = [line for line in recorder.lines if " in k" in line or line.startswith("task")]
        for name in ("k1", "k2", "k3", "k4"):
            kinds = [line.split()[0] for line in helpers if f" {name} " in f"{line} "]
            assert kinds[0] == "task" and kinds[-1] == "task_end" and "llm" in kinds, helpers


@pytest.mark.parametrize("tool", ["crowd", "async_crowd"])
def test_a_batch_can_be_stopped(stub, crowd, tool):
    with chatting(task_of(agent(stub))) as chat:
        chat.begin(f'[[tool={tool} args={{"order":"tokens=100 tps=5"}}]]')
        chat.recorder.wait_for("llm m5")
        chat.stop()
        lines = chat.rest()
        assert sum(line.startswith("task_end") and line.endswith("stopped") for line in lines) == 4, lines
        assert lines[-1].startswith("tool_end t1 stopped")
        stub.wait(open=0)
        assert chat.say("[[tokens=1]]")[-1].endswith("complete stop: a")


def test_what_a_thread_opens_on_its_loop_stays_open():
    async def here() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with loops.kept():
        first = loops.run(here())
        assert loops.run(here()) is first
        assert loops.run_once(here()) is not first
    assert first.is_closed()
