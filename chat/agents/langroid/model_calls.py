"""What a model says: each call of an agent's model is told to the observer, `llm_started` to exactly one `llm_ended`.

`ChatAgent.llm_response_messages` is where all of an agent's calls come through. A call that does not complete (stopped,
failed, cut, empty) never returns to Langroid: the text that there is goes into the agent's history, without any tool
call, and an exception goes up, `TurnStopped` for a stop.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import openai
from langroid.agent.base import SearchForTools, async_noop_fn, noop_fn
from langroid.agent.chat_agent import ChatAgent
from langroid.agent.chat_document import ChatDocument
from langroid.agent.xml_tool_message import XMLToolMessage
from langroid.exceptions import XMLException
from langroid.language_models.base import (
    LanguageModel,
    LLMFunctionCall,
    LLMMessage,
    LLMTokenUsage,
    Role,
    StreamEventType,
)
from langroid.language_models.openai_gpt import OpenAIGPT
from pydantic import ValidationError

from chat.agents.langroid import citations, mends
from chat.agents.langroid.holdback import HoldBack, without_tool_calls
from chat.agents.langroid.scope import NothingSaid, Scope, ToolCall, TurnStopped, Watch, override, own_span
from chat.agents.langroid.signals import Signals
from chat.agents.provider import clients, failures, stream
from chat.agents.provider.answer import Opened
from chat.agents.provider.request import RequestAborted, is_bound
from chat.exceptions import LimitReached
from chat.observer import AgentGone, Basis, FinishReason, LlmOutcome, Usage

FINISH_REASONS: dict[str | None, FinishReason] = {
    "length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filtered",
}
TEXT, THOUGHT = StreamEventType.TEXT, StreamEventType.REASONING


class _StopStream(Exception):
    """Ends a stream from its token callback. Langroid swallows it and returns what it has so far."""


@override(ChatAgent)
def llm_response_messages(original: Any, now: Scope, agent: ChatAgent, messages: Any, *args: Any, **kwargs: Any) -> Any:
    with _model_call(now, agent, messages) as call:
        call.response = original(agent, messages, *args, **kwargs)
    return call.response


@override(ChatAgent)
async def llm_response_messages_async(
    original: Any, now: Scope, agent: ChatAgent, messages: Any, *args: Any, **kwargs: Any
) -> Any:
    with _model_call(now, agent, messages) as call:
        call.response = await now.run.stoppable(original(agent, messages, *args, **kwargs))
    return call.response


@override(ChatAgent, mend=mends.TOO_LONG)
def _prep_llm_messages(original: Any, now: Scope, agent: ChatAgent, *args: Any, **kwargs: Any) -> Any:
    try:
        return original(agent, *args, **kwargs)
    except ValidationError:  # of pydantic, a ValueError too
        raise
    except ValueError as error:
        raise LimitReached("This is too long for the model, even without the older messages.") from error


@override(OpenAIGPT, mend=mends.REQUESTS)
def chat(original: Any, now: Scope, llm: OpenAIGPT, *args: Any, **kwargs: Any) -> Any:
    """A model that Langroid, or a tool, asks past its agent, as for a question that makes sense alone, is no message.

    But it can be stopped, and counts.
    """
    request = now.run.request
    if request is None or is_bound():  # by the call of an agent
        return original(llm, *args, **kwargs)
    now.check()
    now.run.budget.model_call()
    request.bind()
    try:
        with now.moved(watch=Watch()) as there:
            response = original(llm, *args, **kwargs)
            _count(there, llm, response.usage, is_reported=there.watch.answer is not None)
            return response
    except Exception as error:
        if now.observer.halted:
            raise TurnStopped from error
        now.run.failed = (error, failures.of_model(error, model=llm.config.chat_model), 1)
        raise
    except RequestAborted as error:
        raise TurnStopped from error
    finally:
        request.release()


def _count(now: Scope, llm: OpenAIGPT, used: LLMTokenUsage | None, *, is_reported: bool) -> None:
    if used is not None:
        cost = used.cost if any(llm.chat_cost()) else None
        basis: Basis = "reported" if is_reported else "estimated"
        prompt, completion = used.prompt_tokens, used.completion_tokens
        now.span.count(Usage(prompt_tokens=prompt, completion_tokens=completion, cost=cost, basis=basis))
        now.run.budget.spend(cost or 0)


@override(OpenAIGPT, mend=mends.REQUESTS)
def _chat_completions_with_backoff_body(original: Any, now: Scope, llm: OpenAIGPT, **kwargs: Any) -> Any:
    """One HTTP request. There is none after a stop: the one that the stop has cut would be tried again."""
    now.check()
    try:
        asked, answer = stream.request(original, llm, kwargs, pace=now.observer.pace)
    except Exception as error:
        if now.observer.halted:
            raise TurnStopped from error
        raise
    now.watch.answer = answer
    return asked


@override(OpenAIGPT, mend=mends.REQUESTS)
async def _achat_completions_with_backoff_body(original: Any, now: Scope, llm: OpenAIGPT, **kwargs: Any) -> Any:
    now.check()
    if mends.CLIENTS.holds:
        llm.async_client = await clients.of_this_loop(llm.async_client, llm.config)
    try:
        asked, answer = await stream.request_async(original, llm, kwargs)
    except Exception as error:
        if now.observer.halted:
            raise TurnStopped from error
        raise
    now.watch.answer = answer
    return asked


@override(OpenAIGPT, mend=mends.REQUESTS)
def _stream_response(original: Any, now: Scope, llm: OpenAIGPT, response: Any, chat: bool = False) -> Any:
    """Read an answer. What Langroid would make of a server's events (openai_gpt.py:1530) is done by `Answer`."""
    if not isinstance(response, Opened):
        return original(llm, response, chat)
    tell: Any = llm.config.streamer  # a field, whose default is None
    try:
        for is_thought, text in response.said:
            tell(text, THOUGHT if is_thought else TEXT)
    except Exception as error:
        now.watch.broken = error
    return llm._create_stream_response(chat=True, **response.answer.for_langroid())


@override(OpenAIGPT, mend=mends.REQUESTS)
async def _stream_response_async(original: Any, now: Scope, llm: OpenAIGPT, response: Any, chat: bool = False) -> Any:
    if not isinstance(response, Opened):
        return await original(llm, response, chat)
    tell: Any = llm.config.streamer_async
    try:
        async for is_thought, text in response.said:
            await tell(text, THOUGHT if is_thought else TEXT)
    except Exception as error:
        now.watch.broken = error
    return llm._create_stream_response(chat=True, **response.answer.for_langroid())


@override(LanguageModel, mend=mends.REQUESTS)
def get_reasoning_final(original: Any, now: Scope, llm: LanguageModel, message: str) -> tuple[str, str]:
    """The thoughts are out of the text already; tags that are left in it are text."""
    return ("", message) if now.watch.answer else original(llm, message)


@contextmanager
def _model_call(now: Scope, agent: ChatAgent, messages: list[LLMMessage]) -> Iterator[ModelCall]:
    """Report one call; let the block end without an exception only with a complete answer."""
    now.check()
    now.run.budget.model_call()
    with own_span(now, agent) as there:
        call = ModelCall(there, agent, messages)
        call.start()
        try:
            with there.moved(watch=call.watch), call.listening():
                yield call
            outcome = call.outcome()
        except AgentGone:
            raise
        except BaseException as error:  # a stop and a task that is cancelled end the call, too
            text = call.fail(error)
            agent.oai_tool_calls = []
            if text and messages is agent.message_history:
                messages.append(LLMMessage(role=Role.ASSISTANT, content=text))
            if now.observer.halted or isinstance(error, RequestAborted):
                raise TurnStopped from error
            raise
        call.report(outcome)
        if not (outcome.content or outcome.tool_calls):
            raise NothingSaid


class ModelCall:
    """One call of a model."""

    def __init__(self, now: Scope, agent: ChatAgent, messages: list[LLMMessage]) -> None:
        self.id = str(uuid.uuid4())
        self.response: ChatDocument | None = None
        self.watch = Watch()
        self._now = now
        self._agent = agent
        self._messages = messages
        self._text = ""  # as streamed
        self._signals = _signals(now, agent)
        self._is_streaming = False
        self._may_call_tools = False  # as JSON in its text
        self._started = time.monotonic()

    def start(self) -> None:
        # All agents share one dict of tool calls, which nothing ever empties (langroid 0.69.16, agent/base.py:148).
        vars(self._agent).setdefault("oai_tool_id2call", {})
        span, config = self._now.span, self._agent.config
        span.latest, span.calls, span.spoken = self.id, [], span.spoken + 1
        self._may_call_tools = config.use_tools and not config.use_functions_api and bool(self._agent.llm_tools_usable)
        self._now.observer.llm_started(self.id, span.place(self._agent), may_call_tools=self._may_call_tools)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Get the stream's tokens, for this call only: the agent may be used elsewhere, with callbacks of its own."""
        callbacks, llm, request = self._agent.callbacks, self._agent.llm, self._now.run.request
        assert llm is not None  # it is called
        before = callbacks.start_llm_stream, callbacks.start_llm_stream_async
        callbacks.start_llm_stream, callbacks.start_llm_stream_async = self._stream, self._stream_async
        if request:
            request.bind()
        try:
            yield
        finally:
            callbacks.start_llm_stream, callbacks.start_llm_stream_async = before
            llm.config.streamer, llm.config.streamer_async = noop_fn, async_noop_fn  # kept by Langroid after an error
            if request:
                request.release()

    def _stream(self) -> Callable[[str, StreamEventType], None]:
        self._is_streaming = True
        return self._token

    async def _stream_async(self) -> Callable[[str, StreamEventType], Any]:
        self._is_streaming = True

        async def token(text: str, event: StreamEventType) -> None:
            self._token(text, event)

        return token

    def _token(self, text: str, event: StreamEventType) -> None:
        if self._now.observer.halted:
            raise _StopStream
        match event:
            case StreamEventType.TEXT:
                self._text += text
                self._tell(self._signals.feed(text))
            case StreamEventType.REASONING:
                self._now.observer.llm_reasoning(self.id, text)

    def _tell(self, text: str) -> None:
        if text:
            self._now.observer.llm_text(self.id, text)

    def outcome(self) -> LlmOutcome:
        """Return what a complete answer is. Raises: TurnStopped, or what is wrong with the answer."""
        self._now.check()
        response, agent = self.response, self._agent
        assert response is not None  # a call that ends without one has raised
        if self.watch.broken:
            raise self.watch.broken
        finish = response.metadata.finish_reason
        content, calls = self._read()
        if not content.strip() and not calls:
            content = agent.config.content_filter_message or "" if finish == "content_filter" else ""
            if not content and (self._now.span.depth or not self._is_cut_short):
                raise failures.EmptyAnswer
        self._now.span.calls = calls
        return LlmOutcome(
            content=content,
            reasoning=response.reasoning,
            finish_reason="tool" if calls else FINISH_REASONS.get(finish, "stop"),
            tool_calls=tuple(call.id for call in calls),
        )

    @property
    def _is_cut_short(self) -> bool:
        """True where an answer without text is one all the same: the model has thought, or was not allowed to speak."""
        assert self.response is not None
        finish = self.response.metadata.finish_reason
        return bool(self.response.reasoning.strip()) or finish in ("length", "content_filter")

    def fail(self, error: BaseException) -> str:
        """Report a call that was stopped or failed; return the text that there is."""
        now, text = self._now, self._partial_text()
        reasoning = self._reasoning
        if now.observer.halted or isinstance(error, TurnStopped | RequestAborted):
            outcome = LlmOutcome(content=text, reasoning=reasoning, status=now.stopped)
        elif isinstance(error, openai.BadRequestError) and self._agent.any_strict:
            outcome = LlmOutcome()  # made again at once, without strict schemas (langroid 0.69.16, chat_agent.py:1692)
        else:
            assert self._agent.llm is not None
            failure = failures.of_model(error, model=self._agent.llm.config.chat_model)
            now.run.failed = (error, failure, now.span.depth)
            finish: FinishReason | None = "cut" if text else None
            outcome = LlmOutcome(
                content=text, reasoning=reasoning, status="error", finish_reason=finish, failure=failure
            )
        self.report(outcome)
        return text

    @property
    def _reasoning(self) -> str:
        if self.watch.answer:
            return self.watch.answer.reasoning
        return self.response.reasoning if self.response else ""

    def _partial_text(self) -> str:
        if self.watch.answer:
            text = self.watch.answer.text
        elif self._is_streaming or not self.response:
            text = self._text  # not the response's: Langroid adds tool arguments to it that it could not parse
        else:
            text = self.response.content
        if self._may_call_tools:
            text = HoldBack().feed(text, 0.0)  # without the beginning of a call
        return _Reader(self._agent, self.id).read(text).strip()

    def report(self, outcome: LlmOutcome) -> None:
        usage = self._usage()
        if usage:
            self._now.span.count(usage)
            self._now.run.budget.spend(usage.cost or 0)
        duration_ms = round((time.monotonic() - self._started) * 1000)
        if self._is_streaming:
            self._tell(self._signals.rest())
        content = _signals(self._now, self._agent).without(outcome.content)
        self._now.span.said = content or self._now.span.said
        sources = citations.cited(self._now, content)
        outcome = replace(outcome, content=content, usage=usage, duration_ms=duration_ms, sources=sources)
        self._now.observer.llm_ended(self.id, outcome)

    def _usage(self) -> Usage | None:
        """What the call has used: as the server has told, else as Langroid estimates it. The cost as far as known."""
        used = self.response.metadata.usage if self.response else None
        if self.response is None or used is None:
            return None
        assert self._agent.llm is not None
        answer, agent = self.watch.answer, self._agent
        is_cached = self.response.metadata.cached  # and then it has used nothing
        is_reported = is_cached or (answer is not None and answer.usage is not None)
        prompt, completion = used.prompt_tokens, used.completion_tokens
        if not (is_reported or prompt or completion):
            prompt, completion = agent.num_tokens(self._messages), agent.num_tokens(self.response.content)
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost=used.cost if any(self._agent.llm.chat_cost()) else None,
            basis="reported" if is_reported else "estimated",
        )

    def _read(self) -> tuple[str, list[ToolCall]]:
        """Return the text of the answer and the tool calls in it."""
        response = self.response
        assert response is not None
        if response.oai_tool_calls:
            native = [call for call in response.oai_tool_calls if call.function]
            calls = [self._native(call.function, call.id, call.extra_content) for call in native]
            return response.content, calls
        if response.function_call:
            return response.content, [self._native(response.function_call, None)]
        reader = _Reader(self._agent, self.id)
        return reader.read(response.content), reader.calls

    def _native(self, function: Any, id: str | None, extra: dict[str, Any] | None = None) -> ToolCall:
        came = self.watch.answer.calls() if self.watch.answer else ()
        if faulty := next((call for call in came if call.fault and call.id == id), None):
            return ToolCall(faulty.name, faulty.args, self.id, id, fault=faulty.fault)
        return ToolCall(function.name, _arguments(function), self.id, id, extra=extra)


def _signals(now: Scope, agent: ChatAgent) -> Signals:
    """The words by which this agent's texts steer the task that it works for."""
    task = now.span.task
    return Signals(
        strings=task is not None and task.config.recognize_string_signals,
        addresses=agent.config.recognize_recipient_in_content,
        prefix=task.config.addressing_prefix if task else "",
    )


def _arguments(function: LLMFunctionCall) -> dict[str, Any]:
    """What the model gave: Langroid has added the tool's name to it (langroid 0.69.16, agent/base.py:1683)."""
    return {name: value for name, value in (function.arguments or {}).items() if name != "request"}


class _Reader:
    """Takes the tool calls out of a text, as this agent would find them in it."""

    def __init__(self, agent: ChatAgent, message_id: str) -> None:
        self.calls: list[ToolCall] = []
        self._agent = agent
        self._message_id = message_id

    def read(self, text: str) -> str:
        """Return the text without its tool calls, which are in `calls` then."""
        if SearchForTools.CONTENT.value not in self._agent.search_for_tools:
            return text
        if candidates := XMLToolMessage.find_candidates(text):
            for candidate in candidates:
                if self._is_tool(candidate, is_json=False):
                    text = text.replace(candidate, "", 1)
            return text.strip()
        return without_tool_calls(text, self._is_json_tool)

    def _is_json_tool(self, value: Any) -> bool:
        return self._is_tool(json.dumps(value), is_json=True)

    def _is_tool(self, candidate: str, *, is_json: bool) -> bool:
        error_before = self._agent.tool_error  # what Langroid decides on recovery by; looking must not change it
        try:
            tool = self._agent._get_one_tool_message(candidate, is_json, from_llm=False)
        except (ValidationError, XMLException) as error:  # a tool of ours with arguments that do not fit
            name, args = _as_written(error, candidate)
        else:
            if tool is None:
                return False
            hidden = {"request", "purpose", "id"}
            name, args = tool.request, tool.model_dump(mode="json", exclude=hidden, exclude_unset=True, fallback=str)
        finally:
            self._agent.tool_error = error_before
        self.calls.append(ToolCall(name, args, self._message_id))
        return True


def _as_written(error: Exception, candidate: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a tool call that Langroid refuses."""
    try:
        args = json.loads(candidate)
    except ValueError:
        args = {"text": candidate}
    tool_class = getattr(error, "tool_class", None)  # set by Langroid (agent/base.py:2073)
    args.pop("request", None)
    return (tool_class.default_value("request") if tool_class else "tool"), args
