"""Where in the tree of agents a thread is, and how Langroid's methods are replaced for it.

`turns.run` sets `current`. It is a context variable, so it is right in any thread that a tool starts with a copy of its
context, and in asyncio tasks. Outside of a run it is None, and Langroid behaves as it came.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from langroid import Task
from langroid.agent.base import Agent
from langroid.agent.chat_document import ChatDocument
from langroid.agent.tool_message import ToolMessage
from langroid.mytypes import Document
from langroid.utils.object_registry import ObjectRegistry

from chat.agents.langroid.budget import Budget
from chat.agents.langroid.mends import WATCH
from chat.agents.provider.answer import Answer
from chat.markdown.notes import numbers_in
from chat.mends.mend import Mend
from chat.observer import AgentGone, Failure, LlmOutcome, Observer, Place, Status, Stopped, TaskRun, Usage

T = TypeVar("T")


TurnStopped = Stopped  # unwinds up to the root's step


def is_cancellation(error: BaseException) -> bool:
    """True when an event loop cancels the task in which this thread is just now: that is not to be kept from it."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False  # no loop: an agent has raised it by itself


class NothingSaid(TurnStopped):
    """The root's model has ended an answer without text: asked again it would say no more, so the turn is over."""


class Request(Protocol):
    """What cuts a model's HTTP request: `setup.ModelRequest`."""

    def bind(self) -> object:
        """Cut the requests of the calling thread from now on."""

    def abort(self) -> object:
        """Cut the request that is open, from any thread."""

    def release(self) -> object:
        """Close the connection of a request that was not read to its end."""


@dataclass(eq=False)
class ToolCall:
    """A tool call that a model asked for. `id` is ours, `native_id` the API's; a call written as JSON has none."""

    name: str
    args: dict[str, Any]
    message_id: str
    native_id: str | None = None
    fault: str | None = None  # why it must not run: it came incomplete
    extra: dict[str, Any] | None = None  # what the model's server wants back with it: Gemini's thought signature
    is_edited: bool = False  # people have changed its arguments
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    is_run: bool = False
    is_over: bool = False  # people have been told its result
    result: str = ""  # what its model is given of it
    whole: str | None = None  # a longer one, of which the model is given only the beginning
    model_chars: int | None = None  # of that
    error: str | None = None  # that the tool has told, beside its result
    value: Any = None  # what the tool gave back, before it became a text

    def is_for(self, tool: ToolMessage) -> bool:
        if tool.id:
            return self.native_id == tool.id
        return self.native_id is None and self.name == tool.request


@dataclass(eq=False)
class Span:
    """One run of a task, or the use of an agent that has no task."""

    agent: Agent
    name: str
    task: Task | None = None
    parent: Span | None = None
    parent_id: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    latest: str | None = None  # the newest message or tool call here: a sub-task nests under it
    calls: list[ToolCall] = field(default_factory=list)  # of the newest model call; it has not seen their results yet
    spoken: int = 0  # messages so far
    said: str = ""  # the newest message's text, in this turn
    shown: ChatDocument | None = None  # the newest answer of whoever speaks as the model: people have its text
    usage: Usage = field(default_factory=Usage)  # of all model calls in it, at any depth; guarded by _usage_lock
    heard: ChatDocument | None = None  # what the user just said, while the agent takes note of it

    @property
    def lineage(self) -> Iterator[Span]:
        """This span and those around it, innermost first."""
        span: Span | None = self
        while span:
            yield span
            span = span.parent

    @property
    def depth(self) -> int:
        return sum(1 for _ in self.lineage) - 1

    def place(self, agent: Agent) -> Place:
        task = {"id": self.id, "name": self.name, "parent_id": self.parent_id} if self.parent else None
        return Place(agent=agent.config.name, parent_id=self.parent_id, depth=self.depth, task=task)

    def take(self, tool: ToolMessage) -> ToolCall | None:
        """Find the call that asked for this tool, here or in a task that handed it down, and mark it as run."""
        for span in self.lineage:
            for call in span.calls:
                if not call.is_run and call.is_for(tool):
                    call.is_run = True
                    return call
        return None

    def pending(self, native_id: str | None) -> ToolCall | None:
        """The newest model call's tool call with this id of the API's."""
        return next((call for call in self.calls if native_id and call.native_id == native_id), None)

    def count(self, usage: Usage) -> None:
        with _usage_lock:
            for span in self.lineage:
                span.usage += usage


_usage_lock = threading.Lock()


@dataclass(eq=False)
class Run:
    """What one run of a root task shares over all its turns and threads."""

    observer: Observer
    request: Request | None
    task: Task
    budget: Budget
    approve: Mapping[str, str] = field(default_factory=dict)  # tools that ask first, with the permission to agree
    cards: Mapping[str, str] = field(default_factory=dict)  # tools with a card of their own (`parts/cards.py`)
    is_users_turn: bool = True
    has_hung_up: bool = False
    cited: dict[int, dict[str, Any]] = field(default_factory=dict)  # by its newest answer from documents, in this turn
    refused: int = 0  # calls of the turn that could not run: of tools that do not exist, with arguments that do not fit
    failed: tuple[BaseException, Failure, int] | None = None  # the newest failed model call, with its depth
    objects: set[str] = field(default_factory=set)  # what Langroid registered meanwhile
    _cuts: list[tuple[Any, Any]] = field(default_factory=list)  # loop and task of what waits; guarded by _lock
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def abort(self) -> None:
        """Cut what the turn waits for. From any thread; does not block."""
        if self.request:
            self.request.abort()
        with self._lock:
            cuts = list(self._cuts)
        for loop, task in cuts:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(task.cancel)

    async def stoppable(self, coroutine: Coroutine[Any, Any, T], seconds: float = 0) -> T:
        """Wait for something that a stop ends, and the time (0: no limit). Raises: TurnStopped, TimeoutError."""
        here = asyncio.get_running_loop(), asyncio.current_task()
        with self._lock:
            self._cuts.append(here)
        try:
            if self.observer.halted:
                coroutine.close()
                raise TurnStopped
            async with asyncio.timeout(seconds or None):
                return await coroutine
        except asyncio.CancelledError:
            if self.observer.halted:
                raise TurnStopped from None
            raise
        finally:
            with self._lock:
                self._cuts.remove(here)

    def forget_turn(self) -> None:
        """Let go of what the past turn left in Langroid's registry, which only grows.

        The history lives without its documents. An agent that a tool has made is still found by its id as long as
        somebody else has it; most tools make one for a single question.
        """
        for key in list(self.objects):
            value = ObjectRegistry.get(key)
            if isinstance(value, Agent):
                _agents_of_tools[key] = value
            ObjectRegistry.remove(key)
        self.objects.clear()
        self.cited.clear()
        self.refused = 0

    def forget_all(self) -> None:
        """Remove from the registry what was made in this run, and what the factory had made for it."""
        agents, tasks = set(), [self.task]
        while tasks:
            task = tasks.pop()
            tasks += task.sub_tasks
            agents.add(task.agent.id)
            task.response_sequence.clear()
            task.pending_message = None
        # copy(): a list of its items allocates, and the garbage collector then may let other threads change it
        for key, value in ObjectRegistry.registry.copy().items():
            owner = value.metadata.agent_id if isinstance(value, ChatDocument) else key
            if owner in agents or key in self.objects:
                ObjectRegistry.remove(key)


@dataclass(eq=False)
class Watch:
    """What is known of one model call beside Langroid's response."""

    answer: Answer | None = None  # of the newest request
    broken: Exception | None = None  # what cut its stream: Langroid swallows it (openai_gpt.py:1911)


@dataclass(frozen=True)
class Scope:
    """What the current thread works on."""

    run: Run
    span: Span
    tool: str | None = None  # id of the tool call inside which we are, in this span
    watch: Watch = field(default_factory=Watch)  # of the model call inside which we are
    passages: tuple[Document, ...] = ()  # that the model is to answer from

    @property
    def observer(self) -> Observer:
        return self.run.observer

    def is_root(self, task: Task) -> bool:
        return task is self.run.task and self.span.parent is None

    def check(self) -> None:
        """Raises: TurnStopped when the user has stopped the turn."""
        if self.observer.halted:
            raise TurnStopped

    @property
    def stopped(self) -> Status:
        """The status of what a stop has ended."""
        return "interrupted" if self.observer.closing else "stopped"

    def say(self, agent: Agent, text: str) -> None:
        """Report a message that no model call has made; what a sub-agent cites in it was found in this turn."""
        self.span.latest, self.span.spoken, self.span.said = str(uuid.uuid4()), self.span.spoken + 1, text
        self.observer.llm_started(self.span.latest, self.span.place(agent), may_call_tools=False)
        sources = tuple(self.run.cited[number] for number in numbers_in(text) if number in self.run.cited)
        self.observer.llm_ended(self.span.latest, LlmOutcome(content=text, finish_reason="stop", sources=sources))

    @contextmanager
    def moved(self, **changes: Any) -> Iterator[Scope]:
        """Be somewhere else for the time of the block."""
        there = replace(self, **changes)
        token = current.set(there)
        try:
            yield there
        finally:
            current.reset(token)


current: ContextVar[Scope | None] = ContextVar("chat_scope", default=None)


def here(observer: Observer, agent: str) -> Place:
    """Where this thread is in the observer's run; `agent`, the root, where nothing says so."""
    now = current.get()
    if now is None or now.observer is not observer:
        return Place(agent=agent)
    place = now.span.place(now.span.agent)
    return replace(place, parent_id=now.tool) if now.tool else place


def override(cls: type, name: str = "", *, mend: Mend = WATCH) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace the class's method `name` (else: of the function's name) where an observer watches.

    The function gets the original method, the current `Scope`, and then what the method gets. Where the mend does not
    hold the method stays as it is. Raises: MendBroken.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if not mend.holds:
            return function
        original = getattr(cls, name or function.__name__)

        @functools.wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            now = current.get()
            if now is None:
                return original(self, *args, **kwargs)
            return function(original, now, self, *args, **kwargs)

        setattr(cls, name or function.__name__, method)  # a decorated one is called otherwise
        return function

    return decorate


@contextmanager
def sub_task(now: Scope, agent: Agent, *, name: str, task: Task | None = None) -> Iterator[Scope]:
    """Be inside a sub-agent's task: started, exactly one end."""
    now.check()
    outer = now.span
    span = Span(agent=agent, name=name, task=task, parent=outer, parent_id=now.tool or outer.latest)
    run = TaskRun(id=span.id, name=name, parent_id=span.parent_id, depth=span.depth)
    now.observer.task_started(run)
    status: Status = "complete"
    try:
        with now.moved(span=span, tool=None, watch=Watch()) as there:
            yield there
    except AgentGone:
        raise
    except BaseException as error:  # a stop and a task that is cancelled end it, too
        status = now.stopped if isinstance(error, TurnStopped) else "error"
        raise
    else:
        outer.calls += [call for call in span.calls if not call.is_run]  # a result may be a call for who asked
    finally:
        now.observer.task_ended(span.id, status=status, usage=span.usage)


@contextmanager
def own_span(now: Scope, agent: Agent) -> Iterator[Scope]:
    """Be inside a sub-task of its own with an agent that a tool, or another agent, uses without a task."""
    if now.tool is None and agent.id == now.span.agent.id:  # the same id: Langroid copies agents for strict results
        yield now
        return
    with sub_task(now, agent, name=agent.config.name) as there:
        yield there


_agents_of_tools: WeakValueDictionary[str, Agent] = WeakValueDictionary()  # of past turns


def _note_objects() -> None:
    """Remember what Langroid registers, to remove it at the end: many of its documents name no agent."""
    original, look_up = vars(ObjectRegistry)["add"].__func__, vars(ObjectRegistry)["get"].__func__

    def add(cls: type[ObjectRegistry], obj: Any) -> str:
        key: str = original(cls, obj)
        if now := current.get():
            now.run.objects.add(key)
        return key

    def get(cls: type[ObjectRegistry], obj_id: str) -> Any:
        return look_up(cls, obj_id) or _agents_of_tools.get(obj_id)

    ObjectRegistry.add = classmethod(add)  # type: ignore[method-assign, assignment]  # patched
    ObjectRegistry.get = classmethod(get)  # type: ignore[method-assign, assignment]  # patched


_note_objects()
