"""What the result with which a task ends says to people: a text, or a structured value as a readable card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from langroid.agent.chat_document import ChatDocument
from langroid.agent.tool_message import ToolMessage
from langroid.agent.tools.orchestration import AgentDoneTool, DoneTool
from pydantic import BaseModel

DEEPEST = 4  # levels of a card; what is deeper is shown as JSON
HIDDEN = {"request", "purpose", "id"}  # of a tool: what Langroid needs of it


def text_of(message: ChatDocument) -> str:
    """The result that a message is: its text, and the values that it carries beside it."""
    value, content = message.content_any, message.content.strip()
    text = readable(value) if _is_structured(value) else content
    return "\n\n".join(filter(None, [text, *tools_of(message.tool_messages, beside=content)]))


def tools_of(tools: Sequence[ToolMessage], *, beside: str = "") -> Iterator[str]:
    """What each of these tools says as a result; not again what the text `beside` them says."""
    for tool in tools:
        if isinstance(tool, AgentDoneTool | DoneTool):
            if not beside and tool.content is not None:
                yield readable(tool.content)
            if isinstance(tool, AgentDoneTool):
                others = {id(other) for other in tools}  # Langroid puts them beside the done tool too
                yield from tools_of([inner for inner in tool.tools if id(inner) not in others], beside=beside)
        else:
            yield readable(tool)


def readable(value: Any) -> str:
    """A value as Markdown: a text as it is, fields as a list."""
    if isinstance(value, str):
        return value.strip()
    return "\n".join(_lines(_plain(value), 0))


def _is_structured(value: Any) -> bool:
    return isinstance(value, BaseModel | dict | list | tuple | set)


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, ToolMessage):
        return value.model_dump(mode="json", exclude=HIDDEN, fallback=str)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", fallback=str)
    return json.loads(json.dumps(value, default=_other))


def _other(value: Any) -> Any:
    """A part of a value that JSON does not know."""
    if isinstance(value, BaseModel):
        return _plain(value)
    return sorted(value, key=str) if isinstance(value, set | frozenset) else str(value)


def _lines(value: Any, level: int) -> Iterator[str]:
    indent = "  " * level
    if level >= DEEPEST and isinstance(value, dict | list):
        yield f"{indent}- `{json.dumps(value, ensure_ascii=False)}`"
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _item(f"**{name}**", item, level)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and item:
                first, *rest = _lines(item, level + 1)
                yield f"{indent}- {first.strip().removeprefix('- ')}"
                yield from rest
            else:
                yield from _item("", item, level)
    else:
        yield f"{indent}{_scalar(value)}"


def _item(name: str, value: Any, level: int) -> Iterator[str]:
    indent = "  " * level
    if isinstance(value, dict | list) and value:
        yield f"{indent}- {name or '…'}:"
        yield from _lines(value, level + 1)
        return
    text = _scalar(value).replace("\n", f"\n{indent}  ")
    yield f"{indent}- {name}: {text}" if name else f"{indent}- {text}"


def _scalar(value: Any) -> str:
    match value:
        case None | [] | {} | "":
            return "–"
        case bool():
            return "yes" if value else "no"
    return str(value)
