"""A model that answers from a function, in this process: streams at a natural pace, stops at once, counts its words.

    MockConfig(script=lambda messages: Reply("Four.", reasoning="Two and two."))

It takes the place of a real model where none is configured. Langroid's own MockLM sees the last message only, and does
not stream. A script writes tool calls as JSON, `call("square", n=3)`; those of `Reply.calls` come as the agent has
them: native where it offers its tools to the model, else as JSON in the text.

A conversation of `stand_ins` has its script in the place of every model of its agents: `chat.testing`.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from chat.agents.langroid import setup
from chat.agents.langroid.mends import MOCK_MODEL

setup.import_langroid()

from langroid.language_models.base import (  # noqa: E402
    LanguageModel,
    LLMFunctionCall,
    LLMMessage,
    LLMResponse,
    LLMTokenUsage,
    OpenAIToolCall,
    Role,
    StreamEventType,
)
from langroid.language_models.mock_lm import MockLM, MockLMConfig  # noqa: E402
from langroid.utils.configuration import settings  # noqa: E402
from pydantic_settings import SettingsConfigDict  # noqa: E402

from chat.agents.provider.request import RequestAborted, pause  # noqa: E402

_TOKEN = re.compile(r"\s*(?:\w{1,6}|[^\w\s])|\s+\Z")
HANGING_SECONDS = 3600.0


@dataclass(frozen=True)
class Reply:
    """What a script answers. `reasoning` is streamed ahead of the text."""

    text: str
    reasoning: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()  # tools, with their arguments
    hangs: bool = False  # after its text it says nothing more, and does not end: a stop ends it


Script = Callable[[Sequence[LLMMessage]], Reply | str]


stand_ins: dict[str, Script] = {}  # by conversation
stand_in: ContextVar[Script | None] = ContextVar("chat_stand_in", default=None)  # of the agent's thread


def call(tool: str, **args: Any) -> str:
    """Write a tool call as Langroid's models do."""
    return json.dumps({"request": tool, **args})


def last_said(messages: Sequence[LLMMessage], role: Role = Role.USER) -> str:
    """The newest text of this role: the user's, or what a tool or sub-task gave back in the user's place."""
    return next((message.content or "" for message in reversed(messages) if message.role == role), "")


def echo(messages: Sequence[LLMMessage]) -> str:
    """The script of agents that bring none."""
    return f"There is no model configured, so this is the mock model. You said: {last_said(messages)}"


class MockConfig(MockLMConfig):
    """How a `MockModel` answers. With 0 tokens per second it does not wait at all."""

    # Langroid's configs take fields from the environment; without a prefix a variable STREAM or TYPE would do.
    model_config = SettingsConfigDict(env_prefix="CHAT_MOCK_MODEL_")

    script: Script = echo
    tokens_per_second: float = 60
    chat_model: str = "mock"


class MockModel(MockLM):
    """The model of a `MockConfig`."""

    def __init__(self, config: MockConfig) -> None:
        super().__init__(config)
        self.config: MockConfig = config

    def get_stream(self) -> bool:
        return self.config.stream and settings.stream

    def set_stream(self, stream: bool) -> bool:
        before, self.config.stream = self.config.stream, stream
        return before

    def chat(self, messages: str | list[LLMMessage], *args: Any, **kwargs: Any) -> LLMResponse:
        """Answer. A stop, or an exception of the listener, ends the answer; its text is kept, as in OpenAIGPT."""
        answer = _Completion(self.config, messages, native=bool(kwargs.get("tools")))
        streamer: Any = self.config.streamer  # its type takes no kind of token
        try:
            for token, event, seconds in answer.tokens():
                pause(seconds)
                if self.get_stream():
                    streamer(token, event)
                answer.said(token, event)
        except (RequestAborted, Exception):
            return answer.response(finish_reason=None)
        return answer.response(finish_reason="stop")

    async def achat(self, messages: str | list[LLMMessage], *args: Any, **kwargs: Any) -> LLMResponse:
        answer = _Completion(self.config, messages, native=bool(kwargs.get("tools")))
        streamer: Any = self.config.streamer_async
        try:
            for token, event, seconds in answer.tokens():
                await asyncio.sleep(seconds)
                if self.get_stream():
                    await streamer(token, event)
                answer.said(token, event)
        except Exception:
            return answer.response(finish_reason=None)
        return answer.response(finish_reason="stop")

    def generate(self, prompt: str, max_tokens: int = 200) -> LLMResponse:
        return self.chat(prompt)

    async def agenerate(self, prompt: str, max_tokens: int = 200) -> LLMResponse:
        return await self.achat(prompt)


class _Completion:
    """One answer while it is given."""

    def __init__(self, config: MockConfig, messages: str | list[LLMMessage], *, native: bool) -> None:
        if isinstance(messages, str):
            messages = [LLMMessage(role=Role.USER, content=messages)]
        reply = config.script(messages)
        self._reply = Reply(reply) if isinstance(reply, str) else reply
        written = [] if native else [call(name, **args) for name, args in self._reply.calls]
        self._text = "\n".join(filter(None, [self._reply.text, *written]))
        self._calls = self._reply.calls if native else ()
        self._seconds = 1 / config.tokens_per_second if config.tokens_per_second else 0.0
        self._prompt_tokens = sum(len((message.content or "").split()) + 3 for message in messages)
        self._count = 0
        self._said = {StreamEventType.REASONING: "", StreamEventType.TEXT: ""}

    def tokens(self) -> Iterator[tuple[str, StreamEventType, float]]:
        """Yield each token and how long to wait before it: longer before the first and after a sentence."""
        seconds = 8 * self._seconds
        for text, event in (
            (self._reply.reasoning, StreamEventType.REASONING),
            (self._text, StreamEventType.TEXT),
        ):
            for token in _TOKEN.findall(text):
                yield token, event, seconds
                ends_sentence = token.strip() in (".", "!", "?", ":")
                seconds = self._seconds * (4 if ends_sentence else 0.6 + 0.05 * len(token))
        if self._reply.hangs:
            yield "", StreamEventType.TEXT, HANGING_SECONDS

    def said(self, token: str, event: StreamEventType) -> None:
        self._said[event] += token
        self._count += 1

    def response(self, finish_reason: str | None) -> LLMResponse:
        calls = [_native(name, args) for name, args in self._calls] if finish_reason else []
        return LLMResponse(
            oai_tool_calls=calls or None,
            message=self._said[StreamEventType.TEXT],
            reasoning=self._said[StreamEventType.REASONING],
            finish_reason=finish_reason,
            usage=LLMTokenUsage(prompt_tokens=self._prompt_tokens, completion_tokens=self._count),
        )


def _native(name: str, args: dict[str, Any]) -> OpenAIToolCall:
    function = LLMFunctionCall(name=name, arguments=args)
    return OpenAIToolCall(id=f"call_{uuid.uuid4().hex}", type="function", function=function)


def _make_by_config() -> None:
    """Let an agent's config of ours make a model of ours (langroid 0.69.16, language_models/base.py, `create`)."""
    create = LanguageModel.create

    def create_ours(config: Any) -> LanguageModel | None:
        return MockModel(config) if isinstance(config, MockConfig) else create(config)

    LanguageModel.create = staticmethod(create_ours)  # type: ignore[method-assign]  # patched


if MOCK_MODEL.holds:
    _make_by_config()
