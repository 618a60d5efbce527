"""Change or take back what waits for the agent, as long as no agent has begun it.

A record never changes, and those that wait follow each other: so what waits from there on is stored again, as turns of
their own with the other text or without it, and the head moves to the last of them. Those that they stand for are over
before they have begun.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from chat.actions.accepted import owned
from chat.actions.limits import check_move
from chat.clock import Now
from chat.exceptions import Conflict
from chat.mends.locks import brief_transaction
from chat.mends.statements import update
from chat.models import Conversation, Message
from chat.owners import Owner


@dataclass(frozen=True, kw_only=True)
class Requeued:
    """The queue as it is now."""

    conversation: Conversation
    records: tuple[Message, ...]  # the turns that are new, and the move of the head
    turns: tuple[uuid.UUID, ...]  # those that wait now in place of others
    dropped: tuple[uuid.UUID, ...]  # those that do not wait any more


@brief_transaction()
def cancel(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID) -> Requeued:
    """Take a message back. Raises: NotFound, Conflict once an agent has begun it, RateLimited, LimitReached."""
    return _requeue(owner, id, turn, None)


@brief_transaction()
def revise(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID, content: str) -> Requeued:
    """Give a message that waits another text. Raises: as `cancel`."""
    return _requeue(owner, id, turn, content)


def _requeue(owner: Owner, id: uuid.UUID, turn: uuid.UUID, content: str | None) -> Requeued:
    conversation = owned(owner, id)
    check_move(owner, conversation)
    waiting = conversation.queued
    at = next((at for at, each in enumerate(waiting) if each.id == turn), None)
    if at is None:
        raise Conflict("The agent has begun with this message already.")
    dropped, last = waiting[at:], waiting[at].follows
    for each in dropped:
        each.begun = each.ended = Now()
        each.status = Message.Status.STOPPED
        update(each, "begun", "ended", "status")
    texts = [(content, dropped[0])] if content is not None else []
    texts += [(each.content, each) for each in dropped[1:]]
    turns: list[Message] = []
    for text, stands_for in texts:
        turns.append(conversation.add_turn(text, follows=last, attachments=stands_for.attachments))
        last = turns[-1].id
    head = conversation.set_head(last, dropped=_ids(dropped))
    return Requeued(
        conversation=conversation,
        records=(*turns, head),
        turns=_ids(turns),
        dropped=_ids(dropped),
    )


def _ids(messages: Sequence[Message]) -> tuple[uuid.UUID, ...]:
    return tuple(message.id for message in messages)
