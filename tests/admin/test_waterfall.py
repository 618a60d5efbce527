"""The steps of a turn in the admin."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from chat.admin.waterfall import waterfalls
from chat.models import Message

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def record(kind: str, seconds: float, **fields) -> Message:
    return Message(kind=kind, created=BEGIN + timedelta(seconds=seconds), **fields)


def bars(*records: Message) -> list[tuple[str, float, float, int]]:
    turn = uuid.uuid4()
    for each in records:
        each.turn = turn
    (fall,) = waterfalls(records).values()
    return [(step.name, step.left, step.width, step.ms) for step in fall.steps]


def test_each_step_has_its_place_in_time():
    shown = bars(
        record("user", 0),
        record("assistant", 2, duration_ms=3000, agent="Analyst"),
        record("tool", 3, duration_ms=3000, tool_name="look"),
        record("assistant", 4, duration_ms=1000, agent="Writer", depth=1, task={"name": "Writing"}),
        record("user", 10, request_id=uuid.uuid4()),
    )
    assert shown == [
        ("Analyst", 0, 30, 3000),
        ("Tool look", 30, 30, 3000),
        ("Writing: Writer", 30, 10, 1000),
        ("Answer of the user", 60, 40, 4000),
    ]


def test_a_sub_agent_stands_below_the_tool_that_called_it_and_a_call_without_words_above_it():
    call, tool = uuid.uuid4(), {"kind": "tool", "tool_name": "ask", "agent": "Boss", "caller_id": uuid.uuid4()}
    shown = bars(
        record("user", 0),
        record("assistant", 3, duration_ms=4000, agent="Helper", depth=1),  # stored before the tool has ended
        record(seconds=2, duration_ms=5000, **tool),
        record(seconds=2.5, duration_ms=500, **tool),
        record("assistant", 8, duration_ms=2000, agent="Boss", id=call),
        record("tool", 9, duration_ms=1000, tool_name="end", caller_id=call),
    )
    assert shown == [
        ("Boss", 0, 20, 2000),
        ("Tool ask", 20, 50, 5000),
        ("Tool ask", 25, 5, 500),
        ("Helper", 25, 40, 4000),
        ("Boss", 70, 20, 2000),
        ("Tool end", 90, 10, 1000),
    ]


def test_a_turn_without_steps_has_none():
    assert waterfalls([record("user", 0, turn=uuid.uuid4()), record("system", 1)]) == {}


def test_a_moment_is_seen_and_stays_inside():
    assert bars(record("user", 0), record("tool", 0, tool_name="a")) == [("Tool a", 0, 0.5, 0)]
    ((_, left, width, _),) = bars(record("user", 0), record("tool", 9, tool_name="a"))
    assert left + width <= 100
