"""Delete a conversation for ever."""

from __future__ import annotations

import uuid
from datetime import timedelta

from chat.clock import Now
from chat.mends.locks import brief_transaction
from chat.models import Conversation, Message, Tally
from chat.models.tallies import key_of_owner


def is_used_since(id: uuid.UUID, seconds: float) -> bool:
    """Whether a page or an agent has come to the conversation in the last so many seconds."""
    return Conversation.objects.filter(id=id, updated__gt=Now() - timedelta(seconds=seconds)).exists()


@brief_transaction()
def erase(id: uuid.UUID) -> None:
    """Delete a conversation with all that belongs to it, for ever. The lock shuts out an agent that still writes."""
    for conversation in Conversation.objects.select_for_update().filter(id=id):
        _keep_tallies(conversation)
        conversation.delete()


def _keep_tallies(conversation: Conversation) -> None:
    """What its owner has asked for within a minute still counts: else deleting would make room for more."""
    counted = conversation.messages.filter(kind__in=(Message.Kind.USER, Message.Kind.HEAD))
    moments = counted.filter(created__gt=Now() - timedelta(minutes=1)).values_list("created", flat=True)
    key = key_of_owner(conversation.owner)
    Tally.objects.bulk_create(Tally(key=key, created=created) for created in moments)
