# ruff: noqa: E402
"""The streaming path of our own gives Langroid what the SDK's gives it: the same cases through both, field by field."""

from __future__ import annotations

import gc
import json
import random
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

import httpx2
import openai
from langroid.language_models.base import LLMMessage, OpenAIToolSpec, RetryParams, Role
from langroid.language_models.openai_gpt import OpenAIGPT, OpenAIGPTConfig

from chat.agents.provider import stream

ORIGINAL = OpenAIGPT._chat_completions_with_backoff_body
ALONE = "<"

_FUNCTION = {"name": "square", "description": "Squares.", "parameters": {"type": "object"}}
SQUARE = OpenAIToolSpec(type="function", function=_FUNCTION)


def fast(llm: OpenAIGPT, **kwargs: Any) -> Any:
    return stream.request(lambda *_, **__: pytest.fail("the fast path stepped aside"), llm, kwargs, pace=lambda: 0.04)


class Model:
    """An LLM whose server answers these bytes, in these parts, and keeps what it was asked."""

    def __init__(self, parts: Sequence[bytes], *, status: int = 200, cut: bool = False, **config: Any) -> None:
        self.requests: list[httpx2.Request] = []
        self.bodies: list[weakref.ref[_Body]] = []
        self.streamed: list[tuple[str, str]] = []
        self._parts, self._status, self._cut = parts, status, cut
        options = {"chat_model": "stub", "api_key": "sk-x", "api_base": "http://stub/v1", "cache_config": None}
        options["retry_params"] = RetryParams(max_retries=0)
        self.llm = OpenAIGPT(OpenAIGPTConfig(**(options | config), stream=True))
        self.llm.config.streamer = lambda text, kind: self.streamed.append((kind.value, text))
        http = httpx2.Client(transport=httpx2.MockTransport(self._answer))
        self.llm.client = openai.OpenAI(api_key="sk-x", base_url="http://stub/v1", http_client=http, max_retries=0)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        body = _Body(self._parts, self._cut)
        self.bodies.append(weakref.ref(body))
        return httpx2.Response(self._status, headers={"content-type": "text/event-stream"}, stream=body)

    def chat(self, messages: list[LLMMessage] | None = None, **options: Any) -> dict[str, Any]:
        messages = messages or [LLMMessage(role=Role.USER, content="hello")]
        return self.llm.chat(messages, max_tokens=100, **options).model_dump()

    def thoughts_and_text(self) -> dict[str, str]:
        """What was streamed, by its kind."""
        found: dict[str, str] = {}
        for kind, text in self.streamed:
            found[kind] = found.get(kind, "") + (text or "")
        return found


class _Body(httpx2.SyncByteStream):
    def __init__(self, parts: Sequence[bytes], cut: bool) -> None:
        self._parts, self._cut = parts, cut

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if self._cut:
            raise httpx2.RemoteProtocolError("cut")


def both(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """The outcome of the same answer on the fast path and on the SDK's: response or error, and what was streamed."""
    outcomes = []
    for body in (fast, ORIGINAL):
        monkeypatch.setattr(OpenAIGPT, "_chat_completions_with_backoff_body", body)
        model = Model(*arguments, **options)
        try:
            outcome: Any = model.chat(tools=[SQUARE])
        except Exception as error:
            outcome = type(error).__name__, str(error)
        outcomes.append((outcome, model.thoughts_and_text(), len(model.requests)))
    return outcomes[0], outcomes[1]


def event(delta: Any = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    value = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def call(index: int, **fields: Any) -> bytes:
    return event({"tool_calls": [{"index": index, **fields}]})


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 2}}
HELLO = [event({"role": "assistant", "content": ""}), event({"content": "Hello"}), event({"content": " wörld ✓"})]
END = [event({}, "stop"), event(usage=USAGE), DONE]
SQUARES = [
    call(0, id="call_1", type="function", function={"name": "square", "arguments": ""}),
    call(0, function={"arguments": '{"n":'}),
    call(0, function={"arguments": " 3}"}),
    call(1, id="call_2", type="function", function={"name": "square", "arguments": '{"n": 4}'}),
    event({}, "tool_calls"),
    event(usage=USAGE),
    DONE,
]

ANSWERS = {
    "text": [*HELLO, *END],
    "no usage": [*HELLO, event({}, "stop"), DONE],
    "usage in each event": [event({"content": "a"}, usage=USAGE), event({"content": "b"}, "stop", usage=USAGE), DONE],
    "usage null": [event({"content": "a"}, usage=None), *END],
    "empty": [event({"role": "assistant", "content": ""}), *END],
    "nothing": [],
    "only done": [DONE],
    "length": [*HELLO, event({}, "length"), event(usage=USAGE), DONE],
    "content filter": [*HELLO, event({}, "content_filter"), DONE],
    "finish with the last text": [event({"content": "a"}), event({"content": "b"}, "stop"), DONE],
    "null content": [event({"role": "assistant", "content": None}), *HELLO, *END],
    "null delta": [event({"content": "a"}), event(delta={}), event({"content": "b"}), *END],
    "azure's first": [event(prompt_filter_results=[]), *HELLO, *END],
    "refusal": [event({"refusal": "no"}), event({"content": "a"}), *END],
    "reasoning content": [event({"reasoning_content": "hm "}), event({"reasoning_content": "so"}), *HELLO, *END],
    "reasoning": [event({"reasoning": "hm "}), event({"reasoning": "so", "content": ""}), *HELLO, *END],
    "reasoning and text": [event({"reasoning_content": "hm", "content": "a"}), *HELLO, *END],
    "inline thoughts": [event({"content": t}) for t in ("<think>", "hm ", "so", "</think>", "The ", "text")] + END,
    "thoughts in one": [event({"content": "<think>hm</think>text"}), *END],
    "split delimiter": [event({"content": t}) for t in ("<th", "ink>", "hm", "</th", "ink>", "text")] + END,
    "thoughts twice": [event({"content": t}) for t in ("<think>", "a", "</think>", "b", "<think>", "c", "</think>")]
    + END,
    "less than": [event({"content": t}) for t in ("if a ", "<", " b", " then")] + END,
    "tools": SQUARES,
    "text and tools": [*HELLO, *SQUARES],
    "tools null": [event({"content": "a", "tool_calls": None}), event({"content": "b", "tool_calls": None}), *END],
    "tool arguments wrong": [
        call(0, id="call_1", type="function", function={"name": "square", "arguments": "[1"}),
        event({}, "tool_calls"),
        DONE,
    ],
    "function call": [
        event({"function_call": {"name": "square", "arguments": ""}}),
        event({"function_call": {"arguments": '{"n": 3}'}}),
        event({}, "function_call"),
        DONE,
    ],
    "error at once": [b'data: {"error": {"message": "no capacity", "code": 503}}\n\n'],
    "error as text": [b'data: {"error": "no capacity"}\n\n'],
    "error later": [*HELLO, b'data: {"error": {"message": "no capacity"}}\n\n'],
    "not json": [*HELLO, b"data: {oops\n\n", *END],
    "not json at once": [b"data: {oops\n\n"],
    "not utf-8": [*HELLO, b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n', *END],
    "a list": [*HELLO, b"data: []\n\n", *END],
    "no choices": [*HELLO, b'data: {"id": "x"}\n\n', *END],
    "choices null": [*HELLO, b'data: {"choices": null}\n\n', *END],
    "comments": [b": ping\n\n", HELLO[1], b": ping\n\n", HELLO[2], *END],
    "event names": [b"event: chunk\n" + part for part in (*HELLO, *END)],
    "no blank": [part.replace(b"data: ", b"data:") for part in (*HELLO, *END)],
    "crlf": [part.replace(b"\n", b"\r\n") for part in (*HELLO, *END)],
    "cr": [part.replace(b"\n", b"\r") for part in (*HELLO, *END)],
    "data of two lines": [b'data: {"choices":\ndata: [{"delta": {"content": "a"}}]}\n\n', *END],
    "no blank line at the end": [*HELLO, event({}, "stop").strip()],
    "without done": [*HELLO, event({}, "stop"), event(usage=USAGE)],
    "more after done": [*HELLO, event({}, "stop"), DONE, event({"content": "more"})],
    "cut": HELLO,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_langroid_gets_the_same_from_both_paths(name, monkeypatch):
    ours, theirs = both(monkeypatch, ANSWERS[name], cut=name == "cut")

    assert ours == theirs


@pytest.mark.parametrize("name", ["text", "inline thoughts", "tools", "split delimiter", "crlf", "cr", "cut"])
def test_it_does_not_matter_where_the_network_cuts(name, monkeypatch):
    body, chance = b"".join(ANSWERS[name]), random.Random(name)
    whole, _ = both(monkeypatch, ANSWERS[name], cut=name == "cut")
    for _ in range(20):
        cuts = sorted(chance.sample(range(1, len(body)), 12))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

        ours, theirs = both(monkeypatch, parts, cut=name == "cut")

        assert ours == theirs == whole


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_errors_of_the_server_are_those_of_the_sdk(status, monkeypatch):
    ours, theirs = both(monkeypatch, [b'{"error": {"message": "ordered"}}'], status=status)

    assert ours == theirs
    assert isinstance(ours[0], tuple)


def test_the_request_is_the_one_that_the_sdk_makes(monkeypatch):
    history = [LLMMessage(role=Role.SYSTEM, content="Be brief.")]
    for text in ("hällo", "two\nlines", '{"a": [1]}'):
        history += [LLMMessage(role=Role.USER, content=text), LLMMessage(role=Role.ASSISTANT, content=text)]
    history.append(LLMMessage(role=Role.USER, content="and now?"))
    requests = []
    for body in (fast, ORIGINAL):
        monkeypatch.setattr(OpenAIGPT, "_chat_completions_with_backoff_body", body)
        model = Model(ANSWERS["text"], params={"extra_body": {"top_k": 3}, "seed": 1, "stop": ["END"]})
        model.chat(history, tools=[SQUARE])
        requests.append(model.requests[0])

    ours, theirs = requests
    assert json.loads(ours.content) == json.loads(theirs.content)
    assert json.loads(ours.content)["top_k"] == 3
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    differs = {"content-length", "x-stainless-helper"}
    assert {k: v for k, v in ours.headers.items() if k not in differs} == {
        k: v for k, v in theirs.headers.items() if k not in differs
    }


@pytest.mark.parametrize("name", ["text", "tools", "inline thoughts", "more after done", "without done"])
def test_an_answer_leaves_nothing_for_the_garbage_collector(name, monkeypatch):
    """Langroid stops reading before the end. What is left of the request then has the whole history in it."""
    monkeypatch.setattr(OpenAIGPT, "_chat_completions_with_backoff_body", fast)
    model = Model(ANSWERS[name])
    gc.disable()
    try:
        model.chat()
        assert [body() for body in model.bodies] == [None]
    finally:
        gc.enable()


def texts(*parts: str) -> list[dict[str, Any]]:
    return [{"choices": [{"delta": {"content": part}}]} for part in parts]


def test_texts_that_came_together_are_one_event():
    assert list(stream.merged(iter([texts("a", "b"), texts("c")]), alone=ALONE)) == texts("ab", "c")


def test_what_is_more_than_text_stays_apart():
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}

    assert list(stream.merged(iter([[*texts("a", "b"), end, *texts("c")]]), alone=ALONE)) == [
        *texts("ab"),
        end,
        *texts("c"),
    ]


def test_a_possible_delimiter_stays_apart():
    assert list(stream.merged(iter([texts("a", "b", "<", "c", "d")]), alone=ALONE)) == texts("ab", "<", "cd")


@pytest.mark.parametrize("why", ["setting", "client", "no stream", "unknown field", "rate limit"])
def test_it_steps_aside_for_what_it_does_not_know(why, settings):
    llm = Model([]).llm
    kwargs: dict[str, Any] = {"model": "stub", "messages": [], "stream": True}
    assert stream.applies(llm, kwargs)
    match why:
        case "setting":
            settings.CHAT_FAST_STREAM = False
        case "client":
            llm.client = openai.AzureOpenAI(api_key="x", azure_endpoint="http://stub", api_version="1")
        case "no stream":
            kwargs["stream"] = False
        case "unknown field":
            kwargs["unknown"] = 1
        case "rate limit":
            llm.config.rate_limit.enabled = True

    assert stream.request(lambda *_, **__: "the original", llm, kwargs, pace=float) == "the original"
