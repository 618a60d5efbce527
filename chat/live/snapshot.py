"""What runs in a conversation at one moment: what a page that joins must know besides the records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chat.wire.events import Event, Status, StreamStart


@dataclass(frozen=True, kw_only=True)
class StreamView:
    """A copy of an open message: apply the chunks from `n` on."""

    start: StreamStart
    text: str
    n: int
    reasoning: str
    reasoning_n: int
    blocks: Sequence[str] | None  # None: plain text is wanted


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is open, from the session that runs it, or (`is_stored`) as far as the database knows."""

    status: Status
    newest_seq: int = 0  # of the records that the session has made; none of them is open here
    streams: Sequence[StreamView] = ()
    calls: Sequence[Event] = ()  # `tool_call`s without their results
    tasks: Sequence[Event] = ()  # `task_start`s without their ends
    steps: Sequence[Event] = ()  # how far these, and the turn, have come
    question: Event | None = None  # an `input_request`
    is_stored: bool = False

    def to_json(self) -> str:
        """The snapshot as another process reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        fields: dict[str, Any] = json.loads(text)
        known = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
        return cls(**{**known, "streams": [StreamView(**view) for view in known.get("streams", ())]})


NOTHING_OPEN = Snapshot(status=Status(type="status", state="idle", agent="", turn=None, queued=[]))
