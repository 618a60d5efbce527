"""Server to browser: the list of all events, each with its fields. `docs/protocol.md` says when each is sent.

An event is a dict; the class of its type makes one: `StreamToken(type="stream_token", message_id=id, n=0, token="a")`.
The class costs no more than a display of the dict, and mypy holds the fields against it.

    record   stored before it is sent; has `seq`                Message, ToolResult, Head
    chunk    not stored; has `message_id` and `n`               StreamToken, StreamReasoning, StreamHtml
    state    the latest wins                                    all others
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from chat.exceptions import ChatError

RECORDS = frozenset({"message", "tool_result", "head"})
CHUNKS = frozenset({"stream_token", "stream_reasoning", "stream_html"})

Event = Mapping[str, Any]  # any of those below, or of another process: only read


class Placed(TypedDict):
    """Where in the tree of agents something happens."""

    agent: str
    parent_id: str | None  # the message or tool call under which it nests
    depth: int  # 0: the root agent
    task: NotRequired[dict[str, Any] | None]  # {"id", "name", "parent_id"} where `depth` is above 0


# -- records -------------------------------------------------------------------------------------------------------


class Message(TypedDict):
    type: Literal["message"]
    seq: int
    message: dict[str, Any]  # `MessageBody`; a cut one has `truncated` and `url`


class MessageBody(Placed):
    """The `message` in a `message`."""

    id: str
    turn: str | None
    content: str
    sender: str
    status: str
    timestamp: str
    attachments: NotRequired[list[Any]]
    # a user's
    follows: NotRequired[str | None]
    client_id: NotRequired[str | None]
    opening: NotRequired[bool]  # nobody has written it: the agent speaks first
    regenerated: NotRequired[bool]
    request_id: NotRequired[str]
    answer: NotRequired[dict[str, Any]]
    # an assistant's
    html: NotRequired[str]
    reasoning: NotRequired[str]
    finish_reason: NotRequired[str | None]
    duration_ms: NotRequired[int | None]
    usage: NotRequired[dict[str, Any] | None]
    error: NotRequired[dict[str, Any] | None]
    tool_calls: NotRequired[list[str]]
    sources: NotRequired[list[Any]]
    parts: NotRequired[list[Any]]  # what is shown beside words; `content` stands for it where it cannot be
    # one that no frame holds
    truncated: NotRequired[bool]
    url: NotRequired[str]


class ToolResult(Placed):
    type: Literal["tool_result"]
    seq: int
    turn: str | None
    tool_call_id: str
    message_id: str | None
    tool_name: str
    tool_args: dict[str, Any]
    result: str
    error: str | None
    status: str
    duration_ms: int | None
    timestamp: str
    whole_chars: NotRequired[int]  # of a result that is stored cut
    model_chars: NotRequired[int]  # of it, or of what is stored, the model was given no more
    truncated: NotRequired[bool]
    url: NotRequired[str]
    parts: NotRequired[list[dict[str, Any]]]  # of the tool's card


class Head(TypedDict):
    type: Literal["head"]
    seq: int
    turn: str | None
    dropped: NotRequired[list[str]]  # turns that waited and were taken back


# -- chunks --------------------------------------------------------------------------------------------------------


class StreamToken(TypedDict):
    type: Literal["stream_token"]
    message_id: str
    n: int
    token: str


class StreamReasoning(TypedDict):
    type: Literal["stream_reasoning"]
    message_id: str
    n: int
    token: str


class StreamHtml(TypedDict):
    type: Literal["stream_html"]
    message_id: str
    n: int
    block: int
    html: str
    keep: NotRequired[int]  # UTF-16 units of the block that stay


# -- state ---------------------------------------------------------------------------------------------------------


class Connection(TypedDict):
    type: Literal["connection"]
    status: Literal["connected"]
    session_id: str
    opens: NotRequired[bool]  # the agent speaks first, once it is told `open`
    ticket: NotRequired[str]
    access: NotRequired[str]
    protocol: int
    seq: int
    head: str | None
    title: str
    allowed: list[str]
    suggestions: list[str]
    agent: dict[str, str]
    resumed: bool
    earlier: bool
    limits: dict[str, int]
    message: str
    temporary: NotRequired[bool]  # not kept


class Status(TypedDict):
    type: Literal["status"]
    state: str
    agent: str
    turn: str | None
    queued: list[str]


class StreamStart(Placed):
    """What a message begins with; sent to a page that joins with the text so far."""

    type: Literal["stream_start"]
    message_id: str
    turn: str | None
    sender: Literal["assistant"]
    timestamp: str
    content: NotRequired[str]
    blocks: NotRequired[list[str]]
    reasoning: NotRequired[str]
    n: NotRequired[int]
    reasoning_n: NotRequired[int]


class StreamMore(TypedDict):
    type: Literal["stream_more"]
    message_id: str
    content: str
    blocks: NotRequired[list[str]]
    reasoning: str
    n: int
    reasoning_n: int


class StreamEnd(TypedDict):
    type: Literal["stream_end"]
    message_id: str
    n: NotRequired[int]  # chunks of text or HTML before it


class ToolCall(Placed):
    type: Literal["tool_call"]
    tool_call_id: str
    turn: str | None
    message_id: str | None
    tool_name: str
    tool_args: dict[str, Any]
    timestamp: str
    parts: NotRequired[list[dict[str, Any]]]  # of the tool's card, as far as the call alone tells


class StepProgress(TypedDict):
    """How far a tool's run has come, or, without one, the turn."""

    type: Literal["progress"]
    tool_call_id: str | None
    turn: str | None
    label: str
    fraction: float | None
    done: float | None
    total: float | None
    is_over: bool


class TaskStart(TypedDict):
    type: Literal["task_start"]
    task_id: str
    name: str
    parent_id: str | None
    depth: int


class TaskEnd(TypedDict):
    type: Literal["task_end"]
    task_id: str
    name: str
    parent_id: str | None
    depth: int
    status: str
    usage: NotRequired[dict[str, Any]]


class InputRequest(TypedDict):
    type: Literal["input_request"]
    request_id: str
    turn: str | None
    prompt: str
    kind: str
    options: list[Any]
    agent: str
    timeout: float | None
    schema: NotRequired[dict[str, Any]]
    permission: NotRequired[str]
    tool_name: NotRequired[str]
    tool_args: NotRequired[dict[str, Any]]


class Conversation(TypedDict):
    type: Literal["conversation"]
    id: str
    title: str
    agent: str
    updated: str
    state: str
    newest_seq: int
    read_seq: int
    allowed: list[str]
    suggestions: list[str]
    pinned: bool
    archived: bool
    folder: str


class Feedback(TypedDict):
    type: Literal["feedback"]
    message_id: str
    feedback: dict[str, Any] | None


class Accepted(TypedDict):
    type: Literal["accepted"]
    client_id: str | None
    message_id: str
    turn: str | None
    seq: int | None
    duplicate: bool


class Error(TypedDict):
    type: Literal["error"]
    error: str
    details: str
    client_id: NotRequired[str]
    message_id: NotRequired[str]
    retry_ms: NotRequired[int]
    incident: NotRequired[str]


class Bye(TypedDict):
    type: Literal["bye"]
    reason: str
    retry_ms: int


class Pong(TypedDict):
    type: Literal["pong"]


def error_event(error: ChatError, *, client_id: str | None = None, message_id: str | None = None) -> Error:
    """The `error` that tells a client of a refusal or a failure."""
    event = Error(type="error", error=error.code, details=error.details)
    if client_id is not None:
        event["client_id"] = client_id
    if message_id is not None:
        event["message_id"] = message_id
    if error.retry_ms is not None:
        event["retry_ms"] = error.retry_ms
    if error.incident:
        event["incident"] = error.incident
    return event
