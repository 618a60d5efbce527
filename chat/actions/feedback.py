"""Say what one thinks of an answer, change one's mind, take it back."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.dispatch import Signal

from chat.actions.accepted import owned
from chat.clock import Now
from chat.conf import agents
from chat.exceptions import BadFrame, NotFound
from chat.mends.locks import brief_transaction
from chat.models import Conversation, Feedback, Message
from chat.models.feedback import MAX_COMMENT_CHARS
from chat.owners import Owner
from chat.signals import feedback_given, feedback_withdrawn

logger = logging.getLogger(__name__)


@brief_transaction()
def give(
    owner: Owner, id: uuid.UUID, message_id: uuid.UUID, *, value: str, reasons: Sequence[str], comment: str
) -> Feedback:
    """Store what the owner thinks of an answer. Raises: NotFound, also where the agent wants none; BadFrame."""
    conversation, message = _answer(owner, id, message_id)
    offered = _reasons(conversation, value)
    if unknown := [reason for reason in reasons if reason not in offered]:
        raise BadFrame(f"Not one of the reasons: {unknown[0][:50]}.")
    fields = {
        "conversation": conversation,
        "agent_key": conversation.agent_key,
        "value": value,
        "reasons": [reason for reason in offered if reason in reasons],
        "comment": comment.strip()[:MAX_COMMENT_CHARS],
        "given": Now(),
    }
    given, is_new = Feedback.objects.update_or_create(message=message, defaults=fields)
    given.refresh_from_db(fields=["given"])
    transaction.on_commit(partial(_tell, feedback_given, feedback=given, is_new=is_new))
    return given


@brief_transaction()
def withdraw(owner: Owner, id: uuid.UUID, message_id: uuid.UUID) -> None:
    """Take it back. Raises: NotFound."""
    conversation, message = _answer(owner, id, message_id)
    if Feedback.objects.filter(message=message).delete()[0]:
        ids = {"message_id": message.id, "conversation_id": conversation.id}
        transaction.on_commit(partial(_tell, feedback_withdrawn, **ids))


def _answer(owner: Owner, id: uuid.UUID, message_id: uuid.UUID) -> tuple[Conversation, Message]:
    conversation = owned(owner, id)
    message = conversation.records().filter(id=message_id, kind=Message.Kind.ASSISTANT).first()
    if message is None:
        raise NotFound
    return conversation, message


def _reasons(conversation: Conversation, value: str) -> Sequence[str]:
    """The reasons that may be given. Raises: NotFound for an agent that wants no feedback."""
    agent = agents().get(conversation.agent_key)
    if agent is None or agent.feedback is None:
        raise NotFound("This agent takes no feedback.")
    if value not in Feedback.Value.values:
        raise BadFrame("A value is up or down.")
    return agent.feedback.get(value, ())


def _tell(signal: Signal, **values: Any) -> None:
    """Let the host project hear of it, whatever its receivers do."""
    for receiver, result in signal.send_robust(Feedback, **values):
        if isinstance(result, Exception):
            logger.error("a receiver of feedback failed: %r", receiver, exc_info=result)
