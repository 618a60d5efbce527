"""How much of its conversation one connection has."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from chat.wire.events import CHUNKS, RECORDS, Event


@dataclass
class Position:
    """How much of one open message the connection has. `next` None: its snapshot is not complete yet."""

    next: int | None = None  # n of the next chunk of text or HTML
    next_reasoning: int = 0
    chars: int = 0
    reasoning_chars: int = 0
    blocks: int = 0
    is_checkpoint: bool = False  # the owner did not answer: no chunk fits, and text may be missing that none brings


class Cursor:
    """What a connection has been sent of its conversation. Pure: it is asked before, and told of, each event."""

    def __init__(self) -> None:
        self.seq = 0  # newest record sent
        self.is_behind = False  # something is missing
        self.status: Event = {}  # the last one sent since `connection`
        self.positions: dict[str, Position] = {}
        self.closed: deque[str] = deque(maxlen=64)  # messages that this connection has whole
        self.told: deque[str] = deque(maxlen=256)  # calls, tasks and questions that it knows of

    @property
    def has_checkpoint(self) -> bool:
        """True if some open message is shown as far as it is stored."""
        return any(position.is_checkpoint for position in self.positions.values())

    def start_over(self) -> None:
        """Nothing that is open counts as sent."""
        self.is_behind, self.status = True, {}
        self.positions.clear()
        self.told.clear()

    def has_records(self, seq: int, newest_ids: list[str]) -> None:
        """The page has all records up to `seq`; what of the newest may still come is not new to it."""
        self.seq = seq
        self.closed.extend(newest_ids)
        self.told.extend(newest_ids)

    def is_next(self, event: Event) -> bool:
        """True if the event is to be sent now. A hole puts the connection behind."""
        kind = event["type"]
        if kind in RECORDS:
            seq: int = event["seq"]
            self.is_behind = seq > self.seq + 1
            return seq == self.seq + 1
        if kind in CHUNKS:
            return self._is_next_chunk(event)
        match kind:
            case "stream_start":
                return event["message_id"] not in self.positions and event["message_id"] not in self.closed
            case "stream_end":
                return self._is_next_end(event)
            case "status":
                return event != self.status
            case "tool_call" | "task_start" | "input_request":
                return _begun_by(event) not in self.told
        return True

    def _is_next_chunk(self, event: Event) -> bool:
        id: str = event["message_id"]
        n: int = event["n"]
        position = self.positions.get(id)
        if position is None:
            self.is_behind = id not in self.closed  # else its stream_start was lost
            return False
        expected = position.next_reasoning if event["type"] == "stream_reasoning" else position.next
        if expected is None:
            return False
        if position.is_checkpoint:
            self.is_behind = True  # its writer is heard: it may answer
            return False
        if n < expected:
            return False
        if n > expected:
            self.is_behind = True
        return n == expected

    def _is_next_end(self, event: Event) -> bool:
        """True if the message is open and all its text was sent; else its record ends it, with the rest."""
        position = self.positions.get(event["message_id"])
        if position is None or position.is_checkpoint or position.next is None:
            return False
        self.is_behind = event.get("n", 0) > position.next  # its last chunks were lost
        return not self.is_behind

    def note(self, event: Event) -> None:
        """Move the cursor over an event that is being sent."""
        match event["type"]:
            case "status":
                self.status = event
            case "tool_call" | "task_start" | "input_request":
                self.told.append(_begun_by(event))
            case "stream_start":
                self.positions[event["message_id"]] = Position(next=0)
            case "stream_token":
                position = self.positions[event["message_id"]]
                position.next = event["n"] + 1
                position.chars += len(event["token"])
            case "stream_html":
                self.positions[event["message_id"]].next = event["n"] + 1
            case "stream_reasoning":
                position = self.positions[event["message_id"]]
                position.next_reasoning += 1
                position.reasoning_chars += len(event["token"])
            case "stream_end":
                self.positions.pop(event["message_id"])
                self.closed.append(event["message_id"])
            case "message":
                self.seq = event["seq"]
                self.closed.append(event["message"]["id"])
            case "tool_result":
                self.seq = event["seq"]
                self.told.append(_begun_by(event))  # its beginning may come late
            case "head":
                self.seq = event["seq"]


def _begun_by(event: Event) -> str:
    """The id of the call, task or question that the event begins."""
    id: str = event.get("tool_call_id") or event.get("task_id") or event["request_id"]
    return id
