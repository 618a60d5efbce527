"""The live agent of a conversation: its thread, its inbox and outbox, and the turn that runs.

`AgentSession` is the `Observer` of the callback layer: what the agent does becomes records (stored, then sent),
chunks and state. It is made on the event loop for a conversation that this process has claimed, and ends in one of
three ways:

    close     the agent hangs up when it next looks at the user; nothing runs that would be lost
    park      it waits for an answer, and nobody is there: the question stays open without it
    abandon   the conversation is taken from an agent that does not end: its fence is raised, its records are closed,
              and whatever the old thread still says raises `AgentGone` in it

Its parts:

    Hold        the conversation at the session's fence, with which every write begins
    Progress    the state that thread and loop share, and the `status` that pages see of it
    Turns       which turn waits, which runs
    Questions   what is asked inside a turn
    Recorder    what becomes records, chunks and state
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connections

from chat.agents.langroid import loops
from chat.conf import AgentSpec, Limits, agents, conf
from chat.exceptions import AgentUnavailable, ChatError, new_incident
from chat.files.given import GivenFile
from chat.live.claims import Claim
from chat.live.flusher import pace
from chat.live.hold import Hold
from chat.live.memory import Memory
from chat.live.outbox import Outbox
from chat.live.progress import Progress
from chat.live.questions import Questions
from chat.live.recorder import Recorder
from chat.live.snapshot import Snapshot
from chat.live.suggestions import Suggestions
from chat.live.threads import start_thread
from chat.live.turns import Turns
from chat.live.writer import Writer, off_loop
from chat.mends.locks import brief_transaction
from chat.mends.sqlite import connected
from chat.mends.statements import update
from chat.models import Attachment, ChatSession, Conversation, Message
from chat.models.conversation import listed_as
from chat.observer import (
    AgentGone,
    Answer,
    Failure,
    LlmOutcome,
    Part,
    PendingCall,
    Place,
    Question,
    Status,
    StepReport,
    TaskRun,
    ToolOutcome,
    ToolRun,
    Usage,
    UserText,
)
from chat.wire.events import InputRequest
from chat.wire.values import clean

logger = logging.getLogger(__name__)

ABANDON_SECONDS = 2.0  # longest wait for an agent that stores a record


class AgentSession:
    """One run of an agent for one conversation, in this process.

    Methods under "the agent's side" are called in the agent's thread, those under "the pages' side" on the event loop.
    """

    def __init__(
        self,
        claimed: Claim,
        *,
        resources: dict[str, Any],
        may_send: Callable[[], bool] = lambda: True,
        may_start: bool = True,
        ended: Callable[[AgentSession], None],
    ) -> None:
        """Call on the event loop.

        Unless it `may_start`, no agent is made, and what waits is told that there is none.
        While `may_send` says no, what the agent says waits: it may be another's word by now. `ended` is called in the
        agent's thread when it leaves.
        """
        conversation = claimed.conversation
        assert claimed.session is not None  # a turn waits
        self.record = claimed.session
        self.spec: AgentSpec | None = agents().get(conversation.agent_key)
        self.user_id = conversation.user_id
        self.resources = resources
        self.outbox = Outbox(conversation.group, str(conversation.id), may_send=may_send)
        self.writer = Writer(f"writer-{conversation.id.hex[:8]}")
        self._may_start = may_start
        self._could_not_start = False  # the factory, not for want of leave
        self._ended = ended
        self._reason: str = ChatSession.EndReason.GRACE
        self._abort: Callable[[], object] | None = None
        name = self.spec.name if self.spec else conversation.agent_key
        self._hold = Hold(conversation.id, conversation.fence)
        queued = [turn.id for turn in claimed.queued]
        self._progress = Progress(self.outbox, conversation.owner, agent=name, queued=queued)
        self._locale = conversation.locale
        self._memory = Memory(conversation.id)
        self._suggestions = Suggestions(self.spec.suggestions if self.spec else "")
        self._settings = conversation.settings
        limits = self.spec.limits if self.spec else Limits()
        self._seconds = limits.seconds
        self._recorder = Recorder(self._hold, self._progress, self.outbox, self._memory, agent=name, limits=limits)
        if claimed.resumed:
            self._recorder.go_on(claimed.resumed.open)
        self._questions = Questions(self._hold, self._progress, halted=lambda: self.halted)
        self._turns = Turns(
            self._hold,
            self._progress,
            self._recorder,
            self._questions,
            self._memory,
            self._suggestions,
            self.outbox,
            self.record,
            agent=name,
            opening=self.spec.opening if self.spec else "",
            first=claimed.queued[0],
            resumed=claimed.resumed,
            give_way=lambda: self.close(ChatSession.EndReason.REPLACED),
        )

    def __repr__(self) -> str:
        return f"<AgentSession {self.conversation_id} fence {self.fence} {self._progress.state}>"

    # == the pages' side (event loop) ===============================================================================

    @property
    def conversation_id(self) -> uuid.UUID:
        return self._hold.conversation_id

    @property
    def thread_name(self) -> str:
        return f"agent-{self.conversation_id.hex[:8]}"

    @property
    def fence(self) -> int:
        return self._hold.fence

    @property
    def is_gone(self) -> bool:
        """True once nothing that the agent says counts any more."""
        return self._hold.is_gone

    def start(self) -> None:
        """Start the agent's thread."""
        logger.info("conversation %s: agent %s starts", self.conversation_id, self.record.agent_key)
        start_thread(self._run, name=self.thread_name)
        self._progress.emit()  # making an agent may take seconds

    @property
    def is_idle(self) -> bool:
        """True while no turn runs and none waits."""
        return self._progress.is_idle

    @property
    def is_waiting(self) -> bool:
        """True while a turn waits for its user's answer, and for nothing else."""
        return self._progress.state == Conversation.State.WAITING and self.question is not None

    @property
    def quiet_since(self) -> float:
        """When the last turn ended, or the last question was asked (monotonic)."""
        return max(self._turns.idle_since, self._questions.asked_at)

    @property
    def is_fruitless(self) -> bool:
        """True when it has ended by itself, and no turn came to anything: its agent could not be made, or died."""
        came_to_nothing = self._could_not_start or not self.record.turns
        return came_to_nothing and self._reason == ChatSession.EndReason.FAILED

    @property
    def is_overdue(self) -> bool:
        """True when the turn that runs has taken longer than the agent's entry allows, and is not being stopped."""
        progress = self._progress
        is_stopped = progress.is_stopping or progress.turn is None
        return not is_stopped and 0 < self._seconds <= progress.worked_seconds

    @property
    def turn(self) -> uuid.UUID | None:
        return self._progress.turn

    @property
    def has_waiting(self) -> bool:
        """True when turns were submitted that the agent has not begun."""
        return bool(self._progress.queued)

    @property
    def question(self) -> InputRequest | None:
        """The open `input_request`."""
        return self._progress.question

    def submit(self, turn: uuid.UUID) -> None:
        """Give the agent a turn whose message is committed."""
        self._turns.submit(turn)

    def forget(self, turn: uuid.UUID) -> None:
        """A turn that waited is over before the agent could begin it."""
        self._turns.forget(turn)

    def look(self) -> None:
        """Let the agent look for turns whose wake-up was lost."""
        self._turns.look()

    def answer(self, request_id: str, answer: Answer) -> None:
        """Give the agent the answer, already committed, to its open question."""
        self._questions.answer(request_id, answer)

    def snapshot(self, *, html: bool) -> Snapshot:
        """What a page that joins must know besides the records. It may wait, and render: not on the loop.

        Raises: Busy.
        """
        return self._recorder.snapshot(html=html)

    def checkpoints(self) -> list[tuple[uuid.UUID, str, str]]:
        """Id, text and reasoning of the open messages, as far as pages have been sent them. Any thread."""
        return self._recorder.checkpoints()

    def stop(self) -> uuid.UUID | None:
        """Ask the running turn to end; return it, None when nothing runs. Does not wait.

        One that is overdue ends with a record that says so.
        """
        progress = self._progress
        with progress.lock:
            if progress.turn is None or self.is_gone:
                return None
            progress.is_overdue = progress.is_overdue or self.is_overdue
            progress.is_stopping = True
            progress.state = Conversation.State.STOPPING
            turn = progress.turn
            if self._abort:
                self._abort()  # inside the lock: it must not hit the next turn
        progress.emit()
        self._questions.interrupt()
        return turn

    def close(self, reason: str) -> None:
        """End the session. A running turn ends at once and unfinished. May be called from any thread, and again."""
        with self._progress.lock:
            if not self._progress.is_closing:
                self._progress.is_closing, self._reason = True, reason
            if self._abort and self.turn is not None:
                self._abort()
        self._turns.close()
        self._questions.close()

    def lose(self) -> None:
        """Another process has claimed the conversation: nothing may go on, nor be sent. From any thread."""
        self._hold.is_gone = True
        self.outbox.silence()
        self.close(ChatSession.EndReason.LOST)

    def abandon(self, reason: str, status: str, turn: uuid.UUID | None = None) -> bool:
        """Take the conversation from this agent and close its records with `status`. In an I/O thread, not the loop.

        Return False when there is nothing to abandon any more: the session has lost the conversation, or `turn`, if
        given, has ended meanwhile. Raises: Busy when the agent itself waits for the database: then it hears the stop
        once it has stored what it says.
        """
        try:
            with self._recorder.storing.within(ABANDON_SECONDS):
                with connected(), brief_transaction():
                    conversation = Conversation.objects.locked(self.conversation_id, fence=self.fence)
                    if turn and turn not in [open.id for open in conversation.open_turns]:
                        return False
                    with self._progress.lock:
                        self._hold.is_gone = True
                    records = self._recorder.close_open(conversation, status)
                    if turn and self._progress.is_overdue:
                        records.append(self._recorder.failed_row(self._recorder.overdue()))
                        conversation.append(records[-1])
                    conversation.raise_fence(None)
                    self.record.end(reason)
                self.close(reason)
                self._send_end(records, status)
        except Conversation.DoesNotExist:
            self._hold.is_gone = True
            self.close(reason)
            return False
        logger.info("conversation %s: agent abandoned (%s)", self.conversation_id, reason)
        return True

    def park(self, reason: str) -> bool:
        """Leave the conversation with its question open: who answers it has a fresh agent go on (`live/waiting.py`).

        In an I/O thread, not the loop. Return False when there is none any more. Raises: Busy.
        """
        try:
            with self._recorder.storing.within(ABANDON_SECONDS), connected(), brief_transaction():
                conversation = Conversation.objects.locked(self.conversation_id, fence=self.fence)
                if conversation.question is None or conversation.queued:
                    return False
                with self._progress.lock:
                    self._hold.is_gone = True
                conversation.raise_fence(None)
                self.record.end(reason)
        except Conversation.DoesNotExist:
            self._hold.is_gone = True
            self.close(reason)
            return False
        self.outbox.silence()
        self.close(reason)
        logger.info("conversation %s: agent left with its question open (%s)", self.conversation_id, reason)
        return True

    def _send_end(self, records: list[Message], status: str) -> None:
        """Tell the pages that everything of this session is over."""
        for record in records:
            self._recorder.send(record)
        tasks = self._recorder.end_tasks(status)
        self._recorder.end_steps()
        self._progress.over()
        self.outbox.emit(*tasks)
        self._progress.emit()

    # == the agent's side (agent's thread) ==========================================================================

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with loops.kept():
            self._live()

    def _live(self) -> None:
        reason = None
        try:
            self._work()
        except AgentGone:
            pass
        except BaseException as error:
            # An agent, or a database that is away, must not end more than its own session.
            reason = ChatSession.EndReason.FAILED
            self._fail(error)
        finally:
            self._hold.end_forked()
            self._reason = reason or self._reason
            self._leave(self._reason)

    def _work(self) -> None:
        try:
            spec, task, request = self._prepare()
        except AgentGone:
            raise
        except BaseException as error:
            return self._refuse(error)
        from chat.agents.langroid import turns as callbacks

        callbacks.run(task, self, request, limits=spec.limits, approve=spec.approve, cards=spec.cards)

    def _prepare(self) -> tuple[AgentSpec, Any, Any]:
        """Make the agent, with the memory of its conversation. Raises: whatever a factory may raise."""
        from chat.agents.langroid import setup

        setup.import_langroid()  # first of all: it decides how Langroid is imported
        from chat.agents import registry as factories
        from chat.agents.langroid import history

        if not self._may_start:
            raise AgentUnavailable("The agent ended again and again. Try again in a minute.")
        if self.spec is None:
            raise AgentUnavailable("The agent of this conversation is not configured any more.")
        records = self._turns.history()
        task = factories.build(self.spec, self._context(self.spec, records))
        history.install(task, records, opening=self.spec.opening)
        return self.spec, task, factories.request_of(task)

    def _context(self, spec: AgentSpec, records: list[Message]) -> Any:
        from django.contrib.auth import get_user_model

        from chat.agents.context import About, AgentContext
        from chat.agents.values import settings_of

        user = None
        if self.user_id is not None:
            with connected():
                user = get_user_model()._default_manager.filter(pk=self.user_id).first()
        self._recorder.shows_causes = conf.SHOW_CAUSES or bool(user and user.is_staff)
        return AgentContext(
            conversation_id=str(self.conversation_id),
            user=user,
            history=tuple(records),
            settings=settings_of(spec, self._settings),
            suggestions=self._suggestions.given,
            resources=self.resources,
            state=self._memory.state,
            conversation=About(id=str(self.conversation_id), read=self._listed, change=self._list),
            language=self._locale.get("language", ""),
            time_zone=self._locale.get("time_zone", ""),
            agent=spec.name,
            asker=self.ask,
            halts=lambda: self.halted,
            shower=self._show_here,
            reporter=self._progress_here,
            citer=self.cite,
            giver=self.files,
        )

    @off_loop
    def _listed(self, column: str) -> str:
        """What the lists of the owner's pages say of the conversation."""
        with connected():
            return Conversation.objects.values_list(column, flat=True).filter(id=self.conversation_id).first() or ""

    @off_loop
    def _list(self, column: str, text: str) -> None:
        """The agent gives its conversation a title, or puts it into a folder."""
        with self._hold.transaction() as conversation:
            setattr(conversation, column, listed_as(column, clean(text)))
            update(conversation, column)
        self._progress.tell_owner(conversation)

    def _refuse(self, error: BaseException) -> None:
        """The agent cannot start: every turn that waits ends with the reason."""
        known = error if isinstance(error, AgentUnavailable) else AgentUnavailable()
        incident = known.incident or new_incident()
        if not known.incident:
            logger.error("agent %s could not start, incident %s", self.record.agent_key, incident, exc_info=error)
        self._reason, self._could_not_start = ChatSession.EndReason.FAILED, self._may_start
        from chat.agents.provider.failures import cause_of

        cause = cause_of(error.__cause__ or error)
        self._turns.fail_waiting(Failure(code=known.code, details=known.details, incident=incident, cause=cause))

    def _fail(self, error: BaseException) -> None:
        incident = new_incident()
        logger.error("conversation %s: agent died, incident %s", self.conversation_id, incident, exc_info=error)
        if self.is_gone:
            return
        from chat.agents.provider.failures import cause_of

        cause = cause_of(error)
        failure = Failure(code="internal", details=ChatError.sentence, incident=incident, cause=cause)
        try:
            if self.turn is None:
                return self._turns.fail_waiting(failure)
            self.turn_failed(failure)
            self._turns.end()
        except (AgentGone, Exception):  # the database may be what failed
            logger.warning("conversation %s: the turn could not be closed", self.conversation_id, exc_info=True)

    def _leave(self, reason: str) -> None:
        """Leave nothing behind: the run is ended in the database, the conversation released."""
        status = Message.Status.STOPPED if self._progress.is_stopping else Message.Status.INTERRUPTED
        records: list[Message] = []
        try:
            with self._recorder.storing:
                with self._hold.last_transaction() as conversation:
                    if conversation is not None:
                        records = self._recorder.close_open(conversation, status)
                        conversation.raise_fence(None)
                    self.record.end(reason)
                if self.turn is not None and records:
                    self._send_end(records, status)
            self.outbox.flush()
        except (Exception, AgentGone):
            logger.warning("conversation %s: could not be released", self.conversation_id, exc_info=True)
        finally:
            self.writer.close()
            connections.close_all()
            self._hold.is_gone = True
            self._ended(self)
            logger.info("conversation %s: agent ended (%s)", self.conversation_id, reason)

    # -- Observer ---------------------------------------------------------------------------------------------------

    @property
    def halted(self) -> bool:
        return self._progress.is_stopping or self._progress.is_closing or self.is_gone

    @property
    def closing(self) -> bool:
        return self._progress.is_closing or self.is_gone

    def pace(self) -> float:
        return pace.interval()

    def on_stop(self, abort: Callable[[], object]) -> None:
        self._abort = abort

    def on_ask(self, pending: Callable[[], tuple[PendingCall, ...]]) -> None:
        self._questions.pending = pending

    def next_message(self) -> UserText | None:
        return self._turns.next_message()

    @off_loop
    def ask(self, question: Question) -> Answer | None:
        return self._questions.ask(question)

    @off_loop
    def llm_started(self, message_id: str, place: Place, *, may_call_tools: bool) -> None:
        self._recorder.llm_started(message_id, place, may_call_tools=may_call_tools)

    @off_loop
    def llm_text(self, message_id: str, text: str) -> None:
        self._recorder.llm_text(message_id, text)

    @off_loop
    def llm_reasoning(self, message_id: str, text: str) -> None:
        self._recorder.llm_reasoning(message_id, text)

    @off_loop
    def llm_ended(self, message_id: str, outcome: LlmOutcome) -> None:
        self._recorder.llm_ended(message_id, outcome)

    @off_loop
    def tool_started(self, run: ToolRun) -> None:
        self._recorder.tool_started(run)

    @off_loop
    def tool_ended(self, tool_call_id: str, outcome: ToolOutcome) -> None:
        self._recorder.tool_ended(tool_call_id, outcome)

    @off_loop
    def show(self, part: Part, place: Place) -> None:
        self._recorder.show(part, place)

    def _show_here(self, part: Part) -> None:
        from chat.agents.langroid.scope import here

        self.show(part, here(self, self.record.agent_key if self.spec is None else self.spec.name))

    @off_loop
    def cite(self, sources: Sequence[Mapping[str, Any]]) -> None:
        self._recorder.cite(sources)

    def progress(self, report: StepReport, tool_call_id: str | None) -> None:
        self._recorder.progress(report, tool_call_id)

    def _progress_here(self, report: StepReport) -> None:
        from chat.agents.langroid.scope import current

        now = current.get()
        self.progress(report, now.tool if now and now.observer is self else None)

    @off_loop
    def files(self) -> Sequence[GivenFile]:
        """The files that the user has given on the way to the turn that runs, the oldest first."""
        turn = self._progress.turn or self._progress.next_turn
        with connected():
            conversation = Conversation.objects.get(id=self.conversation_id)
            path = conversation.turns_to(turn or conversation.head)
            rows = conversation.messages.filter(kind=Message.Kind.USER, turn__in=path).exclude(attachments=[])
            order: dict[uuid.UUID | None, int] = {id: at for at, id in enumerate(path)}
            messages = sorted(rows, key=lambda row: (order[row.turn], row.seq))
            Attachment.objects.give(messages, new=turn)
        return [file for message in messages for file in message.given]

    @off_loop
    def task_started(self, task: TaskRun) -> None:
        self._recorder.task_started(task)

    @off_loop
    def task_ended(self, task_id: str, *, status: Status, usage: Usage) -> None:
        self._recorder.task_ended(task_id, status=status, usage=usage)

    @off_loop
    def turn_failed(self, failure: Failure) -> None:
        self._recorder.turn_failed(failure)
