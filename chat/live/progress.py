"""What a session is at: the turn that runs, those that wait, who works, and what is asked."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field

from chat.live.outbox import Outbox
from chat.models import Conversation
from chat.observer import Failure, Usage
from chat.owners import Owner
from chat.wire.events import Event, InputRequest, Status
from chat.wire.frames import encode
from chat.wire.values import text_or_none


@dataclass
class Tally:
    """What a turn has come to so far."""

    usage: Usage = field(default_factory=Usage)
    unshown: Usage = field(default_factory=Usage)  # of model calls without a record: the next one has it as well
    failed: Failure | None = None
    is_answered: bool = False  # it has a record of the root agent
    answer: str = ""  # the newest text of the root agent
    was_told: bool = False  # the root agent's model was asked: its memory has the turn's message


class Progress:
    """The state that the agent's thread and the loop share, and the `status` that pages see of it.

    Under `lock` nothing is sent and no database is asked, because the loop takes it too.
    """

    def __init__(self, outbox: Outbox, owner: Owner, *, agent: str, queued: list[uuid.UUID]) -> None:
        self._outbox = outbox
        self._owner = owner
        self.lock = threading.RLock()  # guards all below, for moments
        self.turn: uuid.UUID | None = None
        self.state: str = Conversation.State.IDLE
        self.works = agent  # who works, as people see it
        self.queued = queued
        self.question: InputRequest | None = None
        self.question_ends: float | None = None  # when its time is over (monotonic)
        self.is_stopping = False
        self.is_closing = False
        self.is_overdue = False  # the stop is not its user's: the turn has taken too long
        self._worked_seconds = 0.0  # of the turn that runs
        self._works_since: float | None = None  # (monotonic); None: it waits for its user, or nothing runs
        self.tally = Tally()

    @property
    def is_idle(self) -> bool:
        """True while no turn runs and none waits."""
        return self.turn is None and not self.queued

    @property
    def next_turn(self) -> uuid.UUID | None:
        """The turn that waits to be begun."""
        with self.lock:
            return self.queued[0] if self.queued else None

    def status(self) -> Status:
        waits = self.state == Conversation.State.IDLE and self.queued
        return Status(
            type="status",
            state=Conversation.State.RUNNING if waits else self.state,
            agent=self.works,
            turn=text_or_none(self.turn),
            queued=[str(turn) for turn in self.queued],
        )

    def open_question(self) -> InputRequest | None:
        """The question, with the time that is left for it. Inside the lock."""
        if self.question is None or self.question_ends is None:
            return self.question
        return {**self.question, "timeout": round(max(0.0, self.question_ends - time.monotonic()), 3)}

    def emit(self, *more: Event) -> None:
        """Tell the pages the state, and what comes with it."""
        with self.lock:
            status = self.status()
        self._outbox.emit(status, *more)

    def begin(self, turn: uuid.UUID) -> None:
        """A turn begins. Inside the lock."""
        self.queued = [id for id in self.queued if id != turn]
        self.turn, self.state, self.tally = turn, Conversation.State.RUNNING, Tally()
        self.is_stopping = self.is_overdue = False
        self._worked_seconds, self._works_since = 0.0, time.monotonic()

    def move(self, state: str) -> None:
        """Be in another state, unless a stop is on its way. Inside the lock."""
        if self.is_stopping:
            return
        self._worked_seconds, self._works_since = self.worked_seconds, None
        if state == Conversation.State.RUNNING:
            self._works_since = time.monotonic()
        self.state = state

    @property
    def worked_seconds(self) -> float:
        """For how long the turn has run, without the time in which its user was asked."""
        with self.lock:
            since = self._works_since
            return self._worked_seconds + (0.0 if since is None else time.monotonic() - since)

    def over(self) -> None:
        """Nothing runs and nothing waits any more."""
        with self.lock:
            self.turn, self.question, self.queued = None, None, []
            self.state = Conversation.State.IDLE

    def tell_owner(self, conversation: Conversation) -> None:
        """Show the new state in the lists of all the owner's pages."""
        if conversation.temporary:
            return
        frame = encode(conversation.summary())
        self._outbox.tell(self._owner.group, {"type": "chat.owner", "owner": self._owner.id, "frame": frame})
