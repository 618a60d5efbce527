# ruff: noqa: E402
"""A turn goes on with a fresh agent where its tool has asked."""

from __future__ import annotations

import uuid

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ToolMessage

from chat.agents.langroid import history
from chat.agents.langroid.scope import current
from chat.models import Message
from chat.observer import PendingCall, Question, UserText
from tests.langroid_agents import Square, agent_on, task_of
from tests.recorder import chatting


class Ask(ToolMessage):
    """Asks the user of the chat that runs just now."""

    request: str = "ask"
    purpose: str = "to ask"
    n: int = 0

    def handle(self) -> str:
        answer = current.get().observer.ask(Question(prompt="May I?", agent="Assistant"))
        return answer.content if answer else "nobody answered"


CALLS = {
    "native": "[[tool={} args={} then.tokens=3]]",
    "json": "[[tool={} args={} json=1 then.tokens=3]]",
}


@pytest.mark.parametrize("native", [True, False], ids=["native", "json"])
def test_the_call_that_asked_is_run_again_and_its_model_goes_on(stub, native):
    stub.reset()
    text = CALLS["native" if native else "json"].format("ask", '{"n":1}')
    with chatting(task_of(agent_on(stub, tools=[Ask], native=native))) as chat:
        chat.begin(text)
        chat.recorder.wait_for("ask")
        pending = chat.recorder.pending()
        chat.recorder.answers.put(None)
    assert [(call.name, call.args, call.result) for call in pending] == [("ask", {"n": 1}, None)]

    stub.reset()
    task = task_of(agent_on(stub, tools=[Ask], native=native))
    history.install(task, [Message(id=uuid.uuid4(), kind="user", content=text)])
    with chatting(task) as chat:
        chat.recorder.answers.put("yes, you may")
        lines = chat.say(UserText(turn="1", content=text, pending=pending))
    assert [line.split()[0] for line in lines] == ["tool", "ask", "tool_end", "llm", "text", "end"]
    assert pending[0].id in chat.recorder.outcomes, "the same call"
    assert stub.last()["messages"][-1]["content"] == "yes, you may"
    assert len(stub.requests()) == 1, "the model is not asked again for what it has called"


def test_calls_beside_it_keep_the_results_that_they_have(stub):
    stub.reset()
    calls = '[[tool=square args=[{"n":7},{"n":8}] then.tokens=3]]'
    with chatting(task_of(agent_on(stub, tools=[Ask, Square]))) as chat:
        chat.say(calls)
        first = chat.recorder.pending()
    assert first == (), "nothing is pending"
    pending = (
        PendingCall(id=str(uuid.uuid4()), name="square", args={"n": 7}, message_id="m", native_id="a", result="49"),
        PendingCall(id=str(uuid.uuid4()), name="ask", args={}, message_id="m", native_id="b"),
        PendingCall(id=str(uuid.uuid4()), name="square", args={"n": 8}, message_id="m", native_id="c"),
    )
    stub.reset()
    task = task_of(agent_on(stub, tools=[Ask, Square]))
    history.install(task, [Message(id=uuid.uuid4(), kind="user", content=calls)])
    with chatting(task) as chat:
        chat.recorder.answers.put("yes")
        chat.say(UserText(turn="1", content=calls, pending=pending))
    results = [(m["tool_call_id"], m["content"]) for m in stub.last()["messages"] if m["role"] == "tool"]
    assert results == [("a", "49"), ("b", "yes"), ("c", "64")]
    assert set(chat.recorder.outcomes) >= {call.id for call in pending[1:]}
    assert pending[0].id not in chat.recorder.outcomes, "told before"
