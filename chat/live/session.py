"""The live agent of a conversation: its thread, its inbox and outbox, and the turn that runs.

`AgentSession` is the `Observer` of the callback layer: what the agent does becomes records (stored, then sent),
chunks and state. It is made on the event loop for a conversation that this process has claimed, and ends in one of
two ways:

    close     the agent hangs up when it next looks at the user; nothing runs that would be lost
    abandon   the conversation is taken from an agent that does not end: its fence is raised, its records are closed,
              and whatever the old thread still says raises `AgentGone` in it

Locks. `_lock` guards the state, for moments: nothing is sent and no database is asked under it, because the loop takes
it too. `_recording` is held while records are stored and sent: a page that has read them, from whatever process, finds
nothing of them open in its next snapshot. Under it transactions lock the conversation first, then whatever else.

Every write of the agent's thread is one short transaction that begins with the locked conversation at this session's
fence. None found: another agent has the conversation, and this one is gone.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.db import InterfaceError, OperationalError, connections, transaction
from django.utils import timezone

from chat.agents.langroid.holdback import HoldBack
from chat.conf import AgentSpec, agents
from chat.exceptions import AgentUnavailable, ChatError, new_incident
from chat.live.claims import Claim
from chat.live.flusher import pace
from chat.live.inbox import Inbox, InboxClosed
from chat.live.outbox import Outbox
from chat.live.snapshot import Snapshot
from chat.live.threads import start_thread
from chat.mends.sqlite import connected
from chat.mends.statements import insert, update
from chat.models import ChatSession, Conversation, Message
from chat.observer import (
    AgentGone,
    Answer,
    Failure,
    LlmOutcome,
    Place,
    Question,
    Status,
    TaskRun,
    ToolOutcome,
    ToolRun,
    Usage,
    UserText,
)
from chat.wire import records
from chat.wire.events import Event, InputRequest, TaskEnd, TaskStart, error_event
from chat.wire.events import Status as StatusEvent
from chat.wire.frames import encode
from chat.wire.values import clean, clean_json, text_or_none

logger = logging.getLogger(__name__)

INBOX_CAPACITY = 1000  # turn ids; the database is the queue
_NO_AGENT = object()  # whose memory nothing is known of yet


class AgentSession:
    """One run of an agent for one conversation, in this process.

    Methods under "the agent's side" are called in the agent's thread, those under "the pages' side" on the event loop.
    """

    def __init__(
        self,
        claimed: Claim,
        *,
        resources: dict[str, Any],
        ended: Callable[[AgentSession], None],
    ) -> None:
        """Call on the event loop. `ended` is called in the agent's thread when it leaves."""
        conversation = claimed.conversation
        self.conversation_id = conversation.id
        self.fence = conversation.fence
        self.record = claimed.session
        self.spec: AgentSpec | None = agents().get(conversation.agent_key)
        self.user_id = conversation.user_id
        self._owner = conversation.owner
        self.resources = resources
        self.outbox = Outbox(conversation.group, str(conversation.id))
        self.inbox = Inbox(INBOX_CAPACITY)
        self.idle_since = time.monotonic()
        self.is_gone = False  # abandoned: nothing that the thread says counts any more
        self._remembers: Any = _NO_AGENT  # the turn with which the agent's memory ends
        self._ended = ended
        self._answers = Inbox(INBOX_CAPACITY)
        self._asking = threading.Lock()  # one question at a time
        self._recording = threading.Lock()  # never taken on the loop
        self._lock = threading.RLock()  # guards all below
        self._turn: uuid.UUID | None = None
        self._state: str = Conversation.State.IDLE
        self._works = self.spec.name if self.spec else ""
        self._queued: list[uuid.UUID] = list(claimed.queued)
        self._stopping = False
        self._closing = False
        self._reason: str = ChatSession.EndReason.GRACE
        self._abort: Callable[[], object] | None = None
        self._calls: dict[str, tuple[Place, bool]] = {}  # model calls without text yet: place, may_call_tools
        self._open: dict[str, Message] = {}  # open messages and tool runs, as stored
        self._tasks: dict[str, TaskStart] = {}  # running sub-tasks
        self._newest_seq = 0  # of the records that this agent has made
        self._question: InputRequest | None = None
        self._usage = Usage()  # of the turn
        self._failed: Failure | None = None
        self._answered = False  # the turn has a record of the root agent
        self._was_told = False  # the root agent's model was asked: its memory has the turn's message
        self._wake_for(self._queued)

    def __repr__(self) -> str:
        return f"<AgentSession {self.conversation_id} fence {self.fence} {self._state}>"

    # == the pages' side (event loop) ===============================================================================

    def start(self) -> None:
        """Start the agent's thread."""
        logger.info("conversation %s: agent %s starts", self.conversation_id, self.record.agent_key)
        start_thread(self._run, name=f"agent-{self.conversation_id.hex[:8]}")
        self._emit_status()  # making an agent may take seconds

    @property
    def is_idle(self) -> bool:
        """True while no turn runs and none waits."""
        return self._turn is None and not self._queued

    @property
    def turn(self) -> uuid.UUID | None:
        return self._turn

    def submit(self, turn: uuid.UUID) -> None:
        """Give the agent a turn whose message is committed."""
        with self._lock:
            if turn == self._turn or turn in self._queued:
                return
            self._queued.append(turn)
        self.inbox.put(turn)
        self._emit_status()

    def forget(self, turn: uuid.UUID) -> None:
        """A turn that waited is over before the agent could begin it."""
        with self._lock:
            self._queued = [id for id in self._queued if id != turn]
        self._emit_status()

    def look(self) -> None:
        """Let the agent look for turns whose wake-up was lost."""
        self.inbox.put(None)

    @property
    def has_waiting(self) -> bool:
        """True when turns were submitted that the agent has not begun."""
        return bool(self._queued)

    @property
    def question(self) -> InputRequest | None:
        """The open `input_request`."""
        return self._question

    def answer(self, request_id: str, answer: Answer) -> None:
        """Give the agent the answer, already committed, to its open question."""
        self._answers.put((request_id, answer))

    def stop(self) -> uuid.UUID | None:
        """Ask the running turn to end; return it, None when nothing runs. Does not wait."""
        with self._lock:
            if self._turn is None or self.is_gone:
                return None
            self._stopping = True
            self._state = Conversation.State.STOPPING
            turn = self._turn
            if self._abort:
                self._abort()  # inside the lock: it must not hit the next turn
        self._emit_status()
        self._answers.put(("", None))
        return turn

    def close(self, reason: str) -> None:
        """End the session. A running turn ends at once and unfinished. May be called from any thread, and again."""
        with self._lock:
            if not self._closing:
                self._closing, self._reason = True, reason
            if self._abort and self._turn is not None:
                self._abort()
        self.inbox.close()
        self._answers.close()

    def abandon(self, reason: str, status: str, turn: uuid.UUID | None = None) -> bool:
        """Take the conversation from this agent and close its records with `status`. In an I/O thread, not the loop.

        Return False when there is nothing to abandon any more: the session has lost the conversation, or `turn`, if
        given, has ended meanwhile.
        """
        try:
            with self._recording:
                with transaction.atomic():
                    conversation = Conversation.objects.locked(self.conversation_id, fence=self.fence)
                    if turn and turn not in [open.id for open in conversation.open_turns]:
                        return False
                    with self._lock:
                        self.is_gone = True
                    records = self._close_open(conversation, status)
                    conversation.raise_fence(None)
                    self.record.end(reason)
                self.close(reason)
                self._send_end(records, status)
        except Conversation.DoesNotExist:
            self.is_gone = True
            self.close(reason)
            return False
        logger.info("conversation %s: agent abandoned (%s)", self.conversation_id, reason)
        return True

    def _send_end(self, records: list[Message], status: str) -> None:
        """Tell the pages that everything of this session is over."""
        for record in records:
            self._send_record(record)
        with self._lock:
            tasks = [_task_end(task, status=status) for task in self._tasks.values()]
            self._tasks.clear()
            self._turn, self._question, self._queued = None, None, []
            self._state = Conversation.State.IDLE
        self.outbox.emit(*tasks)
        self._emit_status()

    def snapshot(self, *, html: bool) -> Snapshot:
        """What a page that joins must know besides the records. It may wait, and render: not on the loop."""
        with self._recording:
            views = self.outbox.views(html=html)
            with self._lock:
                return Snapshot(
                    status=self._status(),
                    newest_seq=self._newest_seq,
                    streams=views,
                    calls=[row.call_event() for row in self._open.values() if row.kind == Message.Kind.TOOL],
                    tasks=list(self._tasks.values()),
                    question=self._question,
                )

    def checkpoints(self) -> list[tuple[uuid.UUID, str, str]]:
        """Id, text and reasoning so far of the open messages, for the process's tick to store."""
        with self._lock:
            ids = [row.id for row in self._open.values() if row.kind == Message.Kind.ASSISTANT]
        return [(id, *self.outbox.emitted(str(id))) for id in ids]

    # == the agent's side (agent's thread) ==========================================================================

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        reason = None
        try:
            self._work()
        except AgentGone:
            pass
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            # An agent, or a database that is away, must not end more than its own session.
            reason = ChatSession.EndReason.FAILED
            self._fail(error)
        finally:
            self._leave(reason or self._reason)

    def _work(self) -> None:
        try:
            task, request = self._prepare()
        except AgentGone:
            raise
        except Exception as error:
            return self._refuse(error)
        from chat.agents.langroid import turns as callbacks

        callbacks.run(task, self, request)

    def _prepare(self) -> tuple[Any, Any]:
        """Make the agent, with the memory of its conversation. Raises: whatever a factory may raise."""
        from chat.agents.langroid import setup

        setup.import_langroid()  # first of all: it decides how Langroid is imported
        from chat.agents import registry as factories
        from chat.agents.langroid import history

        if self.spec is None:
            raise AgentUnavailable("The agent of this conversation is not configured any more.")
        records = self._history()
        task = factories.build(self.spec, self._context(records))
        history.install(task, records)
        return task, factories.request_of(task)

    def _context(self, records: list[Message]) -> Any:
        from django.contrib.auth import get_user_model

        from chat.agents import AgentContext

        user = None
        if self.user_id is not None:
            with connected():
                user = get_user_model()._default_manager.filter(pk=self.user_id).first()
        return AgentContext(
            conversation_id=str(self.conversation_id),
            user=user,
            history=tuple(records),
            settings=dict(self.spec.options),
            resources=self.resources,
            agent=self.spec.name,
            asker=self.ask,
        )

    def _history(self) -> list[Message]:
        """The transcript before the first turn that waits. Read without the lock: nothing moves before that turn."""
        with self._database() as conversation:
            waiting = conversation.queued
        self._remembers = waiting[0].follows if waiting else conversation.head
        with connected():
            return conversation.transcript(self._remembers)

    def _refuse(self, error: Exception) -> None:
        """The agent cannot start: every turn that waits ends with the reason."""
        known = error if isinstance(error, AgentUnavailable) else AgentUnavailable()
        incident = known.incident or new_incident()
        if not known.incident:
            logger.error("agent %s could not start, incident %s", self.record.agent_key, incident, exc_info=error)
        self._reason = ChatSession.EndReason.FAILED
        self._fail_waiting(Failure(code=known.code, details=known.details, incident=incident))

    def _fail_waiting(self, failure: Failure) -> None:
        """End every turn that waits: the next agent would fare no better, and be started for ever."""
        self._remembers = _NO_AGENT
        while not self.inbox.empty() and self.next_message():
            self.turn_failed(failure)
            self._end_turn()

    def _fail(self, error: BaseException) -> None:
        incident = new_incident()
        logger.error("conversation %s: agent died, incident %s", self.conversation_id, incident, exc_info=error)
        if self.is_gone:
            return
        failure = Failure(code="internal", details=ChatError.sentence, incident=incident)
        try:
            if self._turn is None:
                return self._fail_waiting(failure)
            self.turn_failed(failure)
            self._end_turn()
        except (AgentGone, Exception):  # the database may be what failed
            logger.warning("conversation %s: the turn could not be closed", self.conversation_id, exc_info=True)

    def _leave(self, reason: str) -> None:
        """Leave nothing behind: the run is ended in the database, the conversation released."""
        status = Message.Status.STOPPED if self._stopping else Message.Status.INTERRUPTED
        records: list[Message] = []
        try:
            with self._recording:
                with connected(), transaction.atomic():
                    owned = Conversation.objects.select_for_update().filter(id=self.conversation_id, fence=self.fence)
                    for conversation in owned:
                        records = self._close_open(conversation, status)
                        conversation.raise_fence(None)
                    self.record.end(reason)
                if self._turn is not None and records:
                    self._send_end(records, status)
            self.outbox.flush()
        except (Exception, AgentGone):
            logger.warning("conversation %s: could not be released", self.conversation_id, exc_info=True)
        finally:
            connections.close_all()
            self.is_gone = True
            self._ended(self)
            logger.info("conversation %s: agent ended (%s)", self.conversation_id, reason)

    # -- Observer: the user's words ---------------------------------------------------------------------------------

    @property
    def halted(self) -> bool:
        return self._stopping or self._closing or self.is_gone

    @property
    def closing(self) -> bool:
        return self._closing or self.is_gone

    def pace(self) -> float:
        return pace.interval()

    def on_stop(self, abort: Callable[[], object]) -> None:
        self._abort = abort

    def next_message(self) -> UserText | None:
        if self._turn is not None:
            self._end_turn()
        elif self.inbox.empty():
            self._look_for_turns()
        while True:
            try:
                turn = self.inbox.get()
            except InboxClosed:
                return None
            if self._closing:
                return None
            if turn is None:
                self._look_for_turns()
            elif message := self._begin_turn(turn):
                return message

    def _look_for_turns(self) -> None:
        """The database is the queue: a turn whose wake-up was lost or refused is found here."""
        with self._database() as conversation:
            waiting = [turn.id for turn in conversation.queued]
        with self._lock:
            self._queued = waiting
        self._wake_for(waiting)

    def _wake_for(self, turns: list[uuid.UUID]) -> None:
        for turn in turns:
            self.inbox.put(turn)

    def _begin_turn(self, turn: uuid.UUID) -> UserText | None:
        """Begin the oldest turn that waits, woken by `turn`: wake-ups of two processes may overtake each other.

        That it begins is committed before its text goes anywhere: it runs at most once.
        """
        with self._database() as conversation:
            waiting = conversation.queued
            knows_all = not waiting or self._remembers in (_NO_AGENT, waiting[0].follows)
            if waiting and knows_all:
                waiting[0].begin()
                conversation.state, conversation.stop_turn = Conversation.State.RUNNING, None
                update(conversation, "state", "stop_turn")
        if not knows_all:  # a turn ended before the agent had heard of it: a fresh one gets the transcript with it
            return self.close(ChatSession.EndReason.REPLACED)
        if not waiting:
            return self.forget(turn)
        message = waiting[0]
        turn = message.id
        with self._lock:
            self._queued = [id for id in self._queued if id != turn]
            self._turn, self._state = turn, Conversation.State.RUNNING
            self._works = self.spec.name if self.spec else ""
            self._stopping, self._failed, self._answered, self._usage = False, None, False, Usage()
            self._was_told = False
            while not self._answers.empty() and not self._closing:
                self._answers.get()  # answers that came too late
        self._emit_status()
        self._tell_owner(conversation)
        return UserText(turn=str(turn), content=message.content)

    def _end_turn(self) -> None:
        turn = self._turn
        if turn is None:
            return
        closed: list[Message] = []
        with self._recording:
            with self._database() as conversation:
                if self._open or (self._stopping and not self._answered):
                    status = Message.Status.STOPPED if self._stopping else Message.Status.COMPLETE
                    closed = self._close_open(conversation, status)
                Message(id=turn).end()
                conversation.settle()
                self._count()
                waiting = [turn.id for turn in conversation.queued]
            for record in closed:
                self._send_record(record)
        if self._was_told or not (self._stopping or self._failed):
            self._remembers = turn
        with self._lock:
            self._turn, self._queued, self._question = None, waiting, None
            self._state, self._stopping = Conversation.State.IDLE, False
            self.idle_since = time.monotonic()
        if not waiting:
            self._emit_status()
        elif self.inbox.empty():  # their wake-ups were lost
            self._wake_for(waiting)
        self.outbox.flush()
        self._tell_owner(conversation)

    def _count(self) -> None:
        """Add the turn to the session's record."""
        record, failed = self.record, self._failed
        record.turns += 1
        record.prompt_tokens += self._usage.prompt_tokens
        record.completion_tokens += self._usage.completion_tokens
        record.cost += Decimal(self._usage.cost)
        if failed:
            record.errors += 1
            record.last_error = f"{failed.code} {failed.incident}"
        update(record, "turns", "prompt_tokens", "completion_tokens", "cost", "errors", "last_error")

    def ask(self, question: Question) -> Answer | None:
        with self._asking:
            event = self._pose(question)
            answer = self._wait_for(event["request_id"], question.timeout_seconds)
            given = self._settle_question(event["request_id"])
            if answer is None and given and not self.halted:
                return given.as_answer()  # accepted while the time ran out
            return answer

    def _pose(self, question: Question) -> InputRequest:
        self._check()
        event = InputRequest(
            type="input_request",
            request_id=str(uuid.uuid4()),
            turn=text_or_none(self._turn),
            prompt=clean(question.prompt),
            kind=question.kind,
            options=clean_json(list(question.options)),
            agent=question.agent,
            timeout=question.timeout_seconds,
        )
        if question.schema is not None:
            event["schema"] = clean_json(question.schema)
        if question.tool_name is not None:
            event["tool_name"] = clean(question.tool_name)
        if question.tool_args is not None:
            event["tool_args"] = clean_json(question.tool_args)
        with self._database() as conversation:
            conversation.question, conversation.state = event, Conversation.State.WAITING
            update(conversation, "question", "state")
        with self._lock:
            self._question, self._works = event, question.agent
            if not self._stopping:
                self._state = Conversation.State.WAITING
        self._emit_status(event)
        return event

    def _wait_for(self, request_id: str, timeout: float | None) -> Answer | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.halted:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                answered, answer = self._answers.get(left)
            except (InboxClosed, queue.Empty):
                return None
            if answered == request_id:
                return answer
        return None

    def _settle_question(self, request_id: str) -> Message | None:
        """Close the question; return the accepted answer, if there is one."""
        given: Message | None = None
        with self._database() as conversation:
            if conversation.question and conversation.question["request_id"] == request_id:
                conversation.question = None  # nobody has answered
            else:
                given = conversation.messages.filter(request_id=request_id).first()
            conversation.state = Conversation.State.RUNNING
            update(conversation, "question", "state")
        with self._lock:
            self._question = None
            if not self._stopping:
                self._state = Conversation.State.RUNNING
        self._emit_status()
        return given

    # -- Observer: model calls --------------------------------------------------------------------------------------

    def llm_started(self, message_id: str, place: Place, *, may_call_tools: bool) -> None:
        self._check()
        with self._lock:
            self._was_told = self._was_told or place.depth == 0
            self._calls[message_id] = (place, may_call_tools)
            changed, self._works = self._works != place.agent, place.agent
        if changed:
            self._emit_status()

    def llm_text(self, message_id: str, text: str) -> None:
        if text:
            self._opened(message_id)
            self.outbox.text(message_id, clean(text))

    def llm_reasoning(self, message_id: str, text: str) -> None:
        if text:
            self._opened(message_id)
            self.outbox.reasoning(message_id, clean(text))

    def _opened(self, message_id: str) -> None:
        """With its first text a model call becomes a message: its checkpoint is stored, then `stream_start` sent."""
        self._check()
        if message_id in self._open:
            return
        place, may_call_tools = self._calls[message_id]
        row = self._row(message_id, Message.Kind.ASSISTANT, place)
        self._store(row)
        start = records.stream_start(row)
        with self._lock:  # an abandonment closes it either after this or not at all
            self._check()
            self.outbox.open(start, hold=HoldBack() if may_call_tools else None)

    def llm_ended(self, message_id: str, outcome: LlmOutcome) -> None:
        self._check()
        place, _ = self._calls.pop(message_id)
        with self._lock:
            self._usage += outcome.usage or Usage()
            self._failed = outcome.failure or self._failed
        content, reasoning = clean(outcome.content), clean(outcome.reasoning)
        row = self._open.get(message_id)
        if row is None and not (content or reasoning or outcome.status in ("stopped", "error")):
            return  # tools alone: no message
        if row is not None:
            content = self._as_streamed(message_id, content)
        row = row or self._row(message_id, Message.Kind.ASSISTANT, place)
        row.content, row.reasoning, row.status = content, reasoning, outcome.status
        row.finish_reason, row.duration_ms = outcome.finish_reason or "", outcome.duration_ms
        row.usage = asdict(outcome.usage) if outcome.usage else None
        row.error = _error_of(outcome.failure)
        row.tool_calls, row.sources = list(outcome.tool_calls), clean_json(list(outcome.sources))
        self._append(row, *([_error_frame(outcome.failure, message_id)] if outcome.failure else []))
        self._answered = self._answered or row.depth == 0

    def _as_streamed(self, message_id: str, content: str) -> str:
        """Langroid strips an answer (language_models/openai_gpt.py); the record is what people saw."""
        streamed, _ = self.outbox.emitted(message_id)
        return streamed if streamed.strip() == content.strip() else content

    # -- Observer: tools and tasks ----------------------------------------------------------------------------------

    def tool_started(self, run: ToolRun) -> None:
        self._check()
        row = self._row(run.id, Message.Kind.TOOL, run.place)
        row.tool_name, row.tool_args = clean(run.name)[:200], clean_json(run.args)
        row.caller_id = uuid.UUID(run.message_id) if run.message_id else None
        self._store(row)
        self.outbox.emit(row.call_event())

    def tool_ended(self, tool_call_id: str, outcome: ToolOutcome) -> None:
        self._check()
        row = self._open[tool_call_id]
        row.content, row.status, row.duration_ms = clean(outcome.result), outcome.status, outcome.duration_ms
        row.error = {"details": clean(outcome.error)} if outcome.error else None
        self._append(row)

    def task_started(self, task: TaskRun) -> None:
        self._check()
        event = TaskStart(
            type="task_start", task_id=task.id, name=task.name, parent_id=task.parent_id, depth=task.depth
        )
        with self._lock:
            self._tasks[task.id] = event
        self.outbox.emit(event)

    def task_ended(self, task_id: str, *, status: Status, usage: Usage) -> None:
        self._check()
        with self._lock:
            started = self._tasks.pop(task_id)
        self.outbox.emit(_task_end(started, status=status, usage=asdict(usage)))

    def turn_failed(self, failure: Failure) -> None:
        self._check()
        self._failed = failure
        place = Place(agent=self.spec.name if self.spec else self.record.agent_key)
        row = self._row(str(uuid.uuid4()), Message.Kind.ASSISTANT, place)
        row.status, row.error = Message.Status.ERROR, _error_of(failure)
        self._append(row, _error_frame(failure, str(row.id)))
        self._answered = True

    # -- records ----------------------------------------------------------------------------------------------------

    def _row(self, id: str, kind: str, place: Place) -> Message:
        return Message(
            id=uuid.UUID(id),
            conversation_id=self.conversation_id,
            kind=kind,
            status=Message.Status.OPEN,
            created=timezone.now(),  # finer than SQLite's own clock: open rows are closed in this order
            turn=self._turn,
            agent=place.agent,
            parent_id=uuid.UUID(place.parent_id) if place.parent_id else None,
            depth=place.depth,
            task=place.task,
        )

    def _store(self, row: Message) -> None:
        """Store what begins, as a checkpoint without number."""
        with self._database():
            insert(row)
        with self._lock:
            self._open[str(row.id)] = row

    def _append(self, row: Message, *then: Event) -> None:
        """Number and store a record, and send it, with what is told after it."""
        with self._recording:
            with self._database() as conversation:
                conversation.append(row)
            self._send_record(row, *then)

    def _close_open(self, conversation: Conversation, status: str) -> list[Message]:
        """Make records of all that is in progress, with the text so far. Inside a transaction."""
        for id, text, reasoning in self.checkpoints():
            conversation.messages.filter(id=id, seq=None).update(content=text, reasoning=reasoning)
        return conversation.close_open(status)

    def _send_record(self, record: Message, *then: Event) -> None:
        """Send a record that is stored; one whose text was streamed ends its stream."""
        with self._lock:
            self._newest_seq = record.seq
            row = self._open.pop(str(record.id), None)
        if row is not None and row.kind == Message.Kind.ASSISTANT:
            self.outbox.close(str(record.id), record.content, record.reasoning, record.event(), *then)
        else:
            self.outbox.emit(record.event(), *then)

    def _check(self) -> None:
        if self.is_gone:
            raise AgentGone

    @contextmanager
    def _database(self) -> Iterator[Conversation]:
        """A transaction that holds the conversation at this session's fence.

        A database that is away is waited for. Raises: AgentGone when the conversation is another agent's, and when the
        database fails in the middle: whether it has committed is not known then.
        """
        self._check()
        try:
            with connected(), transaction.atomic():
                yield Conversation.objects.locked(self.conversation_id, fence=self.fence)
        except Conversation.DoesNotExist:
            self.is_gone = True
            raise AgentGone from None
        except (OperationalError, InterfaceError) as error:
            logger.error("conversation %s: the database failed", self.conversation_id, exc_info=error)
            self.is_gone = True
            raise AgentGone from error

    # -- state ------------------------------------------------------------------------------------------------------

    def _status(self) -> StatusEvent:
        waits = self._state == Conversation.State.IDLE and self._queued
        return StatusEvent(
            type="status",
            state=Conversation.State.RUNNING if waits else self._state,
            agent=self._works,
            turn=text_or_none(self._turn),
            queued=[str(turn) for turn in self._queued],
        )

    def _tell_owner(self, conversation: Conversation) -> None:
        """Show the new state in the lists of all the owner's pages."""
        frame = encode(conversation.summary())
        self.outbox.tell(self._owner.group, {"type": "chat.owner", "owner": self._owner.id, "frame": frame})

    def _emit_status(self, *more: Event) -> None:
        with self._lock:
            status = self._status()
        self.outbox.emit(status, *more)


def _task_end(start: TaskStart, *, status: str, usage: dict[str, Any] | None = None) -> TaskEnd:
    event = TaskEnd(
        type="task_end",
        task_id=start["task_id"],
        name=start["name"],
        parent_id=start["parent_id"],
        depth=start["depth"],
        status=status,
    )
    if usage is not None:
        event["usage"] = usage
    return event


def _error_of(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else {k: v for k, v in asdict(failure).items() if v is not None}


def _error_frame(failure: Failure, message_id: str) -> Event:
    error = ChatError(failure.details, retry_ms=failure.retry_ms, incident=failure.incident)
    error.code = failure.code
    return error_event(error, message_id=message_id)
