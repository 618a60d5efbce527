"""The compatible profile: what a page of the earlier prototype is told instead of an event of protocol 1."""

from __future__ import annotations

from chat.wire.events import Event

_COMPATIBLE_FIELDS = {
    "connection": ("status", "session_id", "message"),
    "stream_start": ("message_id", "sender", "timestamp", "agent"),
    "stream_token": ("message_id", "token"),
    "stream_end": ("message_id",),
    "tool_call": ("tool_name", "tool_args", "message_id", "tool_call_id"),
    "tool_result": ("tool_name", "result", "message_id", "tool_call_id"),
    "input_request": ("prompt", "timeout", "request_id"),
    "error": ("error", "details", "message_id", "incident", "retry_ms"),
}
_INPUT_WELCOME = {"type": "input_request", "prompt": ""}


def compatible(event: Event) -> list[Event]:
    """Return what a client of the earlier prototype is told instead of `event`: nothing, it, or it and more."""
    kind = event["type"]
    if kind == "message":
        message = event["message"]
        if message["sender"] == "user":
            return []
        if not message["content"]:
            return [_INPUT_WELCOME]  # the old page waits for something, and has no use for an empty bubble
        fields = ("id", "content", "sender", "timestamp", "agent", "status")
        return [{"type": "message", "message": {name: message[name] for name in fields if name in message}}]
    names = _COMPATIBLE_FIELDS.get(kind)
    if names is None:
        return []
    told = {"type": kind, **{name: event[name] for name in names if name in event}}
    if kind in ("tool_call", "tool_result"):
        told["message_id"] = event["message_id"] or event["tool_call_id"]
    return [told, _INPUT_WELCOME] if kind == "error" else [told]
