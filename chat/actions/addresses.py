"""How much visitors of one address may ask of all processes: without an account anybody is a new owner at no cost.

The database counts, so that several processes together let through what one alone would. Who counts for an address
waits until the one before has committed: no limit is exceeded, not by one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import QuerySet, Sum

from chat.actions.counts import count_of, running
from chat.clock import Now
from chat.conf import conf
from chat.exceptions import Busy, RateLimited
from chat.mends.locks import brief_transaction, lock_name
from chat.mends.sqlite import in_haste, lent_connection
from chat.mends.statements import Prepared, insert
from chat.models import Conversation, Presence, ServerProcess, Tally
from chat.models.tallies import key_of

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    Row = WithAnnotations[Conversation, "Asked"]


class Asked(TypedDict):
    """What of an address the limits of turns look at."""

    answered: int
    recent: int


HASTE_SECONDS = 0.5  # longest wait for somebody else's lock: a page that opens beside one is let in


def count_turn(address: str | None, conversation_id: uuid.UUID, *, most_running: int) -> None:
    """A turn is asked for, and counts if the transaction around it is committed. Raises: Busy, RateLimited.

    `most_running`: conversations that may be answered at a time; 0: it starts no agent.
    """
    most = conf.VISITOR_TURNS_PER_MINUTE
    if address is None or not (most or most_running):
        return
    key = key_of("turn", address)
    lock_name(f"chat {key}")
    now = _asked.first(conversation_id, key)
    assert now is not None  # its row is locked
    if most_running and now.answered >= most_running:
        raise Busy("Many conversations from this address are being answered.", retry_ms=5000)
    if most and now.recent >= most:
        raise RateLimited("Too many messages from this address.", retry_ms=15_000)
    insert(Tally(key=key, conversation=conversation_id))


def count_visitor(address: str) -> bool:
    """Somebody new comes: count it, and return True, unless too many have come. Raises: OperationalError."""
    key = key_of("new", address)
    with _counting(key):
        if _of_last_minute(key).count() >= conf.VISITORS_PER_MINUTE:
            return False
        insert(Tally(key=key))
        return True


def count_sockets(process: ServerProcess, what: str, address: str, decide: Callable[[int], int]) -> None:
    """Store how many sockets of an address a process has: `decide` is told of the others', and says it.

    Raises: OperationalError.
    """
    key = key_of(what, address)
    with _counting(key):
        others = Presence.objects.filter(Presence.alive(), key=key).exclude(process=process)
        mine = Presence.objects.filter(key=key, process=process)
        sockets = decide(others.aggregate(sum=Sum("sockets"))["sum"] or 0)
        if not sockets:
            mine.delete()
        elif not mine.update(sockets=sockets):
            insert(Presence(process=process, key=key, sockets=sockets))


def _of_last_minute(key: str) -> QuerySet[Tally]:
    return Tally.objects.filter(key=key, created__gt=Now() - timedelta(minutes=1))


def _asked_of(conversation_id: uuid.UUID, key: str) -> QuerySet[Row]:
    """The conversation, with the turns of a minute and the other conversations that are being answered."""
    asked = Tally.objects.filter(key=key).values("conversation")
    others = Conversation.objects.filter(id__in=asked).exclude(id=conversation_id)
    return Conversation.objects.filter(id=conversation_id).annotate(
        answered=count_of(running(others)), recent=count_of(_of_last_minute(key))
    )


_asked: Prepared[Row] = Prepared(_asked_of, uuid.UUID, str)


@contextmanager
def _counting(key: str) -> Iterator[None]:
    with in_haste(HASTE_SECONDS), lent_connection(), brief_transaction(seconds=HASTE_SECONDS):
        lock_name(f"chat {key}")
        yield
