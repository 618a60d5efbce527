"""What `context` offers, from agents that are asynchronous, use threads, or leave the work to another agent."""

# ruff: noqa: E402
from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import date
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict

from chat.agents.langroid import setup

setup.import_langroid()  # first of all

import langroid as lr

from chat.agents import AgentContext
from chat.models import Conversation
from chat.testing import call, say
from chat.testing.agent import Refused

WAYS = ["coroutine", "thread", "worker of a loop", "sub-agent", "factory of a sub-agent"]


async def odd(context):
    await asyncio.sleep(0)

    def leave(how):
        context.state["ways"] = [*context.state.get("ways", []), how]
        context.state.setdefault("deep", {}).setdefault("er", []).append(how)
        context.conversation.title, context.conversation.folder = f"By {how}", how.title()
        context.sources([{"title": how}])
        context.show(f"shown by {how}")
        with context.step(how) as step:
            step(1, 2)

    class Deep(lr.ToolMessage):
        request: str = "deep"
        purpose: str = "To leave it to a tool of another agent."

        def handle(self):
            leave("sub-agent")
            return "DONE left"

    class Do(lr.ToolMessage):
        request: str = "do"
        purpose: str = "To do it."
        how: str

        async def handle_async(self):
            if self.how == "coroutine":
                leave(self.how)
            elif self.how == "thread":
                thread = threading.Thread(target=leave, args=[self.how])
                thread.start()
                thread.join()
            elif self.how == "worker of a loop":
                await asyncio.to_thread(leave, self.how)
            else:
                if self.how.startswith("factory"):
                    leave(self.how)
                helper = lr.ChatAgent(lr.ChatAgentConfig(name="Helper", llm=context.llm()))
                helper.enable_message(Deep)
                await lr.Task(helper, interactive=False, name="Helper").run_async("do it", turns=4)
            return "done"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(Do)
    return agent


def script(how):
    deep = [call("deep")] if how in WAYS[3:] else []
    return [call("do", how=how), *deep, say("It is [^1].")]


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_AGENTS = {"odd": {"FACTORY": "tests.agents.test_odd_agents.odd"}}


@pytest.mark.parametrize("how", WAYS)
def test_all_of_the_context_works_from_wherever_it_is_used(chat_agent, how):
    agent = chat_agent("odd", model=[*script(how), *script("coroutine")])
    reply = agent.say("Go")
    ways = [how, "sub-agent"] if how.startswith("factory") else [how]
    assert [source["title"] for source in reply.sources] == ways and reply.text == "It is [^1]."
    assert [message["content"] for message in reply.messages if message.get("parts")] == [f"shown by {w}" for w in ways]
    conversation = Conversation.objects.get()
    assert (conversation.title, conversation.folder) == (f"By {ways[-1]}", ways[-1].title())
    agent.reset()
    agent.say("Again")
    states = [turn.state for turn in conversation.messages.filter(kind="user").order_by("seq")]
    assert states == [
        {"ways": ways, "deep": {"er": ways}},
        {"ways": [*ways, "coroutine"], "deep": {"er": [*ways, "coroutine"]}},
    ]


def test_an_agent_sees_what_its_user_has_made_of_title_and_folder_meanwhile(chat_agent, settings):
    settings.CHAT_AGENTS["odd"]["FACTORY"] = "tests.agents.test_odd_agents.filing"
    agent = chat_agent(
        "odd", model=[call("file_it", folder="  Trips \n to\tRome "), call("file_it", folder="x" * 99), "It is."]
    )
    first = agent.say("Where to?")
    Conversation.objects.update(title="My holidays", folder="Mine")  # as the page does it
    assert first.asked and agent.answer("go on").tools[0].result == "Where to? / '' -> My holidays / 'Mine'"
    listed = [event for event in agent.events if event["type"] == "conversation"]
    assert [each["folder"] for each in listed if each["folder"]][-1] == "x" * 60 == Conversation.objects.get().folder
    assert "Trips to Rome" in [each["folder"] for each in listed]


def filing(context):
    class FileIt(lr.ToolMessage):
        request: str = "file_it"
        purpose: str = "To put the conversation into a <folder>."
        folder: str

        def handle(self):
            about = context.conversation
            before = f"{about.title} / {about.folder!r}"
            if self.folder.startswith("x"):
                about.folder = self.folder
                return "done"
            about.folder = self.folder
            context.ask.text("Well?")
            with pytest.raises(TypeError):
                about.folder = None
            return f"{before} -> {about.title} / {about.folder!r}"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(FileIt)
    return agent


class Strict(BaseModel):
    """Takes a day and a tuple from JSON, and from nothing else."""

    model_config = ConfigDict(strict=True)
    born: date
    pair: tuple[int, str]


def asking(context):
    class Enquire(lr.ToolMessage):
        request: str = "enquire"
        purpose: str = "To ask in the ways that take the most."

        def handle(self):
            view = context.ask.choice("Which view?", [{"label": "To the sea", "value": 7}, {"label": "None"}, "other"])
            form = context.ask.form(Strict, "Who?")
            return f"{view} {form.born:%d %B} {form.pair}"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(Enquire)
    return agent


def test_options_with_labels_and_strict_forms_can_be_answered(chat_agent, settings):
    settings.CHAT_AGENTS["odd"]["FACTORY"] = "tests.agents.test_odd_agents.asking"
    agent = chat_agent("odd", model=[call("enquire"), "So."])
    assert agent.say("Go").asked["kind"] == "choice"
    with pytest.raises(Refused, match="not one of the choices"):
        agent.choose("To the sea")
    assert agent.choose(7).asked["kind"] == "form"
    reply = agent.answer(tool_args={"born": "2026-02-03", "pair": [1, "a"]})
    assert reply.tools[0].result == "7 03 February (1, 'a')"


def test_a_state_that_cannot_be_stored_any_more_costs_no_turn(chat_agent, settings):
    settings.CHAT_AGENTS["odd"]["FACTORY"] = "tests.agents.test_odd_agents.endless"
    agent = chat_agent("odd", model=[call("dig"), say("Dug.")])
    assert agent.say("Go").text == "Dug."


def endless(context):
    class Dig(lr.ToolMessage):
        request: str = "dig"
        purpose: str = "To dig."

        def handle(self):
            context.state["hole"] = {}
            hole = context.state["hole"]
            for _ in range(100_000):
                hole["deeper"] = hole = {}
            return "dug"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(Dig)
    return agent


# -- shared ------------------------------------------------------------------------------------------------------------


def shared(key, make, **more):
    return AgentContext(conversation_id="c").shared(key, make, **more)


def test_what_could_not_be_made_is_made_by_the_next_and_one_thing_may_need_another():
    key = str(uuid4())
    with pytest.raises(ZeroDivisionError):
        shared(key, lambda: 1 / 0)
    assert shared(key, lambda: [shared(key + "inner", lambda: 7)]) == [7]
    with pytest.raises(TypeError, match="coroutine"):
        shared(key + "later", lambda: asyncio.sleep(0))
    with pytest.raises(RuntimeError, match="needs itself"):
        shared(key + "self", lambda: shared(key + "self", lambda: 1))


def test_what_is_shared_is_closed_when_the_process_ends():
    code = """
from chat.agents.state import shared
async def close_later(thing): print("closed later", thing)
def fail(thing): raise OSError
shared("a", lambda: 1, lambda thing: print("closed", thing))
shared("b", lambda: 2, fail)
shared("c", lambda: 3, close_later)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.split("\n")[:-1] == ["closed later 3", "closed 1"]
    assert "could not be closed" in ended.stderr
