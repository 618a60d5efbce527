"""The errors that a person or a client may see.

    ChatError
    ├── BadFrame, UnknownType, TooLarge      the frame
    ├── Busy, RateLimited, Conflict          not now, or not again
    ├── NotFound, Unauthorized               not yours, not signed in
    └── AgentUnavailable, LimitReached, Internal

Each has a stable `code` (`docs/protocol.md`) and a sentence for people. They are raised where the cause is known and
caught at the edge (consumer, view), which turns them into an `error` event. No message, path or key of a foreign
exception ever goes into `details`: those go to the log, under the same `incident`.
"""

from __future__ import annotations

import uuid


class ChatError(Exception):
    """An error with a stable code. `details` is a sentence for people."""

    code = "internal"
    sentence = "Something went wrong on the server. Please try again."

    def __init__(self, details: str = "", *, retry_ms: int | None = None, incident: str | None = None) -> None:
        self.details = details or self.sentence
        self.retry_ms = retry_ms
        self.incident = incident
        super().__init__(self.details)


class BadFrame(ChatError):
    code = "bad_frame"
    sentence = "The message could not be understood."


class NotUnderstood(ChatError):
    """An answer that a person has typed, and that is none: to be asked again. No abuse."""

    code = "bad_frame"
    sentence = "This answer could not be understood."


class UnknownType(ChatError):
    code = "unknown_type"
    sentence = "The server does not know this type of message."


class TooLarge(ChatError):
    code = "too_large"
    sentence = "The message is too long."


class Busy(ChatError):
    code = "busy"
    sentence = "The agent is still working. Wait for it, or stop it first."


class RateLimited(ChatError):
    code = "rate_limited"
    sentence = "Too many messages in a short time. Wait a moment."


class Conflict(ChatError):
    code = "conflict"
    sentence = "This was already answered differently."


class NotFound(ChatError):
    code = "not_found"
    sentence = "There is no such conversation or message."


class Unauthorized(ChatError):
    code = "unauthorized"
    sentence = "Please sign in."


class Forbidden(ChatError):
    code = "forbidden"
    sentence = "You may not do this."


class AgentUnavailable(ChatError):
    code = "agent_unavailable"
    sentence = "The agent could not be started. The cause is in the server's log."


class LimitReached(ChatError):
    code = "limit_reached"
    sentence = "A limit of this conversation is reached."


def too_much(what: str) -> LimitReached:
    """A turn has taken all that its agent's entry allows (`LIMITS`)."""
    return LimitReached(
        f"The agent was stopped after {what}, the most that one message may take. You may ask it to go on, or ask "
        "for less at a time."
    )


class Internal(ChatError):
    code = "internal"


def new_incident() -> str:
    """Return a short id that a person can read out and that stands beside the traceback in the log."""
    return uuid.uuid4().hex[:10]
