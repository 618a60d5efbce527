"""A turn that has waited for its user's answer, and whose agent has gone, goes on with a fresh agent.

That one is given the history up to the model's answer which called the tool that asks. The call is its pending message
again: the tool runs once more, up to its question, which has been answered by now. Calls beside it that had ended keep
their results.
"""

from __future__ import annotations

from langroid import Task
from langroid.agent.chat_document import ChatDocMetaData, ChatDocument
from langroid.agent.xml_tool_message import XMLToolMessage
from langroid.mytypes import Entity

from chat.agents.langroid.history import Call, calling
from chat.agents.langroid.scope import Scope, Span, ToolCall
from chat.observer import PendingCall, UserText


def pending_calls(span: Span) -> tuple[PendingCall, ...]:
    """The calls with which a turn could go on; none where what asks is not one of them, or they are in XML."""
    calls, tools = list(span.calls), span.agent.llm_tools_map
    if not any(call.is_run and not call.is_over for call in calls):
        return ()
    if len({call.message_id for call in calls}) > 1 or any(_is_xml(tools.get(call.name)) for call in calls):
        return ()
    return tuple(
        PendingCall(
            id=call.id,
            name=call.name,
            args=call.args,
            message_id=call.message_id,
            native_id=call.native_id,
            fault=call.fault,
            result=call.result if call.is_over else None,
            extra=call.extra,
        )
        for call in calls
    )


def _is_xml(tool: type | None) -> bool:
    return tool is not None and issubclass(tool, XMLToolMessage)


def resume(now: Scope, task: Task, message: UserText) -> ChatDocument:
    """Make the model's answer with these calls the pending message, as if the model had just given it."""
    agent, span = task.agent, now.span
    span.calls = [
        ToolCall(
            call.name,
            call.args,
            call.message_id,
            call.native_id,
            fault=call.fault,
            extra=call.extra,
            id=call.id,
            is_over=call.result is not None,
            result=call.result or "",
        )
        for call in message.pending
    ]
    said = calling(agent, message.said, [Call(c.native_id or c.id, c.name, c.args, "", c.extra) for c in span.calls])
    agent.message_history.append(said)
    agent.oai_tool_calls = list(said.tool_calls or [])
    agent.oai_tool_id2call.update({call.id: call for call in agent.oai_tool_calls if call.id})
    metadata = ChatDocMetaData(sender=Entity.LLM, source=Entity.LLM, agent_id=agent.id)
    document = ChatDocument(content=said.content or "", oai_tool_calls=said.tool_calls, metadata=metadata)
    span.latest, span.said, span.shown = message.pending[0].message_id, message.said, document
    task.pending_message, task.pending_sender = document, Entity.LLM
    task.human_tried, task.is_done, task.is_pass_thru, task.n_stalled_steps = True, False, False, 0
    return document
