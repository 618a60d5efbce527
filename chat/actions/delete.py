"""Delete a conversation for ever."""

from __future__ import annotations

import uuid

from chat.mends.locks import brief_transaction
from chat.models import Conversation


@brief_transaction()
def erase(id: uuid.UUID) -> None:
    """Delete a conversation with all that belongs to it, for ever. The lock shuts out an agent that still writes."""
    for conversation in Conversation.objects.select_for_update().filter(id=id):
        conversation.delete()
