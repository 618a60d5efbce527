"""Langroid is imported without a trace, and is fit for a server afterwards."""

from __future__ import annotations

import gc
import json
import logging
import os
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from chat.agents.langroid import setup
from chat.agents.langroid.json_scan import MAX_DEPTH, json_candidates
from chat.agents.provider.request import ModelRequest, RequestAborted
from tests.stub_llm import StubServer

langroid = setup.import_langroid()

ROOT = Path(__file__).parents[3]
SECONDS = 60

IMPORT = """
import logging, os, socket, sys, json
from pathlib import Path

def refuse(*args, **kwargs):
    raise AssertionError(f"network: {args}")

socket.socket.connect = socket.getaddrinfo = refuse
mine = logging.StreamHandler()
logging.getLogger().addHandler(mine)
logging.getLogger().setLevel(logging.INFO)
before = dict(os.environ)

from chat.agents.langroid import setup
langroid = setup.import_langroid()
setup.warm()

from langroid.agent.base import AgentConfig
from langroid.utils.configuration import settings
from langroid.utils.object_registry import ObjectRegistry

facts = {
    "handlers": logging.getLogger().handlers == [mine],
    "level": logging.getLogger().level == logging.INFO,
    "environment": dict(os.environ) == before,
    "settings": settings.dict(),
    "key": AgentConfig().llm.api_key,
    "base": AgentConfig().llm.api_base,
    "registry": len(ObjectRegistry.registry),
    "files": sorted(str(path) for path in Path().rglob("*")),
    "threads": __import__("threading").active_count(),
    "same": setup.import_langroid() is langroid,
}
Path(sys.argv[1]).write_text(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> dict[str, Any]:
    """What a process of its own finds after the import, in a directory with an `.env`, without a network."""
    place, result = tmp_path_factory.mktemp("place"), tmp_path_factory.mktemp("result") / "facts.json"
    (place / ".env").write_text("SENTINEL=read\nOPENAI_API_KEY=sk-from-the-file\n")
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "TIKTOKEN_CACHE_DIR": str(place / "nothing"),
        "OPENAI_API_KEY": "sk-from-the-environment",
        "OPENAI_API_BASE": "http://model.invalid/v1",
        "CHAT_MODEL": "gpt-4o",
        "DEBUG": "true",
        "CACHE": "redis://not-a-bool",
    }
    command = [sys.executable, "-c", IMPORT, str(result)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(result.read_text()) | {"stdout": done.stdout, "stderr": done.stderr}


def test_the_import_prints_nothing(imported):
    assert (imported["stdout"], imported["stderr"]) == ("", "")


def test_the_import_leaves_logging_as_it_was(imported):
    assert imported["handlers"] and imported["level"]


def test_the_import_neither_reads_env_files_nor_changes_the_environment(imported):
    assert imported["environment"]


def test_settings_of_others_in_the_environment_are_not_langroids(imported):
    """DEBUG and CHAT_MODEL are names of ours; CACHE is one that Langroid would refuse to start with."""
    settings = imported["settings"]
    assert (settings["debug"], settings["chat_model"], settings["max_turns"]) == (False, "", -1)
    assert (settings["quiet"], settings["cache"], settings["cache_type"]) == (True, False, "none")


def test_agents_without_a_model_of_their_own_still_use_the_environments_key(imported):
    assert imported["key"] == "sk-from-the-environment"
    assert imported["base"] == "http://model.invalid/v1"


def test_the_import_writes_no_file_and_leaves_no_thread_and_no_agent(imported):
    assert imported["files"] == [".env"]
    assert imported["threads"] == 1
    assert imported["registry"] == 0


def test_the_package_is_loaded_once(imported):
    assert imported["same"]


def test_threads_that_load_at_once_get_the_same_package():
    code = """
import threading
from chat.agents.langroid import setup
found = []
threads = [threading.Thread(target=lambda: found.append(setup.import_langroid())) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(found) == 4 and len(set(map(id, found))) == 1
assert all(module.Task.init_loggers is found[0].Task.init_loggers for module in found)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_an_earlier_import_is_reported():
    code = "import langroid; from chat.agents.langroid import setup; setup.import_langroid()"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    stand_ins = "from chat.agents.langroid.setup import provide_encodings; provide_encodings(); "
    done = subprocess.run(
        [sys.executable, "-c", stand_ins + code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "langroid was imported before" in done.stderr


def test_a_real_encoding_is_used_where_its_file_is(tmp_path, monkeypatch):
    import tiktoken.registry

    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / setup._cache_name("o200k_base")).write_bytes(b"")

    missing = setup.provide_encodings()

    assert "cl100k_base" in missing and "o200k_base" not in missing and "o200k_harmony" not in missing


def test_a_stand_in_gives_back_the_text():
    import tiktoken

    text = "Grüße, {weird}  text\n\t🙂"
    encoding = tiktoken.get_encoding("cl100k_base")
    assert encoding.decode(encoding.encode(text)) == text


# -- a running agent ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stub() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


def agent_on(url: str, **fields: Any) -> Any:
    from langroid.language_models.openai_gpt import OpenAIGPTConfig

    llm = OpenAIGPTConfig(chat_model="stub", api_base=url, api_key="x", chat_context_length=16000, **fields)
    return langroid.ChatAgent(langroid.ChatAgentConfig(llm=llm))


def test_a_task_prints_nothing_and_writes_no_files(stub, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    task = langroid.Task(agent_on(stub.url), interactive=False, single_round=True)

    assert task.run("[[tokens=3 think=2]]").content == "a small stub"

    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert task.agent.llm.cache is None


def test_the_flags_that_end_tasks_need_no_redis(stub):
    task = langroid.Task(agent_on(stub.url), interactive=False, single_round=True)
    assert type(task.cache()).__module__ == "chat.agents.langroid.setup"

    task.session_id = "one"
    task.kill()
    assert task._is_kill()
    task._set_alive()
    assert not task._is_kill()


def test_a_failed_call_is_not_logged_by_langroid_with_what_the_server_said(stub, caplog):
    agent = agent_on(stub.url)

    with pytest.raises(openai.AuthenticationError):
        agent.llm_response("[[error=401]]")

    assert not [record for record in caplog.records if "ordered error" in record.getMessage()]


def in_call(function: Any) -> tuple[BaseException | None, float]:
    """Run inside a model call of a session; return the error and the seconds."""
    request, start = ModelRequest(), time.monotonic()
    request.bind()
    try:
        function()
    except BaseException as error:
        return error, time.monotonic() - start
    finally:
        request.release()
    return None, time.monotonic() - start


def test_the_sdk_does_not_retry_inside_langroids_retries(stub):
    from langroid.language_models.base import RetryParams

    agent = agent_on(stub.url, retry_params=RetryParams(max_retries=1, initial_delay=0.01))
    stub.reset()

    error, _ = in_call(lambda: agent.llm_response("[[error=500]]"))

    assert "Maximum number of retries" in str(error)
    assert stub.stats().requests == 2


def test_a_silent_server_is_asked_once(stub):
    from langroid.language_models.base import RetryParams

    agent = agent_on(stub.url, retry_params=RetryParams(max_retries=3, initial_delay=0.01))
    agent.llm.client = agent.llm.client.with_options(timeout=0.3)
    stub.reset()

    error, seconds = in_call(lambda: agent.llm_response("[[hang=60]]"))

    assert isinstance(error, openai.APITimeoutError)
    assert seconds < 2
    assert stub.stats().requests == 1


@pytest.mark.parametrize("directives", ["hang=60", "tokens=3 stall=1:60", "error=503"])
def test_an_agents_call_is_cut_and_not_tried_again(stub, directives):
    """Also while Langroid waits to try a failed call again."""
    from langroid.language_models.base import RetryParams

    agent = agent_on(stub.url, retry_params=RetryParams(max_retries=5, initial_delay=30))
    stub.wait(open=0)
    stub.reset()
    request, outcome, begun = ModelRequest(), [], threading.Event()

    def work() -> None:
        request.bind()
        begun.set()
        try:
            outcome.append(agent.llm_response(f"[[{directives}]]"))
        except RequestAborted as error:
            outcome.append(error)
        finally:
            request.release()

    thread = threading.Thread(target=work)
    thread.start()
    stub.wait(requests=1)
    if "stall" in directives:
        stub.wait(tokens=1)
    if "error" in directives:
        stub.wait(failed=1, open=0)
    start = time.monotonic()
    while thread.is_alive() and time.monotonic() < start + 5:
        request.abort()
        thread.join(0.05)  # the answer to the first request may still be on its way to the client

    assert time.monotonic() - start < 1
    assert stub.wait(open=0).requests == 1
    assert len(outcome) == 1


def test_a_stopped_stream_keeps_its_text(stub):
    agent = agent_on(stub.url)
    stub.reset()
    request, answers, tokens = ModelRequest(), [], queue.Queue()
    agent.callbacks.start_llm_stream = lambda: lambda token, event: tokens.put(token)

    def work() -> None:
        request.bind()
        answers.append(agent.llm_response("[[tokens=100 stall=3:60]]"))
        request.release()

    thread = threading.Thread(target=work)
    thread.start()
    assert [tokens.get(timeout=30) for _ in range(3)] == ["a", " small", " stub"]
    request.abort()
    thread.join(30)

    assert answers[0].content == "a small stub"
    assert answers[0].metadata.finish_reason is None


def test_agents_are_cheap_to_make():
    """Langroid alone makes some 900 schemas for an agent with its default tools."""
    from langroid.agent.tool_message import ToolMessage

    langroid.ChatAgent(langroid.ChatAgentConfig())
    made, original = [], ToolMessage.model_json_schema.__func__

    def counted(cls: type, *args: Any, **kwargs: Any) -> Any:
        made.append(cls)
        return original(cls, *args, **kwargs)

    ToolMessage.model_json_schema = classmethod(counted)
    try:
        langroid.ChatAgent(langroid.ChatAgentConfig())
    finally:
        del ToolMessage.model_json_schema
    assert len(made) < 20


# -- tool calls in texts -----------------------------------------------------------------------------------------------


def pyparsing_candidates(text: str) -> list[str]:
    """Langroid's own search, as langroid 0.69.16, parsing/parse_json.py:37 has it."""
    from pyparsing import nested_expr, original_text_for

    return [found[0] for found in original_text_for(nested_expr("{", "}")).search_string(text)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no braces",
        '{"request": "square", "n": 3}',
        'text {"a": {"b": [1, {"c": "}"}]}} more {"d": 1}',
        'set {x and {"request": "square", "n": 3}',
        'a stray } and {"request": "square"}',
        '{"text": "a \\" quote and a { brace"}',
        '{"text": "two\\nlines"}\n{"b": 2}',
        "{'request': 'square', 'text': 'a } brace'}",
        '"quoted {"a": 1}',
        '{ "unclosed {"request": "square"}',
        'it\'s {"a": 1} and it\'s {"b": 2}',
        '```json\n{\n  "request": "square",\n  "n": 3\n}\n```',
        "{{}} {}",
        "}{",
    ],
)
def test_the_scan_finds_what_langroid_finds(text):
    assert json_candidates(text) == pyparsing_candidates(text)


def test_the_scan_differs_on_few_random_texts():
    alphabet = ["{", "}", '"', " ", "a", "\n", ":", ",", "\\", '{"request": "x"}', "[", "1"]
    generator = random.Random(7)
    texts = ["".join(generator.choices(alphabet, k=generator.randint(1, 14))) for _ in range(3000)]
    different = [text for text in texts if json_candidates(text) != pyparsing_candidates(text)]
    assert len(different) < 10, different


def test_an_apostrophe_does_not_hide_a_tool_call():
    assert json_candidates("""{ it's {"request": "x"} isn't""") == ['{"request": "x"}']


@pytest.mark.parametrize("unit", ["{", "{ ", '{"', "{'", '"{', "}", '{"a":', "{'a ", '"'])
def test_the_scan_takes_linear_time(unit):
    def seconds(length: int) -> float:
        text = unit * (length // len(unit)) + "}"
        times = []
        for _ in range(3):
            start = time.thread_time()
            json_candidates(text)
            times.append(time.thread_time() - start)
        return min(times)

    assert seconds(64_000) < 20 * seconds(8_000) + 0.005  # quadratic: 64 times


def test_groups_that_are_nested_too_deeply_are_no_tool_calls():
    assert json_candidates("{" * MAX_DEPTH + "}" * MAX_DEPTH)
    assert not json_candidates("{" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1))


@pytest.mark.parametrize("text", ['{"a":' + "[" * 500 + "}", "{" * 1000 + "}" * 1000, "{ " * 2000])
def test_what_made_langroid_raise_or_hang_is_no_tool_call(text):
    from langroid.parsing.parse_json import extract_top_level_json

    start = time.monotonic()
    found = extract_top_level_json(text)

    assert all(json.loads(item) is not None for item in found)
    assert time.monotonic() - start < 2


def test_langroid_uses_the_scan():
    from langroid.parsing import parse_json

    assert parse_json.get_json_candidates is json_candidates


def test_langroids_own_search_still_needs_the_scan():
    """When this fails, Langroid has found another way, and `json_scan.py` can go."""
    code = """
from chat.agents.langroid.setup import provide_encodings
provide_encodings()
import inspect
from langroid.parsing import parse_json
assert "nested_expr" in inspect.getsource(parse_json.get_json_candidates)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


def test_the_root_logger_is_ours():
    names = {type(handler).__module__ for handler in logging.getLogger().handlers}
    assert not any(name.startswith("colorlog") for name in names)


def test_the_garbage_collector_looks_at_nothing_of_langroid():
    assert gc.isenabled() and gc.get_freeze_count() > 200_000
    assert not any(each is vars(langroid) for each in gc.get_objects())


# -- what a message costs ----------------------------------------------------------------------------------------------


def test_a_message_costs_its_text_its_tool_calls_and_the_marks_around_it():
    from langroid import ChatAgent, ChatAgentConfig
    from langroid.language_models.base import LLMFunctionCall, LLMMessage, OpenAIToolCall, Role
    from langroid.language_models.mock_lm import MockLMConfig

    agent = ChatAgent(ChatAgentConfig(llm=MockLMConfig()))
    words_alone = ChatAgent._message_num_tokens.__wrapped__
    function = LLMFunctionCall(name="square", arguments={"why": "because " * 100})
    call = OpenAIToolCall(id="1", type="function", function=function)

    def costs(**fields: Any) -> tuple[int, int]:
        message = LLMMessage(role=Role.ASSISTANT, **fields)
        return words_alone(agent, message), agent._message_num_tokens(message)

    assert costs(content="a b c d") == (4, 8)
    assert costs(content="x" * 400) == (1, 104)
    assert costs(content="零" * 100) == (1, 79)
    for fields in ({"tool_calls": [call]}, {"function_call": function}):
        words, tokens = costs(content=None, **fields)
        assert words == 0 and 200 < tokens < 220


def test_a_message_is_counted_again_only_when_it_has_changed(monkeypatch):
    from langroid import ChatAgent, ChatAgentConfig
    from langroid.language_models.base import LLMFunctionCall, LLMMessage, OpenAIToolCall, Role
    from langroid.language_models.mock_lm import MockLMConfig

    agent = ChatAgent(ChatAgentConfig(llm=MockLMConfig()))
    texts, num_tokens = [], agent.parser.num_tokens
    monkeypatch.setattr(agent.parser, "num_tokens", lambda text: texts.append(text) or num_tokens(text))
    message = LLMMessage(role=Role.ASSISTANT, content="one two three")
    before = message.model_dump_json()

    assert [agent._message_num_tokens(message) for _ in range(3)] == [7, 7, 7]
    assert texts == ["one two three"] and message.model_dump_json() == before
    message.content = "one two three four"
    assert agent._message_num_tokens(message.model_copy()) == agent._message_num_tokens(message) == 8
    message.tool_calls = [OpenAIToolCall(id="1", function=LLMFunctionCall(name="a_long_name_of_a_tool"))]
    assert agent._message_num_tokens(message) > 12
