"""Edit, regenerate, branch, clear: the transcript becomes another one."""

from __future__ import annotations

import uuid

from chat.actions.accepted import Accepted, owned
from chat.actions.limits import check_limits, check_move
from chat.exceptions import Busy, NotFound
from chat.mends.locks import brief_transaction
from chat.models import ChatSession, Conversation, Message
from chat.owners import Owner


@brief_transaction()
def edit(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID, content: str) -> Accepted:
    """Store a sibling of `turn` with another text and make it the head. Raises: NotFound, Busy, RateLimited."""
    return _sibling(_at_rest(owner, id), owner, turn, content=content)


@brief_transaction()
def regenerate(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID) -> Accepted:
    """Store a sibling of `turn` with the same text and make it the head. Raises: NotFound, Busy, RateLimited."""
    return _sibling(_at_rest(owner, id), owner, turn, content=None)


def _sibling(conversation: Conversation, owner: Owner, turn: uuid.UUID, *, content: str | None) -> Accepted:
    check_limits(owner, conversation)
    original = _turn(conversation, turn)
    message = conversation.add_turn(
        original.content if content is None else content,
        follows=original.follows,
        regenerated=content is None,
        attachments=original.attachments,
        answer=original.answer if content is None else None,
    )
    records = (message, _move_head(conversation, message.id))
    return Accepted(conversation=conversation, records=records, message=message, turn=message.id)


def _move_head(conversation: Conversation, turn: uuid.UUID | None) -> Message:
    """The transcript is another one now: whatever agent has the old one in its memory is shut out."""
    conversation.release(ChatSession.EndReason.REPLACED)
    return conversation.set_head(turn)


@brief_transaction()
def branch(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID) -> Accepted:
    """Make the transcript end with `turn`. Raises: NotFound, Busy, RateLimited, LimitReached."""
    conversation = _at_rest(owner, id)
    check_move(owner, conversation)
    _turn(conversation, turn)
    return Accepted(conversation=conversation, records=(_move_head(conversation, turn),))


@brief_transaction()
def clear(owner: Owner, id: uuid.UUID) -> Accepted:
    """Make the transcript empty; the records stay. Raises: NotFound, Busy, RateLimited, LimitReached."""
    conversation = _at_rest(owner, id)
    check_move(owner, conversation)
    return Accepted(conversation=conversation, records=(_move_head(conversation, None),))


def _at_rest(owner: Owner, id: uuid.UUID) -> Conversation:
    conversation = owned(owner, id)
    if conversation.open_turns:
        raise Busy
    return conversation


def _turn(conversation: Conversation, turn: uuid.UUID) -> Message:
    try:
        return conversation.messages.get(id=turn, turn=turn, kind=Message.Kind.USER)
    except Message.DoesNotExist:
        raise NotFound from None
