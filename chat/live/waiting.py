"""What is stored with an open question, for a fresh agent to go on with once it is answered.

An agent that waits for its user's answer may leave when nobody is there (`AgentSession.park`). The question stays, and
so do the turn, which has begun and not ended, and the rows of the tools that run. Its answer makes the turn wait for an
agent again, which `Resumption` tells where to go on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chat.models import Conversation, Message
from chat.observer import Answer, PendingCall
from chat.wire.values import clean_json


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """A question that was answered when its agent had gone."""

    turn: uuid.UUID
    question: dict[str, Any]  # the input_request
    answer: Answer
    pending: tuple[PendingCall, ...]  # empty: the turn runs again from its beginning
    open: tuple[Message, ...]  # the rows of those tools that run again

    @property
    def open_ids(self) -> set[uuid.UUID]:
        return {row.id for row in self.open}

    def is_of_step(self, record: Message) -> bool:
        """True for a record of the model's answer that has the pending calls."""
        step = self.pending[0].message_id
        return step in (str(record.id), str(record.caller_id))


def stored(question: Mapping[str, Any], pending: Iterable[PendingCall]) -> dict[str, Any]:
    """The value of `Conversation.asking`."""
    return {"question": dict(question), "pending": [clean_json(asdict(call)) for call in pending]}


def resumption(conversation: Conversation) -> Resumption | None:
    """What a fresh agent goes on with; None: nothing, it begins the turns that wait. Inside a transaction."""
    left = conversation.asking
    if left is None or conversation.question is not None or not (queued := conversation.queued):
        return None
    question = left["question"]
    given = conversation.messages.filter(request_id=question["request_id"]).first()
    if given is None or given.turn != queued[0].id:
        return None
    pending = tuple(PendingCall(**call) for call in left["pending"])
    again = {uuid.UUID(call.id) for call in pending if call.result is None}
    return Resumption(
        turn=queued[0].id,
        question=question,
        answer=given.as_answer(),
        pending=pending,
        open=tuple(row for row in conversation.open_records if row.id in again),
    )


ASKED = ("kind", "prompt", "options", "schema", "agent", "tool_name", "tool_args")


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True if both ask the same: then the answer to one is that to the other."""
    return all(one.get(name) == other.get(name) for name in ASKED)
