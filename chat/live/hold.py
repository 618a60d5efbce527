"""A session's hold on its conversation: every write of its agent begins with the locked row at the session's fence."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, transaction

from chat.mends.sqlite import connected
from chat.models import Conversation
from chat.observer import AgentGone

logger = logging.getLogger(__name__)


class Hold:
    """The conversation, and the fence under which it may be written. Any thread."""

    def __init__(self, conversation_id: uuid.UUID, fence: int) -> None:
        self.conversation_id = conversation_id
        self.fence = fence
        self.is_gone = False  # another agent has the conversation: nothing that this one says counts any more

    def check(self) -> None:
        """Raises: AgentGone."""
        if self.is_gone:
            raise AgentGone

    @contextmanager
    def transaction(self) -> Iterator[Conversation]:
        """A transaction that holds the conversation at this fence.

        A database that is away is waited for. Raises: AgentGone when the conversation is another agent's, and when the
        database fails in the middle: whether it has committed is not known then.
        """
        self.check()
        try:
            with connected(), transaction.atomic():
                yield Conversation.objects.locked(self.conversation_id, fence=self.fence)
        except Conversation.DoesNotExist:
            self.is_gone = True
            raise AgentGone from None
        except (OperationalError, InterfaceError) as error:
            logger.error("conversation %s: the database failed", self.conversation_id, exc_info=error)
            self.is_gone = True
            raise AgentGone from error
