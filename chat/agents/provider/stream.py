"""A streamed answer of an OpenAI-compatible server, read with `json` alone: a fraction of the CPU time per token.

The SDK builds a tree of pydantic objects from each event (openai 3.54, _streaming.py:75, _models.py `construct`), which
Langroid turns into a dict again, twice (langroid 0.69.16, language_models/openai_gpt.py:1872 and :1557). And before a
request the SDK walks over all messages of the history, to translate names that need no translation
(resources/chat/completions/completions.py:1613, `maybe_transform`).

Here the same request is made by the SDK's client, so that its headers, key, address, time limits, errors and connection
stay, by its method for paths of one's own, `client.post`. The events go to Langroid as the dicts that it makes of
them: text, thoughts, tool calls, usage, a stop and a cut stream are its own code's work, as before.

A stream that is faster than pages are told of it is read as rarely: waking a thread for each token costs more than all
that is done with it. The events of one read that bring nothing but text are then one event.

The original is used for whatever is not the plain OpenAI client (Azure, Groq, Cerebras, LiteLLM), for Langroid's rate
limits, which look at the SDK's objects, for asynchronous calls, for answers that do not stream, where the SDK reads its
streams in another way than it did, and with CHAT_FAST_STREAM off. It differs in two things: an event without data is
ignored, as the standard has it, where the SDK fails; a tool call's delta may lack its arguments, where Langroid fails.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

import openai
from langroid.language_models.openai_gpt import OpenAIGPT

from chat.agents.provider.mends import FAST_STREAM
from chat.agents.provider.request import RequestAborted, arrived, pause
from chat.conf import conf

Event = dict[str, Any]

PATH = "/chat/completions"
TRANSPORT_FIELDS = {"extra_headers": "headers", "extra_query": "params", "extra_body": "extra_json"}


def request(
    original: Callable[..., tuple[bool, str, Any]], llm: OpenAIGPT, kwargs: dict[str, Any], *, pace: Callable[[], float]
) -> tuple[bool, str, Any]:
    """Stand in for `OpenAIGPT._chat_completions_with_backoff_body` (language_models/openai_gpt.py:2725).

    `pace`: how many seconds lie between two times that pages are told of text.
    Return whether the answer is from the cache, its key there, and the answer: an iterator of events if it streams.
    """
    if not applies(llm, kwargs):
        return original(llm, **kwargs)
    key, result = llm._cache_lookup("Completion", **kwargs)
    if result is not None:
        return True, key, result
    assert isinstance(llm.client, openai.OpenAI)  # see `applies`
    delimiters = "".join(delimiter[:1] for delimiter in llm.config.thought_delimiters)
    events = merged(open_stream(llm.client, kwargs, pace=pace), alone=delimiters)
    first = next(events, None)  # a server's error may come as the first event: then the call is tried again
    return False, key, events if first is None else chain([first], events)


def applies(llm: OpenAIGPT, kwargs: dict[str, Any]) -> bool:
    """True if this request can be made here."""
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


def open_stream(client: openai.OpenAI, kwargs: dict[str, Any], *, pace: Callable[[], float]) -> Iterator[list[Event]]:
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
    """The SDK's stream without its objects: yields the JSON of the events that came at once."""

    _decoder: Any  # a `_Reads`, where the SDK has one that makes its objects

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._decoder = _Reads(self.response)

    def __iter__(self) -> Iterator[list[Event]]:
        # Langroid stops reading before the end. The SDK's own loop (_streaming.py:51) leaves `__stream__` waiting then,
        # in a cycle with this object: the request, with the whole history in it, stays for the garbage collector.
        yield from self._iterator

    def __stream__(self) -> Iterator[list[Event]]:
        try:
            reads: Iterator[Any] = self._iter_events()  # of the SDK: its exceptions for those of httpx
            for read in reads:
                events: list[Event] = []
                for data in read:
                    if data.startswith(b"[DONE]"):
                        if events:
                            yield events
                        return
                    try:
                        events.append(self._event(data))
                    except Exception:
                        if events:
                            yield events
                        raise
                self._decoder.flows = self._decoder.flows or any(map(_text_of, events))
                yield events
        finally:
            self.response.close()

    def _event(self, data: bytes) -> Event:
        event: Event = json.loads(data)
        if isinstance(event, dict) and event.get("error"):
            error = event["error"]  # told in mid-stream: as the SDK raises it (_streaming.py:87)
            message = error.get("message") if isinstance(error, dict) else None
            if not isinstance(message, str) or not message:
                message = "An error occurred during streaming"
            raise openai.APIError(message=message, request=self.response.request, body=error)
        if b'"tool_calls"' in data:
            _complete(event)
        return event


class _Reads:
    """Splits a body of server-sent events into the data of each: one list for what a read of the network brought."""

    def __init__(self, response: Any) -> None:
        self.pace: Callable[[], float] = float  # 0.0: read on at once
        self.flows = False  # text has come: nobody waits for the first word any more
        self._response = response
        self._read = b""  # what the network brought last
        self._at = 0  # so much of it has been seen

    def iter_bytes(self, parts: Iterator[bytes]) -> Iterator[list[bytes]]:
        found: list[bytes] = []
        data: list[bytes] = []
        rest = b""
        while True:
            asked = time.monotonic()
            part = next(parts, None)
            if part is None:
                break
            waited = time.monotonic() - asked
            rest += part
            if b"\r" in rest:
                rest = _LINE_END.sub(b"\n", rest)
            *lines, rest = rest.split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    data.append(line[5:])
                elif data and not line:
                    found.append(b"\n".join(data).strip())
                    data = []
            is_last, is_certain = self._is_last(part)
            if is_last and found:
                yield found
                found = []
            if self.flows and is_certain and waited < (seconds := self.pace()):
                try:
                    pause(seconds)  # what comes meanwhile comes with one read
                except RequestAborted:
                    break  # as the body itself ends then
        if found:
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


_LINE_END = re.compile(rb"\r\n|\r(?!\Z)")  # at the end of a part the other half may be missing


def _complete(event: Event) -> None:
    """Give the deltas of tool calls the fields that Langroid expects (openai_gpt.py:1660 and :2057)."""
    with suppress(LookupError, TypeError, AttributeError):  # what is not as it should be fails there, as before
        for call in event["choices"][0]["delta"]["tool_calls"] or ():
            for name in ("index", "id", "type", "function"):
                call.setdefault(name, None)
            if function := call["function"]:
                function.setdefault("name", None)
                function["arguments"] = function.get("arguments") or ""


def merged(reads: Iterator[list[Event]], *, alone: str) -> Iterator[Event]:
    """Yield the events; of those that came at once, neighbours with nothing but text as one.

    A text with one of the characters in `alone` stays apart: thoughts may begin or end in it, and Langroid looks for
    that in each event by itself (openai_gpt.py:1464).
    """
    for events in reads:
        texts: list[str] = []
        for event in events:
            text = _text_of(event)
            if text is not None and not any(character in text for character in alone):
                texts.append(text)
                continue
            if texts:
                yield _text_event(texts)
                texts = []
            yield event
        if texts:
            yield _text_event(texts)


def _text_of(event: Event) -> str | None:
    """The text of an event that brings nothing else, for Langroid; None if it may bring something else."""
    try:
        (choice,) = event["choices"]
        if event.get("usage") or choice.get("finish_reason"):
            return None
        delta = choice["delta"]
        if any(value and name not in ("content", "role") for name, value in delta.items()):
            return None
        text = delta["content"]
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    return text if isinstance(text, str) else None


def _text_event(texts: list[str]) -> Event:
    return {"choices": [{"delta": {"content": "".join(texts)}}]}
