"""What an agent does, as plain values: the contract between an agent's doings and their recorder.

`agents/langroid/` watches Langroid and reports to an `Observer`; the live session is that observer and turns the
reports into records, chunks and state. Neither sees the other, so this file imports nothing but the library.

Every method of `Observer` is called in the agent's thread (or in a thread that the agent started). Once the session has
been abandoned each of them raises `AgentGone`, which nothing on the way may swallow: it ends the thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol

Status = Literal["complete", "stopped", "interrupted", "error", "rejected"]
FinishReason = Literal["stop", "length", "tool", "filtered", "cut"]
Basis = Literal["reported", "estimated"]
PartKind = Literal["text", "image", "audio", "pdf", "file", "table", "json", "diff", "code", "hits", "html"]
QuestionKind = Literal["text", "choice", "approval", "file", "form"]


class Stopped(BaseException):
    """The user has stopped the turn: unwind models, tools and sub-tasks.

    A BaseException, so that no `except Exception` on the way keeps it.
    """


class AgentGone(BaseException):
    """The session was abandoned or closed: unwind the agent's thread.

    A BaseException, so that no `except Exception` in an agent or in Langroid keeps a dead agent running.
    """


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the tree of agents something happens. `depth` 0 is the root agent."""

    agent: str
    parent_id: str | None = None  # the message or tool call under which this one nests
    depth: int = 0
    task: dict[str, Any] | None = None  # {"id", "name", "parent_id"} when depth > 0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a model call, or a task with all its calls, has used. `cost` in US dollars, None where no price is known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    basis: Basis = "reported"  # by the model's server; "estimated" if any part of it is

    def __add__(self, other: Usage) -> Usage:
        costs = [usage.cost for usage in (self, other) if usage.cost is not None]
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost=sum(costs) if costs else None,
            basis="estimated" if "estimated" in (self.basis, other.basis) else "reported",
        )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as people may see it: a stable code and a sentence, never an exception's text, a path or a key.

    These are in its `cause`, which is for developers: it goes no further than to them.
    """

    code: str
    details: str
    incident: str  # also in the server's log, beside the traceback
    retry_ms: int | None = None
    cause: str | None = None


@dataclass(frozen=True, kw_only=True)
class LlmOutcome:
    """How one model call ended. `content` is the text without any tool call written in it as JSON."""

    content: str = ""
    reasoning: str = ""
    status: Status = "complete"
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    duration_ms: int = 0
    tool_calls: tuple[str, ...] = ()  # ids of the tool calls that it asked for
    failure: Failure | None = None  # with status "error"
    sources: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that an agent shows beside its words."""

    kind: PartKind
    name: str = ""
    alt: str = ""  # of an image: what it shows, for those who do not see it
    text: str = ""  # Markdown: of a text all of it, else what stands in its place where it cannot be shown
    fields: dict[str, Any] = field(default_factory=dict)  # by its kind: `docs/protocol.md`
    file: BinaryIO | None = None  # all of it, to be kept as an attachment
    file_name: str = ""  # of the attachment, where it has not the part's


@dataclass(frozen=True, kw_only=True)
class ToolRun:
    """A tool that starts to run. `message_id` is the model call that asked for it."""

    id: str
    name: str
    args: dict[str, Any]
    message_id: str | None
    place: Place
    parts: tuple[Part, ...] = ()  # what its card shows of the call
    extra: dict[str, Any] | None = None  # of the model's server, to be sent back to it with the call


@dataclass(frozen=True, kw_only=True)
class ToolOutcome:
    """How a tool's run ended. `model_chars`: the model gets no more of the result; None: it gets all."""

    result: str = ""
    model_chars: int | None = None
    error: str | None = None
    status: Status = "complete"
    duration_ms: int = 0
    cause: str | None = None  # of the error, for developers
    args: dict[str, Any] | None = None  # those that it ran with, where people have changed them
    parts: tuple[Part, ...] = ()  # what its card shows of the call and its result


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """How far something has come."""

    label: str
    fraction: float | None = None  # from 0 to 1; None: nobody knows
    done: float | None = None
    total: float | None = None
    is_over: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """A sub-agent's task that starts to run (never the root task)."""

    id: str
    name: str
    parent_id: str | None
    depth: int


@dataclass(frozen=True, kw_only=True)
class PendingCall:
    """A tool call of the model's newest answer, for a fresh agent to go on with; `result`: of one that has ended."""

    id: str
    name: str
    args: dict[str, Any]
    message_id: str
    native_id: str | None = None
    fault: str | None = None
    result: str | None = None
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class UserText:
    """What the user wrote to start a turn, exactly as typed.

    With `pending` the turn goes on: the agent has been given its history up to the answer with these calls, in which
    the model has `said` something too.
    """

    turn: str
    content: str
    files: Sequence[Any] = ()  # `GivenFile`s (chat/files/given.py): this file imports nothing
    pending: tuple[PendingCall, ...] = ()
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that the agent asks inside a turn."""

    prompt: str
    agent: str
    kind: QuestionKind = "text"
    options: tuple[Any, ...] = ()
    schema: dict[str, Any] | None = None
    tool_name: str | None = None
    tool_args: dict[str, Any] | None = None  # of an approval; of a form what it is filled with
    timeout_seconds: float | None = None
    permission: str | None = None  # that whoever approves must have: "app.codename"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The user's answer to a `Question`. `content` is always there as text; the rest by the question's kind."""

    content: str
    choice: Any = None
    approved: bool | None = None
    tool_args: dict[str, Any] | None = None
    always: bool = False
    attachments: tuple[dict[str, Any], ...] = ()  # what records say of the files that came with it


class Observer(Protocol):
    """Who is told what the agent does, and who gives it the user's words. `AgentSession` in production."""

    @property
    def halted(self) -> bool:
        """A stop was asked for, or the session is closing: end the turn as soon as possible."""

    @property
    def closing(self) -> bool:
        """The session is ending: also leave the task's loop."""

    def pace(self) -> float:
        """Seconds between two times that pages are told of text. Reading a fast stream more often is of no use."""

    def on_stop(self, abort: Callable[[], object]) -> None:
        """Register what cuts a running model request. Called from any thread; must not block."""

    def on_ask(self, pending: Callable[[], tuple[PendingCall, ...]]) -> None:
        """Register what says which of the root agent's calls a question interrupts; none: it is asked outside of them.

        Called in the thread that asks.
        """

    def next_message(self) -> UserText | None:
        """End the turn that runs, if any, and block until the user starts another. None: hang up."""

    def ask(self, question: Question) -> Answer | None:
        """Ask the user inside a turn and block until the answer. None: stopped, timed out or hung up."""

    def llm_started(self, message_id: str, place: Place, *, may_call_tools: bool) -> None:
        """A model call begins. It becomes a message with its first text; `may_call_tools`: as JSON in the text."""

    def llm_text(self, message_id: str, text: str) -> None: ...

    def llm_reasoning(self, message_id: str, text: str) -> None: ...

    def llm_ended(self, message_id: str, outcome: LlmOutcome) -> None:
        """Exactly one for each `llm_started`, whatever happened."""

    def tool_started(self, run: ToolRun) -> None: ...

    def tool_ended(self, tool_call_id: str, outcome: ToolOutcome) -> None:
        """Exactly one for each `tool_started`, whatever happened."""

    def show(self, part: Part, place: Place) -> None:
        """Show something in its place, beside what is said. Raises: TooLarge, LimitReached, of its file."""

    def cite(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Name what the next answer of the root agent stands on. Raises: TypeError, TooLarge, LimitReached."""

    def progress(self, report: StepReport, tool_call_id: str | None) -> None:
        """Tell how far a tool's run, or the turn, has come. Nothing of it is kept."""

    def task_started(self, task: TaskRun) -> None: ...

    def task_ended(self, task_id: str, *, status: Status, usage: Usage) -> None:
        """Exactly one for each `task_started`, whatever happened."""

    def turn_failed(self, failure: Failure) -> None:
        """The turn ends with an error outside of any model call or tool."""
