"""What an entry of `CHAT_AGENTS` says beside its factory: settings, suggestions, and what developers are told."""

from __future__ import annotations

import json

import pytest
from django.core.checks import run_checks

from chat.models import Conversation
from chat.testing import call, say

COUNTER = {
    "FACTORY": "chat.demo.agents.counter",
    "SUGGESTIONS": "chat.demo.agents.next_numbers",
    "SETTINGS": "chat.demo.agents.Counting",
}


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_AGENTS = {"counter": COUNTER, "failing": {"FACTORY": "tests.demo.test_entries.failing"}}


def added(number):
    return [call("add", number=number), lambda messages: messages[-1].content]


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def counter(chat_agent, client, django_user_model):
    alice = django_user_model.objects.create_user("alice")
    client.force_login(alice)
    agent = chat_agent("counter", model=[*added(10), *added(5), *added(1)], user=alice)
    agent.say("Add 10")
    agent.address = f"/api/conversations/{agent.id}/settings"
    return agent


def test_the_values_begin_with_the_defaults_of_the_class(counter, client):
    found = client.get(counter.address).json()
    assert found["values"] == {"name": "sum", "factor": 1}
    assert found["schema"]["properties"]["factor"]["maximum"] == 10


def test_changed_values_make_the_agent_anew_with_its_memory(counter, client):
    changed = client.put(counter.address, json.dumps({"name": "total", "factor": 2}), content_type="application/json")
    assert changed.status_code == 200
    assert counter.say("Add 5").text == "The total is 20."
    assert "Add 10" in [message["content"] for message in counter.model.requests[-2]]


@pytest.mark.parametrize("values", [{"factor": 11}, {"factor": "many"}, [1], "x"])
def test_values_that_do_not_fit_are_refused(counter, client, values):
    refused = client.put(counter.address, json.dumps(values), content_type="application/json")
    assert refused.status_code == 400 and refused.json()["error"] == "bad_frame"
    assert counter.say("Add 5").text == "The sum is 15."


def test_values_that_fit_no_more_are_left_out(counter, client):
    Conversation.objects.update(settings={"factor": 99})
    counter.reset()
    assert counter.say("Add 5").text == "The sum is 15."


def test_nobody_else_sees_or_changes_them(counter, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("mallory"))
    assert client.get(counter.address).status_code == 404
    assert client.put(counter.address, "{}", content_type="application/json").status_code == 404


# -- suggestions -------------------------------------------------------------------------------------------------------


def test_suggestions_come_with_the_answer_and_go_with_the_next_message(chat_agent):
    counter = chat_agent("counter", model=[*added(10), say("Hm", hangs=True)])
    counter.say("Add 10")
    counter.reload()
    assert counter.events[0]["suggestions"] == ["Add 1.", "Add 100."]
    counter.begin("Think")
    counter.wait_for("Hm")
    assert Conversation.objects.get(id=counter.id).suggestions == []
    counter.stop()
    assert Conversation.objects.get(id=counter.id).suggestions == []


def test_an_agent_suggests_by_itself(chat_agent, settings):
    settings.CHAT_AGENTS = {"failing": {"FACTORY": "tests.demo.test_entries.failing"}}
    agent = chat_agent("failing", model=[call("suggest"), say("Well?")])
    agent.say("hello")
    assert Conversation.objects.get(id=agent.id).suggestions == ["Yes", "No"]


def test_a_callable_that_fails_ends_nothing(chat_agent, settings, caplog):
    settings.CHAT_AGENTS = {"counter": {**COUNTER, "SUGGESTIONS": "tests.demo.test_entries.no_suggestions"}}
    assert chat_agent("counter", model=added(1)).say("Add 1").status == "complete"
    assert "no_suggestions failed" in caplog.text


def no_suggestions(question, answer):
    raise RuntimeError("none")


# -- what developers are told ------------------------------------------------------------------------------------------


def failing(context):
    import langroid as lr

    class Fail(lr.ToolMessage):
        request: str = "fail"
        purpose: str = "To fail."

        def handle(self) -> str:
            raise RuntimeError("the cause")

    class Suggest(lr.ToolMessage):
        request: str = "suggest"
        purpose: str = "To suggest."

        def handle(self) -> str:
            context.suggest("Yes", "No")
            return "ok"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message([Fail, Suggest])
    return agent


def broken(context):
    raise RuntimeError("the cause")


@pytest.mark.parametrize("who", ["debug", "staff", "visitor"])
def test_the_cause_of_an_error_is_for_developers_alone(chat_agent, settings, django_user_model, who):
    settings.CHAT_AGENTS["broken"] = {"FACTORY": "tests.demo.test_entries.broken"}
    settings.DEBUG = who == "debug"
    user = django_user_model.objects.create_user("alice", is_staff=True) if who == "staff" else None
    tool = chat_agent("failing", model=[call("fail"), say("Oh.")], user=user).say("fail").tools[0]
    error = chat_agent("broken", model=[], user=user).say("hello").error
    if who == "visitor":
        assert tool.error == "The tool failed (RuntimeError)."
        assert "cause" not in error and error["incident"]
    else:
        assert "RuntimeError: the cause" in tool.error and "test_entries.py" in tool.error
        assert "RuntimeError: the cause" in error["cause"] and ", in broken" in error["cause"]


def test_the_model_is_never_told_the_cause(chat_agent, settings):
    settings.DEBUG = True
    agent = chat_agent("failing", model=[call("fail"), say("Oh."), say("Yes?")])
    agent.say("fail")
    agent.reset()
    agent.say("again")
    assert "the cause" not in str(agent.model.requests)


# -- checks ------------------------------------------------------------------------------------------------------------

TWICE = [{"NAME": "poem", "TEXT": "a"}, {"NAME": "poem", "TEXT": "b"}]
WRONG = {
    "OPENING": [(7, "E004")],
    "LIMITS": [("few", "E004"), ({"STEP": 1}, "E003"), ({"STEPS": -1}, "E004")],
    "APPROVE": [(7, "E004"), ([7], "E004"), ({"send": "letters"}, "E004"), ({7: None}, "E004")],
    "COMMANDS": [
        ("x", "E004"),
        (["x"], "E004"),
        ([{"NAME": "a b", "TEXT": "x"}], "E004"),
        ([{"NAME": "a"}], "E004"),
        (TWICE, "E004"),
    ],
    "SHOW": [("full", "E004"), ({"TOOL": "full"}, "E003"), ({"TOOLS": "some"}, "E004")],
    "STYLES": [
        ([], "E004"),
        ({"Critic": "red"}, "E004"),
        ({"Critic": {"COLOUR": "red"}}, "E004"),
        ({"Critic": {"AVATAR": "javascript:x"}}, "E004"),
    ],
    "SUGGESTIONS": [(7, "E004"), ("chat.demo.agents.nothing", "E005")],
    "SETTINGS": [(7, "E004"), ("nowhere.Class", "E005"), ("chat.demo.agents.counter", "E005")],
}


@pytest.mark.parametrize(("name", "value", "id"), [(name, *each) for name, all in WRONG.items() for each in all])
def test_a_wrong_value_of_an_entry_is_a_check(settings, name, value, id):
    settings.CHAT_AGENTS = {"counter": {"FACTORY": COUNTER["FACTORY"], name: value}}
    found = [message for message in run_checks(tags=["chat"]) if name in message.msg]
    assert [message.id for message in found] == [f"chat.{id}"]


def test_the_entries_of_the_example_project_are_right():
    assert [message for message in run_checks(tags=["chat"]) if message.id.startswith("chat.E")] == []
