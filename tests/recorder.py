# ruff: noqa: E402
"""An `Observer` that a test can read: what the agent did, a line for each event, and the user's side of it.

    chat = Chat(task)                       # runs turns.run in a thread
    assert chat.say("hello") == ["llm m1 Assistant", "text m1 Hi", "end m1 complete stop: Hi"]
    chat.hang_up()

Ids are replaced by m1, m2 (messages), t1 (tool calls), k1 (tasks) in the order of their appearance.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import Task

from chat.agents.langroid import turns
from chat.conf import Limits
from chat.observer import (
    AgentGone,
    Answer,
    Failure,
    LlmOutcome,
    Part,
    PendingCall,
    Place,
    Question,
    StepReport,
    TaskRun,
    ToolOutcome,
    ToolRun,
    Usage,
    UserText,
)

SECONDS = 15.0


class Recorder:
    """Implements `chat.observer.Observer`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.said: list[tuple[str, str]] = []  # in order: ("user", text), ("llm", id), ("tool", id), ("failed", "")
        self.places: dict[str, Place] = {}
        self.outcomes: dict[str, LlmOutcome | ToolOutcome] = {}
        self.usages: dict[str, Usage] = {}
        self.runs: dict[str, ToolRun] = {}
        self.failures: list[Failure] = []
        self.questions: list[Question] = []
        self.inbox: queue.Queue[str | UserText | None] = queue.Queue()
        self.answers: queue.Queue[str | None] = queue.Queue()
        self.stopping = self.closing = self.is_gone = False
        self.turns = 0  # times that the agent waited for the user
        self.abort: Callable[[], object] | None = None
        self._changed = threading.Condition()
        self._names: dict[str, str] = {}

    # -- the user's side

    @property
    def halted(self) -> bool:
        return self.stopping or self.closing or self.is_gone

    def pace(self) -> float:
        return 0.04

    def on_stop(self, abort: Callable[[], object]) -> None:
        self.abort = abort

    def on_ask(self, pending: Callable[[], tuple[PendingCall, ...]]) -> None:
        self.pending = pending

    def next_message(self) -> UserText | None:
        self._check()
        with self._changed:
            self.stopping = False
            self.turns += 1
            self._changed.notify_all()
        text = self.inbox.get(timeout=SECONDS)
        self._check()
        self.said.append(("user", text if isinstance(text, str) else ""))
        if isinstance(text, UserText):
            return text
        return None if text is None or self.closing else UserText(turn=str(self.turns), content=text)

    def ask(self, question: Question) -> Answer | None:
        self.questions.append(question)
        self._note(f"ask {question.agent}: {question.prompt}")
        text = self.answers.get(timeout=SECONDS)
        self._check()
        return None if text is None else Answer(content=text)

    # -- the agent's side

    def llm_started(self, message_id: str, place: Place, *, may_call_tools: bool) -> None:
        self.places[message_id] = place
        json = " json" if may_call_tools else ""
        self._note(f"llm {self.name(message_id, 'm')} {place.agent}{self._where(place)}{json}")

    def llm_text(self, message_id: str, text: str) -> None:
        self._note(f"text {self.name(message_id, 'm')} {text}", joins=f"text {self.name(message_id, 'm')} ")

    def llm_reasoning(self, message_id: str, text: str) -> None:
        self._note(f"think {self.name(message_id, 'm')} {text}", joins=f"think {self.name(message_id, 'm')} ")

    def llm_ended(self, message_id: str, outcome: LlmOutcome) -> None:
        assert message_id not in self.outcomes, "ended twice"
        self.outcomes[message_id] = outcome
        self.said.append(("llm", message_id))
        calls = "".join(f" {self.name(id, 't')}" for id in outcome.tool_calls)
        failure = f" {outcome.failure.code}" if outcome.failure else ""
        how = f"{outcome.status} {outcome.finish_reason or '-'}{failure}{calls}"
        self._note(f"end {self.name(message_id, 'm')} {how}: {outcome.content}")

    def tool_started(self, run: ToolRun) -> None:
        self.runs[run.id] = run
        of = self.name(run.message_id, "m") if run.message_id else "nothing"
        self._note(f"tool {self.name(run.id, 't')} {run.name} {run.args} of {of}{self._where(run.place)}")

    def tool_ended(self, tool_call_id: str, outcome: ToolOutcome) -> None:
        assert tool_call_id not in self.outcomes, "ended twice"
        self.outcomes[tool_call_id] = outcome
        self.said.append(("tool", tool_call_id))
        error = f" [{outcome.error}]" if outcome.error else ""
        self._note(f"tool_end {self.name(tool_call_id, 't')} {outcome.status}{error}: {outcome.result}")

    def show(self, part: Part, place: Place) -> None:
        self.lines.append(f"show {part.kind} {part.name}")

    def cite(self, sources: object) -> None:
        self.lines.append(f"cite {sources}")

    def progress(self, report: StepReport, tool_call_id: str | None) -> None:
        self.lines.append(f"progress {report.label} {report.fraction}")

    def task_started(self, task: TaskRun) -> None:
        under = f" under {self.name(task.parent_id, '?')}" if task.parent_id else ""
        self._note(f"task {self.name(task.id, 'k')} {task.name} depth {task.depth}{under}")

    def task_ended(self, task_id: str, *, status: str, usage: Usage) -> None:
        self.usages[task_id] = usage
        self._note(f"task_end {self.name(task_id, 'k')} {status}")

    def turn_failed(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.said.append(("failed", ""))
        self._note(f"failed {failure.code}")

    # -- the test's side

    def name(self, id: str, letter: str) -> str:
        """The short name of an id."""
        if id not in self._names:
            number = sum(1 for name in self._names.values() if name[0] == letter) + 1
            self._names[id] = f"{letter}{number}"
        return self._names[id]

    def id(self, name: str) -> str:
        """The id with this short name."""
        return next(id for id, known in self._names.items() if known == name)

    def outcome(self, name: str) -> Any:
        return self.outcomes[self.id(name)]

    def usage(self, name: str) -> Usage:
        return self.usages[self.id(name)]

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds; it is looked at after each event."""
        with self._changed:
            assert self._changed.wait_for(condition, SECONDS), f"timed out after {self.lines}"

    def wait_for(self, start: str) -> None:
        """Wait for a line that starts so."""
        self.wait(lambda: any(line.startswith(start) for line in self.lines))

    def stop(self) -> None:
        self.stopping = True
        if self.abort:
            self.abort()

    def _where(self, place: Place) -> str:
        assert bool(place.depth) == bool(place.task)
        if not place.depth:
            return ""
        under = f" under {self.name(place.parent_id, '?')}" if place.parent_id else ""
        return f" in {self.name(place.task['id'], 'k')}{under}"

    def _note(self, line: str, *, joins: str = "") -> None:
        self._check()
        with self._changed:
            if joins and self.lines and self.lines[-1].startswith(joins):
                self.lines[-1] += line.removeprefix(joins)
            else:
                self.lines.append(line)
            self._changed.notify_all()

    def _check(self) -> None:
        if self.is_gone:
            raise AgentGone


class Chat:
    """One session: an agent in its thread, and a user."""

    def __init__(self, task: Task, *, limits: Limits = turns.NO_LIMITS) -> None:
        self.recorder = Recorder()
        self.error: BaseException | None = None
        given = [task]  # not kept: a test looks whether it goes away

        def work() -> None:
            try:
                turns.run(given.pop(), self.recorder, setup.ModelRequest(), limits=limits)
            except BaseException as error:  # the test looks at it
                self.error = error

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        self.recorder.wait(lambda: self.recorder.turns == 1)

    def begin(self, text: str | UserText) -> None:
        """Say something and do not wait."""
        self._turns, self._from = self.recorder.turns, len(self.recorder.lines)
        self.recorder.inbox.put(text)

    def rest(self) -> list[str]:
        """Wait until the turn has ended; return its events."""
        self.recorder.wait(lambda: self.recorder.turns > self._turns)
        return self.recorder.lines[self._from :]

    def say(self, text: str | UserText) -> list[str]:
        """Say something; return the events of the turn."""
        self.begin(text)
        return self.rest()

    def stop(self) -> None:
        self.recorder.stop()

    def leave(self) -> None:
        """Abandon the agent: whatever it reports from now on raises."""
        self.recorder.is_gone = True
        self.recorder.inbox.put(None)
        self.recorder.answers.put(None)
        self.join()

    def hang_up(self) -> None:
        self.recorder.inbox.put(None)
        self.join()
        if self.error:
            raise self.error

    def join(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), f"the agent does not end; it said {self.recorder.lines}"


@contextlib.contextmanager
def chatting(task: Task, *, limits: Limits = turns.NO_LIMITS) -> Iterator[Chat]:
    """A chat that is hung up at the end of the block."""
    chat = Chat(task, limits=limits)
    try:
        yield chat
    except BaseException:
        chat.leave()
        raise
    chat.hang_up()
