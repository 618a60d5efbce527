"""The turns of a session: which waits, which runs, and what each came to. In the agent's thread.

The database is the queue. The inbox carries wake-ups, which may be lost, or overtake each other.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from chat.files.given import GivenFile
from chat.live import titles
from chat.live.hold import Hold
from chat.live.inbox import Inbox, InboxClosed
from chat.live.memory import Memory
from chat.live.outbox import Outbox
from chat.live.progress import Progress, Tally
from chat.live.questions import Questions
from chat.live.recorder import Recorder
from chat.live.suggestions import Suggestions
from chat.live.waiting import Resumption
from chat.mends.sqlite import connected, going_first
from chat.mends.statements import update
from chat.models import Attachment, ChatSession, Conversation, Message
from chat.models.conversation import title_of
from chat.observer import Failure, Usage, UserText

INBOX_CAPACITY = 1000  # turn ids
MOST, MOST_COST = 2**31 - 1, Decimal(999_999)  # that the columns have, whatever a model's server says
NO_AGENT = object()  # whose memory nothing is known of yet


class Turns:
    """The turns of one session, one at a time."""

    def __init__(
        self,
        hold: Hold,
        progress: Progress,
        recorder: Recorder,
        questions: Questions,
        memory: Memory,
        suggestions: Suggestions,
        outbox: Outbox,
        record: ChatSession,
        *,
        agent: str,
        opening: str,
        first: Message,
        resumed: Resumption | None = None,
        give_way: Callable[[], None],
    ) -> None:
        """`agent`: the root agent's name; `opening`: the prompt with which it speaks first.

        `first`: the turn it was started for; `resumed`: how it goes on.

        `give_way`: end the session, whose agent remembers another transcript.
        """
        self._hold, self._progress, self._recorder, self._questions = hold, progress, recorder, questions
        self._memory, self._suggestions, self._outbox = memory, suggestions, outbox
        self._said = ""  # what the user has said to begin the turn
        self._record = record
        self._agent, self._opening = agent, opening
        self._first = first
        self._resumed = resumed
        self._give_way = give_way
        self._inbox: Inbox[uuid.UUID | None] = Inbox(INBOX_CAPACITY)
        self._remembers: Any = NO_AGENT  # the turn with which the agent's memory ends
        self.idle_since = time.monotonic()
        self._wake_for(progress.queued)

    # -- the pages' side: any thread --------------------------------------------------------------------------------

    def submit(self, turn: uuid.UUID) -> None:
        """Give the agent a turn whose message is committed."""
        progress = self._progress
        with progress.lock:
            if turn == progress.turn or turn in progress.queued:
                return
            progress.queued.append(turn)
        self._inbox.put(turn)
        progress.emit()

    def forget(self, turn: uuid.UUID) -> None:
        """A turn that waited is over before the agent could begin it."""
        with self._progress.lock:
            self._progress.queued = [id for id in self._progress.queued if id != turn]
        self._progress.emit()

    def look(self) -> None:
        """Let the agent look for turns whose wake-up was lost."""
        self._inbox.put(None)

    def close(self) -> None:
        """Hang up: the agent gets no more turns."""
        self._inbox.close()

    # -- the agent's side -------------------------------------------------------------------------------------------

    def history(self) -> list[Message]:
        """The transcript before the first turn. Read without the lock: nothing moves before a turn that waits.

        If that one was stopped meanwhile, `_begin` finds that the agent lacks it.
        """
        self._remembers = self._first.follows
        if self._first.seq == 1 and not self._resumed:
            return []  # nothing was said before
        self._memory.restore(self._remembers)
        with connected():
            records = Conversation(id=self._hold.conversation_id).records_to(self._remembers)
            if self._resumed and self._resumed.pending:
                begun = Message.objects.filter(conversation=self._hold.conversation_id, turn=self._resumed.turn)
                begun = begun.exclude(seq=None).order_by("seq")
                records += [record for record in begun if not self._resumed.is_of_step(record)]
            Attachment.objects.give(records)
        return records

    def fail_waiting(self, failure: Failure) -> None:
        """End every turn that waits: the next agent would fare no better, and be started for ever."""
        self._remembers = NO_AGENT
        while not self._inbox.empty() and self.next_message():
            self._recorder.turn_failed(failure)
            self.end()

    def next_message(self) -> UserText | None:
        """End the turn that runs, if any, and wait for the next; None: hang up."""
        if self._progress.turn is not None:
            self.end()
        elif self._inbox.empty():
            self._look_for_turns()
        while True:
            try:
                turn = self._inbox.get()
            except InboxClosed:
                return None
            if self._progress.is_closing:
                return None
            if turn is None:
                self._look_for_turns()
            elif message := self._begin(turn):
                return message

    def _look_for_turns(self) -> None:
        """A turn whose wake-up was lost or refused is found here."""
        with self._hold.transaction() as conversation:
            waiting = [turn.id for turn in conversation.queued]
        with self._progress.lock:
            self._progress.queued = waiting
        self._wake_for(waiting)

    def _wake_for(self, turns: list[uuid.UUID]) -> None:
        for turn in turns:
            self._inbox.put(turn)

    def _begin(self, turn: uuid.UUID) -> UserText | None:
        """Begin the oldest turn that waits, woken by `turn`: wake-ups of two processes may overtake each other.

        That it begins is committed before its text goes anywhere: it runs at most once.
        """
        with going_first(), self._hold.transaction() as conversation:
            waiting = conversation.queued
            knows_all = not waiting or self._remembers in (NO_AGENT, waiting[0].follows)
            if waiting and knows_all:
                waiting[0].begin()
                conversation.state, conversation.suggestions = Conversation.State.RUNNING, []
                conversation.stop_turn = conversation.asking = None
                update(conversation, "state", "stop_turn", "asking", "suggestions")
        if not knows_all:  # a turn ended before the agent had heard of it: a fresh one gets the transcript with it
            return self._give_way()
        if not waiting:
            self.forget(turn)
            return None
        message, progress = waiting[0], self._progress
        self._said = message.content
        with progress.lock:
            progress.begin(message.id)
            progress.works = self._agent
            self._questions.drop_late()
        self._recorder.end_steps()  # those of the agent's making
        progress.emit()
        progress.tell_owner(conversation)
        resumed, self._resumed = self._resumed, None
        self._questions.give(resumed)
        files = self._files_of(message)
        content = self._opening if message.is_opening else message.content
        if resumed is None or not resumed.pending:
            return UserText(turn=str(message.id), content=content, files=files)
        with connected():
            step = Message.objects.filter(id=resumed.pending[0].message_id).first()
        said, pending = step.content if step else "", resumed.pending
        return UserText(turn=str(message.id), content=content, files=files, pending=pending, said=said)

    def _files_of(self, message: Message) -> Sequence[GivenFile]:
        if message.attachments:
            with connected():
                Attachment.objects.give([message], new=message.turn)
        return message.given

    def end(self) -> None:
        """End the turn that runs: whatever it has left open is closed, what it came to is counted."""
        progress, tally = self._progress, self._progress.tally
        turn = progress.turn
        if turn is None:
            return
        closed: list[Message] = []
        if progress.is_overdue:
            self._recorder.turn_failed(self._recorder.overdue())
        is_good = not (progress.is_stopping or progress.is_closing or tally.failed)
        suggestions = self._suggestions.after(self._said, tally.answer) if is_good else []
        with self._recorder.storing:
            with self._hold.transaction() as conversation:
                is_cut = progress.is_stopping or progress.is_closing
                if self._recorder.has_open or (is_cut and not tally.is_answered):
                    closed = self._recorder.close_open(conversation, self._status())
                self._memory.store(turn)
                if suggestions:
                    conversation.suggestions = suggestions
                    update(conversation, "suggestions")
                Message(id=turn).end()
                conversation.settle()
                self._count(tally)
                is_to_be_named = is_good and self._is_first and titles.is_wanted(conversation, self._said)
                waiting = [turn.id for turn in conversation.queued]
            for record in closed:
                self._recorder.send(record)
        if tally.was_told or not (progress.is_stopping or tally.failed):
            self._remembers = turn
        with progress.lock:
            progress.turn, progress.queued, progress.question = None, waiting, None
            progress.state, progress.is_stopping = Conversation.State.IDLE, False
            self.idle_since = time.monotonic()
        self._recorder.end_steps()
        if not waiting:
            progress.emit()
        elif self._inbox.empty():  # their wake-ups were lost
            self._wake_for(waiting)
        self._outbox.flush()
        progress.tell_owner(conversation)
        if is_to_be_named:
            titles.ask(conversation.id, self._said, tally.answer, self._name)

    @property
    def _is_first(self) -> bool:
        """True for the conversation's first turn, once it is counted."""
        return self._first.follows is None and self._record.turns == 1

    def _name(self, title: str, usage: Usage) -> None:
        """The model's title, unless there is another meanwhile. In a thread of its own, beside the next turn."""
        with self._recorder.storing, self._hold.transaction() as conversation:
            is_named = bool(title) and titles.is_wanted(conversation, self._first.content)
            if is_named:
                conversation.title = title_of(title)
                update(conversation, "title")
            self._spend(usage)
        if is_named:
            self._progress.tell_owner(conversation)

    def _status(self) -> str:
        """How what a turn leaves open has ended."""
        if self._progress.is_stopping:
            return Message.Status.STOPPED
        return Message.Status.INTERRUPTED if self._progress.is_closing else Message.Status.COMPLETE

    def _count(self, tally: Tally) -> None:
        """Add the turn to the session's record."""
        record, failed = self._record, tally.failed
        record.turns += 1
        if failed:
            record.errors += 1
            record.last_error = f"{failed.code} {failed.incident}"
        self._spend(tally.usage)

    def _spend(self, usage: Usage) -> None:
        """Store the session's record, with what a turn or the title has used."""
        record = self._record
        record.prompt_tokens = min(record.prompt_tokens + usage.prompt_tokens, MOST)
        record.completion_tokens = min(record.completion_tokens + usage.completion_tokens, MOST)
        record.cost = min(record.cost + Decimal(usage.cost or 0), MOST_COST)  # of what has a price
        update(record, "turns", "prompt_tokens", "completion_tokens", "cost", "errors", "last_error")
