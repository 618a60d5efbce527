"""The tools that a model asks for: each is told to the observer, from `tool_started` to exactly one `tool_ended`.

`Agent.handle_tool_message` is where every tool runs. A tool's exception does not end the turn: people and the model are
told that the tool failed, and of the exception no more than its type, since its text may hold anything.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any

from langroid.agent.base import Agent
from langroid.agent.chat_agent import ChatAgent
from langroid.agent.chat_document import ChatDocument
from langroid.agent.tool_message import ToolMessage, handler_name
from langroid.agent.tools.orchestration import AgentDoneTool, DoneTool, FinalResultTool
from langroid.mytypes import Entity
from pydantic import ValidationError

from chat.agents.langroid import approvals, loops, mends, shown_results, tool_results
from chat.agents.langroid.history import Call, calls_natively, result_messages, result_text
from chat.agents.langroid.scope import Scope, ToolCall, TurnStopped, Watch, is_cancellation, override
from chat.agents.langroid.signals import Signals
from chat.agents.provider import failures
from chat.exceptions import LimitReached
from chat.observer import AgentGone, Part, Status, ToolOutcome, ToolRun
from chat.parts import cards, tables

NO_SUCH_TOOL = "There is no such tool."
REWIND = "rewind_tool"  # takes its own call out of the history
TOO_LATE = "The turn ended before the tool could run."
NOTHING = "The tool has run, and gave nothing back."  # else a task takes it for a tool that nobody could run
MCP_NAME = "_mcp_tool_name"  # of tools of an MCP server (langroid 0.69.16, agent/tools/mcp/fastmcp_client.py:729)
MCP_ERROR = "ERROR: Tool call failed"  # what one that has failed gives back
MAX_REFUSED = 8  # calls of one turn that cannot run


@override(Agent)
def handle_tool_message(
    original: Any, now: Scope, agent: Agent, tool: ToolMessage, chat_doc: ChatDocument | None = None
) -> Any:
    now.check()
    if isinstance(tool, RefusedCall):
        return _refuse(now, agent, tool)
    call = now.span.take(tool)
    if call is None:  # not a model's call: what a tool returned, or a step of Langroid's own
        return _unasked(now, agent, tool, _run(original, now, agent, tool, chat_doc))
    if call.is_over:
        return call.result
    with _tool_run(now, agent, call):
        tool = approvals.approved(now, agent, tool, call)
        return _told(now, agent, tool, call, _run(original, now, agent, tool, chat_doc))
    return call.result  # the tool has failed


@override(Agent)
async def handle_tool_message_async(
    original: Any, now: Scope, agent: Agent, tool: ToolMessage, chat_doc: ChatDocument | None = None
) -> Any:
    now.check()
    if isinstance(tool, RefusedCall):
        return _refuse(now, agent, tool)
    call = now.span.take(tool)
    if call is None:
        return _unasked(now, agent, tool, await _run_async(original, now, agent, tool, chat_doc))
    if call.is_over:
        return call.result
    with _tool_run(now, agent, call):
        tool = await approvals.approved_later(now, agent, tool, call)
        return _told(now, agent, tool, call, await _run_async(original, now, agent, tool, chat_doc))
    return call.result


def _run(original: Any, now: Scope, agent: Agent, tool: ToolMessage, chat_doc: ChatDocument | None) -> Any:
    """Run a tool; one that is asynchronous only, as those of MCP, on a loop. Langroid would pass over it."""
    handler = handler_name(type(tool), type(tool).model_fields["request"].default)
    names = {*vars(agent), *dir(type(agent))}
    if handler in names or f"{handler}_async" not in names:
        return original(agent, tool, chat_doc=chat_doc)
    plain = vars(Agent)["handle_tool_message_async"].__wrapped__  # Langroid's own: the run is told already
    return loops.run(_run_async(plain, now, agent, tool, chat_doc))


async def _run_async(original: Any, now: Scope, agent: Agent, tool: ToolMessage, chat_doc: ChatDocument | None) -> Any:
    """Await a tool, for no longer than the entry allows. Raises: TurnStopped, LimitReached."""
    seconds = now.run.budget.limits.tool_seconds
    try:
        return await now.run.stoppable(original(agent, tool, chat_doc=chat_doc), seconds)
    except TimeoutError as error:
        raise LimitReached(f"It gave no result in {seconds:g} seconds.") from error


def _unasked(now: Scope, agent: Agent, tool: ToolMessage, result: Any) -> Any:
    """What comes of a result that nobody is told of; inside a tool's run it may become a part of that one's."""
    return result if now.tool else tool_results.bounded(agent, tool, result).result


def _told(now: Scope, agent: Agent, tool: ToolMessage, call: ToolCall, result: Any) -> Any:
    """What the task gets of a tool's result. Nothing at all would end its turn, which few tasks mean."""
    call.value = shown_results.value_of(result)
    is_in_card = bool(cards.card_of(now.run.cards, call.name)) and tables.table_of(call.value) is not None
    bounded = tool_results.bounded(agent, tool, result if is_in_card else shown_results.shown(now, result))
    result, call.whole, call.model_chars = bounded.result, bounded.whole, bounded.chars
    call.result = _text_of(result)
    if MCP_NAME in dir(type(tool)) and call.result.startswith(MCP_ERROR):
        call.error = call.result
    task = now.span.task
    if result is None and (task is None or Entity.AGENT.value not in task.done_if_no_response):
        return NOTHING
    return result


# -- calls that cannot run ---------------------------------------------------------------------------------------------


class RefusedCall(ToolMessage):
    """Stands for a native call that cannot run, so that Langroid gives it a result like any other.

    It passes over calls of tools that it does not know, which ends the turn, and for one with arguments that do not fit
    it runs none of the others (langroid 0.69.16, agent/base.py:1656).
    """

    request: str = "refused_call"
    purpose: str = ""
    reason: str = ""


@override(Agent, mend=mends.CALLS)
def get_oai_tool_calls_classes(original: Any, now: Scope, agent: Agent, msg: ChatDocument) -> list[ToolMessage]:
    tools: list[ToolMessage] = []
    for native in msg.oai_tool_calls or ():
        alone = msg.model_copy(update={"oai_tool_calls": [native]})
        call = now.span.pending(native.id)
        if call is None:
            tools += original(agent, alone)
            continue
        reason = call.fault
        found: list[ToolMessage] = []
        if not reason:
            try:
                found = original(agent, alone)
            except ValidationError as error:
                reason = inspect.cleandoc(agent.tool_validation_error(error))
        if not (found or reason or _is_known(now, call.name)):
            reason = _no_such_tool(agent, call.name)
        tools += [RefusedCall(id=native.id or "", reason=reason)] if reason else found
    agent.tool_error = agent.tool_error and not tools
    return tools


@override(Agent, mend=mends.CALLS)
def _tool_recipient_match(original: Any, now: Scope, agent: Agent, tool: ToolMessage) -> bool:
    return isinstance(tool, RefusedCall) or original(agent, tool)


def _is_known(now: Scope, name: str) -> bool:
    """Whether an agent has this tool, here or where the call may be handed on to."""
    return any(name in span.agent.all_llm_tools_known for span in now.span.lineage)


def _no_such_tool(agent: Agent, name: str) -> str:
    tools = ", ".join(sorted(agent.llm_tools_usable))
    return f"There is no tool of the name {name}. " + (f"The tools are: {tools}." if tools else "There are no tools.")


def _refuse(now: Scope, agent: Agent, tool: RefusedCall) -> str:
    """Report a call that cannot run; return what the model is told. Raises: LimitReached, since it may try for ever."""
    if call := now.span.take(tool):
        _not_run(now, agent, call, status="error", error=tool.reason)
    now.run.refused += 1
    if now.run.refused > MAX_REFUSED:
        raise LimitReached("The model kept calling tools in a way that cannot run, so its turn was ended.")
    return tool.reason


# -- messages that Langroid answers itself -----------------------------------------------------------------------------


@override(Agent)
def handle_message(original: Any, now: Scope, agent: Agent, msg: Any) -> Any:
    return _refused(now, agent, original(agent, msg))


@override(Agent)
async def handle_message_async(original: Any, now: Scope, agent: Agent, msg: Any) -> Any:
    return _refused(now, agent, await original(agent, msg))


def _refused(now: Scope, agent: Agent, result: Any) -> Any:
    """Report the calls that Langroid has answered without running a tool."""
    if isinstance(result, dict):  # by the ids of several calls
        for call in now.span.calls:
            if not call.is_run and call.native_id in result:
                _not_run(now, agent, call, status="error", error=result[call.native_id])
    if not isinstance(result, str):
        return result
    has_run = any(call.is_run for call in now.span.calls)
    for call in now.span.calls:
        if not call.is_run:
            _not_run(now, agent, call, status="error", error=NO_SUCH_TOOL if has_run else result)
    return result


def settle(now: Scope, agent: ChatAgent, status: Status, error: str | None = None) -> None:
    """Give the newest model call's tool calls their results in the history, where the model has not seen them yet.

    Without it the next user message would become the result of an open call. `status` and `error` are those of the
    calls that have not run: "complete" where the call itself was the result with which the task ended.
    """
    calls, now.span.calls = now.span.calls, []
    demanded = [call.id for call in agent.oai_tool_calls]
    for call in calls:
        if not call.is_run:
            _not_run(now, agent, call, status=status, error=error)
    if calls_natively(agent):
        results = {call.native_id: call.result for call in calls}
        told = [Call(id or "", "", {}, results.get(id, "")) for id in demanded]
    else:
        asked = [call for call in calls if call.name != REWIND]
        told = [Call(call.id, call.name, call.args, call.result) for call in asked]
    agent.message_history += result_messages(told, native=calls_natively(agent))
    agent.oai_tool_calls = []


@contextmanager
def _tool_run(now: Scope, agent: Agent, call: ToolCall) -> Iterator[None]:
    """Report a tool's run. A failed tool has a sentence as its result; the block ends without the exception then."""
    _started(now, agent, call)
    start = time.monotonic()
    status: Status = "complete"
    error_text = cause = None
    try:
        with now.moved(tool=call.id, watch=Watch()):
            yield
        if call.error:
            status, error_text = "error", call.error
    except AgentGone:
        raise
    except TurnStopped:
        status = now.stopped
        raise
    except approvals.Rejected as rejection:
        status, error_text = "rejected", f"Rejected: {rejection}"
    except BaseException as error:  # a panic of a library in Rust is one, and what an agent raises by mistake
        if is_cancellation(error):
            status = now.stopped if now.observer.halted else "error"
            raise
        if now.observer.halted:  # it failed because its model was cut off
            status = now.stopped
            raise TurnStopped from error
        status, error_text, cause = "error", _sentence(now, error, call), failures.cause_of(error)
    finally:
        _ended(
            now,
            call,
            status=status,
            error=error_text,
            cause=cause,
            duration_ms=round((time.monotonic() - start) * 1000),
        )


def pass_on(now: Scope, agent: ChatAgent, handled: Set[str]) -> None:
    """A sub-task ends: report the calls with which it ended, but for those whose tool who asked will run."""
    for call in now.span.calls:
        tool = agent.llm_tools_map.get(call.name)
        ends_here = tool is not None and issubclass(tool, DoneTool | AgentDoneTool | FinalResultTool)
        if not call.is_run and (ends_here or call.name not in handled):
            _not_run(now, agent, call, status="complete", error=None)


def _not_run(now: Scope, agent: Agent, call: ToolCall, *, status: Status, error: str | None) -> None:
    call.is_run = True
    if not call.is_over:
        _started(now, agent, call)
        _ended(now, call, status=status, error=error)


def _started(now: Scope, agent: Agent, call: ToolCall) -> None:
    now.span.latest = call.id
    place = now.span.place(agent)
    parts = cards.of_call(cards.card_of(now.run.cards, call.name), call.args)
    run = ToolRun(
        id=call.id,
        name=call.name,
        args=call.args,
        message_id=call.message_id,
        place=place,
        parts=parts,
        extra=call.extra,
    )
    now.observer.tool_started(run)


def _ended(
    now: Scope, call: ToolCall, *, status: Status, error: str | None, cause: str | None = None, duration_ms: int = 0
) -> None:
    shown = call.result if call.whole is None else call.whole
    task = now.span.task
    signals = Signals(strings=task is not None and task.config.recognize_string_signals, addresses=False)
    without = signals.without(shown)
    outcome = ToolOutcome(
        result=shown if without == shown.strip() else without,  # nothing was taken out: it is as the tool gave it
        model_chars=call.model_chars,
        error=error,
        status=status,
        duration_ms=duration_ms,
        args=call.args if call.is_edited else None,
        cause=cause,
        parts=_card(now, call, shown, has_run=status == "complete" and not error),
    )
    call.whole = call.value = None
    call.result = result_text(call.result, error, status)
    call.is_over = True
    now.observer.tool_ended(call.id, outcome)


def _card(now: Scope, call: ToolCall, text: str, *, has_run: bool) -> tuple[Part, ...]:
    """What the card shows of a call that has ended."""
    card = cards.card_of(now.run.cards, call.name)
    if not has_run:
        return cards.of_call(card, call.args)
    return cards.of_result(card, call.name, call.args, value=call.value, text=text)


def _sentence(now: Scope, error: BaseException, call: ToolCall) -> str:
    """What people and the model are told of a tool's exception."""
    if now.run.failed and now.run.failed[0] is error:  # of a model that the tool used, logged already
        return f"The tool failed. {now.run.failed[1].details}"
    return failures.of_tool(error, name=call.name, incident=call.id)


def _text_of(result: Any) -> str:
    if isinstance(result, ChatDocument):
        return result.content
    return "" if result is None else str(result)
