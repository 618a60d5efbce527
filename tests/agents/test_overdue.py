"""`LIMITS` of seconds: a turn that takes longer ends, whatever its agent does, and says so."""

from __future__ import annotations

import threading

import pytest

from chat.testing import call, say

held = threading.Event()


def slow(context):
    import langroid as lr

    class Wait(lr.ToolMessage):
        request: str = "wait"
        purpose: str = "To wait."
        asks: bool = False

        def handle(self):
            if self.asks:
                return context.ask.text("And?")
            held.wait(30)
            return "waited"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(Wait)
    return agent


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_STOP_SECONDS = 0.1
    settings.CHAT_AGENTS = {"slow": {"FACTORY": "tests.agents.test_overdue.slow", "LIMITS": {"SECONDS": 0.5}}}
    held.clear()
    yield
    held.set()


@pytest.mark.parametrize("model", [[say("Once upon", hangs=True)], [call("wait")]], ids=["model", "tool"])
def test_a_turn_that_takes_too_long_is_ended_and_the_page_is_told_after_how_long(chat_agent, settings, model):
    agent = chat_agent("slow", model=[*model, say("Here again.")])
    reply = agent.say("Go")
    assert reply.error["code"] == "limit_reached" and "after 0.5 seconds" in reply.error["details"]
    assert not reply.messages[-1]["content"]
    held.set()
    agent.reload()
    assert agent.reply.error == reply.error
    settings.CHAT_AGENTS["slow"]["LIMITS"] = {}
    agent.reset()
    assert agent.say("Again").text == "Here again."


def test_the_time_in_which_the_user_is_asked_does_not_count(chat_agent, settings):
    settings.CHAT_AGENTS["slow"]["LIMITS"] = {"SECONDS": 3}
    agent = chat_agent("slow", model=[call("wait", asks=True), say("Good.")])
    agent.say("Go")
    agent.wait_until(lambda: agent.asked)
    held.wait(4.2)  # longer than the limit, and than the clock that looks for it
    assert agent.answer("yes").text == "Good."
