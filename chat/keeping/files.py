"""The files of deleted attachments go from the storage too.

The row is deleted first, and once that is committed the file. A process that dies in between leaves a stray file, as
does one that dies between a file and its row: `delete_strays` removes those, with the purge.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete

from chat.clock import Now
from chat.files import storage
from chat.models import Attachment

NOT_SENT_HOURS = 24  # for which an upload waits for its message
STRAY = timedelta(hours=24)


def install() -> None:
    """Have the file of every deleted attachment removed, however it was deleted."""
    post_delete.connect(_attachment_deleted, sender="chat.Attachment", dispatch_uid="chat.files")


def _attachment_deleted(instance: Attachment, using: str, **_: Any) -> None:
    transaction.on_commit(partial(storage.remove, instance.path), using=using)


def not_sent() -> QuerySet[Attachment]:
    """Uploads that no message has taken for a day."""
    return Attachment.objects.filter(conversation=None, created__lt=Now() - timedelta(hours=NOT_SENT_HOURS))


def delete_not_sent() -> int:
    return not_sent().delete()[1].get("chat.Attachment", 0)


def strays() -> list[str]:
    """The paths of files that no row names."""
    return list(storage.strays(set(Attachment.objects.values_list("path", flat=True)), older_than=STRAY))


def delete_strays() -> int:
    found = strays()
    for path in found:
        storage.remove(path)
    return len(found)
