"""The steps of a turn and when each happened, for the admin: model calls, tools, answers to questions. Pure.

A tool's record names the moment at which it began. A message's names that of its first word: its call began before
that, after the step before at the earliest. A model call that said nothing has no record: the tool that it called names
it, and it ended when that began.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext

from chat.models import Message
from chat.wire.values import visible

LEAST_PERCENT = 0.5  # of a bar: shorter ones would not be seen


def title_of(record: Message) -> str:
    """Who did something, or what."""
    match record.kind:
        case Message.Kind.USER:
            return gettext("Answer of the user") if record.request_id else gettext("User")
        case Message.Kind.TOOL:
            return gettext("Tool {name}").format(name=visible(record.tool_name))
        case Message.Kind.SYSTEM:
            return gettext("System")
    return visible(record.agent) or gettext("Assistant")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One record, and where its bar stands, in hundredths of the turn."""

    record: Message
    left: float
    width: float
    ms: int

    @property
    def name(self) -> str:
        task = str((self.record.task or {}).get("name", "")) if self.record.depth else ""
        return f"{task}: {title_of(self.record)}" if task not in ("", self.record.agent) else title_of(self.record)

    @property
    def tokens(self) -> int:
        usage = self.record.usage or {}
        return int(usage.get("prompt_tokens") or 0) + int(usage.get("completion_tokens") or 0)

    @property
    def cost(self) -> float:
        return float((self.record.usage or {}).get("cost") or 0)


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """The steps of one turn, as far as they are on the page."""

    steps: list[Step]
    ms: int


def waterfalls(records: Iterable[Message]) -> dict[uuid.UUID, Waterfall]:
    """Return the waterfall of each turn with steps, by the id of its first record."""
    turns: dict[uuid.UUID, list[Message]] = defaultdict(list)
    for record in records:
        if record.turn is not None:
            turns[record.turn].append(record)
    return {first.id: _of_turn(first, steps) for first, *steps in turns.values() if steps}


def _of_turn(first: Message, records: list[Message]) -> Waterfall:
    begin = end = first.created
    spans: list[tuple[Message, datetime, datetime]] = []
    ends = {0: begin}  # of the steps so far, by depth: what a tool has called begins after the tool has
    calls = {record.id for record in records}
    for record in sorted(records, key=lambda record: record.created):
        before = ends.get(record.depth, begin)
        if record.kind == Message.Kind.TOOL and record.caller_id and record.caller_id not in calls:
            calls.add(record.caller_id)
            spans.append((_silent_call(record), min(before, record.created), record.created))
        start = _start(record, before)
        until = max(record.created, start + _lasted(record))
        spans.append((record, start, until))
        ends = {depth: moment for depth, moment in ends.items() if depth <= record.depth}
        ends |= {record.depth: max(before, until), record.depth + 1: start}
        end = max(end, until)
    whole = (end - begin) / timedelta(milliseconds=1) or 1.0

    def step(record: Message, start: datetime, until: datetime) -> Step:
        left = (start - begin) / timedelta(milliseconds=1) / whole * 100
        ms = (until - start) / timedelta(milliseconds=1)
        width = max(LEAST_PERCENT, ms / whole * 100)
        return Step(record=record, left=round(min(left, 100 - width), 2), width=round(width, 2), ms=round(ms))

    return Waterfall(steps=[step(*span) for span in spans], ms=round(whole))


def _silent_call(tool: Message) -> Message:
    """The model call that asked for this tool, as a record that leads there."""
    return Message(id=tool.id, kind=Message.Kind.ASSISTANT, agent=tool.agent, depth=tool.depth, task=tool.task)


def _start(record: Message, before: datetime) -> datetime:
    if record.kind == Message.Kind.TOOL:
        return record.created
    earliest = before if record.request_id else max(before, record.created - _lasted(record))
    return min(record.created, earliest)


def _lasted(record: Message) -> timedelta:
    return timedelta(milliseconds=record.duration_ms or 0)
