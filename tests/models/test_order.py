"""The order in which the records of a turn are read."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from chat.models.order import Placed, as_read

TURN = uuid.uuid4()
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def read(*rows: tuple[str, int | None, str, int, str | None]) -> list[str]:
    """The names of the records as they are read. Each: its name, number, kind, second in which it began, parent."""
    ids = {name: uuid.uuid4() for name, *_ in rows}
    placed = [
        Placed(ids[name], TURN, seq, kind, BEGAN + timedelta(seconds=second), ids.get(parent))
        for name, seq, kind, second, parent in rows
    ]
    return [next(name for name, id in ids.items() if id == found) for found in as_read(placed)]


def test_a_tool_is_read_before_the_answer_that_it_waited_for():
    rows = [("said", 1, "user", 0, None), ("call", 2, "assistant", 1, None), ("answer", 3, "user", 5, None)]
    assert read(*rows, ("tool", 4, "tool", 2, None), ("late", 5, "tool", 6, None)) == [
        *("said", "call", "tool", "answer", "late"),
    ]


def test_what_came_of_a_tool_follows_it():
    assert read(
        ("said", 1, "user", 0, None),
        ("shown", 2, "assistant", 3, "outer"),
        ("helper", 3, "assistant", 4, "outer"),
        ("inner", 4, "tool", 5, "outer"),
        ("beside", 5, "tool", 2, None),
        ("outer", 6, "tool", 1, None),
        ("writing", None, "assistant", 9, None),
    ) == ["said", "outer", "shown", "helper", "inner", "beside", "writing"]
