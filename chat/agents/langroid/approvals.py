"""Tools that the entry of an agent lets run only when its user has agreed: `APPROVE`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from langroid.agent.base import Agent
from langroid.agent.tool_message import ToolMessage
from pydantic import ValidationError

from chat.agents.langroid.scope import Scope, ToolCall
from chat.observer import Question
from chat.wire.values import problem_of

NO_ARGUMENTS = ("request", "purpose", "id")  # Langroid's own fields of a tool
NO_ANSWER = "There was no answer."


class Rejected(Exception):
    """The user does not let a tool run; the text is the reason."""


def approved(now: Scope, agent: Agent, tool: ToolMessage, call: ToolCall) -> ToolMessage:
    """The tool as its user lets it run, with other arguments perhaps. Blocks. Raises: Rejected, TurnStopped."""
    permission = now.run.approve.get(call.name)
    if permission is None:
        return tool
    question = Question(
        prompt=f"May {agent.config.name} run this tool?",
        kind="approval",
        tool_name=call.name,
        tool_args=call.args,
        schema=_schema_of(type(tool)),
        agent=agent.config.name,
        permission=permission or None,
    )
    while True:
        answer = now.observer.ask(question)
        now.check()
        if answer is None:
            raise Rejected(NO_ANSWER)
        if not answer.approved:
            raise Rejected(answer.content)
        if answer.tool_args is None or answer.tool_args == call.args:
            return tool
        try:
            return _edited(tool, call, answer.tool_args)
        except ValidationError as error:
            question = replace(question, prompt=problem_of(error), tool_args=answer.tool_args)


async def approved_later(now: Scope, agent: Agent, tool: ToolMessage, call: ToolCall) -> ToolMessage:
    """The same from a coroutine."""
    if call.name not in now.run.approve:
        return tool
    return await asyncio.to_thread(approved, now, agent, tool, call)


def _schema_of(tool: type[ToolMessage]) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments."""
    schema = tool.model_json_schema()
    own = {name: field for name, field in schema.get("properties", {}).items() if name not in NO_ARGUMENTS}
    required = [name for name in schema.get("required", ()) if name in own]
    return {**schema, "properties": own, "required": required}


def _edited(tool: ToolMessage, call: ToolCall, args: dict[str, Any]) -> ToolMessage:
    """The tool with other arguments. Raises: ValidationError."""
    edited = type(tool).model_validate_json(json.dumps({**args, "request": tool.request}))
    edited.id = tool.id
    call.args, call.is_edited = args, True
    return edited
