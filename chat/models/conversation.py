"""A conversation: one owner's transcript with one agent, its turns and its owner.

Records are only ever appended under the conversation's row lock, by `append`. At most one process runs the agent of a
conversation. The process's lease is `ServerProcess.renewed`, the fence is `Conversation.fence`: an owner's write begins
with `Conversation.objects.locked(id, fence=mine)`, which finds nothing once another process, or a newer agent of the
same process, has claimed the conversation.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from chat.clock import Now
from chat.conf import agents
from chat.mends.statements import Prepared, insert, update
from chat.models.fields import Json
from chat.models.message import OPEN_TURN, OUTCOME, Message, beginnings
from chat.models.order import Placed, as_read
from chat.models.runs import ChatSession, ServerProcess
from chat.owners import Owner
from chat.wire import events
from chat.wire.codes import MAX_FRAME_BYTES
from chat.wire.values import iso, visible

TITLE_CHARS = 80
LISTED_CHARS = {"title": 200, "folder": 60}  # of the columns
NEWEST_RECORDS = 50  # sent to a page that opens a conversation
RESUME_RECORDS = 200  # more missing than this: the newest ones instead
RECENT_RECORDS = 20  # of which frames may still be on their way to pages


class ConversationManager(models.Manager["Conversation"]):
    def for_owner(self, owner: Owner) -> models.QuerySet[Conversation]:
        """The conversations that `owner` may see; every query of a page goes through here, `find` or `locked`."""
        return self.filter(owner.filter)

    def listed(self, owner: Owner) -> models.QuerySet[Conversation]:
        """Those that the owner's pages list and search."""
        return self.for_owner(owner).filter(temporary=False)

    def find(self, id: uuid.UUID, *, owner: Owner | None = None) -> Conversation | None:
        """Return the conversation, None if there is none, or none of this owner."""
        conversation = _found.first(id)
        return conversation if conversation and conversation.belongs_to(owner) else None

    def locked(self, id: uuid.UUID, *, fence: int | None = None, owner: Owner | None = None) -> Conversation:
        """Return the conversation, locked until the transaction ends, if it is at this fence and of this owner.

        Raises: Conversation.DoesNotExist.
        """
        conversation = _locked.first(id)
        if conversation is None or fence not in (None, conversation.fence) or not conversation.belongs_to(owner):
            raise Conversation.DoesNotExist
        return conversation


class Conversation(models.Model):
    """The transcript of one owner with one agent."""

    class State(models.TextChoices):
        IDLE = "idle", _("idle")
        RUNNING = "running", _("running")
        WAITING = "waiting", _("waiting")
        STOPPING = "stopping", _("stopping")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    visitor = models.CharField(max_length=64, blank=True, default="")  # hash of an anonymous visitor's key
    agent_key = models.CharField(_("agent"), max_length=100)
    title = models.CharField(_("title"), max_length=200, blank=True, default="")
    created = models.DateTimeField(_("created"), db_default=Now())
    updated = models.DateTimeField(_("updated"), db_default=Now())
    newest_seq = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)  # of its records' texts
    read_seq = models.PositiveIntegerField(default=0)
    pinned = models.BooleanField(default=False, db_default=False)  # stands above all others
    archived = models.BooleanField(default=False, db_default=False)  # in a list of its own
    folder = models.CharField(max_length=60, blank=True, default="", db_default="")
    temporary = models.BooleanField(default=False, db_default=False)  # in no list, erased when its pages have left
    indexed_seq = models.PositiveIntegerField(default=0, db_default=0, editable=False)  # up to it search knows it
    head = models.UUIDField(null=True, blank=True)  # the turn with which the current transcript ends
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.IDLE)
    question = Json(null=True, blank=True)  # the open input_request
    asking = Json(null=True, blank=True)  # what asks it: for an agent that goes on (`live/waiting.py`)
    allowed = Json(default=list, db_default=[], blank=True)  # tools that ask no more: the user has said "always"
    suggestions = Json(default=list, db_default=[], blank=True)  # what the user may say next
    settings = Json(default=dict, db_default={}, blank=True)  # values of the agent's SETTINGS
    locale = Json(default=dict, db_default={}, blank=True)  # language, time_zone of the page in which it began
    stop_turn = models.UUIDField(null=True, blank=True)  # a stop that waits for the owner
    owner_process = models.ForeignKey(ServerProcess, models.SET_NULL, null=True, blank=True, related_name="owned")
    fence = models.PositiveBigIntegerField(default=0)

    objects = ConversationManager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated"]
        permissions = [("view_content", "Can read what is said in conversations")]
        indexes = [
            models.Index(fields=["user", "-updated"], name="chat_by_user"),
            models.Index(fields=["visitor", "-updated"], name="chat_by_visitor", condition=~Q(visitor="")),
            models.Index(fields=["-updated"], name="chat_by_update"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None) ^ Q(visitor=""), name="chat_one_owner", violation_error_message="One owner."
            ),
        ]

    def __str__(self) -> str:
        """The id, never the title: this text goes to lists, logs and the admin's history."""
        return str(self.id)

    @property
    def group(self) -> str:
        """The channel layer's group of all connections of this conversation."""
        return group_of(self.id)

    @property
    def owner(self) -> Owner:
        """Whose it is; without what only a request knows (name, HTTP session)."""
        return Owner(user_id=self.user_id, visitor=self.visitor)

    def belongs_to(self, owner: Owner | None) -> bool:
        """True if it is of this owner; None: whoever's it is."""
        return owner is None or (owner.user_id, owner.visitor) == (self.user_id, self.visitor)

    @property
    def agent_name(self) -> str:
        spec = agents().get(self.agent_key)
        return spec.name if spec else self.agent_key

    @property
    def open_turns(self) -> list[Message]:
        """The turns that have not ended, oldest first. Right only under the lock, and while the owner is alive."""
        return _open_turns(self.id)

    @property
    def queued(self) -> list[Message]:
        """The turns that no agent has begun, oldest first."""
        return [turn for turn in self.open_turns if turn.begun is None]

    @property
    def running(self) -> Message | None:
        """The turn that an agent has begun and not ended."""
        return next((turn for turn in self.open_turns if turn.begun), None)

    @property
    def open_records(self) -> list[Message]:
        """What is in progress, oldest first: checkpoints. Nothing is while the state is idle."""
        return _open_records(self.id)

    @property
    def is_left(self) -> bool:
        """True if a turn has asked its user, and its agent has gone meanwhile."""
        return self.question is not None and (self.owner_process_id is None or self.is_orphan)

    @property
    def is_still_asked(self) -> bool:
        """True while a question is open whose user has neither gone on nor stopped: an answer may come yet."""
        return self.question is not None and self.stop_turn is None and not self.queued

    @property
    def is_orphan(self) -> bool:
        """True if the process that ran its agent is dead."""
        return self.owner_process_id is not None and not ServerProcess.is_alive(self.owner_process_id)

    # -- writing: each inside a transaction that holds the lock -----------------------------------------------------

    def append(self, *records: Message) -> None:
        """Number the records and store them, in this order."""
        if not records:
            return
        for record in records:
            self.newest_seq += 1
            record.seq = self.newest_seq
            record.conversation = self
            self.size_bytes += record.size_bytes
            if record._state.adding:
                insert(record)
            else:
                update(record, *OUTCOME)
        self.updated = Now()
        update(self, "newest_seq", "size_bytes", "head", "title", "updated")

    def add_turn(self, content: str, *, follows: uuid.UUID | None, **fields: Any) -> Message:
        """Append a user's message that starts a turn; the turn becomes the head."""
        id = uuid.uuid4()
        turn = Message(id=id, turn=id, kind=Message.Kind.USER, content=content, follows=follows, **fields)
        self.head = id
        named = "".join(item["name"] for item in fields.get("attachments", [])[:1])
        self.title = self.title or title_of(content) or title_of(named)
        self.append(turn)
        return turn

    def set_head(self, turn: uuid.UUID | None, *, dropped: Sequence[uuid.UUID] = ()) -> Message:
        """Make the transcript end with `turn`; return the `head` record. `dropped`: turns that were taken back."""
        self.head = turn
        record = Message(kind=Message.Kind.HEAD, turn=turn)
        if dropped:
            record.answer = {"dropped": [str(id) for id in dropped]}
        self.append(record)
        return record

    def close_open(self, status: str) -> list[Message]:
        """Turn everything that is in progress into records with `status`; return them in order."""
        records = self.open_records
        turn = self.running
        if turn and not any(record.is_answer and record.turn == turn.id for record in records):
            records.append(Message(kind=Message.Kind.ASSISTANT, turn=turn.id, agent=self.agent_name))
        for record in records:
            record.status = status
        self.append(*records)
        if turn:
            turn.end()
        self.settle()
        return records

    def settle(self) -> None:
        """No turn runs any more: forget its question and its stop."""
        self.state, self.question, self.asking, self.stop_turn = self.State.IDLE, None, None, None
        update(self, "state", "question", "asking", "stop_turn")

    def hand_on_answer(self) -> bool:
        """Have the running turn taken anew if its user has answered, and its agent died before it took the answer."""
        if self.asking is None or self.question is not None or self.stop_turn is not None:
            return False
        turn, asked = self.running, self.asking["question"]["request_id"]
        if turn is None or not self.messages.filter(turn=turn.id, request_id=asked).exists():
            return False
        turn.begin_again()
        self.state = self.State.IDLE  # until an agent takes it
        update(self, "state")
        return True

    def release(self, reason: str) -> None:
        """Shut out whatever agent there is; its run is over."""
        self.raise_fence(None)
        self.sessions.filter(ended=None).update(**ChatSession.over(reason))

    def raise_fence(self, process: ServerProcess | None) -> None:
        """Shut out the former owner and make `process` the owner."""
        self.owner_process, self.fence = process, self.fence + 1
        update(self, "owner_process", "fence")

    # -- reading ----------------------------------------------------------------------------------------------------

    def records(self, *, after: int = 0, before: int | None = None) -> models.QuerySet[Message]:
        """The numbered records in order."""
        rows = self.messages.filter(seq__gt=after).order_by("seq")
        return rows if before is None else rows.filter(seq__lt=before)

    def newest(self, limit: int = NEWEST_RECORDS, *, before: int | None = None) -> list[Message]:
        """The newest records (older than `before`), extended back to the start of a turn, oldest first.

        Of their texts as much as a frame holds.
        """
        return beginnings(self.records(after=self._before_newest(limit, before), before=before), MAX_FRAME_BYTES + 1)

    def _before_newest(self, limit: int = NEWEST_RECORDS, before: int | None = None) -> int:
        """The `seq` after which the newest records begin, without reading their texts."""
        records = self.records(before=before).order_by("-seq")
        rows = records.values_list("seq", "turn", "kind")[:limit]
        first = before or self.newest_seq + 1
        while rows:
            first = min(seq for seq, *_ in rows if seq)
            turns = {turn for _, turn, kind in rows if turn and kind != Message.Kind.HEAD}
            start = self.messages.filter(id__in=turns, seq__lt=first).aggregate(first=models.Min("seq"))["first"]
            if start is None:
                break
            rows = records.filter(seq__gte=start, seq__lt=first).values_list("seq", "turn", "kind")
        return first - 1

    def newest_ids(self, seq: int) -> list[str]:
        """The ids of the newest records up to this one; none where no agent could still be sending them."""
        if not seq or self.owner_process_id is None:
            return []
        newest = self.messages.filter(seq__lte=seq).order_by("-seq").values_list("id", flat=True)
        return [str(id) for id in newest[:RECENT_RECORDS]]

    def start_for(self, after: int | None) -> tuple[int, bool]:
        """The record after which to send to a page that has those up to `after`; False: it gets the newest anew."""
        if after is not None and 0 <= after <= self.newest_seq and self.newest_seq - after <= RESUME_RECORDS:
            return after, True
        return self._before_newest(), False

    def turns_to(self, head: uuid.UUID | None) -> list[uuid.UUID]:
        """The ids of the turns of the transcript that ends with `head`, first to last."""
        follows = dict(self.messages.filter(turn=F("id")).values_list("id", "follows"))
        path: list[uuid.UUID] = []
        while head in follows:
            path.append(head)
            head = follows.pop(head)
        return path[::-1]

    def records_to(self, head: uuid.UUID | None) -> list[Message]:
        """The records of the path to `head`: what came before the first turn, then turn by turn, each by `seq`."""
        order: dict[uuid.UUID | None, int] = {turn: at for at, turn in enumerate(self.turns_to(head), start=1)}
        rows = self.records().filter(Q(turn=None) | Q(turn__in=order)).exclude(kind=Message.Kind.HEAD)
        return sorted(rows, key=lambda row: (order.get(row.turn, 0), row.seq))

    def ids_to(self, head: uuid.UUID | None) -> list[uuid.UUID]:
        """The ids of the records of the path to `head` as people read them: turn by turn, each as the page has it."""
        turns: dict[uuid.UUID | None, list[Placed]] = {turn: [] for turn in (None, *self.turns_to(head))}
        for row in self.records().exclude(kind=Message.Kind.HEAD).values_list(*Placed._fields):
            if row[1] in turns:
                turns[row[1]].append(Placed(*row))
        return [id for rows in turns.values() for id in as_read(rows)]

    def summary(self) -> events.Conversation:
        """What a list of conversations shows: the `conversation` event."""
        return events.Conversation(
            type="conversation",
            id=str(self.id),
            title=visible(self.title),
            agent=self.agent_key,
            updated=iso(self.updated),
            state=self.state,
            newest_seq=self.newest_seq,
            read_seq=self.read_seq,
            allowed=self.allowed,
            suggestions=self.suggestions,
            pinned=self.pinned,
            archived=self.archived,
            folder=visible(self.folder),
        )


_found = Prepared(lambda id: Conversation.objects.filter(id=id), uuid.UUID)
_locked = Prepared(lambda id: Conversation.objects.select_for_update().filter(id=id), uuid.UUID)
_open_turns = Prepared(lambda id: Message.objects.filter(OPEN_TURN, conversation=id).order_by("seq"), uuid.UUID)
_open_records = Prepared(
    lambda id: Message.objects.filter(conversation=id, seq=None).order_by("created", "id"), uuid.UUID
)


def group_of(conversation_id: uuid.UUID | str) -> str:
    return f"chat.conversation.{uuid.UUID(str(conversation_id)).hex}"


def listed_as(column: str, text: str) -> str:
    """A title or a folder as lists show it: on one line, as long as the column is."""
    return " ".join(text.split())[: LISTED_CHARS[column]].rstrip()


def title_of(content: str) -> str:
    """The first line of a message, cut at a word."""
    line = next((line.strip() for line in content.splitlines() if line.strip()), "")
    if len(line) <= TITLE_CHARS:
        return line
    return line[:TITLE_CHARS].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
