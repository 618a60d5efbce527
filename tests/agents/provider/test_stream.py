# ruff: noqa: E402
"""A request and its stream, read the fast way and by the SDK: one request, one answer, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

import httpx2
import openai
from langroid.language_models.base import LLMMessage, OpenAIToolSpec, RetryParams, Role
from langroid.language_models.openai_gpt import OpenAIGPT, OpenAIGPTConfig

from chat.agents.provider import failures, stream
from chat.agents.provider.answer import Opened
from tests.agents.provider.streams.cases import CASES, DONE, END, HELLO, STOP, event

ORIGINAL = OpenAIGPT._chat_completions_with_backoff_body
ORIGINAL_ASYNC = OpenAIGPT._achat_completions_with_backoff_body

_FUNCTION = {"name": "calculate", "description": "Calculates.", "parameters": {"type": "object"}}
TOOLS = [OpenAIToolSpec(type="function", function=_FUNCTION)]


class Model:
    """An LLM whose server answers these bytes, in these parts, and keeps what it was asked."""

    def __init__(self, parts: Sequence[bytes], *, status: int = 200, cut: bool = False, **config: Any) -> None:
        self.requests: list[httpx2.Request] = []
        self.bodies: list[weakref.ref[_Body]] = []
        self._parts, self._status, self._cut = parts, status, cut
        options = {"chat_model": "stub", "api_key": "sk-x", "api_base": "http://stub/v1", "cache_config": None}
        options["retry_params"] = RetryParams(max_retries=0)
        self.llm = OpenAIGPT(OpenAIGPTConfig(**(options | config), stream=True))
        place = {"api_key": "sk-x", "base_url": "http://stub/v1", "max_retries": 0}
        transport = httpx2.MockTransport(self._answer)
        self.llm.client = openai.OpenAI(**place, http_client=httpx2.Client(transport=transport))
        self.llm.async_client = openai.AsyncOpenAI(**place, http_client=httpx2.AsyncClient(transport=transport))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        body = _Body(self._parts, self._cut)
        self.bodies.append(weakref.ref(body))
        return httpx2.Response(self._status, headers={"content-type": "text/event-stream"}, stream=body)

    def kwargs(self, messages: list[LLMMessage] | None = None) -> dict[str, Any]:
        """The arguments of a request, as Langroid makes them."""
        messages = messages or [LLMMessage(role=Role.USER, content="hello")]
        return self.llm._prep_chat_completion(messages, 100, TOOLS)

    def ask(self, messages: list[LLMMessage] | None = None) -> dict[str, Any]:
        """Ask, read the answer to its end, return all that is known of it."""
        asked, answer = stream.request(ORIGINAL, self.llm, self.kwargs(messages), pace=lambda: 0.04)
        opened = asked[2]
        assert isinstance(opened, Opened)
        for _ in opened.said:
            pass
        return answer.for_langroid()

    async def ask_async(self) -> dict[str, Any]:
        asked, answer = await stream.request_async(ORIGINAL_ASYNC, self.llm, self.kwargs())
        async for _ in asked[2].said:
            pass
        return answer.for_langroid()


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, parts: Sequence[bytes], cut: bool) -> None:
        self._parts, self._cut = parts, cut

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if self._cut:
            raise httpx2.RemoteProtocolError("cut")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


@pytest.fixture(params=["fast", "sdk"])
def way(request: pytest.FixtureRequest, settings) -> str:
    settings.CHAT_FAST_STREAM = request.param == "fast"
    return request.param


def without_ids(found: dict[str, Any]) -> dict[str, Any]:
    """An answer without the ids that are ours."""
    return {**found, "tool_deltas": [{**delta, "id": ""} for delta in found["tool_deltas"]]}


ANSWERS = [name for name, case in CASES.items() if case.status == "complete"]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_asynchronous_answer_is_the_same(name):
    ours = Model(CASES[name].body).ask()
    theirs = asyncio.run(Model(CASES[name].body).ask_async())

    assert without_ids(theirs) == without_ids(ours)


@pytest.mark.parametrize(
    "name", ["control: plain", "control: thoughts", "control: two calls in turns", "text: crlf", "text: no UTF-8"]
)
def test_it_does_not_matter_where_the_network_cuts(name, way):
    body, chance = b"".join(CASES[name].body), random.Random(name)
    whole = Model([body]).ask()
    for _ in range(20):
        cuts = sorted(chance.sample(range(1, len(body)), 12))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

        assert Model(parts).ask() == whole


def test_a_connection_that_breaks_in_mid_answer_is_an_error(way):
    model = Model(HELLO, cut=True)

    with pytest.raises((httpx2.RemoteProtocolError, openai.APIConnectionError)):
        model.ask()


def test_a_connection_that_breaks_after_the_finish_reason_has_lost_nothing(way):
    assert Model([*HELLO, STOP], cut=True).ask()["completion"] == "Hello world."


def test_an_event_that_is_no_json_is_an_error_after_what_came_before(way):
    asked, answer = stream.request(
        ORIGINAL, (model := Model([b"".join([*HELLO, b"data: {oops\n\n", *END])])).llm, model.kwargs(), pace=float
    )

    with pytest.raises(ValueError):
        list(asked[2].said)
    assert answer.text == "Hello world."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_errors_of_the_server_are_those_of_the_sdk(status, way):
    with pytest.raises(openai.APIStatusError) as caught:
        Model([b'{"error": {"message": "ordered"}}'], status=status).ask()

    assert caught.value.status_code == status


def told(**error: Any) -> list[bytes]:
    return [b"data: " + json.dumps({"error": error}).encode() + b"\n\n"]


def test_an_error_in_the_answer_that_may_pass_is_one_that_langroid_tries_again(way):
    with pytest.raises(openai.APIError):
        Model(told(message="Overloaded", code=529)).ask()


def test_an_error_in_the_answer_that_lasts_is_none_that_langroid_tries_again(way):
    with pytest.raises(failures.Final):
        Model(told(message="Invalid API key", code=401)).ask()


def test_the_request_is_the_one_that_the_sdk_makes(settings):
    history = [LLMMessage(role=Role.SYSTEM, content="Be brief.")]
    for text in ("hällo", "two\nlines", '{"a": [1]}'):
        history += [LLMMessage(role=Role.USER, content=text), LLMMessage(role=Role.ASSISTANT, content=text)]
    history.append(LLMMessage(role=Role.USER, content="and now?"))
    requests = []
    for settings.CHAT_FAST_STREAM in (True, False):
        model = Model([*HELLO, *END], params={"extra_body": {"top_k": 3}, "seed": 1, "stop": ["END"]})
        model.ask(history)
        requests.append(model.requests[0])

    ours, theirs = requests
    assert json.loads(ours.content) == json.loads(theirs.content)
    assert json.loads(ours.content)["top_k"] == 3
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    differs = {"content-length", "x-stainless-helper"}
    assert {k: v for k, v in ours.headers.items() if k not in differs} == {
        k: v for k, v in theirs.headers.items() if k not in differs
    }


@pytest.mark.parametrize(
    "parts",
    [
        [*HELLO, *END],
        [*HELLO, STOP, DONE, event({"content": "more"})],
        [*HELLO, STOP],
        CASES["control: two calls"].body,
    ],
    ids=["text", "more after done", "without done", "calls"],
)
def test_an_answer_leaves_nothing_for_the_garbage_collector(parts):
    """What is left of a request has the whole history in it."""
    model = Model(parts)
    gc.disable()
    try:
        model.ask()
        assert [body() for body in model.bodies] == [None]
    finally:
        gc.enable()


def texts(*parts: str) -> list[dict[str, Any]]:
    return [{"choices": [{"delta": {"content": part}}]} for part in parts]


def test_texts_that_came_together_are_one():
    assert list(stream.merged(iter([texts("a", "b"), texts("c")]))) == ["ab", "c"]


def test_what_is_more_than_text_stays_apart():
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}

    assert list(stream.merged(iter([[*texts("a", "b"), end, *texts("c")]]))) == ["ab", end, "c"]


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

    assert not stream.applies(llm, kwargs)
