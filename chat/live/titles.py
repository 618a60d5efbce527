"""The title that the site's model gives a conversation after its first turn: `CHAT_TITLES`."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable

from chat.conf import conf
from chat.models import Conversation
from chat.models.conversation import title_of
from chat.observer import AgentGone, Usage

logger = logging.getLogger(__name__)

AT_ONCE = 4  # a model that is slow to name costs so many threads, however many conversations begin
_places = threading.BoundedSemaphore(AT_ONCE)


def is_wanted(conversation: Conversation, said: str) -> bool:
    """Whether the model is to name it: only where its title is still what its user said first."""
    return conf.TITLES and not conversation.temporary and bool(said) and conversation.title == title_of(said)


def ask(conversation_id: uuid.UUID, said: str, answer: str, store: Callable[[str, Usage], None]) -> None:
    """Ask in a thread of its own: no turn waits for it, and nothing is wrong where no title comes of it.

    Where too many are being asked for already, this one stays what its user has said.
    """
    places = _places
    if not places.acquire(blocking=False):
        return

    def work() -> None:
        from chat.agents.titles import title_for

        try:
            if found := title_for(said, answer):
                store(*found)
        except AgentGone:
            pass
        except Exception as error:
            logger.warning("conversation %s: no title of the model: %s", conversation_id, type(error).__name__)
        finally:
            places.release()

    threading.Thread(target=work, name=f"title-{conversation_id.hex[:8]}", daemon=True).start()
