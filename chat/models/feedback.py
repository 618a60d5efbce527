"""What somebody thinks of an answer."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.clock import Now

MAX_COMMENT_CHARS = 2_000


class Feedback(models.Model):
    """One person's judgement of one answer. It goes with the conversation, and can be taken back."""

    class Value(models.TextChoices):
        UP = "up", _("good")
        DOWN = "down", _("bad")

    message = models.OneToOneField("chat.Message", models.CASCADE, related_name="feedback")
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="feedback")
    agent_key = models.CharField(_("agent"), max_length=100)
    value = models.CharField(_("judgement"), max_length=4, choices=Value)
    reasons = models.JSONField(default=list, blank=True)  # of those that the agent's entry offers
    comment = models.TextField(max_length=MAX_COMMENT_CHARS, blank=True, default="")
    given = models.DateTimeField(_("given"), db_default=Now())

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-given"]
        indexes = [models.Index(fields=["agent_key", "-given"], name="chat_feedback_by_agent")]

    def __str__(self) -> str:
        """Never the comment: this text goes to the admin's history."""
        return f"{self.value} {self.message_id}"

    def public(self) -> dict[str, Any]:
        """What its giver's pages show."""
        return {"value": self.value, "reasons": self.reasons, "comment": self.comment}
