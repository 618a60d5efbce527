"""What the limits count: conversations that are being answered, numbers and sums as parts of a query."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import BigIntegerField, Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery

from chat.clock import Now
from chat.models import Conversation, Message, ServerProcess
from chat.models.message import OPEN_TURN

UNCLAIMED_SECONDS = 60  # a turn that no process has taken in this time is not on its way to an agent any more


def with_open_turns(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    return conversations.filter(Exists(Message.objects.filter(OPEN_TURN, conversation=OuterRef("id"))))


def running(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Those that are being answered, or will be in a moment.

    What a dead process has left is not, nor what waits for a page to come back.
    """
    is_claimed = Q(owner_process__in=ServerProcess.objects.filter(ServerProcess.alive()))
    is_new = Q(owner_process=None, updated__gt=Now() - timedelta(seconds=UNCLAIMED_SECONDS))
    return with_open_turns(conversations).filter(is_claimed | is_new)


def count_of(rows: QuerySet[Any]) -> Subquery:
    """The number of rows, as a part of another query."""
    return Subquery(rows.order_by().values(count=Func(F("pk"), function="COUNT")), output_field=IntegerField())


def sum_of(rows: QuerySet[Any], field: str) -> Subquery:
    """The sum of a field, as a part of another query; None of no rows."""
    return Subquery(rows.order_by().values(sum=Func(F(field), function="SUM")), output_field=BigIntegerField())
