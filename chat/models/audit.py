"""Notes of what was done with conversations that were somebody else's. They outlive the conversation and the user."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.clock import Now


class Note(models.Model):
    """Who did something with which conversation. Written once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    user_name = models.CharField(_("user name"), max_length=255)
    conversation_id = models.UUIDField(_("conversation"), db_index=True)  # no foreign key: it stays without it

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.user_name} {self.conversation_id}"

    def save(self, **options: Any) -> None:
        """Store a new row. Raises: IntegrityError for one that is stored already."""
        super().save(**{**options, "force_insert": True})

    def delete(self, using: Any = None, keep_parents: bool = False) -> NoReturn:
        raise TypeError(f"{self._meta.verbose_name}: such notes are only added")


class ContentView(Note):
    """Somebody has read a conversation in the admin."""

    viewed = models.DateTimeField(_("viewed"), db_default=Now())

    class Meta:
        verbose_name = _("opened transcript")
        verbose_name_plural = _("opened transcripts")
        ordering = ["-viewed"]
        indexes = [models.Index(fields=["-viewed"], name="chat_views_by_time")]


class TakenAlong(Note):
    """Somebody has signed in and taken a visitor's conversation along."""

    visitor = models.CharField(max_length=64)  # whose it was until then: as in `Conversation`
    taken = models.DateTimeField(_("taken"), db_default=Now())

    class Meta:
        verbose_name = _("conversation taken along")
        verbose_name_plural = _("conversations taken along")
        ordering = ["-taken"]
        indexes = [models.Index(fields=["-taken"], name="chat_taken_by_time")]
