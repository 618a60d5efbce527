"""Server processes, and the runs of agents in them.

`ServerProcess.renewed`, by the database's clock, is a process's lease on the conversations that it owns.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from chat.clock import Now
from chat.conf import conf


class ServerProcess(models.Model):
    """One row per server process. `renewed`, by the database's clock, is its lease on all that it owns."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    started = models.DateTimeField(_("started"), db_default=Now())
    renewed = models.DateTimeField(_("renewed"), db_default=Now())
    ended = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        ordering = ["-started"]
        verbose_name = _("server process")
        verbose_name_plural = _("server processes")

    def __str__(self) -> str:
        return f"{self.host.split()[0]}:{self.pid}"  # without the namespace of its pids

    @staticmethod
    def alive() -> Q:
        """The processes that hold their lease."""
        return Q(ended=None, renewed__gt=Now() - timedelta(seconds=conf.LEASE_SECONDS))

    @classmethod
    def is_alive(cls, id: uuid.UUID | None) -> bool:
        return id is not None and cls.objects.filter(cls.alive(), id=id).exists()

    def renew(self) -> bool:
        """Renew the lease; False when another process has ended it."""
        return bool(ServerProcess.objects.filter(id=self.id, ended=None).update(renewed=Now()))

    def others_live(self) -> bool:
        """True when another process holds its lease."""
        return ServerProcess.objects.filter(ServerProcess.alive()).exclude(id=self.id).exists()

    def end(self) -> None:
        ServerProcess.objects.filter(id=self.id, ended=None).update(ended=Now())


class ChatSession(models.Model):
    """The record of one run of an agent for a conversation: who, where, when, and what it used."""

    class EndReason(models.TextChoices):
        GRACE = "grace", _("nobody connected")
        REPLACED = "replaced", _("started afresh")
        STOPPED = "stopped", _("abandoned by a stop")
        EVICTED = "evicted", _("made room")
        SHUTDOWN = "shutdown", _("server stopped")
        LOST = "lost", _("process died")
        FAILED = "failed", _("could not start or crashed")
        DELETED = "deleted", _("conversation deleted")
        ADMIN = "admin", _("stopped by an admin")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    agent_key = models.CharField(_("agent"), max_length=100)
    process = models.ForeignKey(
        ServerProcess, models.SET_NULL, verbose_name=_("process"), null=True, blank=True, related_name="sessions"
    )
    fence = models.PositiveBigIntegerField()
    started = models.DateTimeField(_("started"), db_default=Now())
    ended = models.DateTimeField(_("ended"), null=True, blank=True)
    duration = models.DurationField(null=True, editable=False)  # of a run that has ended; stored to be sorted by
    end_reason = models.CharField(_("how it ended"), max_length=10, choices=EndReason, blank=True, default="")
    turns = models.PositiveIntegerField(_("turns"), default=0)
    prompt_tokens = models.PositiveIntegerField(_("tokens in"), default=0)
    completion_tokens = models.PositiveIntegerField(_("tokens out"), default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    errors = models.PositiveIntegerField(_("errors"), default=0)
    last_error = models.CharField(
        _("last error"), max_length=200, blank=True, default=""
    )  # code and incident, never a text

    class Meta:
        verbose_name = _("session record")
        verbose_name_plural = _("session records")
        ordering = ["-started"]
        indexes = [
            models.Index(fields=["-started"], name="chat_sessions_by_start"),
            models.Index(fields=["duration"], name="chat_sessions_by_duration"),
            models.Index(fields=["agent_key", "-started"], name="chat_sessions_by_agent"),
            models.Index(fields=["process"], name="chat_sessions_live", condition=Q(ended=None)),
        ]

    def __str__(self) -> str:
        return f"{self.agent_key} {self.started:%Y-%m-%d %H:%M}"

    @staticmethod
    def alive() -> Exists:
        """Whether its process holds its lease, for a query."""
        return Exists(ServerProcess.objects.filter(ServerProcess.alive(), id=OuterRef("process")))

    @staticmethod
    def over(reason: str) -> dict[str, Any]:
        """What to store in the rows of runs that end now."""
        return {"ended": Now(), "duration": Now() - F("started"), "end_reason": reason}

    def end(self, reason: str) -> None:
        """Note how the run ended; the first reason stays."""
        ChatSession.objects.filter(id=self.id, ended=None).update(**self.over(reason))
