"""The connections of this process, by conversation and by owner. All on the event loop."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Protocol

from chat.conf import conf
from chat.owners import Owner
from chat.wire.events import Event


class Connection(Protocol):
    """What the process needs of a consumer."""

    conversation_id: uuid.UUID
    owner: Owner
    is_html: bool

    @property
    def needs_repair(self) -> bool: ...

    def compare(self, newest_seq: int, state: str) -> None: ...

    async def repair(self) -> None: ...

    async def dismiss(self, code: int, *events: Event) -> None: ...


class Connections:
    """Who is connected to this process."""

    def __init__(self, *, crowded: Callable[[Connection], None], left: Callable[[uuid.UUID], None]) -> None:
        """`crowded` dismisses the oldest connection of an owner with too many; `left`: a conversation has no more."""
        self._crowded = crowded
        self._left = left
        self._by_conversation: dict[uuid.UUID, set[Connection]] = {}
        self._of_owner: dict[str, list[Connection]] = defaultdict(list)  # oldest first
        self._left_at: dict[uuid.UUID, float] = {}  # when the last connection of a conversation went

    def __bool__(self) -> bool:
        return bool(self._by_conversation or self._of_owner)

    def __iter__(self) -> Iterator[Connection]:
        """Every connection; others may come and go meanwhile."""
        for group in list(self._by_conversation.values()):
            yield from list(group)

    def __contains__(self, conversation_id: uuid.UUID) -> bool:
        return conversation_id in self._by_conversation

    @property
    def conversations(self) -> list[uuid.UUID]:
        """The conversations that have a connection here. From any thread: a copy that is made in one step."""
        return list(self._by_conversation)

    def of(self, conversation_id: uuid.UUID) -> list[Connection]:
        return list(self._by_conversation.get(conversation_id, ()))

    def left_at(self, conversation_id: uuid.UUID) -> float:
        """When the last connection of a conversation went (monotonic); 0.0: there was none."""
        return self._left_at.get(conversation_id, 0.0)

    def seen_elsewhere(self, conversation_id: uuid.UUID) -> None:
        """Another process has a connection of this conversation just now."""
        if conversation_id not in self._by_conversation:
            self._left_at[conversation_id] = time.monotonic()

    def forget(self, conversation_id: uuid.UUID) -> None:
        """Forget that a conversation had a connection."""
        self._left_at.pop(conversation_id, None)

    def join(self, connection: Connection) -> None:
        """Attach a connection; the owner's oldest gives way when there are too many."""
        self._by_conversation.setdefault(connection.conversation_id, set()).add(connection)
        self._left_at.pop(connection.conversation_id, None)
        mine = self._of_owner[connection.owner.id]
        mine.append(connection)
        if len(mine) > conf.MAX_SOCKETS:
            self._crowded(mine[0])

    def leave(self, connection: Connection) -> None:
        """Detach a connection. Its turn goes on; without another connection the session has its grace."""
        id = connection.conversation_id
        group = self._by_conversation.get(id, set())
        group.discard(connection)
        mine = self._of_owner[connection.owner.id]
        if connection in mine:
            mine.remove(connection)
        if not mine:
            del self._of_owner[connection.owner.id]
        if not group and id in self._by_conversation:
            del self._by_conversation[id]
            self._left_at[id] = time.monotonic()
            self._left(id)
