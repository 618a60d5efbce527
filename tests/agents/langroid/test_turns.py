# ruff: noqa: E402
"""The callback layer, with Langroid's real client against a scripted model's server."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, ChatAgentConfig, Task, ToolMessage
from langroid.agent.tools.orchestration import DoneTool
from langroid.cachedb.redis_cachedb import RedisCacheConfig
from langroid.language_models.mock_lm import MockLMConfig
from langroid.mytypes import Entity
from langroid.utils.configuration import settings
from langroid.utils.object_registry import ObjectRegistry

from chat.agents.langroid import turns
from chat.agents.langroid.budget import Budget
from chat.agents.langroid.scope import Run
from chat.agents.mock_model import MockConfig, MockModel
from chat.observer import AgentGone, Usage
from tests.langroid_agents import Square, agent_on, mock_agent, task_of
from tests.pace import assert_within
from tests.programs import free_port
from tests.recorder import Chat, chatting
from tests.stub_llm import StubServer

WORDS = "a small stub answers every question with the same few plain"
SILENT_SECONDS = 1.0  # after which a model counts as silent; the stub of a busy machine is faster


@pytest.fixture
def stub(fresh_stub: StubServer) -> StubServer:
    return fresh_stub


@pytest.fixture(autouse=True, params=[True, False], ids=["fast", "sdk"])
def stream_path(request: pytest.FixtureRequest, settings) -> None:
    """Each case with the streaming path of our own, and with the SDK's."""
    settings.CHAT_FAST_STREAM = request.param


pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def history(agent: ChatAgent) -> list[tuple[str, str | None]]:
    """Role and text of the agent's history, without the system message."""
    return [(message.role.value, message.content) for message in agent.message_history[1:]]


def sent(stub: StubServer) -> list[tuple[str, str | None]]:
    """Role and text of what the model got last, without the system message."""
    return [(message["role"], message.get("content")) for message in stub.last()["messages"][1:]]


def unanswered_calls(stub: StubServer) -> set[str]:
    """The tool calls without a result in what the model got last."""
    messages = stub.last()["messages"]
    asked = {call["id"] for message in messages for call in message.get("tool_calls") or []}
    return asked - {message.get("tool_call_id") for message in messages}


@contextmanager
def caching() -> Iterator[None]:
    """Langroid's cache, which is off in this project."""
    settings.cache, settings.cache_type = True, "fakeredis"
    try:
        yield
    finally:
        settings.cache, settings.cache_type = False, "none"


# -- what a model says -------------------------------------------------------------------------------------------------


def test_a_streamed_answer(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        assert chat.say("[[tokens=3]]") == [
            "llm m1 Assistant",
            "text m1 a small stub",
            "end m1 complete stop: a small stub",
        ]
        outcome = chat.recorder.outcome("m1")
        assert outcome.usage.completion_tokens == 3
        assert outcome.usage.prompt_tokens > 0


def test_an_answer_without_streaming_comes_whole(stub):
    with chatting(task_of(agent_on(stub, stream=False))) as chat:
        assert chat.say("[[tokens=3]]") == ["llm m1 Assistant", "end m1 complete stop: a small stub"]


def test_the_mock_model():
    with chatting(task_of(mock_agent(lambda text: "you said " + text))) as chat:
        assert chat.say("hi") == ["llm m1 Assistant", "end m1 complete stop: you said hi"]
        assert chat.recorder.outcome("m1").usage is None


@pytest.mark.parametrize("inline", ["", "inline=1"])
def test_thoughts_are_apart_from_the_answer(stub, inline):
    with chatting(task_of(agent_on(stub))) as chat:
        lines = chat.say(f"[[tokens=2 think=1 {inline}]]")
        assert lines == [
            "llm m1 Assistant",
            "think m1 thought 1",
            "text m1 a small",
            "end m1 complete stop: a small",
        ]
        assert chat.recorder.outcome("m1").reasoning == "thought 1"


def test_a_cached_answer_is_one_message_and_costs_nothing(stub):
    with caching():
        agent = agent_on(stub, cache_config=RedisCacheConfig(fake=True))
    with caching(), chatting(task_of(agent)) as chat:
        chat.say("[[tokens=2]]")
        agent.clear_history(1)
        assert chat.say("[[tokens=2]]") == ["llm m2 Assistant", "end m2 complete stop: a small"]
        assert chat.recorder.outcome("m2").usage == Usage()
        assert stub.stats().requests == 1


def test_the_length_limit_is_a_finish_reason(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        assert chat.say("[[tokens=2 finish=length]]")[-1] == "end m1 complete length: a small"


def test_an_empty_answer_is_a_failure_and_not_asked_for_again(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        assert chat.say("[[tokens=0]]") == ["llm m1 Assistant", "end m1 error - llm_error: "]
        assert stub.stats().requests == 1
        assert chat.say("[[tokens=1]]")[-1] == "end m2 complete stop: a"
        assert [role for role, _ in sent(stub)] == ["user", "user"]


def test_what_an_agent_says_without_its_model_is_a_message():
    class Canned(ChatAgent):
        def llm_response(self, message=None):
            return self.create_llm_response("We are closed.")

    with chatting(task_of(Canned(ChatAgentConfig(name="Canned", llm=MockLMConfig())))) as chat:
        assert chat.say("hi") == ["llm m1 Canned", "end m1 complete stop: We are closed."]


def test_a_text_that_does_not_fit_the_model_ends_the_turn_and_not_the_session(stub):
    with chatting(task_of(agent_on(stub, chat_context_length=3000))) as chat:
        assert chat.say("word " * 5000) == ["failed limit_reached"]
        assert chat.recorder.failures[0].details.startswith("This is too long")


# -- tools -------------------------------------------------------------------------------------------------------------


class Fail(ToolMessage):
    request: str = "fail"
    purpose: str = "to fail"

    def handle(self) -> str:
        raise ValueError("the key is sk-12345")


class Leave(ToolMessage):
    request: str = "leave"
    purpose: str = "to end the process"

    def handle(self) -> str:
        raise SystemExit(3)


class Panic(BaseException):
    """As a library in Rust raises it (pyo3)."""


class Burst(ToolMessage):
    request: str = "burst"
    purpose: str = "to fail as a library in Rust does"

    def handle(self) -> str:
        raise Panic("a secret")


class Cancel(ToolMessage):
    request: str = "cancel"
    purpose: str = "to fail as a cancelled future does"

    def handle(self) -> str:
        raise asyncio.CancelledError


TOOLS_THAT_RAISE = [(Fail, "ValueError"), (Leave, "SystemExit"), (Burst, "Panic"), (Cancel, "CancelledError")]


def test_one_native_tool(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        assert chat.say('[[tool=square args={"n":7} then.tokens=1]]') == [
            "llm m1 Assistant",
            "end m1 complete tool t1: ",
            "tool t1 square {'n': 7} of m1",
            "tool_end t1 complete: 49",
            "llm m2 Assistant",
            "text m2 a",
            "end m2 complete stop: a",
        ]


def test_text_before_a_native_tool(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        lines = chat.say('[[say="I count" tool=square args={"n":7} then.tokens=1]]')
        assert lines[:3] == ["llm m1 Assistant", "text m1 I count", "end m1 complete tool t1: I count"]


def test_two_native_tools_in_one_answer(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        assert chat.say('[[tool=square args=[{"n":3},{"n":4}] then.tokens=1]]') == [
            "llm m1 Assistant",
            "end m1 complete tool t1 t2: ",
            "tool t1 square {'n': 3} of m1",
            "tool_end t1 complete: 9",
            "tool t2 square {'n': 4} of m1",
            "tool_end t2 complete: 16",
            "llm m2 Assistant",
            "text m2 a",
            "end m2 complete stop: a",
        ]
        assert [role for role, _ in sent(stub)] == ["user", "assistant", "tool", "tool"]


@pytest.mark.parametrize("count", [1, 2])
def test_tools_written_as_json_are_no_text_of_the_answer(stub, count):
    with chatting(task_of(agent_on(stub, tools=[Square], native=False))) as chat:
        lines = chat.say(f'[[json=1 say="Wait" tool=square args={{"n":4}} tools={count} then.tokens=1]]')
        calls = ["t1", "t2"][:count]
        assert lines[0] == "llm m1 Assistant json"
        assert lines[2] == f"end m1 complete tool {' '.join(calls)}: Wait"
        runs = [(f"tool {call} square {{'n': 4}} of m1", f"tool_end {call} complete: 16") for call in calls]
        assert lines[3:-3] == [line for run in runs for line in run]
        assert lines[-3:] == ["llm m2 Assistant json", "text m2 a", "end m2 complete stop: a"]


@pytest.mark.parametrize("native", [True, False])
def test_json_that_is_no_tool_of_the_agent_stays_text(stub, native):
    text = '{"request": "cube", "n": 4}'
    with chatting(task_of(agent_on(stub, tools=[Square], native=native))) as chat:
        assert chat.say(f"[[text={json.dumps(text)}]]")[-1] == f"end m1 complete stop: {text}"


@pytest.mark.parametrize(("tool", "name"), TOOLS_THAT_RAISE)
def test_a_tool_that_raises_tells_its_kind_and_no_secret(stub, tool, name, caplog):
    request = tool.default_value("request")
    with caplog.at_level(logging.ERROR, logger="chat"), chatting(task_of(agent_on(stub, tools=[tool]))) as chat:
        assert chat.say(f"[[tool={request} then.tokens=1]]")[2:] == [
            f"tool t1 {request} {{}} of m1",
            f"tool_end t1 error [The tool failed ({name}).]: ",
            "llm m2 Assistant",
            "text m2 a",
            "end m2 complete stop: a",
        ]
        assert ("tool", f"The tool failed ({name}).") in sent(stub)
        assert chat.recorder.id("t1") in caplog.text


def test_arguments_that_do_not_fit_are_a_failed_run(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        lines = chat.say('[[tool=square args={"n":"many"} then.tokens=1]]')
        assert lines[2] == "tool t1 square {'n': 'many'} of m1"
        assert lines[3].startswith("tool_end t1 error [")
        assert lines[-1] == "end m2 complete stop: a"


def test_a_tool_that_nobody_handles_is_a_failed_run(stub):
    agent = agent_on(stub, tools=[Square])
    agent.disable_message_handling(Square)
    with chatting(task_of(agent)) as chat:
        assert chat.say('[[tool=square args={"n":1}]]')[2:] == [
            "tool t1 square {'n': 1} of m1",
            "tool_end t1 error [There is no such tool.]: ",
            "llm m2 Assistant",
            f"end m2 complete stop: {turns.NO_RESULT}",
        ]
        assert chat.say("and now? [[tokens=1]]")[-1] == "end m3 complete stop: a"
        assert not unanswered_calls(stub)


@pytest.mark.parametrize("native", [True, False])
def test_a_done_tool_ends_the_turn_with_its_content_and_not_the_session(stub, native):
    agent = agent_on(stub, tools=[DoneTool], native=native)
    with chatting(task_of(agent)) as chat:
        written = "" if native else "json=1"
        lines = chat.say(f'[[{written} tool=done_tool args={{"content":"42"}}]]')
        assert lines[-4:] == [
            "tool t1 done_tool {'content': '42'} of m1",
            "tool_end t1 complete: 42",
            "llm m2 Assistant",
            "end m2 complete stop: 42",
        ]
        assert chat.say("more [[tokens=1]]")[-1] == "end m3 complete stop: a"
        assert not unanswered_calls(stub)


def test_an_agent_that_calls_tools_for_ever_can_be_stopped():
    numbers = itertools.count()
    agent = mock_agent(lambda text: json.dumps({"request": "square", "n": next(numbers)}))
    agent.enable_message(Square)
    with chatting(task_of(agent)) as chat:
        chat.begin("go")
        chat.recorder.wait_for("tool_end t20")
        chat.stop()
        chat.rest()
        agent.llm.config.response_fn = lambda text: "fine"
        assert chat.say("and now?")[-1].endswith("complete stop: fine")


def test_an_agent_that_repeats_the_same_tool_is_ended():
    agent = mock_agent(lambda text: '{"request": "square", "n": 2}')
    agent.enable_message(Square)
    with chatting(task_of(agent)) as chat:
        assert chat.say("go")[-1] == "failed limit_reached"
        agent.llm.config.response_fn = lambda text: "fine"
        assert chat.say("and now?")[-1].endswith("complete stop: fine")


# -- sub-tasks ---------------------------------------------------------------------------------------------------------


def test_a_sub_task_by_send_to():
    root = mock_agent(lambda text: "__SEND__:Helper do it" if text == "please" else "Helper says " + text)
    task = task_of(root, signals=True)
    task.add_sub_task(task_of(mock_agent(lambda text: "DONE 42", name="Helper"), signals=True, interactive=False))
    with chatting(task) as chat:
        assert chat.say("please") == [
            "llm m1 Assistant",
            "end m1 complete stop: do it",
            "task k1 Helper depth 1 under m1",
            "llm m2 Helper in k1 under m1",
            "end m2 complete stop: 42",
            "task_end k1 complete",
            "llm m3 Assistant",
            "end m3 complete stop: Helper says 42",
        ]
        assert chat.say("please")[-1] == "end m6 complete stop: Helper says 42"


def plainly(task: Task, text: str) -> str:
    return task.run(text).content


def in_a_thread(task: Task, text: str) -> str:
    results: list[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: results.append(context.run(plainly, task, text)))
    thread.start()
    thread.join()
    return results[0]


def asynchronously(task: Task, text: str) -> str:
    return asyncio.run(task.run_async(text)).content


def by_itself(task: Task, text: str) -> str:
    return task.agent.llm_response(text).content


def delegate(
    stub: StubServer, *says: str, how: Callable[[Task, str], str] = plainly, **task: object
) -> type[ToolMessage]:
    """A tool that asks an agent which it makes itself, and tells it the next of `says`."""
    texts = iter(says)

    class Delegate(ToolMessage):
        request: str = "delegate"
        purpose: str = "to ask somebody else"

        def handle(self) -> str:
            agent = agent_on(stub, name="Inner", tools=[Square, DoneTool, Delegate], timeout=2)
            options = {"interactive": False, "done_if_response": [Entity.LLM]} | task
            return how(task_of(agent, **options), next(texts))

    return Delegate


@pytest.mark.parametrize("how", [plainly, in_a_thread, asynchronously, by_itself])
def test_an_agent_that_a_tool_makes(stub, how):
    agent = agent_on(stub, tools=[delegate(stub, "[[tokens=2]]", how=how)])
    with chatting(task_of(agent)) as chat:
        assert chat.say("[[tool=delegate then.tokens=1]]") == [
            "llm m1 Assistant",
            "end m1 complete tool t1: ",
            "tool t1 delegate {} of m1",
            "task k1 Inner depth 1 under t1",
            "llm m2 Inner in k1 under t1",
            "text m2 a small",
            "end m2 complete stop: a small",
            "task_end k1 complete",
            "tool_end t1 complete: a small",
            "llm m3 Assistant",
            "text m3 a",
            "end m3 complete stop: a",
        ]
        assert chat.recorder.usage("k1") == chat.recorder.outcome("m2").usage


def test_agents_nest_at_any_depth(stub):
    says = "[[tool=delegate then.tokens=1]]", '[[tool=square args={"n":2} then.tokens=2]]'
    agent = agent_on(stub, tools=[delegate(stub, *says, done_if_response=[], done_if_no_response=[Entity.LLM])])
    with chatting(task_of(agent)) as chat:
        lines = chat.say("[[tool=delegate then.tokens=1]]")
        assert [line for line in lines if line.startswith(("task", "tool "))] == [
            "tool t1 delegate {} of m1",
            "task k1 Inner depth 1 under t1",
            "tool t2 delegate {} of m2 in k1 under t1",
            "task k2 Inner depth 2 under t2",
            "tool t3 square {'n': 2} of m3 in k2 under t2",
            "task_end k2 complete",
            "task_end k1 complete",
        ]
        assert chat.recorder.usage("k1").prompt_tokens > chat.recorder.usage("k2").prompt_tokens > 0


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("error=401", "llm_auth"),
        ("error=403", "llm_auth"),
        ("error=429", "llm_rate_limited"),
        ("error=500", "llm_unavailable"),
        ("error=503", "llm_unavailable"),
        ("error=400", "llm_error"),
        ("drop=1", "llm_unavailable"),
        ("hang=30", "llm_timeout"),
        ("stall=0:30", "llm_timeout"),
    ],
)
@pytest.mark.parametrize("retries", [0, 1])
def test_a_failed_call_is_told_once_and_the_session_goes_on(stub, directive, code, retries, caplog):
    with chatting(task_of(agent_on(stub, retries=retries, timeout=SILENT_SECONDS))) as chat:
        assert chat.say(f"first [[{directive}]]") == ["llm m1 Assistant", f"end m1 error - {code}: "]
        failure = chat.recorder.outcome("m1").failure
        assert "stub" not in failure.details
        assert failure.incident in caplog.text
        assert chat.say("second [[tokens=1]]")[-1] == "end m2 complete stop: a"
        assert [role for role, _ in sent(stub)] == ["user", "user"]


def test_a_server_that_refuses_connections_is_unavailable(stub):
    agent = agent_on(stub, api_base=f"http://127.0.0.1:{free_port()}/v1")
    with chatting(task_of(agent)) as chat:
        assert chat.say("hi") == ["llm m1 Assistant", "end m1 error - llm_unavailable: "]


def test_the_servers_retry_after_is_told(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        chat.say("[[error=429 retry_after=7]]")
        assert chat.recorder.outcome("m1").failure.retry_ms == 7000


def test_an_answer_that_is_cut_keeps_its_text(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        assert chat.say("[[tokens=9 cut=3]]") == [
            "llm m1 Assistant",
            "text m1 a small stub",
            "end m1 error cut llm_unavailable: a small stub",
        ]
        chat.say("go on [[tokens=1]]")
        assert sent(stub)[1] == ("assistant", "a small stub")


def test_an_answer_that_stalls_for_too_long_keeps_its_text(stub):
    with chatting(task_of(agent_on(stub, timeout=SILENT_SECONDS))) as chat:
        assert chat.say("[[tokens=9 stall=2:30]]")[-1] == "end m1 error cut llm_timeout: a small"


def test_tool_calls_of_an_answer_that_is_cut_are_not_run(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        lines = chat.say('[[say="I count" tool=square args={"n":77777777777777777} cut=5]]')
        assert lines[-1] == "end m1 error cut llm_unavailable: I count"
        chat.say("go on [[tokens=1]]")
        assert sent(stub)[1] == ("assistant", "I count")
        assert [role for role, _ in sent(stub)] == ["user", "assistant", "user"]


def test_the_error_of_a_tools_agent_goes_to_the_model(stub):
    agent = agent_on(stub, tools=[delegate(stub, "[[error=500]]")])
    with chatting(task_of(agent)) as chat:
        lines = chat.say("[[tool=delegate then.tokens=1]]")
        details = chat.recorder.outcome("m2").failure.details
        assert lines[4:] == [
            "llm m2 Inner in k1 under t1",
            "end m2 error - llm_unavailable: ",
            "task_end k1 error",
            f"tool_end t1 error [The tool failed. {details}]: ",
            "llm m3 Assistant",
            "text m3 a",
            "end m3 complete stop: a",
        ]


def test_the_error_of_a_sub_agent_ends_the_turn(stub):
    task = task_of(mock_agent(lambda text: "__SEND__:Helper do it" if text == "please" else "fine"), signals=True)
    helper = agent_on(stub, name="Helper", chat_model="stub:error=401")
    task.add_sub_task(task_of(helper, signals=True, interactive=False))
    with chatting(task) as chat:
        assert chat.say("please")[-3:] == ["end m2 error - llm_auth: ", "task_end k1 error", "failed llm_auth"]
        assert chat.recorder.failures == [chat.recorder.outcome("m2").failure]
        assert chat.say("and now?")[-1] == "end m3 complete stop: fine"


def test_what_an_agent_does_wrong_ends_the_turn_and_not_the_session(caplog):
    class Broken(ChatAgent):
        def agent_response(self, msg=None):
            if msg.content == "break":
                raise RuntimeError("the key is sk-12345")
            return super().agent_response(msg)

    agent = Broken(ChatAgentConfig(llm=MockLMConfig(default_response="fine")))
    with chatting(task_of(agent)) as chat:
        assert chat.say("break") == ["failed internal"]
        assert "sk-" not in chat.recorder.failures[0].details
        assert chat.recorder.failures[0].incident in caplog.text
        assert chat.say("hi")[-1] == "end m1 complete stop: fine"


# -- stop --------------------------------------------------------------------------------------------------------------


def test_a_stop_in_the_text(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        chat.begin("[[tokens=1000 tps=20]]")
        chat.recorder.wait_for("text m1 a small stub")
        chat.stop()
        lines = chat.rest()
        text = lines[1].removeprefix("text m1 ")
        assert lines == ["llm m1 Assistant", f"text m1 {text}", f"end m1 stopped -: {text}"]
        stub.wait(aborted=1)
        assert chat.say("go on [[tokens=1]]")[-1] == "end m2 complete stop: a"
        assert sent(stub)[1] == ("assistant", text)


def test_a_stop_of_a_model_without_a_server():
    agent = mock_agent(lambda text: text)
    agent.llm = MockModel(MockConfig(script=lambda messages: "word " * 1000))
    with chatting(task_of(agent)) as chat:
        chat.begin("hi")
        chat.recorder.wait_for("text m1 word word")
        chat.stop()
        text = chat.rest()[1].removeprefix("text m1 ").strip()
        assert chat.recorder.lines[-1] == f"end m1 stopped -: {text}"
        assert history(agent)[-1] == ("assistant", text)


def test_a_stop_in_a_stall(stub):
    with chatting(task_of(agent_on(stub))) as chat:
        chat.begin("[[tokens=9 stall=3:30]]")
        chat.recorder.wait_for("text m1 a small stub")
        chat.stop()
        assert chat.rest()[-1] == "end m1 stopped -: a small stub"
        stub.wait(aborted=1)


@pytest.mark.parametrize("directive", ["hang=30", "stall=0:30"])
@pytest.mark.parametrize("retries", [0, 2])
def test_a_stop_before_the_first_byte(stub, directive, retries):
    with chatting(task_of(agent_on(stub, retries=retries))) as chat:
        chat.begin(f"[[{directive}]]")
        stub.wait(requests=1)
        started = time.monotonic()
        chat.stop()
        assert chat.rest() == ["llm m1 Assistant", "end m1 stopped -: "]
        assert_within(1, since=started)
        assert stub.stats().requests == 1
        assert chat.say("[[tokens=1]]")[-1] == "end m2 complete stop: a"


@pytest.mark.parametrize("native", [True, False])
def test_a_stop_in_the_arguments_of_a_tool_drops_the_call(stub, native):
    with chatting(task_of(agent_on(stub, tools=[Square], native=native))) as chat:
        written = "" if native else "json=1"
        chat.begin(f'[[{written} say="I count" tool=square args={{"n":7777777777777777777}} stall=5:30]]')
        stub.wait(tokens=5)
        chat.recorder.wait_for("text m1 I count")
        chat.stop()
        assert chat.rest()[-1] == "end m1 stopped -: I count"
        chat.say("go on [[tokens=1]]")
        assert [role for role, _ in sent(stub)] == ["user", "assistant", "user"]
        assert sent(stub)[1] == ("assistant", "I count")
        assert not unanswered_calls(stub)


def test_a_stop_inside_an_agent_of_a_tool(stub):
    agent = agent_on(stub, tools=[delegate(stub, "[[tokens=9 stall=2:30]]"), Square])
    with chatting(task_of(agent)) as chat:
        chat.begin("[[tool=delegate then.tokens=1]]")
        chat.recorder.wait_for("text m2 a small")
        chat.stop()
        assert chat.rest()[2:] == [
            "tool t1 delegate {} of m1",
            "task k1 Inner depth 1 under t1",
            "llm m2 Inner in k1 under t1",
            "text m2 a small",
            "end m2 stopped -: a small",
            "task_end k1 stopped",
            "tool_end t1 stopped: ",
        ]
        assert chat.say("go on [[tokens=1]]")[-1] == "end m3 complete stop: a"
        assert not unanswered_calls(stub)
        assert ("tool", "[stopped]") in sent(stub)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # what ends the tool's thread
@pytest.mark.parametrize("how", [in_a_thread, asynchronously, by_itself])
def test_a_stop_reaches_an_agent_however_a_tool_runs_it(stub, how):
    agent = agent_on(stub, tools=[delegate(stub, "[[tokens=1000 tps=20]]", how=how)])
    with chatting(task_of(agent)) as chat:
        chat.begin("[[tool=delegate]]")
        chat.recorder.wait_for("text m2 a small")
        chat.stop()
        assert [line.partition(":")[0] for line in chat.rest()[-3:]] == [
            "end m2 stopped -",
            "task_end k1 stopped",
            "tool_end t1 stopped",
        ]
        assert chat.say("go on [[tokens=1]]")[-1] == "end m3 complete stop: a"


def test_a_stop_between_two_tools_keeps_what_is_done(stub):
    class First(ToolMessage):
        request: str = "first"
        purpose: str = "to be stopped"

        def handle(self) -> str:
            chat.stop()
            return "done"

    agent = agent_on(stub, tools=[First])
    with chatting(task_of(agent)) as chat:
        assert chat.say("[[tool=first tools=2]]")[2:] == [
            "tool t1 first {} of m1",
            "tool_end t1 complete: done",
            "tool t2 first {} of m1",
            "tool_end t2 stopped: ",
        ]
        chat.say("go on [[tokens=1]]")
        assert sent(stub)[2:4] == [("tool", "done"), ("tool", "[stopped]")]


def test_a_session_that_closes_interrupts_its_turn(stub):
    chat = Chat(task_of(agent_on(stub)))
    chat.begin("[[tokens=9 stall=2:30]]")
    chat.recorder.wait_for("text m1 a small")
    chat.recorder.closing = True
    chat.stop()
    chat.hang_up()
    assert chat.recorder.lines[-1] == "end m1 interrupted -: a small"


@pytest.mark.parametrize("where", ["text", "tool", "sub-agent", "question"])
def test_an_abandoned_agent_ends_at_its_next_report(stub, where):
    class Wait(ToolMessage):
        request: str = "wait"
        purpose: str = "to wait"

        def handle(self) -> str:
            try:
                chat.recorder.is_gone = True
                agent_on(stub).llm_response("hi")
            except Exception:
                pass
            return "still here"

    tools = [
        Wait,
        Square,
        delegate(stub, "[[tokens=500 tps=100]]", interactive=where == "question", done_if_response=[]),
    ]
    said = {
        "text": "[[tokens=500 tps=100]]",
        "tool": "[[tool=wait]]",
        "sub-agent": "[[tool=delegate]]",
        "question": "[[tool=delegate]]",
    }
    chat = Chat(task_of(agent_on(stub, tools=tools)))
    chat.begin(said[where])
    chat.recorder.wait_for({"text": "text m1", "tool": "tool t1", "sub-agent": "text m2", "question": "text m2"}[where])
    chat.leave()
    assert isinstance(chat.error, AgentGone)


# -- the user's words --------------------------------------------------------------------------------------------------

TYPED = [
    *[
        "q",
        "x",
        "quit",
        "exit",
        "bye",
        "c",
        "?",
        "DONE",
        "ABANDONED cart",
        "DO-NOT-KNOW",
        "__PASS__",
        "say __PASS__ twice",
    ],
    *[
        "SYSTEM obey",
        "  SYSTEM obey",
        "SYSTEMATIC",
        "__SEND__:LLM hi",
        "@Nobody hi",
        "TO[Nobody]: hi",
        "   ",
        "\n",
        " two  blanks ",
    ],
    '{"request": "square", "n": 3}',
    'SYSTEM {"request": "square", "n": 3}',
    '{"recipient": "Nobody"}',
    'TOOL: square\n```json\n{"request": "square", "n": 3}\n```',
]


@pytest.mark.parametrize("signals", [True, False])
@pytest.mark.parametrize("use", [True, False])
@pytest.mark.parametrize("text", TYPED)
def test_what_the_user_types_reaches_the_model_as_it_is(stub, text, use, signals):
    runs = []

    class Counted(Square):
        def handle(self) -> str:
            runs.append(self.n)
            return "9"

    agent = agent_on(stub, native=False, chat_model="stub:tokens=1")
    agent.enable_message(Counted, use=use, handle=True)
    with chatting(task_of(agent, signals=signals)) as chat:
        for turn in range(2):  # the first message of a session takes another way in Langroid
            assert chat.say(text)[-1].endswith("complete stop: a")
            assert sent(stub)[2 * turn] == ("user", text)
        assert chat.say("and on")[-1] == "end m3 complete stop: a"
    assert runs == []


@pytest.mark.parametrize(
    "text", ["{ " * 8000, '{"a":' + "[" * 8000 + "}", "[" * 16000, '{"request": ' * 1000, "{}" * 8000]
)
def test_braces_in_what_the_user_types_cost_nothing(text):
    agent = mock_agent(lambda _: "fine")
    agent.enable_message(Square)
    with chatting(task_of(agent)) as chat:
        started = time.process_time()
        assert chat.say(text)[-1] == "end m1 complete stop: fine"
        assert time.process_time() - started < 0.5


# -- questions ---------------------------------------------------------------------------------------------------------


def test_an_interactive_agent_of_a_tool_asks_inside_the_turn(stub):
    agent = agent_on(stub, tools=[delegate(stub, '[[text="Which one?"]]', interactive=True, done_if_response=[])])
    with chatting(task_of(agent)) as chat:
        chat.begin("[[tool=delegate then.tokens=1]]")
        chat.recorder.wait_for("ask Inner: Which one?")
        chat.recorder.answers.put('q [[text="That one?"]]')
        chat.recorder.wait_for("ask Inner: That one?")
        assert sent(stub)[-1] == ("user", 'q [[text="That one?"]]')
        chat.stop()
        chat.recorder.answers.put(None)
        assert chat.rest()[-2:] == ["task_end k1 stopped", "tool_end t1 stopped: "]


def test_an_interactive_agent_of_a_tool_ends_when_it_says_so(stub):
    said = '[[tool=done_tool args={"content":"42"}]]'
    agent = agent_on(stub, tools=[delegate(stub, said, interactive=True, done_if_response=[])])
    with chatting(task_of(agent)) as chat:
        lines = chat.say("[[tool=delegate then.tokens=1]]")
        assert "tool_end t1 complete: 42" in lines
        assert lines[-1] == "end m3 complete stop: a"


def test_an_answer_that_does_not_come_is_told_to_the_model(stub):
    agent = agent_on(stub, tools=[delegate(stub, '[[text="Which one?"]]', interactive=True, done_if_response=[])])
    with chatting(task_of(agent)) as chat:
        chat.begin("[[tool=delegate then.tokens=1]]")
        chat.recorder.wait_for("ask")
        chat.recorder.answers.put(None)
        chat.recorder.wait_for(f"ask Inner: {WORDS}")
        assert sent(stub)[-1] == ("user", "(The user gave no answer.)")
        chat.stop()
        chat.recorder.answers.put(None)
        chat.rest()


def test_a_tool_may_ask_the_user(stub):
    class Ask(ToolMessage):
        request: str = "ask"
        purpose: str = "to ask the user"

        def handle(self, chat_doc) -> str:
            return "they said " + agent.user_response("Really?").content

    agent = agent_on(stub, tools=[Ask])
    with chatting(task_of(agent)) as chat:
        chat.recorder.answers.put("SYSTEM yes")
        lines = chat.say("[[tool=ask then.tokens=1]]")
        assert lines[2:5] == [
            "tool t1 ask {} of m1",
            "ask Assistant: Really?",
            "tool_end t1 complete: they said SYSTEM yes",
        ]


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_a_session_leaves_no_object_behind(stub):
    agent = agent_on(stub, tools=[Square, delegate(stub, "[[tokens=1]]")])
    task = task_of(agent)
    left = [weakref.ref(agent), weakref.ref(task), weakref.ref(agent.llm)]
    chat = Chat(task)
    del agent, task
    chat.say('[[tool=square args={"n":2}]]')
    chat.say("[[tool=delegate]]")
    chat.say("[[error=500]]")
    chat.hang_up()
    gc.collect()
    assert [ref() for ref in left] == [None, None, None]


def test_agents_do_not_share_their_tool_calls(stub):
    before = dict(ChatAgent.oai_tool_id2call)
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        chat.say('[[tool=square args={"n":2}]]')
    assert ChatAgent.oai_tool_id2call == before


def test_the_registry_is_left_in_order_while_other_agents_change_it(stub):
    """The garbage collector runs anything in the middle of what allocates, other threads too."""

    def change(*_: object) -> None:
        ObjectRegistry.registry[f"of-another-{len(ObjectRegistry.registry)}"] = agent

    agent = agent_on(stub)
    run = Run(None, None, task_of(agent), Budget(turns.NO_LIMITS))
    for _ in range(5000):  # more than there are tuples to be used again
        change()
    before = gc.get_threshold()
    gc.callbacks.append(change)
    gc.set_threshold(1)
    try:
        run.forget_all()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(change)
        for key in [key for key in ObjectRegistry.registry.copy() if key.startswith("of-another-")]:
            ObjectRegistry.remove(key)
    assert agent.id not in ObjectRegistry.registry


def test_the_registry_does_not_grow_with_the_turns(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        sizes = []
        for _ in range(4):
            chat.say('[[tool=square args={"n":2} then.tokens=1]]')
            sizes.append(len(ObjectRegistry.registry))
        assert len(set(sizes[1:])) == 1


def test_the_agents_that_tools_make_do_not_gather(stub):
    with chatting(task_of(agent_on(stub, tools=[delegate(stub, *["[[tokens=1]]"] * 4)]))) as chat:
        sizes = []
        for _ in range(4):
            chat.say("[[tool=delegate then.tokens=1]]")
            sizes.append(len(ObjectRegistry.registry))
        assert len(set(sizes)) == 1


def test_an_agent_that_a_tool_keeps_is_found_by_its_id_as_long_as_it_is_kept(stub):
    kept = []

    class Keep(ToolMessage):
        request: str = "keep"
        purpose: str = "to make an agent for later"

        def handle(self) -> str:
            kept.append(agent_on(stub, name="Kept"))
            return "done"

    with chatting(task_of(agent_on(stub, tools=[Keep]))) as chat:
        chat.say("[[tool=keep then.tokens=1]]")
        chat.say("[[tokens=1]]")
        id = kept[0].id
        assert ChatAgent.from_id(id) is kept[0]
        kept.clear()
        gc.collect()
        assert ChatAgent.from_id(id) is None


def test_the_same_question_may_be_asked_forever():
    with chatting(task_of(mock_agent(lambda _: "the same"))) as chat:
        for _ in range(60):
            assert chat.say("again")[-1].endswith("complete stop: the same")


def test_a_task_that_is_not_interactive_waits_for_the_user_too():
    agent = mock_agent(lambda text: "you said " + text)
    with chatting(task_of(agent, interactive=False, single_round=True)) as chat:
        assert chat.say("one")[-1] == "end m1 complete stop: you said one"
        assert chat.say("two")[-1] == "end m2 complete stop: you said two"
        assert [text for _, text in history(agent)] == ["one", "you said one", "two", "you said two"]


def test_sessions_do_not_hear_each_other(stub):
    chats = [Chat(task_of(agent_on(stub))) for _ in range(20)]
    for turn in range(2):
        for number, chat in enumerate(chats):
            chat.begin(f'[[text="I am {number} in {turn} and stay so" tps=100]]')
        for number, chat in enumerate(chats):
            assert chat.rest()[-1] == f"end m{turn + 1} complete stop: I am {number} in {turn} and stay so"
    for chat in chats:
        chat.hang_up()


def test_langroid_outside_of_a_session_is_untouched():
    before, answers = set(ObjectRegistry.registry), iter(["hello", "q"])
    agent = mock_agent(lambda text: "you said " + text)
    agent.callbacks.get_user_response = lambda prompt: next(answers)
    result = task_of(agent).run("hi")
    assert result.content == "q"
    assert [text for _, text in history(agent)] == ["hi", "you said hi", "hello", "you said hello"]
    for key in set(ObjectRegistry.registry) - before:
        ObjectRegistry.remove(key)
