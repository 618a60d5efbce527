"""Take a file from a user: looked at, written anew if it is an image, kept until a message takes it along."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from django.utils.module_loading import import_string

from chat.actions.limits import check_files
from chat.conf import conf
from chat.exceptions import BadFrame, ChatError, Internal, LimitReached, NotFound, new_incident
from chat.files import kinds, storage
from chat.files.images import written_anew
from chat.files.names import safe_name
from chat.mends.locks import brief_transaction
from chat.models import Attachment, Conversation
from chat.owners import Owner

logger = logging.getLogger(__name__)

MAX_WAITING = 50  # files of one owner that no message has taken yet

Scan = Callable[..., str | None]


def accept_file(owner: Owner, file: BinaryIO, *, name: str) -> Attachment:
    """Keep a file until a message takes it along. Blocking, for seconds.

    Raises: TooLarge, LimitReached, BadFrame for what is no image though it begins like one, and what the scan refuses.
    """
    name = safe_name(name)
    file.seek(0)
    media_type = kinds.type_of(file.read(kinds.HEAD_BYTES), name)
    if Attachment.objects.for_owner(owner).filter(conversation=None).count() >= MAX_WAITING:
        raise LimitReached("Too many files wait for their message. Send some, or remove them.")
    if media_type in kinds.IMAGES:
        file = written_anew(file).file
    _scan(file, name=name, media_type=media_type)
    stored = storage.write(file, name=name)
    try:
        return _add(owner, stored, name)
    except BaseException:
        storage.remove(stored.path)
        raise


@brief_transaction()
def _add(owner: Owner, stored: storage.Stored, name: str) -> Attachment:
    check_files(owner, stored.size_bytes)
    return Attachment.objects.add(stored, owner=owner, name=name)


def _scan(file: BinaryIO, *, name: str, media_type: str) -> None:
    """Ask the site's own scanner. One that fails has not said that the file is good. Raises: BadFrame, Internal."""
    if not conf.SCAN:
        return
    file.seek(0)
    try:
        scan: Scan = import_string(conf.SCAN)
        problem = scan(file, name=name, media_type=media_type)
    except ChatError:
        raise
    except Exception:
        incident = new_incident()
        logger.exception("a file could not be scanned, incident %s", incident)
        raise Internal("This file could not be checked. Please try again.", incident=incident) from None
    if problem:
        raise BadFrame(problem)


def take_back(owner: Owner, id: uuid.UUID) -> None:
    """Delete a file that no message has taken. Raises: NotFound."""
    if not Attachment.objects.for_owner(owner).filter(id=id, conversation=None).delete()[0]:
        raise NotFound("There is no such file that waits for its message.")


def files_of(owner: Owner, ids: Sequence[str]) -> list[Attachment]:
    """The owner's files that wait, in this order, locked. Inside a transaction. Raises: BadFrame, NotFound."""
    if not ids:
        return []
    if len(ids) > conf.MAX_ATTACHMENTS or len(set(ids)) != len(ids):
        raise BadFrame(f"A message may have {conf.MAX_ATTACHMENTS} files at most, each once.")
    try:
        keys = [uuid.UUID(id) for id in ids]
    except ValueError:
        raise BadFrame("An attachment is named by its UUID.") from None
    waiting = Attachment.objects.for_owner(owner).filter(conversation=None).select_for_update()
    found = waiting.in_bulk(keys)
    if len(found) != len(keys):
        raise NotFound("A file of this message is not there any more. Remove it, and attach it again.")
    return [found[key] for key in keys]


def hand_over(files: Sequence[Attachment], conversation: Conversation, turn: Any) -> None:
    """The files belong to this turn from now on."""
    ids = [file.id for file in files]
    if ids:
        Attachment.objects.filter(id__in=ids).update(conversation=conversation, turn=turn)
