"""How a conversation stands in its owner's lists."""

from __future__ import annotations

import uuid

from chat.models import Conversation


def mark_read(id: uuid.UUID, seq: int) -> Conversation | None:
    """Note that the records up to `seq` have been read; return the conversation if that was news."""
    unread = Conversation.objects.filter(id=id, read_seq__lt=seq)
    if not unread.exists() or not unread.update(read_seq=seq):
        return None
    return Conversation.objects.find(id)
