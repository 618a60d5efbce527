"""The order in which the records of a turn are read: the page's (`rank` in `transcript.js`). Pure.

A tool's record is stored when it ends: after what it has shown, after what its sub-agents have said, and after the
answer that it waited for. It is read before all these.
"""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple


class Placed(NamedTuple):
    """What the place of a record depends on: columns of `Message`, in this order."""

    id: uuid.UUID
    turn: uuid.UUID | None
    seq: int | None  # None: in progress
    kind: str
    created: datetime
    parent_id: uuid.UUID | None


def as_read(rows: Sequence[Placed]) -> Iterator[uuid.UUID]:
    """Yield the ids of a turn's records as they are read: a tool, what came of it, what followed."""
    tools = {row.id for row in rows if row.kind == "tool"}
    answers = [(row.created, row.seq or math.inf) for row in rows if row.kind == "user"]
    below: dict[uuid.UUID | None, list[Placed]] = defaultdict(list)
    for row in rows:
        below[row.parent_id if row.parent_id in tools else None].append(row)
    ranks: dict[uuid.UUID, float] = {}

    def rank(row: Placed) -> float:
        waited = [seq - 0.5 for created, seq in answers if row.id in tools and created > row.created]
        ranks[row.id] = min([row.seq or math.inf, *waited, *map(rank, below[row.id])])
        return ranks[row.id]

    def walk(level: list[Placed]) -> Iterator[uuid.UUID]:
        for row in sorted(level, key=lambda row: (ranks[row.id], row.seq or math.inf, row.created)):
            yield row.id
            yield from walk(below[row.id])

    for row in below[None]:
        rank(row)
    yield from walk(below[None])
