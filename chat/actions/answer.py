"""Answer an open question."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from chat.actions.accepted import Accepted, by_client_id, owned
from chat.actions.attach import files_of, hand_over
from chat.exceptions import BadFrame, Conflict, Forbidden, NotFound
from chat.mends.locks import brief_transaction
from chat.mends.statements import update
from chat.models import Conversation, Message
from chat.owners import Owner


@brief_transaction()
def accept_answer(
    owner: Owner,
    id: uuid.UUID,
    *,
    request_id: str,
    content: str,
    answer: dict[str, Any],
    client_id: str | None,
    attachments: Sequence[str] = (),
) -> Accepted:
    """Store the answer to an open question as a record of its turn. Raises: NotFound, Conflict."""
    conversation = owned(owner, id)
    if client_id and (known := by_client_id.first(id, client_id)):
        if (known.content, known.answer) != (content, answer):
            raise Conflict
        return Accepted(conversation=conversation, message=known, turn=known.turn, duplicate=True)
    question = conversation.question
    if not question or question["request_id"] != request_id:
        if conversation.messages.filter(request_id=request_id).exists():
            raise Conflict
        raise NotFound("This question is no longer open.")
    if answer.get("approved") and not _may_approve(conversation, question.get("permission")):
        raise Forbidden("You may not approve this: it takes a permission that you do not have.")
    options = [_value_of(option) for option in question["options"]] if question["kind"] == "choice" else []
    if options and "choice" in answer and answer["choice"] not in options:
        raise BadFrame("This is not one of the choices.")
    return store_answer(conversation, content, answer, client_id, attachments=attachments)


def store_answer(
    conversation: Conversation,
    content: str,
    answer: dict[str, Any],
    client_id: str | None,
    *,
    attachments: Sequence[str] = (),
) -> Accepted:
    """Close the open question with its answer."""
    question = conversation.question
    assert question is not None
    files = files_of(conversation.owner, attachments)
    message = Message(
        kind=Message.Kind.USER,
        content=content,
        attachments=[file.description() for file in files],
        turn=question["turn"],
        request_id=question["request_id"],
        answer=answer,
        client_id=client_id,
    )
    conversation.append(message)
    hand_over(files, conversation, question["turn"])
    tool = question.get("tool_name")
    if answer.get("approved") and answer.get("always") and tool and tool not in conversation.allowed:
        conversation.allowed = [*conversation.allowed, tool]
    if conversation.is_left:
        Message(id=message.turn).begin_again()
        conversation.state = Conversation.State.IDLE  # until an agent takes it
    else:
        conversation.state = Conversation.State.RUNNING
    conversation.question = None
    update(conversation, "question", "state", "allowed")
    return Accepted(conversation=conversation, records=(message,), message=message)


def _value_of(option: Any) -> Any:
    """What taking an option answers: of one with a label its value."""
    return option["value"] if isinstance(option, dict) and "value" in option else option


def _may_approve(conversation: Conversation, permission: str | None) -> bool:
    """Whether the conversation's owner has the permission that the tool's approval takes."""
    if permission is None:
        return True
    return conversation.user is not None and conversation.user.has_perm(permission)


@brief_transaction()
def revoke(owner: Owner, id: uuid.UUID, *, tool_name: str) -> Accepted:
    """Let a tool ask again that was allowed always. Raises: NotFound."""
    conversation = owned(owner, id)
    conversation.allowed = [name for name in conversation.allowed if name != tool_name]
    update(conversation, "allowed")
    return Accepted(conversation=conversation)
