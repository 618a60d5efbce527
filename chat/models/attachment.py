"""A file that somebody has given or an agent has shown. Its bytes lie in the storage (`chat/files/storage.py`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.clock import Now
from chat.files import kinds, storage
from chat.files.given import GivenFile
from chat.files.names import MAX_CHARS, safe_name
from chat.owners import Owner

if TYPE_CHECKING:
    from chat.models.message import Message


class AttachmentManager(models.Manager["Attachment"]):
    def for_owner(self, owner: Owner) -> models.QuerySet[Attachment]:
        """The files that `owner` may see; every query of a page goes through here."""
        return self.filter(owner.filter)

    def store(self, file: BinaryIO, *, owner: Owner, name: str, **fields: Any) -> Attachment:
        """Write a file, of which all is there, and its row. Blocking; the row is the caller's transaction's.

        Raises: TooLarge, and what the storage raises.
        """
        stored = storage.write(file, name=safe_name(name))
        try:
            with transaction.atomic():
                return self.add(stored, owner=owner, name=name, **fields)
        except BaseException:
            storage.remove(stored.path)
            raise

    def add(self, stored: storage.Stored, *, owner: Owner, name: str, **fields: Any) -> Attachment:
        """Store the row of a file that is written already."""
        return self.create(
            name=safe_name(name),
            media_type=stored.type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            path=stored.path,
            **owner.fields,
            **fields,
        )

    def give(self, messages: Iterable[Message], *, new: uuid.UUID | None = None) -> None:
        """Let the messages have the files that they name; those of the turn `new` are new."""
        named = [message for message in messages if message.kind == "user" and message.attachments]
        if not named:
            return
        files = self.in_bulk([item["id"] for message in named for item in message.attachments])
        for message in named:
            ids = [uuid.UUID(item["id"]) for item in message.attachments]
            message.given = [files[id].given(is_new=message.turn == new) for id in ids if id in files]


class Attachment(models.Model):
    """One file of one owner: of a conversation's turn, or uploaded and not sent yet."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    visitor = models.CharField(max_length=64, blank=True, default="")
    conversation = models.ForeignKey(
        "chat.Conversation", models.CASCADE, null=True, blank=True, related_name="attachments"
    )
    turn = models.UUIDField(null=True, blank=True)
    name = models.CharField(max_length=MAX_CHARS + 50)
    media_type = models.CharField(_("type"), max_length=100)  # by its content
    size_bytes = models.PositiveBigIntegerField(_("size"))
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=200, unique=True, editable=False)  # in the storage
    created = models.DateTimeField(_("created"), db_default=Now())

    objects = AttachmentManager()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["created"]
        indexes = [
            models.Index(fields=["visitor"], name="chat_files_by_visitor", condition=~Q(visitor="")),
            models.Index(fields=["created"], name="chat_files_not_sent", condition=Q(conversation=None)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None) ^ Q(visitor=""), name="chat_file_one_owner", violation_error_message="One owner."
            ),
        ]

    def __str__(self) -> str:
        """The id, never the name: this text goes to lists, logs and the admin's history."""
        return str(self.id)

    @property
    def is_shown(self) -> bool:
        """True for what a browser may show in its place."""
        return self.media_type in kinds.SHOWN

    def open(self) -> BinaryIO:
        """Its bytes, from the beginning. Raises: FileNotFoundError, and what the storage raises."""
        return storage.storage().open(self.path)  # type: ignore[return-value]  # Django's File is one

    def given(self, *, is_new: bool) -> GivenFile:
        """The file as an agent's code gets it."""
        return GivenFile(
            id=str(self.id),
            name=self.name,
            type=self.media_type,
            size_bytes=self.size_bytes,
            stored=self.path,
            is_new=is_new,
        )

    def description(self) -> dict[str, Any]:
        """What a record says of it; its address is added where the record becomes an event."""
        return {"id": str(self.id), "name": self.name, "type": self.media_type, "size": self.size_bytes}
