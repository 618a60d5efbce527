"""Delete a conversation for ever."""

from __future__ import annotations

import uuid
from datetime import timedelta

from chat.clock import Now
from chat.mends.locks import brief_transaction
from chat.models import Conversation


def is_used_since(id: uuid.UUID, seconds: float) -> bool:
    """Whether a page or an agent has come to the conversation in the last so many seconds."""
    return Conversation.objects.filter(id=id, updated__gt=Now() - timedelta(seconds=seconds)).exists()


@brief_transaction()
def erase(id: uuid.UUID) -> None:
    """Delete a conversation with all that belongs to it, for ever. The lock shuts out an agent that still writes."""
    for conversation in Conversation.objects.select_for_update().filter(id=id):
        conversation.delete()
