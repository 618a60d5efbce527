"""What a user's command does to a conversation: each is one short transaction.

It stores and checks; whoever calls it sends the records and wakes the agent. A command sees only conversations of its
owner, and what it returns is committed: `Accepted` says which records are new, and which turn waits for the agent.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Func, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from chat.conf import agents, conf
from chat.exceptions import BadFrame, Busy, Conflict, NotFound, RateLimited
from chat.mends.statements import Prepared, update
from chat.models import ChatSession, Conversation, Message, ServerProcess
from chat.models.conversation import OPEN_TURN
from chat.owners import Owner


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The outcome of a user's command: what was stored, and the conversation as it is now."""

    conversation: Conversation
    records: tuple[Message, ...] = ()
    turn: uuid.UUID | None = None  # a turn that waits for the agent
    message: Message | None = None  # the user's own record
    duplicate: bool = False


@transaction.atomic
def accept_message(
    owner: Owner, id: uuid.UUID, *, content: str, client_id: str | None, new_agent: str | None = None
) -> Accepted:
    """Store a user's message that starts a turn, or answers an open question of kind "text".

    `new_agent` allows the conversation to be made if it has no row yet. The same `client_id` again returns the first
    message. Raises: NotFound, Conflict, Busy, RateLimited.
    """
    greeting = _create(owner, id, new_agent) if new_agent else []
    conversation = _owned(owner, id)
    if client_id and (known := _known.first(id, client_id)):
        if known.content != content:
            raise Conflict("A message with this id, but another text, was accepted before.")
        return Accepted(conversation=conversation, message=known, turn=known.turn, duplicate=True)
    question = conversation.question
    if question and question["kind"] == "text":
        return _store_answer(conversation, content, {}, client_id)
    _check_limits(owner, conversation)
    message = conversation.add_turn(content, follows=conversation.head, client_id=client_id)
    return Accepted(conversation=conversation, records=(*greeting, message), message=message, turn=message.id)


def _create(owner: Owner, id: uuid.UUID, agent_key: str) -> list[Message]:
    """Make the conversation's row if there is none; return the agent's greeting as a record."""
    defaults = {"agent_key": agent_key, **owner.fields}
    conversation, is_new = Conversation.objects.get_or_create(id=id, defaults=defaults)
    spec = agents()[agent_key]
    if not (is_new and spec.greeting):
        return []
    greeting = Message(kind=Message.Kind.ASSISTANT, content=spec.greeting, agent=spec.name)
    conversation.append(greeting)
    return [greeting]


def _check_limits(owner: Owner, conversation: Conversation) -> None:
    usage = _usage_of_user if owner.user_id is not None else _usage_of_visitor
    now = usage.first(conversation.id, owner.user_id or owner.visitor)
    if now.waiting >= conf.MAX_QUEUED_TURNS:
        raise Busy("Too many messages wait for the agent already.", retry_ms=5000)
    if now.others >= conf.MAX_RUNNING_TURNS and _running_elsewhere(owner, conversation) >= conf.MAX_RUNNING_TURNS:
        raise Busy("Other conversations of yours are still being answered.", retry_ms=5000)
    if now.recent >= conf.TURNS_PER_MINUTE:
        raise RateLimited(retry_ms=15000)


def _running_elsewhere(owner: Owner, conversation: Conversation) -> int:
    """How many other conversations of the owner are being answered: what a dead process has left is not."""
    others = _with_open_turns(Conversation.objects.for_owner(owner).exclude(id=conversation.id))
    return others.filter(owner_process__in=ServerProcess.objects.filter(ServerProcess.alive())).count()


def _with_open_turns(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    return conversations.filter(Exists(Message.objects.filter(OPEN_TURN, conversation=OuterRef("id"))))


def _usage(id: uuid.UUID, owner: Owner) -> QuerySet[Conversation]:
    """The conversation with what the limits look at: turns that wait, others with open turns, turns of a minute."""
    mine = Conversation.objects.for_owner(owner)
    turns = Message.objects.filter(conversation=OuterRef("id"))
    minute_ago = Now() - timedelta(minutes=1)
    recent = Message.objects.filter(conversation__in=mine, kind=Message.Kind.USER, created__gt=minute_ago)
    return Conversation.objects.filter(id=id).annotate(
        waiting=_count(turns.filter(OPEN_TURN, begun=None)),
        others=_count(_with_open_turns(mine.exclude(id=id))),
        recent=_count(recent),
    )


def _count(rows: QuerySet[Any]) -> Subquery:
    """The number of rows, as a part of another query."""
    return Subquery(rows.order_by().values(count=Func(F("pk"), function="COUNT")), output_field=IntegerField())


_usage_of_user = Prepared(lambda id, user_id: _usage(id, Owner(user_id=user_id)), uuid.UUID, int)
_usage_of_visitor = Prepared(lambda id, visitor: _usage(id, Owner(visitor=visitor)), uuid.UUID, str)
_known = Prepared(lambda id, client_id: Message.objects.filter(conversation=id, client_id=client_id), uuid.UUID, str)


@transaction.atomic
def accept_answer(
    owner: Owner, id: uuid.UUID, *, request_id: str, content: str, answer: dict[str, Any], client_id: str | None
) -> Accepted:
    """Store the answer to an open question as a record of its turn. Raises: NotFound, Conflict."""
    conversation = _owned(owner, id)
    if client_id and (known := _known.first(id, client_id)):
        if (known.content, known.answer) != (content, answer):
            raise Conflict
        return Accepted(conversation=conversation, message=known, turn=known.turn, duplicate=True)
    question = conversation.question
    if not question or question["request_id"] != request_id:
        if conversation.messages.filter(request_id=request_id).exists():
            raise Conflict
        raise NotFound("This question is no longer open.")
    options = question["options"] if question["kind"] == "choice" else []
    if options and "choice" in answer and answer["choice"] not in options:
        raise BadFrame("This is not one of the choices.")
    return _store_answer(conversation, content, answer, client_id)


def _store_answer(conversation: Conversation, content: str, answer: dict[str, Any], client_id: str | None) -> Accepted:
    message = Message(
        kind=Message.Kind.USER,
        content=content,
        turn=conversation.question["turn"],
        request_id=conversation.question["request_id"],
        answer=answer,
        client_id=client_id,
    )
    conversation.append(message)
    conversation.question, conversation.state = None, Conversation.State.RUNNING
    update(conversation, "question", "state")
    return Accepted(conversation=conversation, records=(message,), message=message)


@transaction.atomic
def edit(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID, content: str) -> Accepted:
    """Store a sibling of `turn` with another text and make it the head. Raises: NotFound, Busy, RateLimited."""
    return _sibling(_at_rest(owner, id), owner, turn, content=content)


@transaction.atomic
def regenerate(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID) -> Accepted:
    """Store a sibling of `turn` with the same text and make it the head. Raises: NotFound, Busy, RateLimited."""
    return _sibling(_at_rest(owner, id), owner, turn, content=None)


def _sibling(conversation: Conversation, owner: Owner, turn: uuid.UUID, *, content: str | None) -> Accepted:
    _check_limits(owner, conversation)
    original = _turn(conversation, turn)
    again = content is None
    message = conversation.add_turn(
        original.content if again else content,
        follows=original.follows,
        regenerated=again,
        attachments=original.attachments,
    )
    records = (message, _move_head(conversation, message.id))
    return Accepted(conversation=conversation, records=records, message=message, turn=message.id)


def _move_head(conversation: Conversation, turn: uuid.UUID | None) -> Message:
    """The transcript is another one now: whatever agent has the old one in its memory is shut out."""
    conversation.release(ChatSession.EndReason.REPLACED)
    return conversation.set_head(turn)


@transaction.atomic
def branch(owner: Owner, id: uuid.UUID, *, turn: uuid.UUID) -> Accepted:
    """Make the transcript end with `turn`. Raises: NotFound, Busy."""
    conversation = _at_rest(owner, id)
    _turn(conversation, turn)
    return Accepted(conversation=conversation, records=(_move_head(conversation, turn),))


@transaction.atomic
def clear(owner: Owner, id: uuid.UUID) -> Accepted:
    """Make the transcript empty; the records stay. Raises: NotFound, Busy."""
    conversation = _at_rest(owner, id)
    return Accepted(conversation=conversation, records=(_move_head(conversation, None),))


def _owned(owner: Owner, id: uuid.UUID) -> Conversation:
    try:
        return Conversation.objects.locked(id, owner=owner)
    except Conversation.DoesNotExist:
        raise NotFound from None


def _at_rest(owner: Owner, id: uuid.UUID) -> Conversation:
    conversation = _owned(owner, id)
    if conversation.open_turns:
        raise Busy
    return conversation


def _turn(conversation: Conversation, turn: uuid.UUID) -> Message:
    try:
        return conversation.messages.get(id=turn, turn=turn, kind=Message.Kind.USER)
    except Message.DoesNotExist:
        raise NotFound from None


@transaction.atomic
def erase(id: uuid.UUID) -> None:
    """Delete a conversation with all that belongs to it, for ever. The lock shuts out an agent that still writes."""
    for conversation in Conversation.objects.select_for_update().filter(id=id):
        conversation.delete()
