"""Browser to server: `parse` makes a command (a dataclass) of a frame, or raises a `ChatError`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chat.exceptions import BadFrame, TooLarge, UnknownType
from chat.wire.codes import (
    MAX_COMMAND_BYTES,
)
from chat.wire.values import clean, is_deeper

MAX_ANSWER_DEPTH = 50  # objects and lists in each other: what is stored must be showable for ever

Frame = dict[str, Any]  # one that a client has sent


@dataclass(frozen=True, kw_only=True)
class SendMessage:
    content: str
    client_id: str | None = None
    attachments: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)  # of a conversation that it begins


@dataclass(frozen=True, kw_only=True)
class Open:
    """Let the agent of a new conversation speak first."""

    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SendAnswer:
    request_id: str
    content: str
    answer: dict[str, Any] = field(default_factory=dict)
    client_id: str | None = None
    attachments: tuple[str, ...] = ()


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
class Cancel:
    turn: UUID


@dataclass(frozen=True, kw_only=True)
class Revise:
    turn: UUID
    content: str


@dataclass(frozen=True, kw_only=True)
class Clear:
    pass


@dataclass(frozen=True, kw_only=True)
class Reset:
    pass


@dataclass(frozen=True, kw_only=True)
class Revoke:
    tool_name: str


@dataclass(frozen=True, kw_only=True)
class Ack:
    frames: int


@dataclass(frozen=True, kw_only=True)
class Sync:
    message_id: str


@dataclass(frozen=True, kw_only=True)
class Ping:
    pass


Order = Open | Stop | Regenerate | Edit | Branch | Cancel | Revise | Clear | Reset | Revoke
Command = SendMessage | SendAnswer | Order | Ack | Sync | Ping


def decode(text: str | None) -> Frame:
    """Return the JSON object of a client's frame; `require_storable` says whether it can be kept and sent on.

    Raises: BadFrame for anything else (binary, NaN, nesting without end); TooLarge.
    """
    if text is None:
        raise BadFrame("Only text frames are understood.")
    if len(text) > MAX_COMMAND_BYTES or len(text.encode(errors="replace")) > MAX_COMMAND_BYTES:
        raise TooLarge(f"A frame may have {MAX_COMMAND_BYTES // 1024} KiB at most.")
    try:
        frame = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadFrame("The frame is not JSON in UTF-8.") from None
    if not isinstance(frame, dict):
        raise BadFrame("A frame is one JSON object.")
    return frame


def require_storable(frame: Frame) -> None:
    """Raises: BadFrame for numbers beyond JSON's, for lone surrogates: half a character, as some keyboards send it."""
    try:
        json.dumps(frame, ensure_ascii=False, allow_nan=False).encode()  # 1e999 reads as infinity
    except UnicodeEncodeError:
        raise BadFrame("The message holds half a character, which cannot be sent. Take it out.") from None
    except (ValueError, RecursionError):
        raise BadFrame("The frame is not JSON in UTF-8.") from None


def client_id_of(frame: Frame) -> str | None:
    """Return the client's id of a frame that may be refused, so that the refusal can name it."""
    id = frame.get("message_id")
    return id if isinstance(id, str) and 0 < len(id) <= 64 and id == clean(id) else None


def parse(frame: Frame, *, max_chars: int) -> Command:
    """Return the command that the frame gives. Raises: BadFrame, TooLarge, UnknownType."""
    require_storable(frame)
    match frame.get("type"):
        case "message":
            attachments = _texts(frame, "attachments")
            content = _content(frame, max_chars, required=not attachments)
            return SendMessage(
                content=content,
                client_id=_client_id(frame),
                attachments=attachments,
                settings=_object(frame, "settings"),
            )
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


def _parse_command(frame: Frame, max_chars: int) -> Command:
    match frame.get("command"):
        case "open":
            return Open(settings=_object(frame, "settings"))
        case "stop":
            return Stop()
        case "regenerate":
            return Regenerate(turn=_uuid(frame, "message_id"))
        case "edit":
            return Edit(turn=_uuid(frame, "message_id"), content=_content(frame, max_chars, required=True))
        case "branch":
            return Branch(turn=_uuid(frame, "turn"))
        case "cancel":
            return Cancel(turn=_uuid(frame, "turn"))
        case "revise":
            return Revise(turn=_uuid(frame, "turn"), content=_content(frame, max_chars, required=True))
        case "clear":
            return Clear()
        case "reset":
            return Reset()
        case "revoke":
            return Revoke(tool_name=_text(frame, "tool_name"))
        case str():
            raise UnknownType("The server does not know this command.")
    raise BadFrame("A command needs its name.")


def _parse_answer(frame: Frame, max_chars: int) -> SendAnswer:
    answer = {
        name: frame[name] for name in ("choice", "approved", "tool_args", "always") if frame.get(name) is not None
    }
    if not isinstance(answer.get("approved", True), bool) or not isinstance(answer.get("always", True), bool):
        raise BadFrame("approved and always are true or false.")
    if not isinstance(answer.get("tool_args", {}), dict):
        raise BadFrame("tool_args is an object.")
    if is_deeper(answer, MAX_ANSWER_DEPTH):
        raise BadFrame(f"An answer is nested {MAX_ANSWER_DEPTH} levels deep at most.")
    if "\\u0000" in json.dumps(answer):
        raise BadFrame("The answer holds a NUL character.")
    attachments = _texts(frame, "attachments")
    content = _content(frame, max_chars, required=not (answer or attachments))
    return SendAnswer(
        request_id=str(_uuid(frame, "request_id")),
        content=content or (_answer_text(answer) if answer else ""),
        answer=answer,
        client_id=_client_id(frame),
        attachments=attachments,
    )


def _answer_text(answer: dict[str, Any]) -> str:
    if "choice" in answer:
        choice = answer["choice"]
        return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)
    if "approved" not in answer:
        return "Filled in"
    return "Approved" if answer.get("approved") else "Rejected"


def _content(frame: Frame, max_chars: int, *, required: bool) -> str:
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


def _client_id(frame: Frame) -> str | None:
    id = frame.get("message_id")
    if id is None:
        return None
    if not isinstance(id, str) or not 0 < len(id) <= 64 or "\x00" in id:
        raise BadFrame("message_id is a text of at most 64 characters.")
    return id


def _texts(frame: Frame, name: str) -> tuple[str, ...]:
    values = frame.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadFrame(f"{name} is a list of ids.")
    return tuple(values)


def _object(frame: Frame, name: str) -> dict[str, Any]:
    value = frame.get(name) or {}
    if not isinstance(value, dict) or is_deeper(value, MAX_ANSWER_DEPTH):
        raise BadFrame(f"{name} is an object, nested {MAX_ANSWER_DEPTH} levels deep at most.")
    return value


def _text(frame: Frame, name: str) -> str:
    value = frame.get(name)
    if not isinstance(value, str) or not value:
        raise BadFrame(f"{name} is a text.")
    return value


def _uuid(frame: Frame, name: str) -> UUID:
    try:
        return UUID(frame[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadFrame(f"{name} is a UUID.") from None


def _count(frame: Frame, name: str) -> int:
    value = frame.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFrame(f"{name} is a number from 0.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
