"""The records of a conversation. One without `seq` is open: the checkpoint of something in progress."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Substr
from django.utils.translation import gettext_lazy as _

from chat.clock import Now
from chat.files.given import GivenFile
from chat.mends.statements import update
from chat.models.fields import Json
from chat.observer import Answer
from chat.paths import address_of
from chat.wire import records
from chat.wire.events import Event, ToolCall
from chat.wire.frames import encode, shorten

LONG_TEXTS = ("content", "reasoning")
LONG_CHARS = 16_000  # a text from here on may be cut in some frame
OPENS = {"opening": True}  # `answer` of a turn without a user's message: the agent speaks first
OPEN_TURN = Q(kind="user", request_id=None, ended=None)  # of messages: turns that have not ended


class Message(models.Model):
    """One record of a conversation, or, without `seq`, the checkpoint of one in progress."""

    class Kind(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"
        SYSTEM = "system"
        HEAD = "head"

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        COMPLETE = "complete", _("complete")
        STOPPED = "stopped", _("stopped")
        INTERRUPTED = "interrupted", _("interrupted")
        ERROR = "error", _("error")
        REJECTED = "rejected", _("rejected")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="messages")
    seq = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=10, choices=Kind)
    status = models.CharField(max_length=12, choices=Status, default=Status.COMPLETE)
    created = models.DateTimeField(db_default=Now())
    turn = models.UUIDField(null=True, blank=True)  # the user message that started it; null: before the first
    content = models.TextField(blank=True, default="")  # of a tool: its result
    reasoning = models.TextField(blank=True, default="")

    # a user's message
    client_id = models.CharField(max_length=64, null=True, blank=True)
    follows = models.UUIDField(null=True, blank=True)
    regenerated = models.BooleanField(default=False)
    state = Json(null=True, blank=True)  # `context.state` at its end, where the turn has changed it
    begun = models.DateTimeField(null=True, blank=True)  # when an agent took the turn
    ended = models.DateTimeField(null=True, blank=True)
    request_id = models.UUIDField(null=True, blank=True)  # of the question that it answers
    answer = Json(null=True, blank=True)  # choice, approved, tool_args, always; of a head: dropped; OPENS

    # where in the tree of agents
    agent = models.CharField(max_length=200, blank=True, default="")
    parent_id = models.UUIDField(null=True, blank=True)
    depth = models.PositiveSmallIntegerField(default=0)
    task = Json(null=True, blank=True)

    # how it ended
    finish_reason = models.CharField(max_length=10, blank=True, default="")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    usage = Json(null=True, blank=True)
    error = Json(null=True, blank=True)  # of a tool: {"details": text}
    tool_calls = Json(default=list, blank=True)
    sources = Json(default=list, blank=True)
    attachments = Json(default=list, blank=True)
    parts = Json(null=True, blank=True)  # what an agent shows beside its words; of a tool: its card

    # a tool's run
    tool_name = models.CharField(max_length=200, blank=True, default="")
    tool_args = Json(null=True, blank=True)
    caller_id = models.UUIDField(null=True, blank=True)  # the model call that asked for it
    extra = Json(null=True, blank=True)  # of the model's server, to be sent back to it with the call
    whole_chars = models.PositiveIntegerField(null=True, blank=True)  # of a result that `content` only begins
    whole_id = models.UUIDField(null=True, blank=True)  # of the attachment that has all of it
    model_chars = models.PositiveIntegerField(null=True, blank=True)  # the model was given no more of `content`

    given: Sequence[GivenFile] = ()  # the files of a user's message, where `Attachment.objects.give` has put them
    left_out: Mapping[str, int] = MappingProxyType({})  # characters of its texts that `beginnings` has not read

    class Meta:
        ordering = ["conversation", "seq"]
        indexes = [
            models.Index(
                fields=["conversation", "seq"],
                name="chat_open_turns",
                condition=Q(kind="user", request_id=None, ended=None),
            ),
            models.Index(
                fields=["conversation", "request_id"],
                name="chat_answers",
                condition=Q(request_id__isnull=False),
            ),
            models.Index(fields=["conversation", "created"], name="chat_recent_turns", condition=Q(kind="user")),
            models.Index(fields=["conversation", "created"], name="chat_recent_moves", condition=Q(kind="head")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="chat_seq_once"),
            models.UniqueConstraint(fields=["conversation", "client_id"], name="chat_client_id_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"

    def begin(self) -> None:
        """An agent takes this turn."""
        self.begun = Now()
        update(self, "begun")

    def begin_again(self) -> None:
        """An agent is to take this turn anew."""
        self.begun = None
        update(self, "begun")

    def end(self) -> None:
        """This turn is over."""
        self.ended = Now()
        update(self, "ended")

    @property
    def size_bytes(self) -> int:
        """What its texts take in the database; with the file of a long result, about so much."""
        parts = encode(self.parts) if self.parts else ""
        stored = len(f"{self.content}{self.reasoning}{parts}".encode(errors="replace"))
        if not self.whole_id or not self.whole_chars:
            return stored
        return stored + stored * self.whole_chars // max(1, len(self.content))

    @property
    def is_answer(self) -> bool:
        """True for the root agent's own text."""
        return self.kind == self.Kind.ASSISTANT and self.depth == 0 and not self.parts

    @property
    def cited(self) -> list[dict[str, Any]]:
        """The sources that can be read as such."""
        return [source for source in self.sources if isinstance(source, dict)]

    @property
    def is_opening(self) -> bool:
        """True for the turn in which the agent speaks first: nobody has written this message."""
        return self.kind == self.Kind.USER and self.answer == OPENS

    def as_answer(self) -> Answer:
        """The answer to a question as the agent gets it."""
        return Answer(content=self.content, attachments=tuple(self.attachments), **(self.answer or {}))

    def event(self) -> Event:
        """The record as its event (`docs/protocol.md`), without `html`; its texts are cut where no frame holds them."""
        return shorten(self.whole(**self._url))

    def whole(self, **more: str) -> Event:
        """The record as its event, however long, with `more` fields."""
        return records.record(self, **more)

    def call_event(self) -> ToolCall:
        """The `tool_call` that began this tool's run."""
        return records.call(self)

    @property
    def _url(self) -> dict[str, str]:
        """Where all of a long text is."""
        if self.whole_chars:
            return {"url": address_of("chat:attachment", self.whole_id)} if self.whole_id else {}
        if len(self.content) + len(self.reasoning) < LONG_CHARS:
            return {}
        return {"url": address_of("chat:record-text", self.conversation_id, self.id)}


def beginnings(rows: models.QuerySet[Message], chars: int) -> list[Message]:
    """Read the rows with so many characters of each text: more may be there of before there was a limit.

    To be shown, never to be saved: that would store the cut texts.
    """
    cut = {f"{name}_cut": Substr(name, 1, chars) for name in LONG_TEXTS}
    whole = {f"{name}_chars": Length(name) for name in LONG_TEXTS}
    found = list(rows.defer(*LONG_TEXTS).annotate(**cut, **whole))
    for row in found:
        for name in LONG_TEXTS:
            setattr(row, name, getattr(row, f"{name}_cut"))
        row.left_out = {name: max(0, getattr(row, f"{name}_chars") - chars) for name in LONG_TEXTS}
    return found


# What may change when the checkpoint of something in progress becomes a record.
OUTCOME = (
    *("seq", "status", "content", "reasoning", "finish_reason", "duration_ms", "usage", "error"),
    *("tool_calls", "sources", "whole_chars", "whole_id", "model_chars", "tool_args", "parts"),
)
