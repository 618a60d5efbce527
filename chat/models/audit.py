"""The note that somebody has read a conversation."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from chat.clock import Now


class ContentView(models.Model):
    """The note that somebody has read a conversation in the admin. Written once; it outlives both of them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    user_name = models.CharField(max_length=255)
    conversation_id = models.UUIDField("conversation", db_index=True)  # no foreign key: it stays when that is deleted
    viewed = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "opened transcript"
        ordering = ["-viewed"]
        indexes = [models.Index(fields=["-viewed"], name="chat_views_by_time")]

    def __str__(self) -> str:
        return f"{self.user_name} {self.conversation_id}"

    def save(self, **options: Any) -> None:
        """Store a new row. Raises: IntegrityError for one that is stored already."""
        super().save(**{**options, "force_insert": True})

    def delete(self, using: Any = None, keep_parents: bool = False) -> NoReturn:
        raise TypeError("the record of opened transcripts is append-only")
