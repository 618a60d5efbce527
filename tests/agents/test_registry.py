"""From the settings to a task that is ready to run, and to a model's configuration."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat.agents.langroid import setup

langroid = setup.import_langroid()

from chat.agents import AgentContext  # noqa: E402
from chat.agents.llm import OUTPUT_TOKENS, llm_config, uses_mock_model  # noqa: E402
from chat.agents.mock_model import MockConfig, MockModel, Reply  # noqa: E402
from chat.agents.registry import build, request_of  # noqa: E402
from chat.conf import AgentSpec  # noqa: E402
from chat.exceptions import AgentUnavailable  # noqa: E402
from chat.observer import Answer, Question  # noqa: E402
from tests.langroid_agents import mock_agent as scripted  # noqa: E402
from tests.recorder import chatting  # noqa: E402
from tests.stub_llm import StubServer  # noqa: E402

made: dict[str, Callable[[AgentContext], Any]] = {}


def factory(context: AgentContext) -> Any:
    """The factory that the tests name; it does what the test wants."""
    return made["factory"](context)


SPEC = AgentSpec(key="poet", factory="tests.agents.test_registry.factory", name="Poet")


def context(**fields: Any) -> AgentContext:
    return AgentContext(conversation_id="c", **fields)


def built(function: Callable[[AgentContext], Any], **fields: Any) -> Any:
    made["factory"] = function
    return build(SPEC, context(**fields))


def mock_agent(**config: Any) -> Any:
    return langroid.ChatAgent(langroid.ChatAgentConfig(llm=MockConfig(tokens_per_second=0), **config))


@pytest.fixture(autouse=True)
def no_model(settings) -> None:
    """Whatever the environment of the tests has."""
    settings.CHAT_MODEL = settings.CHAT_API_KEY = settings.CHAT_API_BASE = ""
    settings.CHAT_MOCK_MODEL = False


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with StubServer() as stub:
        yield stub


@pytest.fixture
def stub(server: StubServer, settings) -> StubServer:
    """The configured model is the stub."""
    server.wait(open=0)
    server.reset()
    settings.CHAT_MODEL, settings.CHAT_API_KEY, settings.CHAT_API_BASE = "stub", "secret", server.url
    return server


# -- factories ---------------------------------------------------------------------------------------------------------


def test_an_agent_becomes_a_task_with_the_name_that_people_see():
    task = built(lambda context: mock_agent())
    assert isinstance(task, langroid.Task)
    assert (task.name, task.agent.config.name) == ("Poet", "Poet")


def test_a_name_of_the_developers_own_is_kept():
    assert built(lambda context: mock_agent(name="Ann")).agent.config.name == "Ann"


def test_a_task_is_taken_as_it_is():
    given = []
    task = built(lambda context: given.append(langroid.Task(mock_agent(name="Ann"))) or given[0])
    assert task is given[0]


def test_a_factory_gets_what_it_needs_to_know():
    seen = []
    fields = {"user": "alice", "history": (1, 2), "settings": {"TONE": "dry"}, "resources": {"index": 1}}
    built(lambda context: seen.append(context) or mock_agent(), **fields)
    (context,) = seen
    assert (context.conversation_id, context.user, context.history) == ("c", "alice", (1, 2))
    assert (context.settings, context.resources, context.agent) == ({"TONE": "dry"}, {"index": 1}, "Poet")


def test_resources_are_shared_with_who_made_the_context():
    resources: dict[str, Any] = {}
    built(lambda context: context.resources.setdefault("index", "costly") and mock_agent(), resources=resources)
    assert resources == {"index": "costly"}


def raising(error: BaseException) -> Callable[[AgentContext], Any]:
    def function(context: AgentContext) -> Any:
        raise error

    return function


@pytest.mark.parametrize(
    "function",
    [
        raising(RuntimeError("a secret")),
        raising(SystemExit(1)),
        raising(KeyboardInterrupt()),
        raising(GeneratorExit()),
        raising(asyncio.CancelledError()),
        raising(BaseException("a panic in Rust")),
        lambda context: "not an agent",
        lambda context: None,
        lambda context: langroid.Agent(langroid.agent.base.AgentConfig(llm=MockConfig())),
    ],
)
def test_a_factory_that_fails_makes_the_agent_unavailable_and_logs_the_cause(function, caplog):
    with caplog.at_level(logging.ERROR, "chat.agents"), pytest.raises(AgentUnavailable) as caught:
        built(function)

    assert "secret" not in caught.value.details
    assert caught.value.incident in caplog.text
    assert caught.value.__cause__ is not None
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("path", ["tests.agents.test_registry.no_such", "no.such.module", "factory"])
def test_a_path_that_leads_nowhere_makes_the_agent_unavailable(path):
    with pytest.raises(AgentUnavailable):
        build(AgentSpec(key="a", factory=path, name="A"), context())


def test_an_agent_is_not_given_to_two_users():
    shared = mock_agent()
    built(lambda context: shared)
    with pytest.raises(AgentUnavailable) as caught:
        built(lambda context: shared)
    assert "another user's history" in str(caught.value.__cause__)


def test_without_sub_tasks_no_word_steers_the_task():
    task = built(lambda context: mock_agent())
    assert task.config.recognize_string_signals is False
    assert task.agent.config.recognize_recipient_in_content is False


def test_a_task_that_runs_by_itself_is_heard_when_it_says_that_it_is_done():
    task = built(lambda context: langroid.Task(mock_agent(), interactive=False))
    assert task.config.recognize_string_signals is True


def test_with_sub_tasks_words_steer_as_langroid_documents():
    def team(context: AgentContext) -> Any:
        task = langroid.Task(mock_agent(name="Boss"))
        task.add_sub_task(langroid.Task(mock_agent(name="Worker")))
        return task

    task = built(team)
    assert task.config.recognize_string_signals is True
    assert task.agent.config.recognize_recipient_in_content is True


def test_what_the_developer_has_set_is_kept():
    def own(context: AgentContext) -> Any:
        agent = mock_agent(recognize_recipient_in_content=True, context_overflow_strategy="truncate")
        return langroid.Task(agent, config=langroid.TaskConfig(recognize_string_signals=True))

    task = built(own)
    assert task.config.recognize_string_signals is True
    assert task.agent.config.recognize_recipient_in_content is True
    assert task.agent.config.context_overflow_strategy == "truncate"


def test_a_config_that_tasks_share_is_not_changed():
    shared = langroid.TaskConfig()
    built(lambda context: langroid.Task(mock_agent(), config=shared))
    assert shared.recognize_string_signals is True


def test_a_history_survives_the_start_of_the_task():
    from langroid.language_models.base import LLMMessage, Role

    seen = []
    llm = MockConfig(script=lambda messages: seen.append(len(messages)) or "Yes.", tokens_per_second=0)
    task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=llm)))
    task.agent.init_message_history()
    task.agent.message_history += [
        LLMMessage(role=Role.USER, content="a"),
        LLMMessage(role=Role.ASSISTANT, content="b"),
    ]
    with chatting(task) as chat:
        chat.say("c")
    assert seen == [4]  # with the system message


def test_each_run_has_a_request_of_its_own():
    task = built(lambda context: mock_agent())
    assert request_of(task) is not request_of(task)


# -- questions ---------------------------------------------------------------------------------------------------------


def test_a_tool_asks_through_its_context():
    asked: list[Question] = []
    here = context(asker=lambda question: asked.append(question) or Answer(content="red", choice="red"), agent="Poet")

    answer = here.ask("Which?", kind="choice", options=["red", "blue"], timeout_seconds=5)

    assert answer == Answer(content="red", choice="red")
    expected = Question(prompt="Which?", agent="Poet", kind="choice", options=("red", "blue"), timeout_seconds=5)
    assert asked == [expected]


def test_a_question_comes_from_the_agent_whose_tool_asks():
    asked: list[Question] = []

    def factory(context: AgentContext) -> Any:
        class Ask(langroid.ToolMessage):
            request: str = "ask"
            purpose: str = "To ask."

            def handle(self) -> str:
                return context.ask("Which?").content

        helper = scripted(lambda text: '{"request": "ask"}', name="Helper")
        helper.enable_message(Ask)

        class Delegate(langroid.ToolMessage):
            request: str = "delegate"
            purpose: str = "To delegate."

            def handle(self) -> str:
                return langroid.Task(helper, interactive=False).run("go", turns=2).content

        boss = scripted(lambda text: '{"request": "delegate"}' if text == "go" else "fine", name="Boss")
        boss.enable_message(Delegate)
        return boss

    with chatting(built(factory, asker=lambda question: asked.append(question) or Answer(content="red"))) as chat:
        chat.say("go")
    assert [question.agent for question in asked] == ["Helper"]


def test_without_a_session_nobody_answers():
    assert context().ask("Which?") is None


# -- the model ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "is_mock"),
    [
        ({}, True),
        ({"CHAT_MODEL": "gpt-4o"}, True),
        ({"CHAT_API_KEY": "sk-1"}, False),
        ({"CHAT_API_BASE": "http://127.0.0.1:1/v1"}, False),
        ({"CHAT_MODEL": "ollama/llama3"}, False),
        ({"CHAT_MODEL": "local/127.0.0.1:8000/v1"}, False),
        ({"CHAT_API_KEY": "sk-1", "CHAT_MOCK_MODEL": True}, True),
    ],
)
def test_the_mock_model_answers_where_no_model_is_configured(settings, values, is_mock):
    for name, value in values.items():
        setattr(settings, name, value)
    assert uses_mock_model() is is_mock
    assert isinstance(llm_config(), MockConfig) is is_mock


def test_the_settings_reach_the_model(stub, settings):
    settings.CHAT_TEMPERATURE, settings.CHAT_STREAM = 0.7, False
    agent = langroid.ChatAgent(langroid.ChatAgentConfig(llm=llm_config(), system_message="Be short."))

    assert agent.llm_response("[[tokens=2]]").content == "a small"

    sent = stub.last()
    assert (sent["model"], sent["temperature"], sent.get("stream", False)) == ("stub", 0.7, False)
    assert sent["messages"][0]["content"].startswith("Be short.")
    assert agent.llm.client.api_key == "secret"
    assert agent.llm.cache is None


def test_the_environment_does_not_overrule_the_settings(stub, monkeypatch):
    for name, value in {"API_KEY": "other", "API_BASE": "http://other.invalid", "STREAM": "false"}.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    config = llm_config()
    assert (config.api_key, config.api_base, config.stream) == ("secret", stub.url, True)


def test_no_key_of_the_environment_goes_to_another_server(settings, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai")
    settings.CHAT_API_BASE = "http://127.0.0.1:1/v1"
    assert llm_config().api_key != "sk-for-openai"


def test_single_values_can_differ(stub):
    config = llm_config(chat_model="stub:tokens=1", temperature=0.9)
    assert (config.chat_model, config.temperature, config.api_base) == ("stub:tokens=1", 0.9, stub.url)


def test_a_timeout_may_be_less_than_a_second(stub, settings):
    settings.CHAT_MODEL_TIMEOUT_SECONDS = settings.CHAT_MODEL_FIRST_BYTE_SECONDS = 0.25
    task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=context.llm())))
    start = time.monotonic()
    with chatting(task) as chat:
        events = chat.say("[[hang=60]]")
    assert "error - llm_timeout" in events[-1]
    assert time.monotonic() - start < 5
    assert stub.stats().requests == 1


def test_a_model_may_think_for_longer_before_it_answers_than_in_mid_answer(stub, settings):
    settings.CHAT_MODEL_TIMEOUT_SECONDS, settings.CHAT_MODEL_FIRST_BYTE_SECONDS = 0.5, 60
    task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=context.llm())))
    with chatting(task) as chat:
        assert chat.say("[[hang=1.5 tokens=1]]")[-1].endswith("complete stop: a")
        assert "error cut llm_timeout" in chat.say("[[stall=2:60 tokens=9]]")[-1]


def test_a_server_that_takes_no_connection_is_reported_in_time_and_tried_again(settings, monkeypatch):
    monkeypatch.setattr("chat.agents.llm.RETRY_SECONDS", 0.01)
    settings.CHAT_MODEL_CONNECT_SECONDS = 0.5
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # the queue is full then, and who comes now hears nothing
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        settings.CHAT_API_BASE = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=context.llm())))
        start = time.monotonic()
        with chatting(task) as chat:
            assert "llm_timeout" in chat.say("hello")[-1]
        took = time.monotonic() - start

    assert 1.0 <= took < 10  # twice the time for a connection


def test_a_failed_call_is_tried_again_as_often_as_configured(stub, settings, monkeypatch):
    monkeypatch.setattr("chat.agents.llm.RETRY_SECONDS", 0.01)
    settings.CHAT_MODEL_RETRIES = 2
    task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=context.llm())))
    with chatting(task) as chat:
        assert "llm_unavailable" in chat.say("[[error=500]]")[-1]
        assert stub.stats().requests == 3
        assert chat.say("[[error=503 errors=1 then.tokens=1 tokens=1]]")[-1].endswith("complete stop: a")


def test_a_dead_server_is_reported_in_time(settings):
    """Refused connections, with the default settings; a silent server is asked once."""
    settings.CHAT_API_BASE = "http://127.0.0.1:1/v1"
    task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=context.llm())))
    start = time.monotonic()
    with chatting(task) as chat:
        assert "llm_unavailable" in chat.say("hello")[-1]
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("unit", ["words ", "零"], ids=["words", "no-blanks"])
def test_a_long_history_loses_its_oldest_turns(stub, settings, unit):
    settings.CHAT_CONTEXT_TOKENS = 1000
    task = built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=context.llm(), system_message="S")))
    with chatting(task) as chat:
        for number in range(6):
            assert "complete stop" in chat.say(f"turn {number} [[tokens=1]] " + unit * (200 * 6 // len(unit)))[-1]
    texts = [message["content"] for message in stub.last()["messages"]]
    assert texts[0].startswith("S")
    assert "turn 5" in texts[-1]
    assert not any("turn 0" in text for text in texts)
    assert stub.last()["max_tokens" if "max_tokens" in stub.last() else "max_completion_tokens"] == OUTPUT_TOKENS


def test_a_plain_agent_of_a_developers_own_is_stopped_at_once(stub):
    """Also one that a tool makes, with a model config that is not ours."""
    from langroid.language_models.openai_gpt import OpenAIGPTConfig

    def plain_llm() -> Any:
        return OpenAIGPTConfig(chat_model="stub", api_base=stub.url, api_key="x", chat_context_length=16000)

    class Nested(langroid.ToolMessage):
        request: str = "nested"
        purpose: str = "To ask another agent."

        def handle(self) -> str:
            inner = langroid.ChatAgent(langroid.ChatAgentConfig(name="Inner", llm=plain_llm()))
            langroid.Task(inner, interactive=False, single_round=True).run("[[hang=60]]")
            return "done"

    def outer(context: AgentContext) -> Any:
        agent = langroid.ChatAgent(langroid.ChatAgentConfig(llm=plain_llm()))
        agent.enable_message(Nested)
        return agent

    with chatting(built(outer)) as chat:
        chat.begin("[[tool=nested json=1]]")
        stub.wait(requests=2, open=1)
        start = time.monotonic()
        chat.stop()
        chat.rest()
        assert time.monotonic() - start < 0.5
        assert stub.wait(open=0).aborted == 1
        assert chat.say("[[tokens=1]]")[-1].endswith("complete stop: a")


def test_agents_share_the_connections_of_a_model(stub):
    first, second = (langroid.ChatAgent(langroid.ChatAgentConfig(llm=llm_config())) for _ in range(2))
    assert first.llm.client is second.llm.client
    assert first.llm is not second.llm


# -- the mock model ----------------------------------------------------------------------------------------------------


def heard(config: MockConfig, text: str = "hi") -> tuple[Any, list[tuple[str, str]]]:
    """The response to a text, and the tokens that were streamed."""
    model, tokens = MockModel(config), []
    model.config.streamer = lambda token, event: tokens.append((event.name, token))
    return model.chat(text), tokens


def test_the_mock_model_streams_its_thoughts_and_its_text():
    config = MockConfig(
        script=lambda messages: Reply("Four,  obviously.\n", reasoning="Two and two."), tokens_per_second=0
    )
    response, tokens = heard(config)
    assert "".join(token for event, token in tokens if event == "TEXT") == "Four,  obviously.\n" == response.message
    assert "".join(token for event, token in tokens if event == "REASONING") == "Two and two." == response.reasoning
    assert len(tokens) > 5
    assert (response.finish_reason, response.usage.completion_tokens) == ("stop", len(tokens))


def test_the_mock_model_takes_its_time():
    start = time.monotonic()
    heard(MockConfig(script=lambda messages: "one two three four", tokens_per_second=50))
    assert 0.15 < time.monotonic() - start < 5


def test_the_mock_model_does_not_stream_when_told_so(settings):
    settings.CHAT_STREAM = False
    response, tokens = heard(context(settings={"MOCK_TOKENS_PER_SECOND": 0}).llm(mock=lambda messages: "All at once."))
    assert (response.message, tokens) == ("All at once.", [])


def test_the_mock_model_takes_no_fields_from_the_environment(monkeypatch):
    for name in ("STREAM", "TYPE", "TIMEOUT", "SCRIPT"):
        monkeypatch.setenv(name, "not-for-you")
    assert MockConfig().type == "mock"


def test_a_stopped_mock_model_keeps_its_text():
    llm = MockConfig(script=lambda messages: "word " * 500, tokens_per_second=100)
    with chatting(built(lambda context: langroid.ChatAgent(langroid.ChatAgentConfig(llm=llm)))) as chat:
        chat.begin("go")
        chat.recorder.wait_for("text m1 word word")
        start = time.monotonic()
        chat.stop()
        events = chat.rest()
    assert time.monotonic() - start < 0.3
    assert events[-1].startswith("end m1 stopped -: word word")
    assert len(events[-1]) < 2000


async def test_the_mock_model_answers_asynchronously_too():
    model = MockModel(MockConfig(script=lambda messages: Reply("Four."), tokens_per_second=0))
    assert (await model.achat("two and two?")).message == "Four."
