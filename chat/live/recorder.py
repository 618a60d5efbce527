"""What becomes of what an agent does: messages and tools are records (stored, then sent), texts are chunks.

What is neither is state: tasks, statuses.

`storing` is held while records are stored and sent: a page that has read them, from whatever process, finds nothing of
them open in its next snapshot. It is the first lock of all (`docs/architecture.md`, "The order of locks").
"""

from __future__ import annotations

import io
import logging
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, BinaryIO

from django.utils import timezone

from chat.actions.limits import check_files
from chat.agents.langroid.holdback import HoldBack
from chat.conf import Limits, conf
from chat.exceptions import Busy, ChatError, new_incident, too_much
from chat.files import storage
from chat.files.given import GivenFile
from chat.files.names import safe_name
from chat.files.storage import Stored
from chat.live.hold import Hold
from chat.live.memory import Memory
from chat.live.outbox import Outbox
from chat.live.progress import Progress
from chat.live.snapshot import Snapshot
from chat.live.steps import Steps
from chat.mends.locks import Late
from chat.mends.sqlite import has_place
from chat.mends.statements import insert
from chat.models import Attachment, Conversation, Message
from chat.observer import Failure, LlmOutcome, Part, Place, Status, StepReport, TaskRun, ToolOutcome, ToolRun, Usage
from chat.parts.cited import MAX_SOURCES, file_of, numbered, source_of
from chat.wire import records
from chat.wire.events import Error, Event, StepProgress, TaskEnd, TaskStart, error_event
from chat.wire.frames import encode, size_of
from chat.wire.values import clean, clean_json, text_or_none, visible

logger = logging.getLogger(__name__)

MAX_EXTRA_BYTES = 64 * 1024  # of what a model's server wants back with a call
MAX_LABEL_CHARS = 200  # of a step
NAME_CHARS = 200  # of agents, tasks and tools: their columns have no more
LATE_SECONDS = 0.5  # between two tries to store an answer that has begun
SNAPSHOT_SECONDS = 1.0  # an agent that waits longer for the database to store a record is not asked


class Storing:
    """A lock that is taken before any connection, and never on the loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._take(-1)

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Take it, but wait no longer than so: whoever has it may wait for the database. Raises: Busy."""
        self._take(seconds)
        try:
            yield
        finally:
            self._lock.release()

    def _take(self, seconds: float) -> None:
        assert not has_place(), "first `storing`, then a connection: who has it waits for one"
        if not self._lock.acquire(timeout=seconds):
            raise Busy("The agent is busy. Try again in a moment.", retry_ms=2000)


class Recorder:
    """The half of the `Observer` that is told what the agent does. In the agent's threads, unless it says otherwise."""

    def __init__(
        self, hold: Hold, progress: Progress, outbox: Outbox, memory: Memory, *, agent: str, limits: Limits
    ) -> None:
        """`agent`: the root agent's name; `limits`: what a turn may take."""
        self._limits = limits
        self._memory = memory
        self.shows_causes = False  # whoever talks to the agent may see what its exceptions say
        self._hold = hold
        self._progress = progress
        self._outbox = outbox
        self._agent = agent
        self.storing = Storing()
        self._steps = Steps(outbox)
        self._late_at = 0.0  # when storing what begins may be tried again (monotonic)
        self._sources: list[Mapping[str, Any]] = []  # of the next answer; guarded by the progress's lock
        # Guarded by the progress's lock:
        self._calls: dict[str, tuple[Place, bool]] = {}  # model calls without text yet: place, may_call_tools
        self._open: dict[str, Message] = {}  # open messages and tool runs, as stored
        self._tasks: dict[str, TaskStart] = {}  # running sub-tasks
        self._newest_seq = 0  # of the records that this agent has made

    def go_on(self, rows: Iterable[Message]) -> None:
        """These tools run again, which an agent that has gone had begun. Before the agent's thread starts."""
        self._open |= {str(row.id): row for row in rows}

    # -- model calls ------------------------------------------------------------------------------------------------

    def llm_started(self, message_id: str, place: Place, *, may_call_tools: bool) -> None:
        self._hold.check()
        progress, tally = self._progress, self._progress.tally
        with progress.lock:
            tally.was_told = tally.was_told or place.depth == 0
            self._calls[message_id] = (place, may_call_tools)
            changed, progress.works = progress.works != place.agent, place.agent
        if changed:
            self._progress.emit()

    def llm_text(self, message_id: str, text: str) -> None:
        if text:
            self._opened(message_id)
            self._outbox.text(message_id, clean(text))

    def llm_reasoning(self, message_id: str, text: str) -> None:
        if text:
            self._opened(message_id)
            self._outbox.reasoning(message_id, clean(text))

    def _opened(self, message_id: str) -> None:
        """With its first text a model call becomes a message: its checkpoint is stored, then `stream_start` sent.

        Where the database cannot be written, people need not wait for it: the message is in memory alone, as all is
        that a checkpoint does not have yet, and is stored with a later word, or with its end.
        """
        self._hold.check()
        if (row := self._open.get(message_id)) is not None:
            return self._store_late(row)
        place, may_call_tools = self._calls[message_id]
        row = self._row(message_id, Message.Kind.ASSISTANT, place)
        self._store_quickly(row)
        start = records.stream_start(row)
        with self._progress.lock:  # an abandonment closes it either after this or not at all
            self._hold.check()
            self._outbox.open(start, hold=HoldBack() if may_call_tools else None)

    def llm_ended(self, message_id: str, outcome: LlmOutcome) -> None:
        self._hold.check()
        place, _ = self._calls.pop(message_id)
        tally = self._progress.tally
        used = outcome.usage or Usage()
        with self._progress.lock:
            tally.usage += used
            tally.unshown += used
            tally.failed = outcome.failure or tally.failed
        content, reasoning = clean(outcome.content), clean(outcome.reasoning)
        row = self._open.get(message_id)
        if row is None and not (content or reasoning or outcome.status in ("stopped", "error")):
            return  # tools alone: no message
        if row is not None:
            content = self._as_streamed(message_id, content)
        row = row or self._row(message_id, Message.Kind.ASSISTANT, place)
        row.content, row.reasoning, row.status = content, reasoning, outcome.status
        row.finish_reason, row.duration_ms = outcome.finish_reason or "", outcome.duration_ms
        row.usage, tally.unshown = _usage_of(tally.unshown), Usage()
        row.error = self._error_of(outcome.failure)
        row.tool_calls = list(outcome.tool_calls)
        row.sources = numbered([*self._taken_sources(row), *map(source_of, outcome.sources)])
        self._append(row, *([_error_frame(outcome.failure, message_id)] if outcome.failure else []))
        if row.depth == 0:
            tally.is_answered, tally.answer = True, content or tally.answer

    def _as_streamed(self, message_id: str, content: str) -> str:
        """Langroid strips an answer (language_models/openai_gpt.py); the record is what people saw."""
        streamed, _ = self._outbox.emitted(message_id)
        return streamed if streamed.strip() == content.strip() else content

    # -- tools and tasks ---------------------------------------------------------------------------------------------

    def tool_started(self, run: ToolRun) -> None:
        self._hold.check()
        if run.id in self._open:
            return  # it goes on after its question: see `go_on`
        row = self._row(run.id, Message.Kind.TOOL, run.place)
        row.tool_name, row.tool_args = visible(clean(run.name))[:NAME_CHARS], clean_json(run.args)
        row.caller_id = uuid.UUID(run.message_id) if run.message_id else None
        row.parts = [_part(part, None) for part in run.parts] or None
        row.extra = clean_json(run.extra) if run.extra and size_of(encode(run.extra)) <= MAX_EXTRA_BYTES else None
        self._store(row)
        self._outbox.emit(row.call_event())

    def tool_ended(self, tool_call_id: str, outcome: ToolOutcome) -> None:
        self._hold.check()
        self._steps.over(tool_call_id)
        row = self._open[tool_call_id]
        row.status, row.duration_ms, row.model_chars = outcome.status, outcome.duration_ms, outcome.model_chars
        row.error = {"details": clean(outcome.error)} if outcome.error else None
        if row.error and outcome.cause and self.shows_causes:
            row.error["cause"] = clean(outcome.cause)
        if outcome.args is not None:
            row.tool_args = clean_json(outcome.args)
        result = clean(outcome.result)
        row.content = result[: conf.MAX_TOOL_RESULT_CHARS]
        whole, name = None, f"{row.tool_name}.txt"
        if len(result) > len(row.content):
            row.whole_chars, whole = len(result), _written(io.BytesIO(result.encode()), name=name)
        card = [(part, _written(part.file, name=_file_name(part)) if part.file else None) for part in outcome.parts]
        try:
            self._append(row, whole=whole, card=card)
        except BaseException:
            for stored in (whole, *(stored for _, stored in card)):
                if stored:
                    storage.remove(stored.path)
            raise

    def task_started(self, task: TaskRun) -> None:
        self._hold.check()
        event = TaskStart(
            type="task_start",
            task_id=task.id,
            name=clean(task.name)[:NAME_CHARS],
            parent_id=task.parent_id,
            depth=task.depth,
        )
        with self._progress.lock:
            self._tasks[task.id] = event
        self._outbox.emit(event)

    def task_ended(self, task_id: str, *, status: Status, usage: Usage) -> None:
        self._hold.check()
        with self._progress.lock:
            started = self._tasks.pop(task_id)
        self._outbox.emit(_task_end(started, status=status, usage=asdict(usage)))

    def turn_failed(self, failure: Failure) -> None:
        self._hold.check()
        self._progress.tally.failed = failure
        row = self.failed_row(failure)
        self._append(row, _error_frame(failure, str(row.id)))
        self._progress.tally.is_answered = True

    def failed_row(self, failure: Failure) -> Message:
        """The record of a turn's failure, to be stored."""
        row = self._row(str(uuid.uuid4()), Message.Kind.ASSISTANT, Place(agent=self._agent))
        row.status, row.error = Message.Status.ERROR, self._error_of(failure)
        return row

    def overdue(self) -> Failure:
        """The turn has taken longer than its agent's entry allows."""
        error = too_much(f"{self._limits.seconds:g} seconds")
        incident = new_incident()
        logger.info("conversation %s: a turn was ended by its time, %s", self._hold.conversation_id, incident)
        return Failure(code=error.code, details=error.details, incident=incident)

    def cite(self, sources: Sequence[Mapping[str, Any]]) -> None:
        self._hold.check()
        cited = [source_of(source) | self._file_of_source(source) for source in sources[:MAX_SOURCES]]
        with self._progress.lock:
            self._sources = [*self._sources, *cited][:MAX_SOURCES]

    def _file_of_source(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the file of a source. Raises: TooLarge, LimitReached, and what its path does."""
        match file_of(source):
            case None:
                return {}
            case GivenFile() as given:
                known = {"id": given.id, "name": given.name, "type": given.type, "size": given.size_bytes}
                return {"attachment": known}
            case (file, name):
                stored = storage.write(file, name=safe_name(name))
        try:
            with self.storing, self._hold.transaction() as conversation:
                turn = self._progress.turn or self._progress.next_turn
                return {"attachment": self._attach(conversation, stored, safe_name(name), turn).description()}
        except BaseException:
            storage.remove(stored.path)
            raise

    def _taken_sources(self, row: Message) -> list[Mapping[str, Any]]:
        """What was cited goes with the first text of the root agent."""
        with self._progress.lock:
            if row.depth or not row.content.strip():
                return []
            taken, self._sources = self._sources, []
        return taken

    def progress(self, report: StepReport, tool_call_id: str | None) -> None:
        self._hold.check()
        if report.is_over:
            return self._steps.over(tool_call_id)
        self._steps.tell(
            StepProgress(
                type="progress",
                tool_call_id=tool_call_id,
                turn=text_or_none(self._progress.turn or self._progress.next_turn),
                label=visible(clean(report.label))[:MAX_LABEL_CHARS],
                fraction=report.fraction,
                done=report.done,
                total=report.total,
                is_over=False,
            )
        )

    def _error_of(self, failure: Failure | None) -> dict[str, Any] | None:
        if failure is None:
            return None
        hidden = {None} if self.shows_causes else {None, failure.cause}
        return {name: value for name, value in clean_json(asdict(failure)).items() if value not in hidden}

    # -- what is shown ------------------------------------------------------------------------------------------------

    def show(self, part: Part, place: Place) -> None:
        """Store what an agent shows: its file first, then in one transaction the file's row and the record."""
        self._hold.check()
        row = self._row(str(uuid.uuid4()), Message.Kind.ASSISTANT, place)
        row.turn = row.turn or self._progress.next_turn  # a factory shows something: the turn that waits for it
        row.status, row.content = Message.Status.COMPLETE, part.text
        stored = storage.write(part.file, name=_file_name(part)) if part.file else None
        try:
            with self.storing:
                with self._hold.transaction() as conversation:
                    attached = self._attach(conversation, stored, _file_name(part), row.turn) if stored else None
                    row.parts = [_part(part, attached)]
                    conversation.append(row)
                self.send(row)
        except BaseException:
            if stored:
                storage.remove(stored.path)
            raise

    def _attach(self, conversation: Conversation, stored: Stored, name: str, turn: uuid.UUID | None) -> Attachment:
        check_files(conversation.owner, stored.size_bytes)
        return Attachment.objects.add(stored, owner=conversation.owner, name=name, conversation=conversation, turn=turn)

    def _attached_if_allowed(
        self, conversation: Conversation, stored: Stored | None, part: Part, row: Message
    ) -> Attachment | None:
        """The file of a tool's card; None where there is none, or no room for it: the tool has run all the same."""
        if stored is None:
            return None
        try:
            return self._attach(conversation, stored, _file_name(part), row.turn)
        except ChatError:
            storage.remove(stored.path)
            return None

    # -- records ----------------------------------------------------------------------------------------------------

    def _row(self, id: str, kind: str, place: Place) -> Message:
        return Message(
            id=uuid.UUID(id),
            conversation_id=self._hold.conversation_id,
            kind=kind,
            status=Message.Status.OPEN,
            created=timezone.now(),  # finer than SQLite's own clock: open rows are closed in this order
            turn=self._progress.turn,
            agent=visible(clean(place.agent))[:NAME_CHARS],
            parent_id=uuid.UUID(place.parent_id) if place.parent_id else None,
            depth=place.depth,
            task=place.task and {**place.task, "name": visible(clean(place.task["name"]))[:NAME_CHARS]},
        )

    def _store(self, row: Message) -> None:
        """Store what begins, as a checkpoint without number."""
        with self._hold.transaction():
            insert(row)
        with self._progress.lock:
            self._open[str(row.id)] = row

    def _store_quickly(self, row: Message) -> None:
        """Store an answer in progress, if that can be done at once."""
        try:
            with self._hold.quick_transaction():
                insert(row)
        except Late:
            self._late_at = time.monotonic() + LATE_SECONDS
        with self._progress.lock:
            self._open[str(row.id)] = row

    def _store_late(self, row: Message) -> None:
        """Try again to store an answer in progress, in the thread that writes it."""
        if row._state.adding and time.monotonic() >= self._late_at:
            row.content, row.reasoning = self._outbox.sent(str(row.id))
            self._store_quickly(row)

    def _append(
        self, row: Message, *then: Event, whole: Stored | None = None, card: Sequence[tuple[Part, Stored | None]] = ()
    ) -> None:
        """Number and store a record, with the file that has `whole` of it, and send it, with what is told after it.

        `card`: what a tool's card shows, with the files of it.
        """
        with self.storing:
            with self._hold.transaction() as conversation:
                if card:
                    row.parts = [
                        _part(part, self._attached_if_allowed(conversation, stored, part, row)) for part, stored in card
                    ]
                if whole:
                    row.whole_id = Attachment.objects.add(
                        whole,
                        owner=conversation.owner,
                        name=f"{row.tool_name}.txt",
                        conversation=conversation,
                        turn=row.turn,
                    ).id
                conversation.append(row)
                self._memory.store(row.turn)
            self.send(row, *then)

    def close_open(self, conversation: Conversation, status: str) -> list[Message]:
        """Make records of all that is in progress, with the text so far. Inside a transaction."""
        for row in self._open_answers():
            text, reasoning = self._outbox.emitted(str(row.id))
            if row._state.adding:
                row.content, row.reasoning = text, reasoning
                insert(row)
            else:
                conversation.messages.filter(id=row.id, seq=None).update(content=text, reasoning=reasoning)
        return conversation.close_open(status)

    def send(self, record: Message, *then: Event) -> None:
        """Send a record that is stored; one whose text was streamed ends its stream."""
        assert record.seq is not None
        with self._progress.lock:
            self._newest_seq = record.seq
            row = self._open.pop(str(record.id), None)
        if row is not None and row.kind == Message.Kind.ASSISTANT:
            self._outbox.close(str(record.id), record.content, record.reasoning, record.event(), *then)
        else:
            self._outbox.emit(record.event(), *then)

    # -- what there is ----------------------------------------------------------------------------------------------

    def end_steps(self) -> None:
        """The turn is over."""
        self._steps.end()
        with self._progress.lock:
            self._sources = []

    @property
    def has_open(self) -> bool:
        """True while a message or a tool is in progress."""
        return bool(self._open)

    def end_tasks(self, status: str) -> list[TaskEnd]:
        """The ends of all sub-tasks that run."""
        with self._progress.lock:
            tasks = [_task_end(task, status=status) for task in self._tasks.values()]
            self._tasks.clear()
        return tasks

    def snapshot(self, *, html: bool) -> Snapshot:
        """What a page that joins must know besides the records. It may wait, and render: not on the loop.

        Raises: Busy.
        """
        if html:
            self._outbox.render()  # the most of it before the agent has to wait
        with self.storing.within(SNAPSHOT_SECONDS):
            views = self._outbox.views(html=html)
            with self._progress.lock:
                return Snapshot(
                    status=self._progress.status(),
                    newest_seq=self._newest_seq,
                    streams=views,
                    calls=[row.call_event() for row in self._open.values() if row.kind == Message.Kind.TOOL],
                    tasks=list(self._tasks.values()),
                    steps=self._steps.all(),
                    question=self._progress.open_question(),
                )

    def checkpoints(self) -> list[tuple[uuid.UUID, str, str]]:
        """Id, text and reasoning of the open messages, as far as pages have been sent them."""
        return [(row.id, *self._outbox.sent(str(row.id))) for row in self._open_answers() if not row._state.adding]

    def _open_answers(self) -> list[Message]:
        with self._progress.lock:
            return [row for row in self._open.values() if row.kind == Message.Kind.ASSISTANT]


def _file_name(part: Part) -> str:
    return safe_name(part.file_name or part.name)


def _part(part: Part, attached: Attachment | None) -> dict[str, Any]:
    """The part as it is stored; its address is added where the record becomes an event."""
    stored = {"kind": part.kind, "name": visible(clean(part.name)), "alt": visible(clean(part.alt)), **part.fields}
    return stored | ({"attachment": attached.description()} if attached else {})


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


def _written(file: BinaryIO, *, name: str) -> Stored | None:
    """Keep a file of a tool's result; None where that cannot be done. The turn goes on without it."""
    try:
        return storage.write(file, name=name)
    except Exception:  # too large, a full disk, or whatever the storage raises
        logger.exception("a file of a tool's result could not be kept")
        return None


def _usage_of(usage: Usage) -> dict[str, Any] | None:
    return clean_json(asdict(usage)) if usage != Usage() else None


def _error_frame(failure: Failure, message_id: str) -> Error:
    error = ChatError(failure.details, retry_ms=failure.retry_ms, incident=failure.incident)
    error.code = failure.code
    return error_event(error, message_id=message_id)
