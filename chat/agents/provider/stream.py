"""A request for an answer, and the answer as it streams: what `OpenAIGPT` gets in place of the SDK's objects.

All that comes goes through `Answer`, whoever has read it. Two ways of reading:

The fast one makes the same request by the SDK's client, so that its headers, key, address, time limits, errors and
connection stay, by its method for paths of one's own, `client.post`, and reads the events with `json` alone. That is a
fraction of the CPU time per token: the SDK builds a tree of pydantic objects from each event (openai 3.54,
_streaming.py:75, _models.py `construct`), and before a request it walks over all messages of the history, to translate
names that need no translation (resources/chat/completions/completions.py:1613, `maybe_transform`). A stream that is
faster than pages are told of it is read as rarely: waking a thread for each token costs more than all that is done with
it. The events of one read that bring nothing but text are then one text.

The other is the SDK's, with our decoder of events. It is used for whatever is not the plain OpenAI client (Azure, Groq,
Cerebras; LiteLLM has its own), for Langroid's rate limits, which look at the SDK's objects, for asynchronous calls, for
answers that do not stream, where the SDK reads its streams in another way than it did, and with CHAT_FAST_STREAM off.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, cast

import openai
from langroid.language_models.openai_gpt import OpenAIGPT
from pydantic import BaseModel

from chat.agents.provider import clients, failures
from chat.agents.provider.answer import Answer, Event, Opened, Said
from chat.agents.provider.events import DONE, Cutter, Decoder, Raw
from chat.agents.provider.mends import DECODER, FAST_STREAM
from chat.agents.provider.request import RequestAborted, Silence, arrived, pause
from chat.conf import conf

PATH = "/chat/completions"
TRANSPORT_FIELDS = {"extra_headers": "headers", "extra_query": "params", "extra_body": "extra_json"}

Asked = tuple[bool, str, Any]  # whether the answer is from the cache, its key there, and the answer


# -- the request -------------------------------------------------------------------------------------------------------


# Server and name of a model -> the tag that closes the thought in which its answers begin, as its newest one did.
_begins_in: dict[tuple[str, str], str] = {}


def _answer_to(llm: OpenAIGPT, kwargs: dict[str, Any]) -> Answer:
    return Answer.to(kwargs, delimiters=llm.config.thought_delimiters, begins_in=_begins_in.get(_model_of(llm), ""))


def _learn(llm: OpenAIGPT, answer: Answer) -> None:
    """Remember how a whole answer began, for the next one to be shown right from its first word."""
    if answer.began_in:
        _begins_in[_model_of(llm)] = answer.began_in
    elif answer.began_in is not None:
        _begins_in.pop(_model_of(llm), None)


def _model_of(llm: OpenAIGPT) -> tuple[str, str]:
    return str(llm.config.api_base), llm.config.chat_model


def request(
    original: Callable[..., Any], llm: OpenAIGPT, kwargs: dict[str, Any], *, pace: Callable[[], float]
) -> tuple[Asked, Answer]:
    """Stand in for `OpenAIGPT._chat_completions_with_backoff_body` (langroid 0.69.16, openai_gpt.py:2725).

    `pace`: how many seconds lie between two times that pages are told of text.
    Return an `Opened` if it streams, else the completion as a dict. Raises: what the original raises, and `Final` for
    what would not end otherwise if it were tried again.
    """
    answer = _answer_to(llm, kwargs)
    try:
        if applies(llm, kwargs):
            cached, key, result = _fast(llm, kwargs, pace)
        else:
            read_leniently(llm.client)
            cached, key, result = original(llm, **kwargs)
        if not _streams(llm, result, cached=cached):
            return (cached, key, _completed(answer, result)), answer
        said = answer.read(map(_as_dict, result))
        first = next(said, None)  # a server's error may come as the first event: then the call is tried again
    except Exception as error:
        if failures.is_final(error):
            raise failures.Final from error
        raise
    return (cached, key, Opened(answer, _to_its_end(llm, answer, first, said))), answer


async def request_async(original: Callable[..., Any], llm: OpenAIGPT, kwargs: dict[str, Any]) -> tuple[Asked, Answer]:
    """The same for `OpenAIGPT._achat_completions_with_backoff_body` (openai_gpt.py:2821)."""
    answer = _answer_to(llm, kwargs)
    try:
        read_leniently(llm.async_client)
        cached, key, result = await original(llm, **kwargs)
        if not _streams(llm, result, cached=cached):
            return (cached, key, _completed(answer, result)), answer
        said = answer.read_async(_as_dicts(_in_time(result, clients.silence_of(llm.async_client))))
        first = await anext(said, None)
    except Exception as error:
        if failures.is_final(error) or failures.is_silence(error):
            raise failures.Final from error
        raise
    return (cached, key, Opened(answer, _to_its_end_async(llm, answer, first, said))), answer


def read_leniently(client: Any) -> None:
    """Let a client of OpenAI's kind, of whatever SDK, read streams with our decoder. Idempotent."""
    if client is not None and DECODER.holds:
        client._make_sse_decoder = Decoder


def _streams(llm: OpenAIGPT, result: Any, *, cached: bool) -> bool:
    return bool(llm.get_stream()) and not cached and not isinstance(result, dict)


def _completed(answer: Answer, result: Any) -> Event:
    answer.feed(_as_dict(result))
    answer.end()
    return answer.completion()


def _as_dict(event: Any) -> Any:
    """An event of ours, or an object of an SDK, whose fields may be of other types than it says."""
    return event.model_dump(warnings=False) if isinstance(event, BaseModel) else event


async def _as_dicts(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in events:
        yield _as_dict(event)


async def _in_time(events: Any, silence: Silence | None) -> AsyncIterator[Any]:
    """The events of an SDK's stream, as long as the server is not silent for too long. Raises: TimeoutError.

    The synchronous reading has its limits from its connection (`request.py`).
    """
    seconds = silence.first if silence else None
    try:
        while True:
            async with asyncio.timeout(seconds):
                event = await anext(events, DONE)
            if event is DONE:
                return
            yield event
            seconds = float(silence) if silence else None
    finally:
        # Else the connection stays until the loop ends. What is no stream of the SDK is a generator of ours.
        await (events.aclose() if isinstance(events, AsyncGenerator) else events.close())


def _to_its_end(llm: OpenAIGPT, answer: Answer, first: Said | None, said: Iterator[Said]) -> Iterator[Said]:
    if first is not None:
        yield first
    yield from said
    _learn(llm, answer)


async def _to_its_end_async(
    llm: OpenAIGPT, answer: Answer, first: Said | None, said: AsyncIterator[Said]
) -> AsyncIterator[Said]:
    if first is not None:
        yield first
    async for item in said:
        yield item
    _learn(llm, answer)


# -- the fast way ------------------------------------------------------------------------------------------------------


def applies(llm: OpenAIGPT, kwargs: dict[str, Any]) -> bool:
    """True if this request can be made and read the fast way."""
    return (
        conf.FAST_STREAM
        and FAST_STREAM.holds
        and kwargs.get("stream") is True
        and llm.get_stream()
        and not llm.config.litellm
        and type(llm.client) is openai.OpenAI
        and llm._rate_limiter() is None
        and kwargs.keys() <= _fields()
    )


@functools.cache
def _fields() -> frozenset[str]:
    """What the SDK's own method takes."""
    from openai.resources.chat.completions import Completions

    return frozenset(inspect.signature(Completions.create).parameters) - {"self", "timeout"}


def _fast(llm: OpenAIGPT, kwargs: dict[str, Any], pace: Callable[[], float]) -> Asked:
    key, result = llm._cache_lookup("Completion", **kwargs)
    if result is not None:
        return True, key, result
    return False, key, merged(open_stream(cast(openai.OpenAI, llm.client), kwargs, pace=pace))


def open_stream(client: openai.OpenAI, kwargs: dict[str, Any], *, pace: Callable[[], float]) -> Iterator[list[Any]]:
    """Make the request that `client.chat.completions.create(**kwargs)` makes; return its events, as they came together.

    Raises: what that raises, here and while it is read.
    """
    body = {name: value for name, value in kwargs.items() if name not in TRANSPORT_FIELDS}
    options: Any = {option: kwargs[name] for name, option in TRANSPORT_FIELDS.items() if kwargs.get(name) is not None}
    options["security"] = {"bearer_auth": True}
    events = client.post(PATH, body=body, cast_to=object, options=options, stream=True, stream_cls=_Events)
    events._decoder.pace = pace
    return iter(events)


class _Events(openai.Stream[Any]):
    """The SDK's stream without its objects: yields the events that came at once."""

    _decoder: Any  # a `_Reads`, where the SDK has one that makes its objects

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._decoder = _Reads(self.response)

    def __iter__(self) -> Iterator[list[Any]]:
        # An answer may have ended before its stream. The SDK's own loop (_streaming.py:51) leaves `__stream__` waiting
        # then, in a cycle with this object: the request, with the whole history in it, stays for the garbage collector.
        yield from self._iterator

    def __stream__(self) -> Iterator[list[Any]]:
        try:
            reads: Any = self._iter_events()
            for found in reads:  # of the SDK: its exceptions for those of httpx
                events, broken = _readable(found)
                is_done = DONE in events[-1:]
                self._decoder.flows = self._decoder.flows or any(map(_text_of, events))
                yield events[:-1] if is_done else events
                if broken:
                    raise broken
                if is_done:
                    return
        finally:
            self.response.close()


def _readable(found: list[Raw]) -> tuple[list[Any], ValueError | None]:
    """The values of events up to DONE, or up to one that cannot be read, and why it cannot."""
    events: list[Any] = []
    for raw in found:
        try:
            event = raw.read()
        except ValueError as error:
            return events, error
        if isinstance(event, dict) or event is DONE:
            events.append(event)
        if event is DONE:
            break
    return events, None


class _Reads:
    """Cuts a body into lists of events: one for what a read of the network brought."""

    def __init__(self, response: Any) -> None:
        self.pace: Callable[[], float] = float  # 0.0: read on at once
        self.flows = False  # text has come: nobody waits for the first word any more
        self._response = response
        self._read = b""  # what the network brought last
        self._at = 0  # so much of it has been seen

    def iter_bytes(self, parts: Iterator[bytes]) -> Iterator[list[Raw]]:
        cutter = Cutter()
        found: list[Raw] = []
        while True:
            asked = time.monotonic()
            part = next(parts, None)
            if part is None:
                break
            waited = time.monotonic() - asked
            found += cutter.feed(part)
            is_last, is_certain = self._is_last(part)
            if is_last and found:
                yield found
                found = []
            if self.flows and is_certain and waited < (seconds := self.pace()):
                try:
                    pause(seconds)  # what comes meanwhile comes with one read
                except RequestAborted:
                    break  # as the body itself ends then
        if found := found + cutter.end():
            yield found

    def _is_last(self, part: bytes) -> tuple[bool, bool]:
        """True if the next part may be one to wait for, and if it is certainly.

        httpx makes a part of each chunk of HTTP/1.1, and does not tell how many it holds ready.
        """
        read = arrived(self._response)
        if read is not self._read:
            self._read, self._at = read, 0
        at = read.find(part, self._at)
        if at < 0:
            return True, False  # compressed, or not ours to see
        self._at = at + len(part)
        return read.endswith((part, part + b"\r\n")), len(read) - self._at <= 2


def merged(reads: Iterable[list[Any]]) -> Iterator[Any]:
    """Yield the events; of those that came at once, neighbours with nothing but text as one text."""
    for events in reads:
        texts: list[str] = []
        for event in events:
            text = _text_of(event)
            if text is not None:
                texts.append(text)
                continue
            if texts:
                yield "".join(texts)
                texts = []
            yield event
        if texts:
            yield "".join(texts)


def _text_of(event: Any) -> str | None:
    """The text of an event that brings nothing else; None if it may bring something else."""
    try:
        (choice,) = event["choices"]
        if event.get("usage") or event.get("error") or choice.get("finish_reason") or choice.get("index"):
            return None
        delta = choice["delta"]
        if any(value and name not in ("content", "role") for name, value in delta.items()):
            return None
        text = delta["content"]
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    return text if isinstance(text, str) else None
