"""A stored record as its event. A row is whatever has the fields of `models.Message`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from chat.paths import address_of
from chat.wire.events import Event, Head, Message, MessageBody, Placed, StreamStart, ToolCall, ToolResult
from chat.wire.values import iso, text_or_none

P = TypeVar("P", bound=Placed)


def record(row: Any, **more: Any) -> Event:
    """The row as its event, however long, with `more` fields."""
    match row.kind:
        case "head":
            return {**Head(type="head", seq=row.seq, turn=text_or_none(row.turn)), **(row.answer or {})}
        case "tool":
            return {**_tool_result(row), **more}
    return Message(type="message", seq=row.seq, message={**_body(row), **more})


def call(row: Any) -> ToolCall:
    """The `tool_call` that began a tool's run."""
    event = ToolCall(
        type="tool_call",
        tool_call_id=str(row.id),
        turn=text_or_none(row.turn),
        message_id=text_or_none(row.caller_id),
        tool_name=row.tool_name,
        tool_args=row.tool_args or {},
        agent=row.agent,
        parent_id=text_or_none(row.parent_id),
        depth=row.depth,
        timestamp=iso(row.created),
    )
    if row.parts:
        event["parts"] = [_part(part) for part in row.parts]
    return _with_task(event, row)


def stream_start(row: Any) -> StreamStart:
    """The `stream_start` of an open message, without its text."""
    event = StreamStart(
        type="stream_start",
        message_id=str(row.id),
        turn=text_or_none(row.turn),
        sender="assistant",
        agent=row.agent,
        parent_id=text_or_none(row.parent_id),
        depth=row.depth,
        timestamp=iso(row.created),
    )
    return _with_task(event, row)


def attachment(item: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of an attachment, with its address."""
    return {**item, "url": address_of("chat:attachment", item["id"])}


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    return {**part, "attachment": attachment(part["attachment"])} if "attachment" in part else dict(part)


def _with_task(event: P, row: Any) -> P:
    if row.depth:
        event["task"] = row.task
    return event


def _tool_result(row: Any) -> ToolResult:
    event = ToolResult(
        type="tool_result",
        tool_call_id=str(row.id),
        turn=text_or_none(row.turn),
        message_id=text_or_none(row.caller_id),
        tool_name=row.tool_name,
        tool_args=row.tool_args or {},
        agent=row.agent,
        parent_id=text_or_none(row.parent_id),
        depth=row.depth,
        timestamp=iso(row.created),
        seq=row.seq,
        result=row.content,
        error=_error_of(row),
        status=row.status,
        duration_ms=row.duration_ms,
    )
    if row.whole_chars is not None:
        event["whole_chars"] = row.whole_chars
        event["truncated"] = True
    if row.model_chars is not None:
        event["model_chars"] = row.model_chars
    if row.parts:
        event["parts"] = [_part(part) for part in row.parts]
    return _with_task(event, row)


def _body(row: Any) -> MessageBody:
    body = MessageBody(
        id=str(row.id),
        turn=text_or_none(row.turn),
        content=row.content,
        sender=row.kind,
        agent=row.agent,
        parent_id=text_or_none(row.parent_id),
        depth=row.depth,
        status=row.status,
        timestamp=iso(row.created),
    )
    _with_task(body, row)
    if row.kind != "user":
        body["reasoning"] = row.reasoning
        body["finish_reason"] = row.finish_reason or None
        body["duration_ms"] = row.duration_ms
        body["usage"] = row.usage
        body["error"] = row.error
        body["tool_calls"] = row.tool_calls
        body["attachments"] = [attachment(item) for item in row.attachments]
        body["sources"] = [_part(source) if isinstance(source, Mapping) else source for source in row.sources]
        if row.parts:
            body["parts"] = [_part(part) for part in row.parts]
        return body
    body["follows"] = text_or_none(row.follows)
    body["client_id"] = row.client_id
    body["attachments"] = [attachment(item) for item in row.attachments]
    if row.regenerated:
        body["regenerated"] = True
    if row.is_opening:
        body["opening"] = True
    if row.request_id:
        body["request_id"] = str(row.request_id)
        body["answer"] = row.answer or {}
    return body


def _error_of(row: Any) -> str | None:
    """A tool's error, with its cause where developers are to see it."""
    if not row.error:
        return None
    details, cause = row.error.get("details"), row.error.get("cause")
    return f"{details}\n{cause}" if cause else details
