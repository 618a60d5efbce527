"""What is stored: conversations, their records, the runs of agents, and the server processes.

A `Conversation` is one owner's transcript with one agent. Its `Message`s are the records that pages see, numbered
densely by `seq`; a message without `seq` is open: a checkpoint of something in progress. Records are only ever appended
under the conversation's row lock, by `append`.

Ownership: at most one process runs the agent of a conversation. The process's lease is `ServerProcess.renewed`, the
fence is `Conversation.fence`: an owner's write begins with `Conversation.objects.locked(id, fence=mine)`, which finds
nothing once another process, or a newer agent of the same process, has claimed the conversation.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.urls import reverse

from chat.conf import agents, conf
from chat.mends.statements import Prepared, insert, update
from chat.observer import Answer
from chat.owners import Owner
from chat.wire.events import shorten

TITLE_CHARS = 80
LONG_CHARS = 16_000  # a text from here on may be cut in some frame
NEWEST_RECORDS = 50  # sent to a page that opens a conversation
RESUME_RECORDS = 200  # more missing than this: the newest ones instead
RECENT_RECORDS = 20  # of which frames may still be on their way to pages


OPEN_TURN = Q(kind="user", request_id=None, ended=None)  # of messages: turns that have not ended


class ServerProcess(models.Model):
    """One row per server process. `renewed`, by the database's clock, is its lease on all that it owns."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started = models.DateTimeField(db_default=Now())
    renewed = models.DateTimeField(db_default=Now())
    ended = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started"]
        verbose_name_plural = "server processes"

    def __str__(self) -> str:
        return f"{self.host.split()[0]}:{self.pid}"  # without the namespace of its pids

    @staticmethod
    def alive() -> Q:
        """The processes that hold their lease."""
        return Q(ended=None, renewed__gt=Now() - timedelta(seconds=conf.LEASE_SECONDS))

    @classmethod
    def is_alive(cls, id: uuid.UUID | None) -> bool:
        return id is not None and cls.objects.filter(cls.alive(), id=id).exists()

    def renew(self) -> bool:
        """Renew the lease; False when another process has ended it."""
        return bool(ServerProcess.objects.filter(id=self.id, ended=None).update(renewed=Now()))

    def end(self) -> None:
        ServerProcess.objects.filter(id=self.id, ended=None).update(ended=Now())


class ConversationManager(models.Manager["Conversation"]):
    def for_owner(self, owner: Owner) -> models.QuerySet[Conversation]:
        """The conversations that `owner` may see; every query of a page goes through here, `find` or `locked`."""
        return self.filter(owner.filter)

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
        IDLE = "idle"
        RUNNING = "running"
        WAITING = "waiting"
        STOPPING = "stopping"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    visitor = models.CharField(max_length=64, blank=True, default="")  # hash of an anonymous visitor's key
    agent_key = models.CharField("agent", max_length=100)
    title = models.CharField(max_length=200, blank=True, default="")
    created = models.DateTimeField(db_default=Now())
    updated = models.DateTimeField(db_default=Now())
    newest_seq = models.PositiveIntegerField(default=0)
    read_seq = models.PositiveIntegerField(default=0)
    head = models.UUIDField(null=True, blank=True)  # the turn with which the current transcript ends
    state = models.CharField(max_length=10, choices=State, default=State.IDLE)
    question = models.JSONField(null=True, blank=True)  # the open input_request
    stop_turn = models.UUIDField(null=True, blank=True)  # a stop that waits for the owner
    owner_process = models.ForeignKey(ServerProcess, models.SET_NULL, null=True, blank=True, related_name="owned")
    fence = models.PositiveBigIntegerField(default=0)

    objects = ConversationManager()

    class Meta:
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
            if record._state.adding:
                insert(record)
            else:
                update(record, *OUTCOME)
        self.updated = Now()
        update(self, "newest_seq", "head", "title", "updated")

    def add_turn(self, content: str, *, follows: uuid.UUID | None, **fields: Any) -> Message:
        """Append a user's message that starts a turn; the turn becomes the head."""
        id = uuid.uuid4()
        turn = Message(id=id, turn=id, kind=Message.Kind.USER, content=content, follows=follows, **fields)
        self.head = id
        self.title = self.title or title_of(content)
        self.append(turn)
        return turn

    def set_head(self, turn: uuid.UUID | None) -> Message:
        """Make the transcript end with `turn`; return the `head` record."""
        self.head = turn
        record = Message(kind=Message.Kind.HEAD, turn=turn)
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
        self.state, self.question, self.stop_turn = self.State.IDLE, None, None
        update(self, "state", "question", "stop_turn")

    def release(self, reason: str) -> None:
        """Shut out whatever agent there is; its run is over."""
        self.raise_fence(None)
        self.sessions.filter(ended=None).update(ended=Now(), end_reason=reason)

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
        """The newest records (older than `before`), extended back to the start of a turn, oldest first."""
        return list(self.records(after=self._before_newest(limit, before), before=before))

    def _before_newest(self, limit: int = NEWEST_RECORDS, before: int | None = None) -> int:
        """The `seq` after which the newest records begin, without reading their texts."""
        records = self.records(before=before).order_by("-seq")
        rows = records.values_list("seq", "turn", "kind")[:limit]
        first = before or self.newest_seq + 1
        while rows:
            first = min(seq for seq, *_ in rows)
            turns = {turn for _, turn, kind in rows if turn and kind != Message.Kind.HEAD}
            start = self.messages.filter(id__in=turns, seq__lt=first).aggregate(first=models.Min("seq"))["first"]
            rows = records.filter(seq__gte=start, seq__lt=first).values_list("seq", "turn", "kind") if start else ()
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

    def transcript(self, head: uuid.UUID | None) -> list[Message]:
        """The records of the path to `head`: what came before the first turn, then turn by turn, each by `seq`."""
        order = {turn: position for position, turn in enumerate(self.turns_to(head), start=1)}
        rows = self.records().filter(Q(turn=None) | Q(turn__in=order)).exclude(kind=Message.Kind.HEAD)
        return sorted(rows, key=lambda row: (order.get(row.turn, 0), row.seq))

    def summary(self) -> dict[str, Any]:
        """What a list of conversations shows: the `conversation` event."""
        return {
            "type": "conversation",
            "id": str(self.id),
            "title": self.title,
            "agent": self.agent_key,
            "updated": iso(self.updated),
            "state": self.state,
            "newest_seq": self.newest_seq,
            "read_seq": self.read_seq,
        }


class Message(models.Model):
    """One record of a conversation, or, without `seq`, the checkpoint of one in progress."""

    class Kind(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"
        SYSTEM = "system"
        HEAD = "head"

    class Status(models.TextChoices):
        OPEN = "open"
        COMPLETE = "complete"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        ERROR = "error"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
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
    begun = models.DateTimeField(null=True, blank=True)  # when an agent took the turn
    ended = models.DateTimeField(null=True, blank=True)
    request_id = models.UUIDField(null=True, blank=True)  # of the question that it answers
    answer = models.JSONField(null=True, blank=True)  # choice, approved, tool_args, always

    # where in the tree of agents
    agent = models.CharField(max_length=200, blank=True, default="")
    parent_id = models.UUIDField(null=True, blank=True)
    depth = models.PositiveSmallIntegerField(default=0)
    task = models.JSONField(null=True, blank=True)

    # how it ended
    finish_reason = models.CharField(max_length=10, blank=True, default="")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    usage = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)  # of a tool: {"details": text}
    tool_calls = models.JSONField(default=list, blank=True)
    sources = models.JSONField(default=list, blank=True)
    attachments = models.JSONField(default=list, blank=True)

    # a tool's run
    tool_name = models.CharField(max_length=200, blank=True, default="")
    tool_args = models.JSONField(null=True, blank=True)
    caller_id = models.UUIDField(null=True, blank=True)  # the model call that asked for it

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

    def end(self) -> None:
        """This turn is over."""
        self.ended = Now()
        update(self, "ended")

    @property
    def is_answer(self) -> bool:
        """True for the root agent's own text."""
        return self.kind == self.Kind.ASSISTANT and self.depth == 0

    def as_answer(self) -> Answer:
        """The answer to a question as the agent gets it."""
        return Answer(content=self.content, **(self.answer or {}))

    @property
    def place(self) -> dict[str, Any]:
        """The fields that say where in the tree of agents it happened."""
        place = {"agent": self.agent, "parent_id": text_or_none(self.parent_id), "depth": self.depth}
        return {**place, "task": self.task} if self.depth else place

    def event(self) -> dict[str, Any]:
        """The record as its event (`docs/protocol.md`), without `html`; its texts are cut where no frame holds them."""
        return shorten(self.whole(**self._url))

    def whole(self, **more: str) -> dict[str, Any]:
        """The record as its event, however long, with `more` fields."""
        match self.kind:
            case self.Kind.HEAD:
                return {"type": "head", "seq": self.seq, "turn": text_or_none(self.turn)}
            case self.Kind.TOOL:
                return self._tool_result() | more
        return {"type": "message", "seq": self.seq, "message": self._message() | more}

    @property
    def _url(self) -> dict[str, str]:
        """Where all of a long text is."""
        if len(self.content) + len(self.reasoning) < LONG_CHARS:
            return {}
        return {"url": reverse("chat:record-text", args=[self.conversation_id, self.id])}

    def call_event(self) -> dict[str, Any]:
        """The `tool_call` that began this tool's run."""
        return {
            "type": "tool_call",
            "tool_call_id": str(self.id),
            "turn": text_or_none(self.turn),
            "message_id": text_or_none(self.caller_id),
            "tool_name": self.tool_name,
            "tool_args": self.tool_args or {},
            **self.place,
            "timestamp": iso(self.created),
        }

    def _tool_result(self) -> dict[str, Any]:
        call = self.call_event()
        outcome = {
            "type": "tool_result",
            "seq": self.seq,
            "result": self.content,
            "error": (self.error or {}).get("details"),
            "status": self.status,
            "duration_ms": self.duration_ms,
        }
        return {**call, **outcome}

    def _message(self) -> dict[str, Any]:
        message = {
            "id": str(self.id),
            "turn": text_or_none(self.turn),
            "content": self.content,
            "sender": self.kind,
            **self.place,
            "status": self.status,
            "timestamp": iso(self.created),
        }
        if self.kind == self.Kind.USER:
            return message | self._user_fields()
        return message | {
            "reasoning": self.reasoning,
            "finish_reason": self.finish_reason or None,
            "duration_ms": self.duration_ms,
            "usage": self.usage,
            "error": self.error,
            "tool_calls": self.tool_calls,
            "attachments": self.attachments,
            "sources": self.sources,
        }

    def _user_fields(self) -> dict[str, Any]:
        fields = {
            "follows": text_or_none(self.follows),
            "client_id": self.client_id,
            "attachments": self.attachments,
        }
        if self.regenerated:
            fields["regenerated"] = True
        if self.request_id:
            fields |= {"request_id": str(self.request_id), "answer": self.answer or {}}
        return fields


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    def with_liveness(self) -> ChatSessionQuerySet:
        """Add `is_alive`: whether its process holds its lease."""
        alive = ServerProcess.objects.filter(ServerProcess.alive(), id=OuterRef("process"))
        return self.annotate(is_alive=Exists(alive))


class ChatSession(models.Model):
    """The record of one run of an agent for a conversation: who, where, when, and what it used."""

    class EndReason(models.TextChoices):
        GRACE = "grace", "nobody connected"
        REPLACED = "replaced", "started afresh"
        STOPPED = "stopped", "abandoned by a stop"
        EVICTED = "evicted", "made room"
        SHUTDOWN = "shutdown", "server stopped"
        LOST = "lost", "process died"
        FAILED = "failed", "could not start or crashed"
        DELETED = "deleted", "conversation deleted"
        ADMIN = "admin", "stopped by an admin"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    agent_key = models.CharField("agent", max_length=100)
    process = models.ForeignKey(ServerProcess, models.SET_NULL, null=True, blank=True, related_name="sessions")
    fence = models.PositiveBigIntegerField()
    started = models.DateTimeField(db_default=Now())
    ended = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField("how it ended", max_length=10, choices=EndReason, blank=True, default="")
    turns = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    errors = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True, default="")  # code and incident, never a text

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = "session record"
        ordering = ["-started"]
        indexes = [
            models.Index(fields=["-started"], name="chat_sessions_by_start"),
            models.Index(fields=["process"], name="chat_sessions_live", condition=Q(ended=None)),
        ]

    def __str__(self) -> str:
        return f"{self.agent_key} {self.started:%Y-%m-%d %H:%M}"

    def end(self, reason: str) -> None:
        """Note how the run ended; the first reason stays."""
        ChatSession.objects.filter(id=self.id, ended=None).update(ended=Now(), end_reason=reason)


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

    def delete(self, **options: Any) -> Any:
        raise TypeError("the record of opened transcripts is append-only")


# -- what each turn asks, made once -----------------------------------------------------------------------------------

# What may change when the checkpoint of something in progress becomes a record.
OUTCOME = ("seq", "status", "content", "reasoning", "finish_reason", "duration_ms", "usage", "error")
OUTCOME += ("tool_calls", "sources")

_found = Prepared(lambda id: Conversation.objects.filter(id=id), uuid.UUID)
_locked = Prepared(lambda id: Conversation.objects.select_for_update().filter(id=id), uuid.UUID)
_open_turns = Prepared(lambda id: Message.objects.filter(OPEN_TURN, conversation=id).order_by("seq"), uuid.UUID)
_open_records = Prepared(
    lambda id: Message.objects.filter(conversation=id, seq=None).order_by("created", "id"), uuid.UUID
)


# -- small pieces --------------------------------------------------------------------------------------------------


def group_of(conversation_id: uuid.UUID | str) -> str:
    return f"chat.conversation.{uuid.UUID(str(conversation_id)).hex}"


def title_of(content: str) -> str:
    """The first line of a message, cut at a word."""
    line = next((line.strip() for line in content.splitlines() if line.strip()), "")
    if len(line) <= TITLE_CHARS:
        return line
    return line[:TITLE_CHARS].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_or_none(value: uuid.UUID | str | None) -> str | None:
    return None if value is None else str(value)
