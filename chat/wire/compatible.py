"""The compatible profile: protocol 1, told to a page of the earlier prototype and understood from it.

    profile = Compatible("de", "en")
    for told in profile.tell(event): ...     # an event of protocol 1, as that page knows it
    frame = profile.understand(frame)        # a frame of that page, as one of protocol 1

That page shows messages and tokens alone, and has one way to speak: a plain message. So questions, errors and greetings
come as messages too, and what is said while a question is open is its answer. A stream begins once for it, and its
tokens are only ever added: what protocol 1 says again is compared with what the page has.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy, override

from chat.wire.asked import meant, text_of
from chat.wire.commands import Frame
from chat.wire.events import Event
from chat.wire.values import iso

_FIELDS = {
    "connection": ("status", "session_id", "message"),
    "stream_start": ("message_id", "sender", "timestamp", "agent"),
    "tool_call": ("tool_name", "tool_args", "message_id", "tool_call_id"),
    "tool_result": ("tool_name", "result", "message_id", "tool_call_id", "truncated", "url"),
    "input_request": ("prompt", "timeout", "request_id"),
    "error": ("error", "details", "message_id", "incident", "retry_ms"),
}
_MESSAGE = ("id", "content", "sender", "timestamp", "agent", "status", "truncated", "url")
_UNLOCK = ("stream_start", "message", "input_request")  # what that page's input waits for after each message
_WELCOME = {"type": "input_request", "prompt": ""}
_ENDS = {
    "stopped": gettext_lazy("The answer was stopped."),
    "interrupted": gettext_lazy("The answer was interrupted. Please ask again."),
}


@dataclass
class _Bubble:
    """A message that the page sees being written."""

    known: int = 0  # characters that protocol 1 has told of, since it began the stream the last time
    parts: list[str] = field(default_factory=list)  # what the page was sent
    chars: int = 0

    def add(self, text: str) -> str:
        """The part of `text` that the page lacks."""
        new = text[max(0, self.chars - self.known) :]
        self.known += len(text)
        self.parts += [new]
        self.chars += len(new)
        return new


class Compatible:
    """What one page of the prototype knows. Pure; one connection's."""

    def __init__(self, *languages: str, translate: Callable[[str], str] = str) -> None:
        """`languages`: of the site and of the person, whose words for yes and no are understood, and English ones.

        The last is spoken. `translate` says an error's sentence in it.
        """
        self.greeting = self.agent = ""  # of the conversation's agent, once that is known
        self._languages = languages
        self._translate = translate
        self._is_greeted = False
        self._is_locked = False  # the page's input, until it is told something
        self._is_asked = False  # the server has not said yet what becomes of the page's message
        self._ahead: set[str] = set()  # turns that are accepted, and of which nothing was heard yet
        self._turns: deque[str | None] = deque(maxlen=64)  # those of which something was heard
        self._bubbles: dict[str, _Bubble] = {}  # until their record is there
        self._ended: set[str] = set()  # of these, whose stream has ended
        self._told: deque[str] = deque(maxlen=256)  # calls, questions, records and errors that it knows of
        self._question: Event | None = None

    # -- to the page --------------------------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Event]:
        """Return what the page is told instead of `event`: nothing, it, or more than it."""
        with override(self._languages[-1] if self._languages else "en"):
            told = list(self._tell(event))
        if any(each["type"] in _UNLOCK for each in told):
            self._is_locked = False
        return told

    def _tell(self, event: Event) -> Iterable[Event]:
        match event["type"]:
            case "connection":
                return self._connection(event)
            case "status":
                return self._status(event)
            case "accepted":
                return self._accepted(event)
            case "stream_start":
                return self._stream_start(event)
            case "stream_more":
                return self._add(event["message_id"], event["content"])
            case "stream_token":
                return self._add(event["message_id"], event["token"])
            case "stream_end":
                return self._stream_end(event)
            case "message":
                return self._message(event)
            case "tool_call":
                return self._tool_call(event)
            case "tool_result":
                return self._tool_result(event)
            case "input_request":
                return self._input_request(event)
            case "error":
                return self._error(event)
            case "pong":
                return [event]
        return ()

    def _connection(self, event: Event) -> Iterator[Event]:
        if self._is_greeted:
            return  # the page was slow: protocol 1 begins anew, this page goes on
        self._is_greeted = True
        yield _of(event)
        if self.greeting and not event["seq"]:
            yield self._says(self.greeting, sender="assistant")

    def _status(self, event: Event) -> Iterator[Event]:
        for turn in (event.get("turn"), *event.get("queued", ())):
            self._hear_of(turn)
        if event["state"] != "waiting":
            self._question = None
        if event["state"] == "idle" and self._is_locked and not (self._is_asked or self._ahead):
            yield _WELCOME  # else it is the idle state before the page's message

    def _accepted(self, event: Event) -> Iterator[Event]:
        self._is_asked = False
        if event["turn"] not in self._turns:
            self._ahead.add(event["turn"])
        yield from ()

    def _hear_of(self, turn: str | None) -> None:
        self._ahead.discard(turn or "")
        self._turns.append(turn)

    def _stream_start(self, event: Event) -> Iterator[Event]:
        id = event["message_id"]
        if id in self._told or id in self._ended:
            return
        if id not in self._bubbles:
            self._bubbles[id] = _Bubble()
            yield _of(event)
        self._bubbles[id].known = 0
        yield from self._add(id, event.get("content", ""))

    def _add(self, id: str, text: str) -> Iterator[Event]:
        if id in self._bubbles and id not in self._ended and (new := self._bubbles[id].add(text)):
            yield {"type": "stream_token", "message_id": id, "token": new}

    def _stream_end(self, event: Event) -> Iterator[Event]:
        id = event["message_id"]
        if id not in self._bubbles or id in self._ended:
            return
        self._ended.add(id)
        yield {"type": "stream_end", "message_id": id}
        if not self._bubbles[id].chars:
            del self._bubbles[id]
            yield {"type": "delete_message", "message_id": id}

    def _message(self, event: Event) -> Iterator[Event]:
        message = event["message"]
        if message["sender"] == "user" or message["id"] in self._told or self._is_the_greeting(message):
            return
        self._hear_of(message.get("turn"))
        self._told.append(message["id"])
        yield from self._end_bubble(message)
        if message["content"]:
            yield {"type": "message", "message": {name: message[name] for name in _MESSAGE if name in message}}
        if attached := message.get("attachments"):
            yield self._says(
                "\n".join(f"Attached: {each['name']}" for each in attached), agent=message.get("agent", "")
            )
        error = message.get("error")
        if error and error.get("details") and f"error {message['id']}" not in self._told:
            self._told.append(f"error {message['id']}")
            yield self._says(self._translate(error["details"]))
        elif not message["content"] and message.get("status") in _ENDS:
            yield self._says(str(_ENDS[message["status"]]))

    def _is_the_greeting(self, message: dict[str, Any]) -> bool:
        """It is stored with the first message; the page has had it since it connected."""
        return bool(self.greeting) and not message.get("turn", True) and message["content"] == self.greeting

    def _end_bubble(self, message: dict[str, Any]) -> Iterator[Event]:
        """Complete what the page has of a message, or take away what is not in its record."""
        id, content = message["id"], message["content"]
        bubble = self._bubbles.pop(id, None)
        is_open = bubble is not None and id not in self._ended
        self._ended.discard(id)
        if bubble is None:
            return
        shown = "".join(bubble.parts)
        is_more = is_open and content.startswith(shown) and len(content) > len(shown)
        if is_more:
            yield {"type": "stream_token", "message_id": id, "token": content[len(shown) :]}
        if is_open:
            yield {"type": "stream_end", "message_id": id}
        if not content or not (is_more or shown == content or message.get("truncated")):
            yield {"type": "delete_message", "message_id": id}

    def _tool_call(self, event: Event) -> Iterator[Event]:
        if event["tool_call_id"] in self._told:
            return
        self._told.append(event["tool_call_id"])
        yield {**_of(event), "message_id": event["message_id"] or event["tool_call_id"]}

    def _tool_result(self, event: Event) -> Iterator[Event]:
        result = event["result"]
        if failure := event.get("error"):
            result = f"{result}\nError: {failure}".strip()
        elif event.get("status") in ("stopped", "rejected", "interrupted"):
            result = f"{result}\n({event['status']})".strip()
        yield {**_of(event), "result": result, "message_id": event["message_id"] or event["tool_call_id"]}

    def _input_request(self, event: Event) -> Iterator[Event]:
        if event["request_id"] in self._told:
            return
        self._told.append(event["request_id"])
        self._question = event
        yield from self._ask(event)

    def _ask(self, question: Event) -> Iterator[Event]:
        if text := text_of(question):
            yield self._says(text, sender="assistant", agent=question.get("agent", ""))
        yield _of(question)

    def _error(self, event: Event) -> Iterator[Event]:
        self._is_asked = False
        of_record = f"error {event.get('message_id')}"
        if of_record not in self._told or "message_id" not in event:
            yield self._says(self._translate(event["details"]))
            self._told.append(of_record)
        yield _of(event)
        if self._question:
            yield from self._ask(self._question)
        else:
            yield _WELCOME

    def _says(self, text: str, *, sender: str = "system", agent: str = "") -> Event:
        message = {"id": str(uuid.uuid4()), "content": text, "sender": sender, "timestamp": iso(datetime.now(UTC))}
        return {"type": "message", "message": {**message, "agent": agent or self.agent, "status": "complete"}}

    # -- from the page ------------------------------------------------------------------------------------------------

    def understand(self, frame: Frame) -> Frame:
        """Return the frame as protocol 1 has it. Raises: NotUnderstood, for an answer that is none."""
        if frame.get("type") == "user_input":
            frame = {**frame, "type": "message"}
        if frame.get("type") != "message":
            return frame
        self._is_locked = self._is_asked = True
        content = frame.get("content")
        if self._question is None or self._question["kind"] == "text" or not isinstance(content, str):
            return frame
        answer = {"type": "answer", "request_id": self._question["request_id"], "content": content}
        if "message_id" in frame:
            answer["message_id"] = frame["message_id"]
        answer |= meant(self._question, content.strip(), *self._languages)
        self._question = None
        return answer


def _of(event: Event) -> dict[str, Any]:
    """The event with the fields that the page knows."""
    kind = event["type"]
    return {"type": kind, **{name: event[name] for name in _FIELDS[kind] if name in event}}
