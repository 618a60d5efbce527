"""A session's hold on its conversation: every write of its agent begins with the locked row at the session's fence."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from chat.mends.locks import AWAY, patient_transaction, quick_transaction
from chat.models import ChatSession, Conversation, Message
from chat.observer import AgentGone

logger = logging.getLogger(__name__)

TABLES = tuple(model._meta.db_table for model in (Conversation, Message, ChatSession))
FORKED_CODE = 70  # an internal error, as sysexits.h has it


class Hold:
    """The conversation, and the fence under which it may be written. Any thread."""

    def __init__(self, conversation_id: uuid.UUID, fence: int) -> None:
        self.conversation_id = conversation_id
        self.fence = fence
        self._row = (Conversation._meta.db_table, conversation_id)
        self._pid = os.getpid()
        self.is_gone = False  # another agent has the conversation: nothing that this one says counts any more

    def check(self) -> None:
        """Raises: AgentGone, also in the child of an agent that has forked: its parent goes on with the turn."""
        if self.is_gone or self._is_forked:
            raise AgentGone

    @property
    def _is_forked(self) -> bool:
        return os.getpid() != self._pid

    def end_forked(self) -> None:
        """End the child of an agent that has forked, at once: its connections, locks and files are its parent's."""
        if self._is_forked:
            os._exit(FORKED_CODE)

    @contextmanager
    def transaction(self) -> Iterator[Conversation]:
        """A transaction that holds the conversation at this fence.

        A database that is away, and whoever has a lock, is waited for as long as it takes: the agent waits, and nothing
        of what it does is lost. Raises: AgentGone when the conversation is another agent's, and when the database fails
        in the middle: whether it has committed is not known then.
        """
        self.check()
        with self._at_fence(patient_transaction(TABLES, self._row, may_go_on=self.check)) as conversation:
            yield conversation

    @contextmanager
    def quick_transaction(self) -> Iterator[Conversation]:
        """The same for what may be stored later as well: nobody is waited for. Raises: AgentGone, Late."""
        self.check()
        with self._at_fence(quick_transaction(TABLES, self._row)) as conversation:
            yield conversation

    @contextmanager
    def _at_fence(self, transaction: AbstractContextManager[None]) -> Iterator[Conversation]:
        try:
            with transaction:
                yield Conversation.objects.locked(self.conversation_id, fence=self.fence)
        except Conversation.DoesNotExist:
            self.is_gone = True
            raise AgentGone from None
        except AWAY as error:
            logger.error("conversation %s: the database failed", self.conversation_id, exc_info=error)
            self.is_gone = True
            raise AgentGone from error

    @contextmanager
    def last_transaction(self) -> Iterator[Conversation | None]:
        """The same when the session leaves, also one whose writes have failed; None where the fence has moved."""
        with patient_transaction(TABLES, self._row, may_go_on=lambda: None):
            try:
                conversation = Conversation.objects.locked(self.conversation_id, fence=self.fence)
            except Conversation.DoesNotExist:
                conversation = None
            yield conversation
