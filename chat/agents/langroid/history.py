"""Give a fresh agent the memory of a conversation: records of the transcript become Langroid messages.

The result is what the agent's own history would be after the same conversation, so the model cannot tell the difference
between an agent that has lived all along and one that was started from the records. Three things are not in it:
thoughts (a record keeps them apart from the text), the way in which a model laid out a JSON tool call, and files
but for the newest (`attached.py`).
"""

# ruff: noqa: E402
from __future__ import annotations

from chat.agents.langroid import setup
from chat.agents.langroid.mends import TOKEN_COUNTS

setup.import_langroid()

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from langroid import Task
from langroid.agent.chat_agent import CHAT_HISTORY_BUFFER, ChatAgent
from langroid.language_models.base import LLMFunctionCall, LLMMessage, OpenAIToolCall, Role

from chat.agents.langroid import attached

if TYPE_CHECKING:
    from chat.models import Message


@dataclass(frozen=True)
class Call:
    """A tool call that a model made, and what it got back."""

    id: str
    name: str
    args: dict[str, Any]
    result: str
    extra: dict[str, Any] | None = None  # what the model's server wants back with it


@dataclass
class _Step:
    """One model call of the root agent: its text, then the tools that it called."""

    id: str
    content: str = ""
    order: tuple[str, ...] = ()  # ids of its tool calls
    calls: list[Call] = field(default_factory=list)

    def in_order(self) -> list[Call]:
        """The calls as the model made them; the records come as they were completed."""
        place = {id: position for position, id in enumerate(self.order)}
        return sorted(self.calls, key=lambda call: place.get(call.id, len(place)))


def install(task: Task, records: Iterable[Message], *, opening: str = "") -> None:
    """Replace the message history of the root agent by what `records` say, in their order.

    Only what happened at depth 0 counts; sub-agents start empty. Answers to questions are not messages: they are in the
    results of the tools that asked. Nor is what an agent showed beside its words. A turn that failed or was stopped
    keeps its user message and the text that there was. The history ends without open tool calls: the next user message
    is a plain one. `opening`: what a turn was about in which the agent spoke first.
    """
    agent = task.agent
    messages: list[LLMMessage] = []
    step: _Step | None = None
    for record in records:
        if record.depth or record.request_id or (record.parts and record.kind == "assistant"):
            continue
        match record.kind:
            case "user":
                messages += _written(agent, step)
                step = None
                text, files = attached.said(agent, opening if record.is_opening else record.content, record.given)
                messages.append(LLMMessage(role=Role.USER, content=text, files=files))
            case "assistant":
                messages += _written(agent, step)
                step = _Step(str(record.id), record.content, tuple(record.tool_calls))
            case "tool":
                caller = str(record.caller_id or record.id)
                if step is None or step.id != caller:
                    messages += _written(agent, step)
                    step = _Step(caller)
                step.calls.append(_call(record))
    messages += _written(agent, step)
    attached.forget_old(messages)
    if messages:
        _replace(agent, messages)


def calls_natively(agent: ChatAgent) -> bool:
    """True when the agent's tool calls are fields of the API; False when they are JSON in its text."""
    return agent.config.use_functions_api and agent.config.use_tools_api


def result_text(content: str, error: str | None, status: str) -> str:
    """What a model is told about a tool that ended so."""
    return content or error or ("" if status == "complete" else f"[{status}]")


def given(text: str, chars: int) -> str:
    """What a model is given of a result of which it gets no more than so many characters."""
    return f"{text[:chars]}\n\n[The result was too long. These are its first {chars} characters.]"


def result_messages(calls: Sequence[Call], *, native: bool) -> list[LLMMessage]:
    """What the model gets back for these calls."""
    if native:
        return [LLMMessage(role=Role.TOOL, tool_call_id=call.id, content=call.result or " ") for call in calls]
    told = [call for call in calls if call.result.strip()]
    if len(told) == 1 and len(calls) == 1:
        return [LLMMessage(role=Role.USER, content=told[0].result)]
    text = "\n\n".join(f"Result from {call.name}: {call.result}" for call in told)
    return [LLMMessage(role=Role.USER, content=text)] if text else []


def _call(record: Message) -> Call:
    error = (record.error or {}).get("details")
    shown = record.content if record.model_chars is None else given(record.content, record.model_chars)
    text = result_text(shown, error, record.status)
    return Call(str(record.id), record.tool_name, record.tool_args or {}, text, record.extra)


def _written(agent: ChatAgent, step: _Step | None) -> list[LLMMessage]:
    """The messages of one model call and its tools."""
    if step is None or not (step.content.strip() or step.calls):
        return []
    calls = step.in_order()
    if not calls:
        return [LLMMessage(role=Role.ASSISTANT, content=step.content)]
    return [calling(agent, step.content, calls), *result_messages(calls, native=calls_natively(agent))]


def calling(agent: ChatAgent, content: str, calls: Sequence[Call]) -> LLMMessage:
    """The model's answer that has this text and calls these tools."""
    if calls_natively(agent):
        return LLMMessage(role=Role.ASSISTANT, content=content or None, tool_calls=[_native(call) for call in calls])
    written = [json.dumps({"request": call.name, **call.args}) for call in calls]
    return LLMMessage(role=Role.ASSISTANT, content="\n".join(filter(None, [content, *written])))


def _native(call: Call) -> OpenAIToolCall:
    function = LLMFunctionCall(name=call.name, arguments=call.args or None)
    return OpenAIToolCall(id=call.id, type="function", function=function, extra_content=call.extra)


def _replace(agent: ChatAgent, messages: list[LLMMessage]) -> None:
    agent.clear_history(0)
    agent.init_message_history()
    messages = _fitting(agent, messages)
    agent.message_history += messages
    agent.oai_tool_calls = []
    agent.oai_tool_id2call = {call.id: call for message in messages for call in message.tool_calls or [] if call.id}


def _fitting(agent: ChatAgent, messages: list[LLMMessage]) -> list[LLMMessage]:
    """Leave out the oldest turns that Langroid would drop before the next request.

    It counts the whole history again for each turn that it drops (langroid 0.69.16, agent/chat_agent.py:2088): that
    takes minutes for a conversation of some thousand turns.
    """
    config = agent.config.llm
    if (
        agent.llm is None
        or config is None
        or agent.config.context_overflow_strategy != "drop_turns"
        or not TOKEN_COUNTS.holds
    ):
        return messages
    length = agent.llm.chat_context_length()
    sizes = [agent._message_num_tokens(message) for message in messages]
    total = agent.chat_num_tokens() + sum(sizes)
    if total <= length - config.model_max_output_tokens:
        return messages
    turns = [at for at, message in enumerate(messages) if message.role == Role.USER]
    start = end = turns[0] if turns else 0
    for start_of_turn, start_of_next in pairwise(turns):
        if total <= length - config.min_output_tokens - CHAT_HISTORY_BUFFER:
            break
        total -= sum(sizes[start_of_turn:start_of_next])
        end = start_of_next
    return messages[:start] + messages[end:]
