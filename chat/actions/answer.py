"""Answer an open question."""

from __future__ import annotations

import uuid
from typing import Any

from chat.actions.accepted import Accepted, by_client_id, owned
from chat.exceptions import BadFrame, Conflict, NotFound
from chat.mends.locks import brief_transaction
from chat.mends.statements import update
from chat.models import Conversation, Message
from chat.owners import Owner


@brief_transaction()
def accept_answer(
    owner: Owner, id: uuid.UUID, *, request_id: str, content: str, answer: dict[str, Any], client_id: str | None
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
    options = question["options"] if question["kind"] == "choice" else []
    if options and "choice" in answer and answer["choice"] not in options:
        raise BadFrame("This is not one of the choices.")
    return store_answer(conversation, content, answer, client_id)


def store_answer(conversation: Conversation, content: str, answer: dict[str, Any], client_id: str | None) -> Accepted:
    """Close the open question with its answer."""
    question = conversation.question
    assert question is not None
    message = Message(
        kind=Message.Kind.USER,
        content=content,
        turn=question["turn"],
        request_id=question["request_id"],
        answer=answer,
        client_id=client_id,
    )
    conversation.append(message)
    conversation.question, conversation.state = None, Conversation.State.RUNNING
    update(conversation, "question", "state")
    return Accepted(conversation=conversation, records=(message,), message=message)
