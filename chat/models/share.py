"""A link that shows a conversation to whoever has it, to read and nothing more."""

from __future__ import annotations

import secrets
import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.clock import Now
from chat.models.audit import Note
from chat.wire.values import iso

TOKEN_BYTES = 32


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


class ShareManager(models.Manager["Share"]):
    def live(self) -> models.QuerySet[Share]:
        """Those that show something now."""
        return self.filter(Q(expires__gt=Now()), revoked=None)


class Share(models.Model):
    """One link. What it shows is never copied: the records up to `seq` on the way to `head`, or what there is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        "chat.Conversation", models.CASCADE, verbose_name=_("conversation"), related_name="shares"
    )
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    head = models.UUIDField(null=True, blank=True)  # of a snapshot: the turn with which it ends
    seq = models.PositiveIntegerField(null=True, blank=True)  # of a snapshot: its newest record; null: it follows
    with_tools = models.BooleanField(default=False)  # the arguments and results of tools too
    created = models.DateTimeField(_("created"), db_default=Now())
    expires = models.DateTimeField(_("expires"))
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)
    views = models.PositiveIntegerField(_("views"), default=0, db_default=0)
    last_viewed = models.DateTimeField(_("last viewed"), null=True, blank=True)

    objects = ShareManager()

    class Meta:
        verbose_name = _("shared link")
        verbose_name_plural = _("shared links")
        ordering = ["-created"]

    def __str__(self) -> str:
        """Never the token: this text goes to logs and to the admin's history."""
        return str(self.id)

    @property
    def follows(self) -> bool:
        """Whether it shows what comes later, too."""
        return self.seq is None

    def terms(self) -> dict[str, str | bool]:
        """What it shows and for how long."""
        return {"follows": self.follows, "with_tools": self.with_tools, "expires": iso(self.expires)}


class ShareNote(Note):
    """Somebody has made a conversation's link, or taken it back."""

    class Act(models.TextChoices):
        MADE = "made", _("made")
        REVOKED = "revoked", _("revoked")

    share_id = models.UUIDField(_("link"))
    act = models.CharField(_("act"), max_length=10, choices=Act)
    terms = models.JSONField(_("terms"), default=dict)
    noted = models.DateTimeField(_("noted"), db_default=Now())

    class Meta:
        verbose_name = _("sharing")
        verbose_name_plural = _("sharings")
        ordering = ["-noted"]
        indexes = [models.Index(fields=["-noted"], name="chat_shares_by_time")]
