"""What counts for a minute, whatever becomes of it, over all processes. Of an address there is a keyed hash only."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.crypto import salted_hmac

from chat.clock import Now
from chat.models.message import OPEN_TURN, Message
from chat.models.runs import ServerProcess
from chat.owners import Owner


def key_of(what: str, address: str) -> str:
    """Under which key something is counted for an address."""
    return f"{what} {salted_hmac('chat.address', address).hexdigest()[:32]}"


def key_of_owner(owner: Owner) -> str:
    """Under which key the turns of an owner count that are deleted."""
    return f"owner {owner.id}"


class Tally(models.Model):
    """One thing that somebody has done: come from an address, asked for a turn from it, deleted a turn of a minute."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=64)
    conversation = models.UUIDField(null=True)  # of a turn; no foreign key: deleting it makes no room
    created = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["key", "created"], name="chat_tallies_by_key")]

    def __str__(self) -> str:
        return self.key

    @staticmethod
    def over() -> QuerySet[Tally]:
        """Those that count no more: a minute old, and the conversation's turns have ended."""
        runs = Message.objects.filter(OPEN_TURN, conversation=OuterRef("conversation"))
        return Tally.objects.filter(~Exists(runs), created__lt=Now() - timedelta(minutes=1))


class Presence(models.Model):
    """How many sockets of an address a process has."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    process = models.ForeignKey(ServerProcess, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    sockets = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "process"], name="chat_presence_once")]

    def __str__(self) -> str:
        return self.key

    @staticmethod
    def alive() -> Q:
        """Those of processes that hold their lease, for a query."""
        return Q(Exists(ServerProcess.objects.filter(ServerProcess.alive(), id=OuterRef("process"))))
