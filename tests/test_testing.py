"""Agents are tested without a page, a model or a network: `chat.testing`. Our own examples are tested with it here."""

from __future__ import annotations

import socket
import subprocess
import sys

import openai
import pytest

from chat.testing import call, say
from chat.testing.agent import Refused
from chat.testing.script import ScriptEnded

AGENTS = {
    name: {"FACTORY": f"chat.demo.agents.{name}"} for name in ("assistant", "toolbox", "writing_team", "postman")
} | {name: {"FACTORY": f"tests.server_agents.{name}"} for name in ("tools", "broken", "counting")}


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_AGENTS = AGENTS


def test_an_agent_answers_from_the_script(chat_agent):
    assistant = chat_agent("assistant", model=[say("The sea.", reasoning="What is blue?"), "And the sky."])
    reply = assistant.say("What is blue?")
    assert (reply.text, reply.reasoning, reply.status, reply.error) == ("The sea.", "What is blue?", "complete", None)
    assert assistant.say("And?").text == "And the sky."
    assert [message["content"] for message in assistant.model.requests[1][-3:]] == ["What is blue?", "The sea.", "And?"]


def test_no_network_is_used(chat_agent, settings, monkeypatch):
    settings.CHAT_API_KEY, settings.CHAT_MODEL = "sk-real", "gpt-4o"
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection"))
    agent = chat_agent("tools", model=[call("delegate", job="this"), say("Helped."), say("Done.")])
    reply = agent.say("go")  # the tool makes an agent with a model of its own
    assert (reply.tools[0].name, reply.tools[0].result, reply.text) == ("delegate", "Helped.", "Done.")


@pytest.mark.parametrize("name", ["toolbox", "tools"], ids=["calls as JSON", "native calls"])
def test_tools_run_for_real(chat_agent, name):
    tool, args = {"toolbox": ("calculate", {"expression": "1+1"}), "tools": ("square", {"number": 3})}[name]
    agent = chat_agent(name, model=[say("Let me see.", call(tool, **args)), say("There it is.")])
    reply = agent.say("What is it?")
    assert [(tool.name, tool.args, tool.status) for tool in reply.tools] == [(tool, args, "complete")]
    assert reply.tools[0].result in ("1+1 = 2", "9")
    assert reply.texts == ["Let me see.", "There it is."]


def test_each_agent_of_a_team_has_its_own_script(chat_agent):
    team = chat_agent(
        "writing_team",
        model={
            "Writer": [say("A draft.", call("send_tool", to="Critic", content="the grey sea")), say("The sea.")],
            "Critic": ["CRITIC: less grey"],
        },
    )
    reply = team.say("A poem")
    assert reply.text == "The sea."
    assert [(message["agent"], message["depth"]) for message in reply.messages][1] == ("Critic", 1)


def test_a_turn_is_stopped_in_its_middle(chat_agent):
    assistant = chat_agent("assistant", model=[say("Once upon", hangs=True), say("Yes?")])
    assistant.begin("Tell me a story")
    assistant.wait_for("Once upon")
    reply = assistant.stop()
    assert (reply.text, reply.status) == ("Once upon", "stopped")
    assert assistant.say("Are you there?").text == "Yes?"


def test_a_message_is_regenerated_edited_and_the_page_loaded_again(chat_agent):
    assistant = chat_agent("assistant", model=["one", "two", "three", "four"])
    assert assistant.say("a").text == "one"
    assert assistant.regenerate().text == "two"
    assert assistant.edit("b").text == "three"
    assistant.reset()
    assistant.reload()
    assert assistant.reply.text == "three"
    assert assistant.say("c").text == "four"
    assert [each["content"] for each in assistant.model.requests[-1][-3:]] == ["b", "three", "c"]


def test_a_script_that_is_too_short_fails_the_test(chat_agent):
    assistant = chat_agent("assistant", model=["one"])
    assistant.say("a")
    with pytest.raises(ScriptEnded, match="asked 2 times, and has 1 step"):
        assistant.say("b")


def test_an_agent_that_cannot_be_made_is_an_error(chat_agent):
    assert chat_agent("broken", model=[]).say("hello").error["code"] == "agent_unavailable"


def test_a_refused_message_fails_the_test(chat_agent):
    with pytest.raises(Refused, match="empty"):
        chat_agent("assistant").say(" ")


def test_a_user_talks_to_it_who_is_signed_in(chat_agent, django_user_model):
    alice = django_user_model.objects.create_user("alice")
    assert chat_agent("assistant", model=["Hello."], user=alice).say("hi").text == "Hello."


def test_without_a_script_the_agents_own_model_answers(chat_agent, settings):
    settings.CHAT_MOCK_MODEL = True
    settings.CHAT_AGENTS["toolbox"] = {**AGENTS["toolbox"], "OPTIONS": {"MOCK_TOKENS_PER_SECOND": 0}}
    assert "42" in chat_agent("toolbox").say("What is (17 + 4) * 2?").text


# -- the same over HTTP ------------------------------------------------------------------------------------------------

SCRIPT = """
- say: Let me see.
  reasoning: It is a sum.
  calls: [{name: add, args: {a: 1}}]
- It is two.
- error: 429
"""


@pytest.fixture
def served(tmp_path):
    """An OpenAI client of a scripted model in a process of its own."""
    (tmp_path / "script.yaml").write_text(SCRIPT)
    command = [sys.executable, "-m", "chat.testing.model", str(tmp_path / "script.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield openai.OpenAI(base_url=process.stdout.readline().strip(), api_key="none", max_retries=0)
        process.terminate()


def test_an_openai_client_can_use_the_scripted_model(served):
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    asked = {"model": "m", "messages": [{"role": "user", "content": "1+1"}]}
    chunks = served.chat.completions.create(**asked, tools=tools, stream=True)
    stream = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in stream) == "Let me see."
    calls = [call for delta in stream for call in delta.tool_calls or ()]
    assert [(call.function.name, call.function.arguments) for call in calls] == [("add", '{"a": 1}')]
    assert served.chat.completions.create(**asked).choices[0].message.content == "It is two."
    with pytest.raises(openai.RateLimitError):
        served.chat.completions.create(**asked)
    with pytest.raises(openai.InternalServerError):
        served.chat.completions.create(**asked)
