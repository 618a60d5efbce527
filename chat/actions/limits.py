"""How much an owner may ask for at a time."""

from __future__ import annotations

import functools
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import OuterRef, QuerySet, Sum

from chat.actions.addresses import count_turn
from chat.actions.counts import count_of, running, sum_of, with_open_turns
from chat.clock import Now
from chat.conf import conf
from chat.exceptions import Busy, LimitReached, RateLimited
from chat.mends.locks import lock_name
from chat.mends.statements import STAND_INS, Prepared
from chat.models import Attachment, Conversation, Message, Tally
from chat.models.message import OPEN_TURN
from chat.models.tallies import key_of_owner
from chat.owners import Owner

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    Row = WithAnnotations[Conversation, "Usage"]


class Usage(TypedDict):
    """What the limits look at."""

    waiting: int
    others: int
    recent: int
    moves: int
    deleted: int
    record_count: int | None
    byte_count: int | None


def check_limits(owner: Owner, conversation: Conversation) -> None:
    """Raises: Busy, RateLimited. Whoever else asks in the owner's name waits until this transaction is over."""
    lock_name(f"chat limits {owner.id}")
    now = _usage_now(conversation.id, owner)
    assert now is not None  # its row is locked
    if now.waiting >= conf.MAX_QUEUED_TURNS:
        raise Busy("Too many messages wait for the agent already.", retry_ms=5000)
    if now.others >= conf.MAX_RUNNING_TURNS and _running_elsewhere(owner, conversation) >= conf.MAX_RUNNING_TURNS:
        raise Busy("Other conversations of yours are still being answered.", retry_ms=5000)
    if now.recent + now.moves + now.deleted >= conf.TURNS_PER_MINUTE:
        raise RateLimited(retry_ms=15000)
    _check_quota(now)
    count_turn(owner.address, conversation.id, most_running=conf.MAX_RUNNING_VISITOR_TURNS)


def check_move(owner: Owner, conversation: Conversation) -> None:
    """Moving the head stores a record too: it counts with the turns."""
    now = _usage_now(conversation.id, owner)
    assert now is not None
    if now.recent + now.moves + now.deleted >= conf.TURNS_PER_MINUTE:
        raise RateLimited(retry_ms=15000)
    _check_quota(now)
    count_turn(owner.address, conversation.id, most_running=0)


def _check_quota(now: Row) -> None:
    most, most_bytes = conf.MAX_RECORDS, conf.MAX_STORED_BYTES
    if (most and (now.record_count or 0) >= most) or (most_bytes and (now.byte_count or 0) >= most_bytes):
        raise LimitReached("You have stored as much as you may. Delete conversations that you no longer need.")


def check_files(owner: Owner, size_bytes: int) -> None:
    """Whether there is room for another file. Inside the transaction that stores its row. Raises: LimitReached."""
    lock_name(f"chat files {owner.id}")
    mine, all = Attachment.objects.for_owner(owner), Attachment.objects.all()
    for files, most, who in (
        (mine, conf.MAX_OWNER_FILE_BYTES, "You have"),
        (all, conf.MAX_SITE_FILE_BYTES, "This site has"),
    ):
        if most and (files.aggregate(sum=Sum("size_bytes"))["sum"] or 0) + size_bytes > most:
            raise LimitReached(f"{who} no room for more files. Delete conversations that are no longer needed.")


def _running_elsewhere(owner: Owner, conversation: Conversation) -> int:
    """How many other conversations of the owner are being answered, or will be in a moment.

    What a dead process has left is not, nor what waits for a page to come back.
    """
    return running(Conversation.objects.for_owner(owner).exclude(id=conversation.id)).count()


def _usage(id: uuid.UUID, owner: Owner, key: str) -> QuerySet[Row]:
    """The conversation with what the limits look at.

    Turns that wait, others with open turns, turns and moves of the head in a minute, also those that were deleted
    (`key`), the owner's records and bytes.
    """
    mine = Conversation.objects.for_owner(owner)
    turns = Message.objects.filter(conversation=OuterRef("id"))
    minute_ago = Now() - timedelta(minutes=1)
    recent = Message.objects.filter(conversation__in=mine, kind=Message.Kind.USER, created__gt=minute_ago)
    moves = Message.objects.filter(conversation__in=mine, kind=Message.Kind.HEAD, created__gt=minute_ago)
    return Conversation.objects.filter(id=id).annotate(
        waiting=count_of(turns.filter(OPEN_TURN, begun=None)),
        others=count_of(with_open_turns(mine.exclude(id=id))),
        recent=count_of(recent),
        moves=count_of(moves),
        deleted=count_of(Tally.objects.filter(key=key, created__gt=minute_ago)),
        record_count=sum_of(mine, "newest_seq"),
        byte_count=sum_of(mine, "size_bytes"),
    )


def _usage_now(id: uuid.UUID, owner: Owner) -> Row | None:
    key = key_of_owner(owner)
    if owner.user_id is None:
        return _usage_of_visitor.first(id, owner.visitor, key)
    kind: type = type(owner.user_id)
    if kind not in STAND_INS:
        return _usage(id, owner, key).first()
    return _usage_of_user(kind).first(id, owner.user_id, key)


@functools.cache
def _usage_of_user(kind: type) -> Prepared[Row]:
    """`kind`: of a user's key, which is the project's choice."""
    return Prepared(lambda id, user_id, key: _usage(id, Owner(user_id=user_id), key), uuid.UUID, kind, str)


_usage_of_visitor: Prepared[Row] = Prepared(
    lambda id, visitor, key: _usage(id, Owner(visitor=visitor), key), uuid.UUID, str, str
)
