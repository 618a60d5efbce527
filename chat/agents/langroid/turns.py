"""Watch and steer a Langroid agent: what it does is told to an `Observer`, and what the user says comes from it.

    turns.run(task, observer, request)     # in the agent's thread; returns when the user hangs up

How. Methods of Langroid's classes are replaced once, when this module is imported (`scope.override`). The replacements
do nothing unless a context variable says that this thread works for an observer, so any other use of Langroid in the
process is untouched. Methods of classes, rather than callbacks or attributes of instances, because `Task.__init__`
keeps bound methods, strict results copy agents, and tools make agents and tasks in the middle of a turn: all of these
are covered without knowing them. Langroid's own callbacks know nothing of errors, tools, tasks and usage.

    model_calls.py           what a model says
    tool_calls.py            the tools that it asks for
    Task.run                 sub-tasks, whoever starts them
    Task.step, Task.done     whose turn it is
    Agent.user_response      questions

The user is never a responder inside `Task.step`. When it is the user's turn, the text becomes the pending message by
itself, as the first message of a run does: Langroid's routing, which looks for `q`, `DONE`, `__PASS__`, `SYSTEM` or a
tool call in what a responder says, never sees it. The root's loop ends by hanging up only; what would end it ends the
turn.

A turn also ends when it is stopped or fails. The root's `Task.step` catches both and gives the open tool calls a
result, so that the history is valid; then it is the user's turn. The user's message and the partial answer stay in the
history: the next message may refer to them.

Limits. A model called without an agent (`llm.chat`) is not seen. Asynchronous sub-tasks (`run_async`) report the same
events, but `request` may not be able to cut their connection, and a question blocks their event loop. Langroid's batch
functions can be told to swallow the exceptions of their items (langroid 0.69.16, agent/batch.py:158): the next event
raises again. The sources that DocChatAgent adds after its model call are not reported.
"""

# ruff: noqa: E402
from __future__ import annotations

from chat.agents.langroid import setup

setup.import_langroid()

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from langroid import Task
from langroid.agent.base import Agent
from langroid.agent.chat_agent import ChatAgent
from langroid.agent.chat_document import ChatDocMetaData, ChatDocument, StatusCode
from langroid.language_models.base import LLMMessage, Role
from langroid.mytypes import Entity
from langroid.parsing.file_attachment import FileAttachment
from langroid.utils.constants import DONE

from chat.agents.langroid import attached, mends, model_calls, results  # noqa: F401  (model_calls: its overrides)
from chat.agents.langroid.budget import Budget
from chat.agents.langroid.resumption import pending_calls, resume
from chat.agents.langroid.scope import NothingSaid, Request, Run, Scope, Span, TurnStopped, current, override, sub_task
from chat.agents.langroid.signals import Signals
from chat.agents.langroid.tool_calls import NO_SUCH_TOOL, TOO_LATE, pass_on, settle
from chat.agents.provider import failures
from chat.conf import Limits
from chat.exceptions import LimitReached
from chat.observer import AgentGone, Observer, Question, Status

Speak = Callable[..., ChatDocument | None]  # what is overridden, of Langroid
SpeakLater = Callable[..., Awaitable[ChatDocument | None]]

NO_LIMITS = Limits(steps=0, model_calls=0, cost=0, seconds=0)
NO_ANSWER = "(The user gave no answer.)"
REPEATED = "The agent repeated itself, so its turn was ended."
NO_RESULT = "(The agent ended without an answer.)"


def run(
    task: Task,
    observer: Observer,
    request: Request | None = None,
    *,
    limits: Limits = NO_LIMITS,
    approve: Mapping[str, str] = MappingProxyType({}),
    cards: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run the root task until `observer.next_message()` returns None. Blocks; call in the agent's thread.

    `approve`: the tools that ask before they run, with the permission that agreeing takes, or "". `cards`: of tools.
    What the agent leaves in Langroid's registry is removed in every case. Raises: AgentGone, as the observer does.
    """
    this = Run(observer, request, task, Budget(limits), approve, cards)
    observer.on_stop(this.abort)
    root = Span(task.agent, task.name, task)
    observer.on_ask(lambda: pending_calls(root))
    token = current.set(Scope(this, root))
    try:
        # With a return type of its own a task calls its model once more at the end.
        task.run(None, turns=0, allow_restart=False, return_type=ChatDocument)
    finally:
        current.reset(token)
        observer.on_stop(lambda: None)  # else they keep the agents
        observer.on_ask(tuple)
        this.forget_all()


# -- whose turn it is --------------------------------------------------------------------------------------------------


@override(Task)
def step(original: Speak, now: Scope, task: Task, turns: int = -1) -> ChatDocument | None:
    if now.is_root(task):
        return _root_step(original, now, task, turns)
    now.check()
    if _is_users_turn(task):
        return _hear(now, task, _reply(now, task))
    now.run.budget.step()
    document = original(task, turns)
    now.check()
    return document


@override(Task)
async def step_async(original: SpeakLater, now: Scope, task: Task, turns: int = -1) -> ChatDocument | None:
    now.check()
    if _is_users_turn(task):
        return _hear(now, task, await asyncio.to_thread(_reply, now, task))
    now.run.budget.step()
    document = await original(task, turns)
    now.check()
    return document


def _root_step(original: Speak, now: Scope, task: Task, turns: int) -> ChatDocument | None:
    with _contained(now, task):
        if not now.run.is_users_turn and _is_users_turn(task):
            _conclude(now, task, "error", NO_SUCH_TOOL)
        if now.run.is_users_turn:
            return _next_turn(now, task)
        now.check()
        now.run.budget.step()
        document = original(task, turns)
        now.check()
        if now.run.budget.is_last_round():
            if _is_reminder(now, task):
                task.pending_message = None
            _conclude(now, task, "complete")
        return document
    return task.pending_message  # it is the user's turn


def _is_reminder(now: Scope, task: Task) -> bool:
    """True for what the agent's code tells its model to go on with, as `handle_llm_no_tool`: no answer for people."""
    is_code = task.pending_sender == Entity.AGENT
    return is_code and bool(now.span.said) and not any(call.is_run for call in now.span.calls)


@contextmanager
def _contained(now: Scope, task: Task) -> Iterator[None]:
    """Let what stops the root's turn, or goes wrong in it, end the turn and not the session."""
    try:
        yield
    except NothingSaid:
        now.run.is_users_turn = True
        settle(now, task.agent, "complete")
    except TurnStopped:
        now.run.is_users_turn = True
        settle(now, task.agent, now.stopped)
    except AgentGone:
        raise
    except BaseException as error:  # a panic of a library in Rust is one, and what an agent raises by mistake
        if isinstance(error, asyncio.CancelledError) and now.observer.halted:
            now.run.is_users_turn = True  # a stop that came when what it was to end had just ended
            return settle(now, task.agent, now.stopped)
        now.run.is_users_turn = True
        settle(now, task.agent, "error", TOO_LATE)
        _report(now, error)


def _next_turn(now: Scope, task: Task) -> ChatDocument | None:
    """Wait for the user's next message, and begin a turn with it."""
    this = now.run
    this.is_users_turn = False
    message = now.observer.next_message()
    if message is None:
        this.has_hung_up = True
        return None
    task.response_sequence.clear()
    this.forget_turn()
    this.budget.renew()
    now.span.said, now.span.shown = "", None
    task._init_message_counter()  # loops are looked for in one turn: a user may ask the same thing again and again
    if message.pending:
        return resume(now, task, message)
    text, files = attached.said(task.agent, message.content, message.files)
    attached.forget_old(task.agent.message_history, files)
    return _hear(now, task, text, files)


def _report(now: Scope, error: BaseException) -> None:
    """Report a failed turn, unless the failure was that of a model call of the root agent: it has told already."""
    if now.run.failed is None or now.run.failed[0] is not error:
        return now.observer.turn_failed(failures.of_turn(error))
    _, failure, depth = now.run.failed
    if depth:
        now.observer.turn_failed(failure)


def _is_users_turn(task: Task) -> bool:
    """True when Langroid would ask the user before anybody else.

    But not for the result of a tool or a sub-task: in an interactive task Langroid asks the user first, and what the
    user says takes the place of the result. It is the model's turn then, unless the result is addressed to the user.
    """
    message, agent = task.pending_message, task.agent
    if message is None or task.pending_sender == Entity.USER or agent.default_human_response == "":
        return False
    if not task._user_can_respond() or task._recipient_mismatch(Entity.USER) or message.metadata.block == Entity.USER:
        return False
    if agent.has_tool_message_attempt(message) or _is_for_sub_task(task, message):
        return False
    return task.pending_sender == Entity.LLM or message.metadata.recipient == Entity.USER


def _is_for_sub_task(task: Task, message: ChatDocument) -> bool:
    """True for a call of a tool that not this agent but one of its sub-tasks runs."""
    if not task.sub_tasks:
        return False
    tools = {tool.request for tool in task.agent.try_get_tool_messages(message, all_tools=True)}
    return any(tools & sub.agent.llm_tools_handled for sub in task.sub_tasks)


@override(Task)
def done(
    original: Callable[..., tuple[bool, StatusCode]],
    now: Scope,
    task: Task,
    result: ChatDocument | None = None,
    r: Any = None,
) -> tuple[bool, StatusCode]:
    if result is not None:
        with _signals_at_the_ends(task, result):
            return original(task, result, r)
    if not now.is_root(task):
        return _is_over(original, task)
    if now.run.has_hung_up:
        return True, StatusCode.USER_QUIT
    with _contained(now, task):
        if not now.run.is_users_turn:
            if task.is_done or _is_over(original, task)[0]:
                _conclude(now, task, "complete")
            elif task.n_stalled_steps > (1 if task.is_pass_thru else 0):  # passed on: the next one has a step
                _conclude(now, task, "error", NO_SUCH_TOOL)
    task.n_no_answer_alternations = 0  # else it ends the session (langroid 0.69.16, agent/task.py:893)
    return False, StatusCode.OK


def _is_over(original: Callable[..., tuple[bool, StatusCode]], task: Task) -> tuple[bool, StatusCode]:
    """What Langroid says, but of what the user typed only that it cannot be answered."""
    if task.pending_sender == Entity.USER and _is_typed(task.pending_message):
        return task.n_stalled_steps >= task.max_stalled_steps, StatusCode.STALLED
    with _signals_at_the_ends(task, task.pending_message):
        return original(task)


@override(Task)
def _is_done_response(original: Callable[..., bool], now: Scope, task: Task, result: Any, responder: Any) -> bool:
    with _signals_at_the_ends(task, result):
        return original(task, result, responder)


@contextmanager
def _signals_at_the_ends(task: Task, message: Any) -> Iterator[None]:
    """Take DONE inside of what an agent's code says for a word: "Go on, and say DONE when you have it."

    Langroid takes it for the end, wherever it stands (langroid 0.69.16, agent/task.py:1793). In what a model says it
    does mean the end, mostly.
    """
    config = task.config
    is_code = isinstance(message, ChatDocument) and message.metadata.sender == Entity.AGENT
    if is_code and DONE in Signals(strings=True, addresses=False).without(message.content):
        task.config = config.model_copy(update={"recognize_string_signals": False})
    try:
        yield
    finally:
        task.config = config


@override(Task, mend=mends.LOOPS)
def _maybe_infinite_loop(original: Callable[..., bool], now: Scope, task: Task) -> bool:
    is_loop = original(task)
    if is_loop and not now.is_root(task):
        raise LimitReached(REPEATED)
    if is_loop and not now.run.is_users_turn:
        now.run.is_users_turn = True
        settle(now, task.agent, "error", TOO_LATE)
        _report(now, LimitReached(REPEATED))
    return False  # else an exception ends the session


def _conclude(now: Scope, task: Task, status: Status, error: str | None = None) -> None:
    """End the turn, and show its result where people have not seen it.

    `status` and `error` are those of calls that have not run.
    """
    now.run.is_users_turn = True
    unseen = _unseen(now, task)
    settle(now, task.agent, status, error)
    text = unseen or ("" if now.span.said else NO_RESULT)
    if not text:
        return
    now.say(task.agent, text)
    history = task.agent.message_history
    if history and (history[-1].role, history[-1].content) != (Role.ASSISTANT, text):  # RewindTool has put it there
        history.append(LLMMessage(role=Role.ASSISTANT, content=text))


def _unseen(now: Scope, task: Task) -> str:
    """What the pending message says to people that the root agent has not said in this turn."""
    message, agent = task.pending_message, task.agent
    if message is None or _is_typed(message):
        return ""
    if message is now.span.shown:  # a tool that it calls may be the result, as with `done_if_tool`
        has_run = any(call.is_run for call in now.span.calls)
        tools = [] if has_run else agent.try_get_tool_messages(message, all_tools=True)
        return "\n\n".join(results.tools_of(tools, beside=now.span.said))
    signals = Signals(strings=task.config.recognize_string_signals, addresses=False)
    text = signals.without(results.text_of(message))
    return "" if text == now.span.said.strip() else text


@override(Task)
def response(original: Speak, now: Scope, task: Task, e: Any, turns: int = -1) -> ChatDocument | None:
    spoken = now.span.spoken
    document = original(task, e, turns)
    return _shown(now, task, e, document, spoken)


@override(Task)
async def response_async(original: SpeakLater, now: Scope, task: Task, e: Any, turns: int = -1) -> ChatDocument | None:
    spoken = now.span.spoken
    document = await original(task, e, turns)
    return _shown(now, task, e, document, spoken)


def _shown(now: Scope, task: Task, e: Any, document: ChatDocument | None, spoken: int) -> ChatDocument | None:
    """Report what an agent says in the model's place, without having called it."""
    if e == Entity.LLM and document is not None:
        now.span.shown = document
        if document.content.strip() and now.span.spoken == spoken:
            now.say(task.agent, document.content)
    return document


@override(Task)
def _can_respond(original: Callable[..., bool], now: Scope, task: Task, e: Any) -> bool:
    # Not `!=`: an entity is never unequal to a task (langroid 0.69.16, mytypes.py:34).
    return e is not Entity.USER and original(task, e)


@override(Task, mend=mends.PASSES)
def valid(original: Callable[..., bool], now: Scope, task: Task, result: ChatDocument | None, r: Any) -> bool:
    if not task.config.recognize_string_signals:
        task.is_pass_thru = False  # set for any answer that contains __PASS__ (langroid 0.69.16, agent/task.py:1320)
    return original(task, result, r)


@override(Task, mend=mends.KILLS)
def _is_kill(original: Any, now: Scope, task: Task) -> bool:
    """Langroid asks a Redis, or an imitation of it, before each step; all sessions share its answer."""
    return False


@override(Task, mend=mends.KILLS)
def _set_alive(original: Any, now: Scope, task: Task) -> None:
    return


# -- the user's words --------------------------------------------------------------------------------------------------


def _hear(now: Scope, task: Task, text: str, files: Sequence[FileAttachment] = ()) -> ChatDocument:
    """Make what the user typed the pending message, byte for byte, with the files that came with it."""
    agent = task.agent
    # `agent_id` lets the registry be cleaned; `tainted` keeps Langroid itself from running tools that are in the text.
    metadata = ChatDocMetaData(sender=Entity.USER, source=Entity.USER, agent_id=agent.id, tainted=True)
    document = ChatDocument(content=text, files=list(files), metadata=metadata)
    now.span.heard = document
    try:
        agent.user_response(task.pending_message)  # agents such as SQLChatAgent keep books in it
    finally:
        now.span.heard = None
    if not text.strip():
        _put_blank(agent, document)
    task.pending_message, task.pending_sender = document, Entity.USER
    task.human_tried, task.is_done, task.is_pass_thru, task.n_stalled_steps = True, False, False, 0
    return document


def _put_blank(agent: ChatAgent, document: ChatDocument) -> None:
    """Put blank text into the history ourselves: Langroid drops it, and then does not call the model."""
    if not agent.message_history:
        agent.init_message_history()
    message = LLMMessage(role=Role.USER, content=document.content, chat_document_id=document.id())
    agent.message_history.append(message)


def _reply(now: Scope, task: Task) -> str:
    """What the user says to an agent that asks inside a turn."""
    if task.agent.default_human_response is not None:
        return task.agent.default_human_response
    return ask_user(now, task.agent, task.pending_message)


def ask_user(now: Scope, agent: Agent, prompt: str | ChatDocument | None) -> str:
    """Ask the user inside a turn. Raises: TurnStopped."""
    text = prompt.content if isinstance(prompt, ChatDocument) else prompt or ""
    answer = now.observer.ask(Question(prompt=text, agent=agent.config.name))
    now.check()
    return NO_ANSWER if answer is None else answer.content


@override(Agent)
def user_response(original: Speak, now: Scope, agent: Agent, msg: Any = None) -> ChatDocument | None:
    if now.span.heard:
        return now.span.heard
    if agent.default_human_response is not None or not agent.user_can_respond(msg):
        return original(agent, msg)
    return agent.create_user_response(ask_user(now, agent, msg))


@override(Agent)
async def user_response_async(original: Any, now: Scope, agent: Agent, msg: Any = None) -> ChatDocument | None:
    return await asyncio.to_thread(agent.user_response, msg)


@override(ChatAgent)
def get_tool_messages(original: Any, now: Scope, agent: ChatAgent, msg: Any, *args: Any, **kwargs: Any) -> Any:
    """What the user typed is never a tool call, nor looked at for one: deep nesting costs time."""
    return [] if _is_typed(msg) else original(agent, msg, *args, **kwargs)


def _is_typed(message: Any) -> bool:
    """True for text that comes from the user, also where a task hands it on as it is."""
    if not isinstance(message, ChatDocument):
        return False
    return message.metadata.sender == Entity.USER and message.metadata.tainted


# -- sub-tasks ---------------------------------------------------------------------------------------------------------


@override(Task, "run")
def run_task(original: Any, now: Scope, task: Task, *args: Any, **kwargs: Any) -> Any:
    if now.is_root(task):
        return original(task, *args, **kwargs)
    with _sub_task(now, task) as there:
        result = original(task, *args, **kwargs)
        pass_on(there, task.agent, _handled(now))
        return result


@override(Task, "run_async")
async def run_task_async(original: Any, now: Scope, task: Task, *args: Any, **kwargs: Any) -> Any:
    with _sub_task(now, task) as there:
        result = await original(task, *args, **kwargs)
        pass_on(there, task.agent, _handled(now))
        return result


def _handled(now: Scope) -> set[str]:
    """The tools that the task around, or one of its sub-tasks, would run if it were given a call of them."""
    task = now.span.task
    agents = [now.span.agent, *(sub.agent for sub in task.sub_tasks)] if task else [now.span.agent]
    return set().union(*(agent.llm_tools_handled for agent in agents))


@contextmanager
def _sub_task(now: Scope, task: Task) -> Iterator[Scope]:
    # A task that a tool starts has no caller, so Langroid takes it for the root, which only a user's `q` ends.
    only_user_quits, task.only_user_quits_root = task.only_user_quits_root, False
    try:
        with sub_task(now, task.agent, name=task.name, task=task) as there:
            try:
                yield there
            except AgentGone:
                raise
            except BaseException as error:  # a stop and a task that is cancelled end it, too
                status = now.stopped if isinstance(error, TurnStopped) else "error"
                settle(there, task.agent, status, None if status == now.stopped else TOO_LATE)
                raise
    finally:
        task.only_user_quits_root = only_user_quits
        task.response_sequence.clear()
