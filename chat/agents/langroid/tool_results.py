"""How much of a tool's result its model is given: as many tokens as the tool allows, else the site.

Langroid cuts a result before anybody has seen the whole of it, and counts the tokens of all of it first. Here people
get what the tool gave (`live/recorder.py`), and of what is far too long only the beginning is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langroid.agent.base import Agent
from langroid.agent.chat_document import ChatDocument
from langroid.agent.tool_message import ToolMessage

from chat.agents.langroid.history import given
from chat.agents.langroid.scope import Scope, override
from chat.conf import conf

TOKEN_CHARS = 8  # a token seldom has more


@override(Agent)
def _maybe_truncate_result(original: Any, now: Scope, agent: Agent, result: Any, max_tokens: int | None) -> Any:
    return result  # `bounded` does it


@dataclass(frozen=True)
class Bounded:
    """A result as its model gets it; `whole` and `chars` where that is not all of it."""

    result: Any
    whole: str | None = None
    chars: int | None = None


def bounded(agent: Agent, tool: ToolMessage, result: Any) -> Bounded:
    """Cut a result for its model. What steers the task, or is addressed to somebody, stays as it is."""
    if isinstance(result, ChatDocument) and (result.tool_messages or result.metadata.recipient):
        return Bounded(result)
    text = result.content if isinstance(result, ChatDocument) else result
    if not isinstance(text, str):
        return Bounded(result)
    tokens = conf.MAX_TOOL_RESULT_TOKENS if tool._max_result_tokens is None else tool._max_result_tokens
    chars = min(_chars_of(agent, text, tokens), conf.MAX_TOOL_RESULT_CHARS)
    if chars >= len(text):
        return Bounded(result)
    told = given(text, chars)
    if isinstance(result, ChatDocument):
        result.content = told
        return Bounded(result, text, chars)
    return Bounded(told, text, chars)


def _chars_of(agent: Agent, text: str, tokens: int) -> int:
    """How many characters the first tokens of a text have."""
    if len(text) * 4 <= tokens:  # a token has at least a byte
        return len(text)
    beginning = text[: tokens * TOKEN_CHARS]
    if agent.parser is None:
        return tokens * 4  # as Langroid has it
    kept = agent.parser.truncate_tokens(beginning, tokens)
    return len(kept.rstrip("\ufffd"))  # its last character may be cut in two
