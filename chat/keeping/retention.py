"""How long things are kept: what `manage.py purge` removes. Each function deletes in batches and returns a number.

Age counts from the last use. What an agent of a living process works on is never removed; it is looked at again under
the lock of its row, as somebody may have come back meanwhile.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from chat.clock import Now
from chat.live.claims import close_orphan
from chat.mends.locks import brief_transaction
from chat.models import ChatSession, Conversation, ServerProcess

BATCH = 100
LOCK_SECONDS = 60.0  # this has time, and people go first
PROCESS_DAYS = 1  # a process that has not renewed its lease for so long is dead, whatever the clocks say

TEMPORARY_DAYS = 1  # whoever was to erase a temporary conversation has died

OF_VISITORS = Q(user=None)
OF_USERS = ~Q(user=None)
TEMPORARY = Q(temporary=True)


def unused_conversations(whose: Q, days: int) -> QuerySet[Conversation]:
    """Conversations that nobody has used for `days` and no living process owns, the oldest first."""
    owner = ServerProcess.objects.filter(ServerProcess.alive(), id=OuterRef("owner_process"))
    unused = Conversation.objects.filter(whose, ~Exists(owner), updated__lt=Now() - timedelta(days=days))
    return unused.order_by("updated")


def delete_conversations(whose: Q, days: int) -> int:
    """Delete the conversations of `unused_conversations`, for ever."""
    deleted = 0
    while batch := _delete_batch(unused_conversations(whose, days)):
        deleted += batch
    return deleted


@brief_transaction(seconds=LOCK_SECONDS)
def _delete_batch(conversations: QuerySet[Conversation]) -> int:
    ids = [row.id for row in conversations.select_for_update(skip_locked=_skips_locked())[:BATCH]]
    Conversation.objects.filter(id__in=ids).delete()
    return len(ids)


def _skips_locked() -> bool:
    """A conversation that somebody writes just now is in use. SQLite has one lock, and no rows to skip."""
    return bool(transaction.get_connection().features.has_select_for_update_skip_locked)


def ended_sessions(days: int) -> QuerySet[ChatSession]:
    """The records of sessions that ended so long ago."""
    return ChatSession.objects.filter(ended__lt=Now() - timedelta(days=days))


def delete_sessions(days: int) -> int:
    deleted = 0
    while ids := list(ended_sessions(days).order_by("ended").values_list("id", flat=True)[:BATCH]):
        deleted += ChatSession.objects.filter(id__in=ids).delete()[0]
    return deleted


def orphans() -> QuerySet[Conversation]:
    """Conversations that a dead process left in the middle of a turn, and that nobody has opened since."""
    return Conversation.objects.filter(owner_process__in=_dead()).exclude(state=Conversation.State.IDLE)


def close_orphans() -> int:
    """Close what dead processes left open, as the next visit of a page would."""
    ids = list(orphans().values_list("id", flat=True))
    for id in ids:
        close_orphan(id)
    return len(ids)


def dead_processes() -> QuerySet[ServerProcess]:
    """Processes long dead that no session record names any more."""
    return _dead().exclude(Exists(ChatSession.objects.filter(process=OuterRef("pk"))))


def delete_processes() -> int:
    """Delete the rows of `dead_processes`. After `close_orphans`: it needs them."""
    return dead_processes().delete()[1].get("chat.ServerProcess", 0)


def _dead() -> QuerySet[ServerProcess]:
    return ServerProcess.objects.filter(renewed__lt=Now() - timedelta(days=PROCESS_DAYS))
