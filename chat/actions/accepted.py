"""What every action begins with, the owner's locked conversation, and what it returns.

What is returned is committed: `Accepted` says which records are new, and which turn waits for the agent.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from chat.exceptions import NotFound
from chat.mends.statements import Prepared
from chat.models import Conversation, Message
from chat.owners import Owner


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The outcome of a user's command: what was stored, and the conversation as it is now."""

    conversation: Conversation
    records: tuple[Message, ...] = ()
    turn: uuid.UUID | None = None  # a turn that waits for the agent
    message: Message | None = None  # the user's own record
    duplicate: bool = False


by_client_id = Prepared(
    lambda id, client_id: Message.objects.filter(conversation=id, client_id=client_id), uuid.UUID, str
)


def owned(owner: Owner, id: uuid.UUID) -> Conversation:
    try:
        return Conversation.objects.locked(id, owner=owner)
    except Conversation.DoesNotExist:
        raise NotFound from None
