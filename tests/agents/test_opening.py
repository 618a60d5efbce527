"""The agent speaks first (`OPENING`), and what is set before the first message (`SETTINGS`)."""

from __future__ import annotations

import json

import pytest

from chat.keeping.export import to_markdown
from chat.models import Conversation
from chat.testing import say
from chat.testing.agent import Refused

PROMPT = "Greet the user in one sentence."


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_AGENTS = {
        "host": {"FACTORY": "chat.demo.agents.counter", "OPENING": PROMPT, "SETTINGS": "chat.demo.agents.Counting"},
        "quiet": {"FACTORY": "chat.demo.agents.counter"},
    }


def asked(agent):
    """What the model was last asked, without the system message."""
    return [message["content"] for message in agent.model.requests[-1] if message["role"] != "system"]


def test_the_agent_speaks_first_by_a_call_of_its_model_once(chat_agent):
    agent = chat_agent("host", model=[say("Welcome!"), say("Fine.")])
    assert agent.events[0]["opens"]
    assert agent.open().text == "Welcome!" and asked(agent) == [PROMPT]
    start = agent.records[0]["message"]
    assert (start["sender"], start["content"], start["opening"]) == ("user", "", True)
    agent.reload()
    assert "opens" not in agent.events[0] and len(agent.records) == 2
    agent._do(agent._command("open"))
    assert agent.say("How are you?").text == "Fine."
    assert len(agent.model.requests) == 2 and Conversation.objects.get().title == "How are you?"


def test_what_was_said_first_is_remembered_by_a_fresh_agent_and_leaves_the_house_without_its_prompt(chat_agent):
    agent = chat_agent("host", model=[say("Welcome!"), say("Fine.")])
    agent.open()
    agent.reset()
    agent.say("How are you?")
    assert asked(agent) == [PROMPT, "Welcome!", "How are you?"]
    text = "".join(to_markdown(Conversation.objects.get()))
    assert "Welcome!" in text and PROMPT not in text and text.count("## ") == 3


def test_its_failure_is_shown_and_can_be_tried_again(chat_agent, settings):
    settings.CHAT_AGENTS["host"]["FACTORY"] = "tests.demo.test_entries.broken"
    agent = chat_agent("host", model=[say("Welcome!")])
    assert agent.open().error["code"] == "agent_unavailable"
    settings.CHAT_AGENTS["host"]["FACTORY"] = "chat.demo.agents.counter"
    assert agent.regenerate().text == "Welcome!" and asked(agent) == [PROMPT]


def test_others_do_not_speak_first(chat_agent):
    agent = chat_agent("quiet", model=[])
    assert "opens" not in agent.events[0]
    with pytest.raises(Refused, match="not_found"):
        agent.open()
    assert not Conversation.objects.exists()


# -- settings of a new conversation ------------------------------------------------------------------------------------


def test_what_is_set_before_the_first_message_goes_with_it(chat_agent, client, django_user_model):
    alice = django_user_model.objects.create_user("alice")
    client.force_login(alice)
    found = client.get("/api/agents/host/settings").json()
    assert found["values"] == {"name": "sum", "factor": 1} and found["schema"]["properties"]
    assert client.get("/api/agents/quiet/settings").status_code == 404
    for values, status in [({"factor": 11}, 400), ({"factor": 2}, 200)]:
        answer = client.put("/api/agents/host/settings", json.dumps(values), content_type="application/json")
        assert answer.status_code == status
    agent = chat_agent("host", model=[say("Hello")], user=alice)
    agent.say("Hi", settings={"factor": 2})
    assert Conversation.objects.get().settings == {"name": "sum", "factor": 2}


@pytest.mark.parametrize(("key", "values"), [("host", {"factor": 11}), ("quiet", {"factor": 2})])
def test_values_that_do_not_fit_refuse_the_message(chat_agent, key, values):
    agent = chat_agent(key, model=[])
    with pytest.raises(Refused, match="bad_frame"):
        agent.say("Hi", settings=values)
    assert not Conversation.objects.exists()


def test_values_go_with_an_opening_too(chat_agent):
    agent = chat_agent("host", model=[say("Welcome!")])
    agent._do(agent._command("open", settings={"factor": 3}))
    agent.wait_for("Welcome!")
    assert Conversation.objects.get().settings["factor"] == 3
