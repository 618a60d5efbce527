# ruff: noqa: E402
"""Agents and tools that are asynchronous, in a thread that has no event loop of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, Task, ToolMessage
from langroid.agent.batch import run_batch_tasks
from langroid.language_models.openai_gpt import OpenAIGPT, OpenAIGPTConfig
from langroid.utils.object_registry import ObjectRegistry

from chat.agents.langroid import loops
from chat.agents.provider import clients
from chat.agents.provider.request import Silence
from chat.conf import Limits
from tests.langroid_agents import agent_on, task_of
from tests.recorder import chatting
from tests.stub_llm import StubServer


@pytest.fixture
def stub(fresh_stub: StubServer) -> StubServer:
    return fresh_stub


pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


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


# -- the model's server ------------------------------------------------------------------------------------------------


class Patient(ToolMessage):
    """Asks a helper asynchronously, whose server may take its time before an answer, and less within it."""

    request: str = "patient"
    purpose: str = "To ask a helper."
    order: str = "tokens=1"

    async def handle_async(self) -> str:
        answer = await task_of(helper, interactive=False, single_round=True).run_async(f"[[{self.order}]]")
        return answer.content if answer else "nothing"


@pytest.fixture
def patient(stub):
    global helper
    helper = agent_on(stub, name="Helper", retries=2)
    limits = openai.Timeout(connect=5, read=Silence(0.3, first=20), write=5, pool=5)
    helper.llm.async_client = helper.llm.async_client.with_options(timeout=limits)
    with chatting(task_of(agent_on(stub, tools=[Patient]))) as chat:
        yield chat
    ObjectRegistry.remove(helper.id)


def test_an_asynchronous_answer_may_take_its_time_to_begin(patient):
    lines = patient.say('[[tool=patient args={"order":"hang=1 tokens=2"} then.tokens=1]]')
    assert any(line.startswith("tool_end t1 complete") and line.endswith("a small") for line in lines), lines


def test_an_asynchronous_answer_that_stalls_keeps_its_text_and_is_asked_for_once(patient, stub):
    lines = patient.say('[[tool=patient args={"order":"tokens=9 stall=1:30"} then.tokens=1]]')
    assert any("llm_timeout" in line and line.startswith("end m2 error") for line in lines), lines
    assert stub.stats().requests == 3  # the call, the helper, the result
    stub.wait(open=0)


def test_an_asynchronous_answer_that_waits_can_be_stopped(patient, stub):
    patient.begin('[[tool=patient args={"order":"hang=30"}]]')
    stub.wait(open=1, requests=2)
    patient.stop()
    assert patient.rest()[-1].startswith("tool_end t1 stopped")
    stub.wait(open=0)


@pytest.mark.parametrize("own", ["http_client_config", "http_client_factory"])
def test_each_loop_has_a_client_with_the_http_that_the_model_asks_for(stub, own):
    options = {"headers": {"x-mine": "yes"}}
    made = {"http_client_config": options, "http_client_factory": lambda: (None, httpx2.AsyncClient(**options))}
    llm = OpenAIGPT(OpenAIGPTConfig(chat_model="stub", api_base=stub.url, api_key="x", **{own: made[own]}))

    async def client() -> Any:
        mine = await clients.of_this_loop(llm.async_client, llm.config)
        assert mine is await clients.of_this_loop(mine, llm.config)
        assert mine._client.headers["x-mine"] == "yes" and not mine._client.is_closed
        return mine

    one, other = asyncio.run(client()), asyncio.run(client())
    assert one is not other and one._client.is_closed and other._client.is_closed
