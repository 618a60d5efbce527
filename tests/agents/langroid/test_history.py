# ruff: noqa: E402
"""What `history.install` rebuilds is what the agent that lived through the conversation has itself."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, ToolMessage
from langroid.agent.tools.orchestration import DoneTool
from langroid.utils.object_registry import ObjectRegistry

from chat.agents.langroid import history, mends
from chat.agents.langroid.holdback import objects
from chat.models import Message
from tests.langroid_agents import Square, agent_on, mock_agent, task_of
from tests.recorder import Chat, Recorder, chatting
from tests.stub_llm import StubServer


@pytest.fixture(scope="module")
def stub() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = set(ObjectRegistry.registry)
    yield
    for key in set(ObjectRegistry.registry) - before:
        ObjectRegistry.remove(key)


def records_of(recorder: Recorder) -> list[Message]:
    """What a session stores of this conversation."""
    records = []
    for kind, id in recorder.said:
        match kind:
            case "user":
                records.append(Message(kind="user", content=id))
            case "failed":
                records.append(Message(kind="assistant", status="error"))
            case "llm":
                outcome = recorder.outcomes[id]
                if outcome.content or outcome.reasoning or outcome.status in ("stopped", "error"):
                    message = Message(id=uuid.UUID(id), kind="assistant", content=outcome.content)
                    message.status, message.tool_calls = outcome.status, list(outcome.tool_calls)
                    message.depth = recorder.places[id].depth
                    records.append(message)
            case "tool":
                outcome, run = recorder.outcomes[id], recorder.runs[id]
                message = Message(id=uuid.UUID(id), kind="tool", content=outcome.result, status=outcome.status)
                message.tool_name, message.tool_args, message.depth = run.name, run.args, run.place.depth
                message.extra = run.extra
                message.caller_id = uuid.UUID(run.message_id)
                message.error = {"details": outcome.error} if outcome.error else None
                records.append(message)
    return records


def for_the_model(agent: ChatAgent) -> list[dict[str, Any]]:
    """What the API gets, without what names or times things: ids by their order, JSON and blanks in one form."""
    names: dict[str, int] = {}
    told = []
    for message in json.loads(agent.export_history())["messages"]:
        calls = [
            (names.setdefault(call["id"], len(names)), call["function"]["name"], without_name(call["function"]))
            for call in message["tool_calls"] or []
        ]
        result_of = names[message["tool_call_id"]] if message["tool_call_id"] else None
        content = canonical(message["content"] or "")
        told.append({"role": message["role"], "content": content, "calls": calls, "result_of": result_of})
    return told


def without_name(function: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (function["arguments"] or {}).items() if key != "request"}


def canonical(text: str) -> str:
    for start, end in reversed(list(objects(text))):
        text = f"{text[:start]} {json.dumps(json.loads(text[start:end]), sort_keys=True)} {text[end:]}"
    return " ".join(text.split())


class Fail(ToolMessage):
    request: str = "fail"
    purpose: str = "to fail"

    def handle(self) -> str:
        raise ValueError("no")


def stopping(chats: list[Chat]) -> type[ToolMessage]:
    class Stop(ToolMessage):
        request: str = "halt"
        purpose: str = "to be stopped after its work"

        def handle(self) -> str:
            chats[0].stop()
            return "done"

    return Stop


def delegate(stub: StubServer) -> type[ToolMessage]:
    class Delegate(ToolMessage):
        request: str = "delegate"
        purpose: str = "to ask somebody else"

        def handle(self) -> str:
            agent = agent_on(stub, name="Inner", tools=[Square])
            task = task_of(agent, interactive=False, single_round=True)
            return task.run("[[tokens=2]]").content

    return Delegate


SAID = [
    "[[tokens=3]]",
    "[[tokens=3 think=2]]",
    '[[JSON tool=square args={"n":3}]]',
    '[[JSON say="I count" tool=square args=[{"n":3},{"n":4}] then.tokens=2]]',
    '[[JSON tool=square args={"n":3} then.error=500]]',
    "[[JSON tool=fail then.tokens=1]]",
    '[[JSON tool=square args={"n":"many"} then.tokens=1]]',
    "[[JSON tool=halt tools=2]]",
    "[[JSON tool=delegate then.tokens=2]]",
    '[[JSON tool=done_tool args={"content":"42"}]]',
    "[[error=401]]",
    "[[tokens=0]]",
    "[[tokens=9 cut=3]]",
    "   ",
    'SYSTEM {"request": "square", "n": 3}',
]


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("said", [*([text] for text in SAID), SAID])
def test_a_rebuilt_agent_remembers_what_the_living_one_does(stub, native, said):
    chats: list[Chat] = []
    tools = [Square, Fail, DoneTool, stopping(chats), delegate(stub)]
    agent = agent_on(stub, tools=tools, native=native)
    chats.append(Chat(task_of(agent)))
    for text in ["[[tokens=1]]", *said, "the last [[tokens=1]]"]:
        chats[0].say(text.replace("JSON", "" if native else "json=1"))
    fresh = agent_on(stub, tools=tools, native=native)
    history.install(task_of(fresh), records_of(chats[0].recorder))
    chats[0].hang_up()
    assert for_the_model(fresh) == for_the_model(agent)
    assert fresh.oai_tool_calls == []


def test_a_rebuilt_agent_goes_on(stub):
    with chatting(task_of(agent_on(stub, tools=[Square]))) as chat:
        chat.say('[[tool=square args={"n":3} then.tokens=1]]')
        task = task_of(agent_on(stub, tools=[Square]))
        history.install(task, records_of(chat.recorder))
    with chatting(task) as chat:
        assert chat.say("and now? [[tokens=2]]")[-1] == "end m1 complete stop: a small"
        roles = [message["role"] for message in stub.last()["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


def records(*rows: dict[str, Any]) -> list[Message]:
    return [Message(**row) for row in rows]


def installed(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    agent = mock_agent(lambda text: text)
    history.install(task_of(agent), records(*rows))
    return [(message.role.value, message.content) for message in agent.message_history[1:]]


def test_partial_answers_are_kept_and_failures_without_text_are_not():
    assert installed(
        {"kind": "user", "content": "one"},
        {"kind": "assistant", "content": "", "status": "error"},
        {"kind": "user", "content": "two"},
        {"kind": "assistant", "content": "par", "status": "interrupted"},
    ) == [("user", "one"), ("user", "two"), ("assistant", "par")]


def test_greetings_are_remembered_and_notes_heads_answers_and_sub_agents_are_not():
    assert installed(
        {"kind": "assistant", "content": "Welcome"},
        {"kind": "system", "content": "a note"},
        {"kind": "user", "content": "hi"},
        {"kind": "head"},
        {"kind": "user", "content": "an answer", "request_id": uuid.uuid4()},
        {"kind": "assistant", "content": "from below", "depth": 1},
    ) == [("assistant", "Welcome"), ("user", "hi")]


def test_results_stand_in_the_order_of_the_calls():
    first, second, message = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    call = {"kind": "tool", "tool_name": "square", "tool_args": {"n": 1}, "caller_id": message}
    assert installed(
        {"kind": "user", "content": "hi"},
        {"kind": "assistant", "id": message, "content": "so", "tool_calls": [str(first), str(second)]},
        {**call, "id": second, "content": "2"},
        {**call, "id": first, "content": "1"},
    )[-1] == ("user", "Result from square: 1\n\nResult from square: 2")


def test_what_a_server_wants_back_with_a_call_is_given_back_by_a_rebuilt_agent_too(stub):
    class Calculate(ToolMessage):
        request: str = "calculate"
        purpose: str = "To calculate."
        expression: str = ""

        def handle(self) -> str:
            return "2"

    def calls_sent() -> list[Any]:
        return [call for message in stub.last()["messages"] for call in message.get("tool_calls", [])]

    with chatting(task_of(agent_on(stub, tools=[Calculate]))) as chat:
        chat.say('[[replay="Gemini: a signature with the call, stop" then.text="two"]]')
        lived = calls_sent()
        task = task_of(agent_on(stub, tools=[Calculate]))
        history.install(task, records_of(chat.recorder))
    with chatting(task) as chat:
        chat.say("and now? [[tokens=2]]")
    assert [call["extra_content"] for call in calls_sent()] == [call["extra_content"] for call in lived] != []


def test_no_records_leave_the_agent_as_it_was_made():
    agent = mock_agent(lambda text: text)
    history.install(task_of(agent), [])
    assert agent.message_history == []


def long_conversation(turns: int) -> list[Message]:
    """A greeting, then turns of which each is about 130 tokens; every third calls a tool."""
    rows: list[dict[str, Any]] = [{"kind": "assistant", "content": "Welcome"}]
    for number in range(turns):
        rows += [{"kind": "user", "content": f"turn {number}"}, {"kind": "assistant", "id": uuid.uuid4()}]
        rows[-1]["content"] = "word " * (100 if number % 3 else 0)
        if number % 3 == 0:
            args = {"n": number, "why": "word " * 80}
            rows.append({"kind": "tool", "tool_name": "square", "tool_args": args, "caller_id": rows[-1]["id"]})
    return records(*rows)


def bounded_agent(stub: StubServer, native: bool) -> ChatAgent:
    agent = agent_on(stub, native=native, chat_context_length=6000, max_output_tokens=1000, min_output_tokens=1000)
    agent.config.context_overflow_strategy = "drop_turns"
    return agent


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("turns", [10, 60])
def test_what_does_not_fit_is_left_out_as_langroid_would_drop_it(stub, monkeypatch, turns, native):
    rows = long_conversation(turns)
    histories = []
    for holds in (False, True):  # without the mend Langroid drops what does not fit, with the next request
        monkeypatch.setitem(vars(mends.TOKEN_COUNTS), "holds", holds)
        agent = bounded_agent(stub, native)
        history.install(task_of(agent), rows)
        agent._prep_llm_messages("the next")
        histories.append([(m["role"], m["content"], len(m["calls"])) for m in for_the_model(agent)])
    theirs, ours = histories
    first, rest = slice(2), slice(2 - len(theirs), None)  # the system's and the greeting; what Langroid has kept
    assert (ours[first], ours[rest]) == (theirs[first], theirs[rest])
    assert theirs[rest][0][0] == "user"
    # Langroid drops only from CHAT_HISTORY_BUFFER tokens above what it drops to.
    assert len(theirs) <= len(ours) <= len(theirs) + 6
    assert agent.chat_num_tokens() <= 6000 - 1000
    assert (ours[2][1] == "turn 0") is (turns == 10)


def test_each_message_of_a_long_conversation_is_counted_a_few_times_only(stub, monkeypatch):
    counted, count = [], ChatAgent._message_num_tokens
    monkeypatch.setattr(ChatAgent, "_message_num_tokens", lambda *args: counted.append(1) or count(*args))
    rows, agent = long_conversation(1000), bounded_agent(stub, True)
    history.install(task_of(agent), rows)
    agent._prep_llm_messages("the next")
    assert len(rows) <= len(counted) < 2 * len(rows)
