"""Send a message: it starts a turn, or answers an open question."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.db import IntegrityError, transaction

from chat.actions.accepted import Accepted, by_client_id, owned
from chat.actions.answer import store_answer
from chat.actions.attach import files_of, hand_over
from chat.actions.limits import (
    check_limits,
)
from chat.conf import agents
from chat.exceptions import Conflict, NotFound
from chat.mends.locks import brief_transaction
from chat.mends.statements import insert
from chat.models import Conversation, Message
from chat.models.message import OPENS
from chat.owners import Owner


@brief_transaction()
def accept_message(
    owner: Owner,
    id: uuid.UUID,
    *,
    content: str,
    client_id: str | None,
    new_agent: str | None = None,
    attachments: Sequence[str] = (),
    is_temporary: bool = False,
    locale: dict[str, str] | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Accepted:
    """Store a user's message that starts a turn, or answers an open question of kind "text".

    `new_agent` allows the conversation to be made if it has no row yet, with what is known of it (`_create`). The same
    `client_id` again returns the first message. Raises: NotFound, Conflict, Busy, RateLimited.
    """
    fields = {"temporary": is_temporary, "locale": locale or {}, "settings": dict(settings)}
    conversation, greeting = opened(owner, id, new_agent, **fields)
    if client_id and (known := by_client_id.first(id, client_id)):
        if known.content != content or [item["id"] for item in known.attachments] != list(attachments):
            raise Conflict("A message with this id, but another text, was accepted before.")
        return Accepted(conversation=conversation, message=known, turn=known.turn, duplicate=True)
    question = conversation.question
    if question and question["kind"] == "text":
        return store_answer(conversation, content, {}, client_id, attachments=attachments)
    check_limits(owner, conversation)
    files = files_of(owner, attachments)
    described = [file.description() for file in files]
    message = conversation.add_turn(content, follows=conversation.head, client_id=client_id, attachments=described)
    hand_over(files, conversation, message.id)
    return Accepted(conversation=conversation, records=(*greeting, message), message=message, turn=message.id)


@brief_transaction()
def accept_opening(
    owner: Owner,
    id: uuid.UUID,
    *,
    new_agent: str | None,
    is_temporary: bool = False,
    locale: dict[str, str] | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Accepted:
    """Store a turn without a user's message, in which the agent speaks first (`OPENING`); none once there is one.

    Raises: NotFound where this agent does not speak first; Busy, RateLimited.
    """
    fields = {"temporary": is_temporary, "locale": locale or {}, "settings": dict(settings)}
    conversation, greeting = opened(owner, id, new_agent, **fields)
    spec = agents().get(conversation.agent_key)
    if spec is None or not spec.opening:
        raise NotFound("This agent does not speak first.")
    if conversation.messages.filter(kind=Message.Kind.USER).exists():
        return Accepted(conversation=conversation, duplicate=True)
    check_limits(owner, conversation)
    turn = conversation.add_turn("", follows=None, answer=OPENS)
    return Accepted(conversation=conversation, records=(*greeting, turn), message=turn, turn=turn.id)


def opened(owner: Owner, id: uuid.UUID, new_agent: str | None, **fields: Any) -> tuple[Conversation, list[Message]]:
    """Return the owner's conversation, made if need be, and its first records. Raises: NotFound."""
    try:
        return owned(owner, id), []
    except NotFound:
        if new_agent is None:
            raise
        return _create(owner, id, new_agent, **fields)


def _create(owner: Owner, id: uuid.UUID, agent_key: str, **fields: Any) -> tuple[Conversation, list[Message]]:
    """Make the conversation, with the agent's greeting as a record, unless another page is faster.

    `fields`: whether it is `temporary`, not to be kept; the `locale` of its page; `settings`, values of the agent's
    SETTINGS, checked. Raises: NotFound.
    """
    conversation = Conversation(id=id, agent_key=agent_key, **owner.fields, **fields)
    try:
        with transaction.atomic():
            insert(conversation)
    except IntegrityError:
        return owned(owner, id), []
    spec = agents()[agent_key]
    greeting = [Message(kind=Message.Kind.ASSISTANT, content=spec.greeting, agent=spec.name)] if spec.greeting else []
    conversation.append(*greeting)
    return conversation, greeting
