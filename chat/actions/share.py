"""Make a link that shows a conversation, and take it back. Each leaves a note that outlives both."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db.models import QuerySet

from chat.actions.accepted import owned
from chat.clock import Now
from chat.conf import AgentSpec, agents, conf
from chat.exceptions import LimitReached, NotFound
from chat.mends.locks import brief_transaction
from chat.models import Conversation, Share, ShareNote
from chat.owners import Owner

MAX_LINKS = 20  # of one conversation, at the same time


def may_share(agent: AgentSpec | None) -> bool:
    """Whether the site, and the agent, lets its conversations be shown by a link."""
    return bool(conf.SHARE) and agent is not None and agent.share


@brief_transaction()
def share(owner: Owner, id: uuid.UUID, *, follows: bool, with_tools: bool, days: int) -> Share:
    """Make a link. Raises: NotFound, also where sharing is switched off; LimitReached."""
    conversation = owned(owner, id)
    if conversation.temporary or not may_share(agents().get(conversation.agent_key)):
        raise NotFound("Conversations with this agent cannot be shared.")
    if live_shares(conversation).count() >= MAX_LINKS:
        raise LimitReached(f"A conversation has {MAX_LINKS} links at most. Take one back first.")
    made = Share.objects.create(
        conversation=conversation,
        head=None if follows else conversation.head,
        seq=None if follows else conversation.newest_seq,
        with_tools=with_tools,
        expires=Now() + timedelta(days=max(1, min(days, conf.SHARE_DAYS))),
    )
    made.refresh_from_db(fields=["expires"])
    _note(owner, made, ShareNote.Act.MADE)
    return made


@brief_transaction()
def revoke(owner: Owner, share_id: uuid.UUID) -> None:
    """Take a link back, for good. Raises: NotFound."""
    mine = Share.objects.filter(conversation__in=Conversation.objects.for_owner(owner), revoked=None)
    found = mine.filter(id=share_id).first()
    if found is None:
        raise NotFound("There is no such link.")
    found.revoked = Now()
    found.save(update_fields=["revoked"])
    _note(owner, found, ShareNote.Act.REVOKED)


def live_shares(conversation: Conversation) -> QuerySet[Share]:
    return Share.objects.live().filter(conversation=conversation)


def _note(owner: Owner, shared: Share, act: str) -> None:
    ShareNote.objects.create(
        user_id=owner.user_id,
        user_name=owner.name,
        conversation_id=shared.conversation_id,
        share_id=shared.id,
        act=act,
        terms=shared.terms(),
    )
