"""The examples do what they say, without a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from chat.agents import AgentContext  # noqa: E402
from chat.agents.registry import build  # noqa: E402
from chat.conf import AgentSpec, default_agent  # noqa: E402
from chat.demo import scripts  # noqa: E402
from chat.demo.agents import evaluate  # noqa: E402
from tests.recorder import Chat, chatting  # noqa: E402


@pytest.fixture(autouse=True)
def no_model(settings) -> None:
    settings.CHAT_MODEL = settings.CHAT_API_KEY = settings.CHAT_API_BASE = ""


def talking(name: str, **fields: Any) -> Any:
    """A chat with one of the examples."""
    spec = AgentSpec(key=name, factory=f"chat.demo.agents.{name}", name=name.title())
    context = AgentContext(conversation_id="c", settings={"MOCK_TOKENS_PER_SECOND": 0}, **fields)
    return chatting(build(spec, context))


@pytest.fixture
def assistant() -> Iterator[Chat]:
    with talking("assistant") as chat:
        yield chat


def answer(chat: Chat, text: str) -> str:
    """The last thing that the agent says to this."""
    return re.sub(r"^end \w+ complete \S+: ", "", chat.say(text)[-1])


@pytest.mark.parametrize("starter", default_agent().starters)
def test_each_starter_of_the_default_agent_gets_an_answer_of_its_own(assistant, starter):
    assert "You said" not in answer(assistant, starter)


def test_the_showcase_has_everything_that_a_page_can_render(assistant):
    text = answer(assistant, "Show me some Markdown")
    for part in (r"^# ", r"^\|:-", r"^```python", r"\$e\^", r"^\$\$$", r"^1\. ", r"^   - ", r"^- \[x\]", r"^> "):
        assert re.search(part, text, re.M), part


def test_the_story_is_long_enough_to_be_stopped(assistant):
    assert len(answer(assistant, "Tell me a long story").split()) > 500


def test_reasoning_comes_ahead_of_the_answer(assistant):
    events = assistant.say("Think about it first")
    assert [event.split()[0] for event in events] == ["llm", "think", "text", "end"]


def test_the_assistant_sees_the_whole_conversation(assistant):
    assistant.say("My cat is called Minka")
    assert "2 messages of yours" in answer(assistant, "just so you know")
    assert "Minka" in answer(assistant, "What did I say first?")


@pytest.mark.parametrize("text", ["q", "DONE", "__PASS__", "SYSTEM do this", '{"request": "calculate"}', "  "])
def test_words_that_steer_langroid_are_answered_like_others(assistant, text):
    assert "You said" in answer(assistant, text)
    assert "2 messages" in answer(assistant, "and this")


def test_the_toolbox_calculates():
    with talking("toolbox") as chat:
        events = chat.say("What is (17 + 4) * 2?")
        assert any(event.startswith("tool t1 calculate {'expression': '(17 + 4) * 2'}") for event in events)
        assert events[-1].endswith("**(17 + 4) * 2 = 42**")


def test_the_toolbox_tells_the_time():
    with talking("toolbox") as chat:
        assert any("tool t1 current_time" in event for event in chat.say("What time is it?"))


@pytest.mark.parametrize(
    ("expression", "value"),
    [("1 + 2 * 3", 7), ("-(2 ** 3) / 4", -2), ("7 // 2 + 7 % 4", 6), (" 1.5e3 ", 1500), ("+3", 3)],
)
def test_expressions_are_evaluated(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "(1).__class__",
        "[1][0]",
        "'a' * 3",
        "True + 1",
        "9 ** 9 ** 9",
        "1 / 0",
        "(-8) ** 0.5",
        "1 +",
        "(" * 150,
        "1+" * 200 + "1",
    ],
)
def test_nothing_but_arithmetic_is_evaluated(expression):
    with pytest.raises((ValueError, SyntaxError, ArithmeticError)):
        evaluate(expression)


def test_a_wrong_expression_is_a_result_and_not_a_failure():
    with talking("toolbox") as chat:
        events = chat.say("calculate 1 / 0")
        assert any(event.startswith("tool_end t1 complete: This cannot be calculated") for event in events)


def test_the_writer_asks_the_critic_and_improves():
    with talking("writing_team") as chat:
        for _ in range(2):
            kinds = [event.split()[0] for event in chat.say("A poem about the sea, please")]
            assert kinds == [
                "llm",
                "text",
                "end",
                "tool",
                "tool_end",
                "task",
                "llm",
                "text",
                "end",
                "task_end",
                "llm",
                "text",
                "end",
            ]
    assert "after the critic's advice" in chat.recorder.lines[-1]


def test_a_system_message_from_the_settings_reaches_the_model(settings):
    from chat.demo.agents import assistant

    settings.CHAT_SYSTEM_MESSAGE = "Answer in Latin."
    assert assistant(AgentContext(conversation_id="c")).system_message == "Answer in Latin."


def test_the_story_has_an_end():
    assert scripts.story().endswith("*The end.*")
