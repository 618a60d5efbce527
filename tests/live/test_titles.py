"""The title that the site's model gives a conversation after its first turn."""

from __future__ import annotations

import threading
import time

import pytest

from chat.agents import titles
from chat.live import titles as live
from chat.models import ChatSession, Conversation
from chat.observer import Usage
from chat.testing import say
from tests.pace import SLACK


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_AGENTS = {"plain": {"FACTORY": "tests.server_agents.plain"}}
    settings.CHAT_TITLES = True


@pytest.fixture
def model(monkeypatch):
    """What the site's model answers, once `may_answer`; `asked` tells of each question."""

    class Model:
        def __init__(self) -> None:
            self.asked: list[tuple[str, str]] = []
            self.may_answer = threading.Event()
            self.answer: tuple[str, Usage] | Exception = ("Sums of lists", Usage(prompt_tokens=60, completion_tokens=4))

        def __call__(self, question: str, answer: str) -> tuple[str, Usage]:
            self.asked.append((question, answer))
            assert self.may_answer.wait(30)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    model = Model()
    monkeypatch.setattr(titles, "title_for", model)
    yield model
    model.may_answer.set()


def ended() -> None:
    """Wait until no title is asked for any more."""
    limit = time.monotonic() + 30 * SLACK
    while any(thread.name.startswith("title-") for thread in threading.enumerate()):
        assert time.monotonic() < limit
        time.sleep(0.01)


def title_of(agent) -> str:
    return Conversation.objects.get(id=agent.id).title


def test_it_takes_the_place_of_the_first_words_and_no_turn_waits_for_it(chat_agent, model):
    agent = chat_agent("plain", model=[say("With sum()."), say("Yes.")])
    agent.say("How do I sum a list in Python?")
    agent.say("Really?")
    assert title_of(agent) == "How do I sum a list in Python?"
    model.may_answer.set()
    ended()
    assert title_of(agent) == "Sums of lists"
    assert model.asked == [("How do I sum a list in Python?", "With sum().")]
    used = ChatSession.objects.get(conversation=agent.id)
    assert used.prompt_tokens >= 60 and used.turns == 2


def test_a_title_of_the_user_s_own_stays(chat_agent, model):
    agent = chat_agent("plain", model=[say("With sum().")])
    agent.say("How do I sum a list?")
    agent.wait_until(lambda: model.asked)
    Conversation.objects.filter(id=agent.id).update(title="Mine")
    model.may_answer.set()
    ended()
    assert title_of(agent) == "Mine"


@pytest.mark.parametrize("answer", [("", Usage()), ConnectionError("away")], ids=["nothing", "a failure"])
def test_without_an_answer_the_first_words_stay(chat_agent, model, answer):
    model.answer = answer
    model.may_answer.set()
    agent = chat_agent("plain", model=[say("With sum()."), say("Yes.")])
    agent.say("How do I sum a list?")
    agent.wait_until(lambda: model.asked)
    ended()
    assert title_of(agent) == "How do I sum a list?"
    assert agent.say("Really?").text == "Yes."


def test_where_it_is_not_wanted_no_model_is_asked(chat_agent, model, settings):
    settings.CHAT_TITLES = False
    agent = chat_agent("plain", model=[say("With sum().")])
    agent.say("How do I sum a list?")
    ended()
    assert model.asked == []


def test_a_slow_model_takes_few_threads_and_the_others_keep_their_words(chat_agent, model, monkeypatch):
    monkeypatch.setattr(live, "_places", threading.BoundedSemaphore(1))
    named, other = (chat_agent("plain", model=[say("Yes.")]) for _ in range(2))
    named.say("Who asks first?")
    other.say("And who is late?")
    model.may_answer.set()
    ended()

    assert [question for question, _ in model.asked] == ["Who asks first?"]
    assert (title_of(named), title_of(other)) == ("Sums of lists", "And who is late?")
    assert live._places.acquire(blocking=False)  # it has been given back


def test_the_site_s_model_is_asked_once_and_briefly(stub, settings):
    settings.CHAT_API_BASE, settings.CHAT_API_KEY, settings.CHAT_MODEL = stub.url, "sk-none", "gpt-4o-mini"
    settings.CHAT_MOCK_MODEL = False
    title, usage = titles.title_for('What? [[text="\\"The sum of it.\\""]]', "This.")
    assert title == "The sum of it" and usage.prompt_tokens
    settings.CHAT_MOCK_MODEL = True
    assert titles.title_for("What?", "This.") is None
