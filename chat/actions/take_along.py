"""A visitor signs in: the visitor's conversations are the user's from now on."""

from __future__ import annotations

from typing import Any

from chat.mends.locks import brief_transaction
from chat.models import Attachment, Conversation, TakenAlong
from chat.owners import Owner
from chat.search.find import forget


@brief_transaction()
def take_along(visitor: Owner, user: Any) -> list[str]:
    """Give the visitor's conversations to the user, for good, and note it; return their ids."""
    mine = Conversation.objects.for_owner(visitor)
    ids = list(mine.select_for_update().values_list("id", flat=True))
    Conversation.objects.filter(id__in=ids).update(user=user, visitor="")
    Attachment.objects.for_owner(visitor).update(user=user, visitor="")
    forget(ids)
    whose = {"visitor": visitor.visitor, "user_id": user.pk, "user_name": user.get_username()}
    TakenAlong.objects.bulk_create(TakenAlong(conversation_id=id, **whose) for id in ids)
    return [str(id) for id in ids]
