"""The wire protocol, version 1: what a frame may say, in both directions. Pure: no I/O, no database, no clock.

`docs/protocol.md` is the contract. Events (server to browser) are dicts with a `type`; `encode` makes a frame of one.
Commands (browser to server) are the dataclasses below; `parse` makes one of a frame, or raises a `ChatError`.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chat.exceptions import BadFrame, ChatError, TooLarge, UnknownType

VERSION = 1
MAX_FRAME_BYTES = 256 * 1024  # of a frame that the server sends (Daphne's limit of 1 MiB holds in both directions)
MAX_COMMAND_BYTES = 64 * 1024  # of a frame that a client sends
CHUNK_CHARS = 16_000  # of one chunk: JSON makes at most 6 bytes of a character, and HTML may double that
SNAPSHOT_CHARS = 32_000  # of one part of a long text so far

RECORDS = frozenset({"message", "tool_result", "head"})
CHUNKS = frozenset({"stream_token", "stream_reasoning", "stream_html"})

CLOSE_ABUSE = 4400
CLOSE_SIGN_IN = 4401
CLOSE_NOT_FOUND = 4404
CLOSE_TOO_SLOW = 4408
CLOSE_ELSEWHERE = 4409
CLOSE_TOO_LARGE = 4413
CLOSE_RATE = 4429
CLOSE_FULL = 4503
CLOSE_RESTART = 4012

Event = dict[str, Any]

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores no NUL; UTF-8 has no lone surrogates


def clean(text: str) -> str:
    """Replace what can be neither sent nor stored in a model's or tool's text by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean_json(value: Any) -> Any:
    """Return `value` as JSON that can be sent and stored: texts are cleaned, other types become text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {clean(str(key)): clean_json(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [clean_json(item) for item in value]
    return clean(str(value))


def encode(event: Any) -> str:
    """Return the event as one frame."""
    return _encoder.encode(event)


# -- commands ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SendMessage:
    content: str
    client_id: str | None = None
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SendAnswer:
    request_id: str
    content: str
    answer: dict[str, Any] = field(default_factory=dict)
    client_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stop:
    pass


@dataclass(frozen=True, kw_only=True)
class Regenerate:
    turn: UUID


@dataclass(frozen=True, kw_only=True)
class Edit:
    turn: UUID
    content: str


@dataclass(frozen=True, kw_only=True)
class Branch:
    turn: UUID


@dataclass(frozen=True, kw_only=True)
class Clear:
    pass


@dataclass(frozen=True, kw_only=True)
class Reset:
    pass


@dataclass(frozen=True, kw_only=True)
class Ack:
    frames: int


@dataclass(frozen=True, kw_only=True)
class Sync:
    message_id: str


@dataclass(frozen=True, kw_only=True)
class Ping:
    pass


Command = SendMessage | SendAnswer | Stop | Regenerate | Edit | Branch | Clear | Reset | Ack | Sync | Ping


def load(text: str | None) -> Event:
    """Return the JSON object of a client's frame.

    Raises: BadFrame for anything else (binary, NaN, nesting without end, NUL, lone surrogates); TooLarge.
    """
    if text is None:
        raise BadFrame("Only text frames are understood.")
    if len(text) > MAX_COMMAND_BYTES or len(text.encode(errors="replace")) > MAX_COMMAND_BYTES:
        raise TooLarge(f"A frame may have {MAX_COMMAND_BYTES // 1024} KiB at most.")
    try:
        frame = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(frame, ensure_ascii=False, allow_nan=False).encode()  # 1e999 reads as infinity
    except (ValueError, RecursionError):
        raise BadFrame("The frame is not JSON in UTF-8.") from None
    if not isinstance(frame, dict):
        raise BadFrame("A frame is one JSON object.")
    return frame


def client_id_of(frame: Event) -> str | None:
    """Return the client's id of a frame that may be refused, so that the refusal can name it."""
    id = frame.get("message_id")
    return id if isinstance(id, str) and 0 < len(id) <= 64 else None


def parse(frame: Event, *, max_chars: int) -> Command:
    """Return the command that the frame gives. Raises: BadFrame, TooLarge, UnknownType."""
    match frame.get("type"):
        case "message":
            attachments = _texts(frame, "attachments")
            content = _content(frame, max_chars, required=not attachments)
            return SendMessage(content=content, client_id=_client_id(frame), attachments=attachments)
        case "answer":
            return _parse_answer(frame, max_chars)
        case "command":
            return _parse_command(frame, max_chars)
        case "ack":
            return Ack(frames=_count(frame, "frames"))
        case "sync":
            return Sync(message_id=str(_uuid(frame, "message_id")))
        case "ping":
            return Ping()
        case str():
            raise UnknownType
    raise BadFrame("A frame needs a type.")


def _parse_command(frame: Event, max_chars: int) -> Command:
    match frame.get("command"):
        case "stop":
            return Stop()
        case "regenerate":
            return Regenerate(turn=_uuid(frame, "message_id"))
        case "edit":
            return Edit(turn=_uuid(frame, "message_id"), content=_content(frame, max_chars, required=True))
        case "branch":
            return Branch(turn=_uuid(frame, "turn"))
        case "clear":
            return Clear()
        case "reset":
            return Reset()
        case str():
            raise UnknownType("The server does not know this command.")
    raise BadFrame("A command needs its name.")


def _parse_answer(frame: Event, max_chars: int) -> SendAnswer:
    answer = {
        name: frame[name] for name in ("choice", "approved", "tool_args", "always") if frame.get(name) is not None
    }
    if not isinstance(answer.get("approved", True), bool) or not isinstance(answer.get("always", True), bool):
        raise BadFrame("approved and always are true or false.")
    if not isinstance(answer.get("tool_args", {}), dict):
        raise BadFrame("tool_args is an object.")
    if "\\u0000" in json.dumps(answer):
        raise BadFrame("The answer holds a NUL character.")
    content = _content(frame, max_chars, required=not answer)
    return SendAnswer(
        request_id=str(_uuid(frame, "request_id")),
        content=content or _answer_text(answer),
        answer=answer,
        client_id=_client_id(frame),
    )


def _answer_text(answer: dict[str, Any]) -> str:
    if "choice" in answer:
        choice = answer["choice"]
        return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)
    return "Approved" if answer.get("approved") else "Rejected"


def _content(frame: Event, max_chars: int, *, required: bool) -> str:
    content = frame.get("content", "" if not required else None)
    if content is None and not required:
        return ""
    if not isinstance(content, str):
        raise BadFrame("content is a text.")
    if len(content) > max_chars:
        raise TooLarge(f"A message may have {max_chars} characters at most.")
    if "\x00" in content:
        raise BadFrame("The message holds a NUL character.")
    if required and not content.strip():
        raise BadFrame("The message is empty.")
    return content


def _client_id(frame: Event) -> str | None:
    id = frame.get("message_id")
    if id is None:
        return None
    if not isinstance(id, str) or not 0 < len(id) <= 64 or "\x00" in id:
        raise BadFrame("message_id is a text of at most 64 characters.")
    return id


def _texts(frame: Event, name: str) -> tuple[str, ...]:
    values = frame.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadFrame(f"{name} is a list of ids.")
    return tuple(values)


def _uuid(frame: Event, name: str) -> UUID:
    try:
        return UUID(frame[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadFrame(f"{name} is a UUID.") from None


def _count(frame: Event, name: str) -> int:
    value = frame.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFrame(f"{name} is a number from 0.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# -- events --------------------------------------------------------------------------------------------------------


def error_event(error: ChatError, *, client_id: str | None = None, message_id: str | None = None) -> Event:
    """The `error` that tells a client of a refusal or a failure."""
    event: Event = {"type": "error", "error": error.code, "details": error.details}
    optional = {
        "client_id": client_id,
        "message_id": message_id,
        "retry_ms": error.retry_ms,
        "incident": error.incident,
    }
    return event | {name: value for name, value in optional.items() if value is not None}


def fits(frame: str) -> bool:
    return size_of(frame) <= MAX_FRAME_BYTES


def size_of(frame: str) -> int:
    """The bytes of a frame in UTF-8."""
    return len(frame) if frame.isascii() else len(frame.encode())


def shorten(record: Event) -> Event:
    """Return the record as it is if its frame fits; else with its texts cut and `truncated`.

    A record with long texts has the `url` of all of it. `html` was cut at a block boundary before and stays.
    """
    if fits(encode(record)):
        return record
    holder = {**record.get("message", record), "truncated": True}
    for name in ("tool_args", "sources", "answer"):
        if size_of(encode(holder.get(name))) > 8 * 1024:
            holder[name] = [] if name == "sources" else {}
    budget = MAX_FRAME_BYTES - 40 * 1024 - size_of(encode(holder.get("html", "")))
    for name in ("content", "result", "error", "reasoning"):
        if isinstance(holder.get(name), str):
            holder[name] = _cut(holder[name], max(budget, 0))
            budget -= size_of(encode(holder[name]))
    return {**record, "message": holder} if "message" in record else holder


def _cut(text: str, limit_bytes: int) -> str:
    """A prefix whose JSON has at most so many bytes."""
    while text and (size := size_of(encode(text))) > limit_bytes:
        text = text[: int(len(text) * min(limit_bytes / size, 0.99))]
    return text


# -- flow control --------------------------------------------------------------------------------------------------


class Window:
    """How much one connection has received and not acknowledged. Not thread-safe: the event loop's.

    `now` is any monotonic clock in seconds.
    """

    FRAMES = 64
    BYTES = 256 * 1024
    STALL_SECONDS = 30.0

    def __init__(self) -> None:
        self.sent = 0  # frames, ever
        self.acked = 0
        self._bytes = 0
        self._sizes: deque[int] = deque()  # of the unacknowledged frames, oldest first
        self._moved = 0.0  # when it filled, or was acknowledged since

    def is_open(self, now: float) -> bool:
        """True while a further frame may be sent."""
        return len(self._sizes) < self.FRAMES and self._bytes < self.BYTES

    def add(self, size: int, now: float) -> None:
        """Count a frame of `size` bytes that goes out."""
        if self.is_open(now):
            self._moved = now
        self.sent += 1
        self._bytes += size
        self._sizes.append(size)

    def ack(self, frames: int, now: float) -> None:
        """Take the client's count of received frames. Raises: BadFrame."""
        if frames > self.sent:
            raise BadFrame("More frames were acknowledged than sent.")
        if frames <= self.acked:
            return
        self._moved = now
        for _ in range(frames - self.acked):
            self._bytes -= self._sizes.popleft()
        self.acked = frames

    def is_stalled(self, now: float) -> bool:
        """True when it has been full for too long without a greater acknowledgement."""
        return not self.is_open(now) and now - self._moved > self.STALL_SECONDS


class Bucket:
    """A token bucket. `now` is any monotonic clock in seconds."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._at: float | None = None

    def level(self, now: float) -> float:
        if self._at is not None:
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` if it is there."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def spend(self, amount: float, now: float) -> None:
        """Take `amount` whether it is there or not: the level may fall below zero."""
        self.level(now)
        self._level -= amount


class Rate:
    """The window of clients that acknowledge nothing (the compatible profile): a fixed rate over a burst."""

    BYTES_PER_SECOND = 128 * 1024
    BURST_BYTES = 1024 * 1024
    STALL_SECONDS = 30.0

    def __init__(self) -> None:
        self._bucket = Bucket(rate=self.BYTES_PER_SECOND, burst=self.BURST_BYTES)
        self._shut: float | None = None  # since when

    def is_open(self, now: float) -> bool:
        if self._bucket.level(now) > 0:
            self._shut = None
            return True
        if self._shut is None:
            self._shut = now
        return False

    def add(self, size: int, now: float) -> None:
        self._bucket.spend(size, now)

    def ack(self, frames: int, now: float) -> None:
        raise BadFrame("Acknowledgements belong to protocol 1.")

    def is_stalled(self, now: float) -> bool:
        return not self.is_open(now) and now - (self._shut or now) > self.STALL_SECONDS


# -- the compatible profile ----------------------------------------------------------------------------------------

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
