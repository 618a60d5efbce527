"""What pages are told that no agent emits, through the channel layer, whatever process they are connected to."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from chat.live.layer import tell
from chat.models import Conversation, Message
from chat.models.conversation import group_of
from chat.owners import Owner
from chat.wire.events import Event, Feedback, Status
from chat.wire.frames import encode


def records(conversation_id: uuid.UUID, rows: Sequence[Message]) -> None:
    """Send committed records to the conversation's pages."""
    if rows:
        frames = "\n".join(encode(row.event()) for row in rows)
        message = {"type": "chat.events", "conversation": str(conversation_id), "raw": frames}
        tell(group_of(conversation_id), message)


def records_added(conversation: Conversation, owner: Owner, rows: Sequence[Message]) -> None:
    """Send committed records to the conversation's pages, and its summary to all pages of the owner."""
    records(conversation.id, rows)
    summary(conversation, owner)


def summary(conversation: Conversation, owner: Owner) -> None:
    """Tell all pages of the owner what the list shows of a conversation."""
    if not conversation.temporary:
        _tell_owner(owner, conversation.summary())


def feedback(conversation_id: uuid.UUID, message_id: uuid.UUID, given: dict[str, Any] | None) -> None:
    """Tell the conversation's pages what its owner thinks of an answer. None: nothing any more."""
    event = Feedback(type="feedback", message_id=str(message_id), feedback=given)
    tell(group_of(conversation_id), {"type": "chat.events", "conversation": str(conversation_id), "raw": encode(event)})


def idle(conversation: Conversation) -> None:
    """Tell the conversation's pages that no turn runs and none waits, where no agent says so."""
    agent, state = conversation.agent_name, Conversation.State.IDLE
    status = Status(type="status", state=state, agent=agent, turn=None, queued=[])
    tell(conversation.group, {"type": "chat.events", "conversation": str(conversation.id), "raw": encode(status)})


def deleted(conversation: Conversation, id: uuid.UUID, owner: Owner) -> None:
    """Tell all pages that a conversation is no more. `id`: what it had, which Django takes from a deleted row."""
    _tell_owner(owner, {**conversation.summary(), "id": str(id), "state": "deleted"})
    tell(group_of(id), {"type": "chat.deleted", "conversation": str(id)})


def _tell_owner(owner: Owner, event: Event) -> None:
    tell(owner.group, {"type": "chat.owner", "owner": owner.id, "frame": encode(event)})
