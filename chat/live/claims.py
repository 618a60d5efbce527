"""What a server process does with the conversations that it owns, and with what a dead owner has left.

At most one live process owns a conversation. A turn that an owner has begun is never run again: what is open when the
owner dies becomes a record, `interrupted`, but where it asks its user: the question stays (`waiting.py`). Leases and
fences: `models.py`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from chat.exceptions import NotFound
from chat.live.waiting import Resumption, resumption
from chat.mends.locks import brief_transaction
from chat.mends.statements import insert, update
from chat.models import ChatSession, Conversation, Message, ServerProcess

CHECKPOINT_SECONDS = 0.5  # longest wait for somebody else's lock


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a process finds that has taken a conversation: turns for a new agent, or nothing to do."""

    conversation: Conversation
    session: ChatSession | None  # None: no turn waits, and the conversation is nobody's
    closed: tuple[Message, ...]  # what a dead owner left open, now records
    queued: tuple[Message, ...]  # the turns that no agent has begun, oldest first
    resumed: Resumption | None = None  # how the first of them goes on


@brief_transaction()
def claim(id: uuid.UUID, process: ServerProcess) -> Claim | uuid.UUID:
    """Take the conversation for a new agent of `process`, or return the id of the live process that owns it.

    Whatever a dead owner left open becomes `interrupted`; a turn that it had begun is never run again.
    Raises: NotFound.
    """
    try:
        conversation = Conversation.objects.locked(id)
    except Conversation.DoesNotExist:
        raise NotFound from None
    owner = conversation.owner_process_id
    if owner and owner != process.id and ServerProcess.is_alive(owner):
        return owner
    conversation.hand_on_answer()
    resumed = resumption(conversation)
    closed = () if _is_at_rest(conversation) else _take_over(conversation, process, resumed)
    queued = tuple(conversation.queued)
    if not queued:
        return Claim(conversation=conversation, session=None, closed=closed, queued=())
    conversation.raise_fence(process)
    session = ChatSession(
        conversation=conversation,
        user_id=conversation.user_id,
        agent_key=conversation.agent_key,
        process=process,
        fence=conversation.fence,
    )
    insert(session)
    return Claim(conversation=conversation, session=session, closed=closed, queued=queued, resumed=resumed)


def _is_at_rest(conversation: Conversation) -> bool:
    """True if nobody owns it and nothing is open, as with each new one."""
    is_free = conversation.owner_process_id is None and conversation.state == Conversation.State.IDLE
    return is_free and conversation.asking is None


def _take_over(conversation: Conversation, process: ServerProcess, resumed: Resumption | None) -> tuple[Message, ...]:
    """Close what a dead owner has left, or an agent of ours that is still leaving; return the new records."""
    reasons = ChatSession.EndReason
    reason = reasons.REPLACED if conversation.owner_process_id == process.id else reasons.LOST
    closed = [] if conversation.is_still_asked else _close(conversation, resumed)
    conversation.release(reason)
    return tuple(closed)


def _close(conversation: Conversation, resumed: Resumption | None) -> list[Message]:
    """Close what is open, but for what a fresh agent goes on with."""
    if resumed is None:
        return conversation.close_open(Message.Status.INTERRUPTED)
    left = [record for record in conversation.open_records if record.id not in resumed.open_ids]
    for record in left:
        record.status = Message.Status.INTERRUPTED
    conversation.append(*left)
    return left


@brief_transaction(seconds=CHECKPOINT_SECONDS)
def store_checkpoints(texts: list[tuple[int, uuid.UUID, str, str]]) -> None:
    """Store texts of open messages: the fence of their conversation, id, text and reasoning so far.

    A message whose row somebody else has locked is left out: the next time is in a second.

    In SQL, because it is done for each open message once a second: the ORM takes 1 ms for each.
    """
    update = f"""
        UPDATE {Message._meta.db_table} SET content = %s, reasoning = %s
        WHERE id = %s AND seq IS NULL AND EXISTS (
            SELECT 1 FROM {Conversation._meta.db_table} AS owned WHERE owned.id = conversation_id AND owned.fence = %s
        )
    """
    key = Message._meta.pk
    free = _free([id for _, id, *_ in texts])
    rows = [(text, thoughts, id, fence) for fence, id, text, thoughts in texts if id in free]
    with connection.cursor() as cursor:
        cursor.executemany(
            update,
            [(text, thoughts, key.get_db_prep_value(id, connection), fence) for text, thoughts, id, fence in rows],
        )


def _free(ids: list[uuid.UUID]) -> set[uuid.UUID]:
    """The messages of these whose rows nobody else has locked; they are locked now. With SQLite there are no such."""
    if not connection.features.has_select_for_update_skip_locked:
        return set(ids)
    return set(Message.objects.filter(id__in=ids).select_for_update(skip_locked=True).values_list("id", flat=True))


def close_orphan(id: uuid.UUID) -> tuple[Message, ...]:
    """Close what a dead owner left open, but for a question, without starting an agent; return the new records."""
    owned = Conversation.objects.exclude(owner_process=None).filter(id=id)
    owner = owned.values_list("owner_process", flat=True).first()
    if owner is None or ServerProcess.is_alive(owner):
        return ()
    with brief_transaction():
        conversation = owned.select_for_update().first()
        if conversation is None or ServerProcess.is_alive(conversation.owner_process_id):
            return ()
        goes_on = conversation.is_still_asked or conversation.hand_on_answer()
        closed = [] if goes_on else conversation.close_open(Message.Status.INTERRUPTED)
        conversation.release(ChatSession.EndReason.LOST)
        return tuple(closed)


@brief_transaction()
def stop_waiting(id: uuid.UUID) -> tuple[Message, ...]:
    """End the first turn that waits, as stopped, if none runs: its agent is still being made. Return its records.

    So ends one that asks, and whose agent has gone. If another one runs, leave a stop for its owner to find.
    """
    try:
        conversation = Conversation.objects.locked(id)
    except Conversation.DoesNotExist:
        return ()
    running, waiting = conversation.running, conversation.queued
    if running and conversation.is_left:
        return tuple(conversation.close_open(Message.Status.STOPPED))
    if running:
        conversation.stop_turn = running.id
        update(conversation, "stop_turn")
    if running or not waiting:
        return ()
    waiting[0].begin()
    waiting[0].end()
    answer = Message(kind=Message.Kind.ASSISTANT, turn=waiting[0].id, agent=conversation.agent_name)
    answer.status = Message.Status.STOPPED
    conversation.append(answer)
    return (answer,)


def ask_to_end(sessions: QuerySet[ChatSession], reason: str) -> int:
    """Have the sessions that are not over ended, in whatever process they are; return their number.

    A live process finds the request with its next tick. The sessions of dead processes are closed at once.
    """
    with brief_transaction():
        live = sessions.filter(ended=None).annotate(has_lease=ChatSession.alive())
        asked = list(live.values_list("id", "conversation", "has_lease"))
        ChatSession.objects.filter(id__in=[id for id, *_ in asked], ended=None).update(end_reason=reason)
    for id, conversation, has_lease in asked:
        if not has_lease:
            close_orphan(conversation)
            ChatSession.objects.filter(id=id, ended=None).update(**ChatSession.over(ChatSession.EndReason.LOST))
    return len(asked)
