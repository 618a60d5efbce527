"""Where `context.state` is kept: with the turn that has changed it. A turn without one has that of the turn before."""

from __future__ import annotations

import json
import logging
import uuid

from chat.agents.state import State, encode
from chat.mends.sqlite import connected
from chat.models import Conversation, Message

logger = logging.getLogger(__name__)


class Memory:
    """The state of one session's agent, from where its branch begins. In the agent's threads."""

    def __init__(self, conversation_id: uuid.UUID) -> None:
        self._conversation_id = conversation_id
        self.state = State()
        self._stored = encode({})

    def restore(self, head: uuid.UUID | None) -> None:
        """Have the state with which the transcript to `head` ended."""
        with connected():
            self.state.data = _state_at(Conversation(id=self._conversation_id), head)
        self._stored = encode(self.state.data)

    def store(self, turn: uuid.UUID | None) -> None:
        """Store the state with its turn, if it has changed. Inside a transaction that holds the conversation."""
        try:
            text = encode(self.state.data)
        except (TypeError, ValueError, RecursionError) as error:  # what is in it was changed since
            return logger.error("conversation %s: its state is not stored: %s", self._conversation_id, error)
        if turn is not None and text != self._stored:
            Message.objects.filter(id=turn).update(state=json.loads(text))
            self._stored = text


def _state_at(conversation: Conversation, head: uuid.UUID | None) -> dict[str, object]:
    stored = conversation.messages.filter(state__isnull=False)
    having = set(stored.values_list("id", flat=True))
    newest = next((turn for turn in reversed(conversation.turns_to(head)) if turn in having), None) if having else None
    return stored.values_list("state", flat=True).get(id=newest) or {} if newest else {}
