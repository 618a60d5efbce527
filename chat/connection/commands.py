"""What the user of one connection orders: an action stores it, the process runs it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from chat.actions.accepted import Accepted
from chat.actions.answer import accept_answer, revoke
from chat.actions.queue import Requeued, cancel, revise
from chat.actions.rewrite import branch, clear, edit, regenerate
from chat.actions.send import accept_message, accept_opening
from chat.agents.values import checked
from chat.cluster import announce
from chat.cluster.process import this_process
from chat.connection.opening import Opening
from chat.exceptions import Busy, NotFound, Unauthorized
from chat.live.threads import in_thread
from chat.models import Conversation
from chat.owners import Owner, still_valid
from chat.wire import events
from chat.wire.commands import (
    Branch,
    Cancel,
    Clear,
    Command,
    Edit,
    Open,
    Regenerate,
    Reset,
    Revise,
    Revoke,
    SendAnswer,
    SendMessage,
    Stop,
)
from chat.wire.events import Event
from chat.wire.values import text_or_none

T = TypeVar("T")


class Commands:
    """The commands of one connection. On the event loop; the database is asked beside it."""

    def __init__(self, opening: Opening, *, locale: dict[str, str], tell: Callable[[Event], Awaitable[None]]) -> None:
        """`locale`: of the page. `tell` sends an event to the page, if it is still there."""
        self._opening = opening
        self._owner = opening.owner
        self._id = opening.conversation_id
        self._may_create = opening.may_create
        self._locale = locale
        self._tell = tell

    async def obey(self, command: Command) -> None:
        """Do what the user orders. Raises: ChatError; Unauthorized once the owner may not chat any more."""
        id, owner = self._id, self._owner
        match command:
            case SendMessage():
                await self._send_message(command)
            case Open(settings=settings):
                await self._open(settings)
            case SendAnswer():
                await self._answer(command)
            case Stop():
                await self._require_row()
                await this_process.stop(id)
            case Reset():
                await self._require_row()
                await this_process.reset(id)
            case Edit(turn=turn, content=content):
                await self._rewrite(await self._do(edit, owner, id, turn=turn, content=content))
            case Regenerate(turn=turn):
                await self._rewrite(await self._do(regenerate, owner, id, turn=turn))
            case Branch(turn=turn):
                await self._rewrite(await self._do(branch, owner, id, turn=turn))
            case Revoke(tool_name=tool_name):
                accepted = await self._do(revoke, owner, id, tool_name=tool_name)
                announce.summary(accepted.conversation, owner)
            case Cancel(turn=turn):
                self._requeued(await self._do(cancel, owner, id, turn=turn))
            case Revise(turn=turn, content=content):
                self._requeued(await self._do(revise, owner, id, turn=turn, content=content))
            case Clear():
                await self._rewrite(await self._do(clear, owner, id))

    async def _do(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do blocking work in the owner's name, as long as the owner may: an account can be closed at any time."""
        return await in_thread(_authorised, self._owner, functools.partial(function, *args, **kwargs))

    async def _require_row(self) -> None:
        """A stop or reset of what does not exist (any more) is nothing, or not found."""
        mine = Conversation.objects.for_owner(self._owner).filter(id=self._id)
        if not await self._do(mine.exists) and not self._may_create:
            raise NotFound

    def _require_place(self) -> None:
        if this_process.is_full(self._id):
            raise Busy("The server is full. Try again in a moment.", retry_ms=5000)

    async def _open(self, settings: dict[str, Any]) -> None:
        """The agent speaks first; not again where anybody has spoken."""
        self._require_place()
        of_new = await self._of_new(settings)
        accepted = await self._do(accept_opening, self._owner, self._id, **of_new)
        self._may_create = False
        announce.records_added(accepted.conversation, self._owner, accepted.records)
        if accepted.turn:
            this_process.wake_soon(self._id, accepted.turn)

    async def _of_new(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What a conversation gets that has no row yet. Raises: BadFrame for settings that do not fit its agent."""
        agent = self._opening.agent
        if settings and self._may_create:  # not within the transaction: it may import the author's module
            settings = await in_thread(checked, agent, settings)
        return {
            "new_agent": agent.key if self._may_create else None,
            "is_temporary": self._opening.is_temporary,
            "locale": self._locale,
            "settings": settings,
        }

    async def _send_message(self, command: SendMessage) -> None:
        self._require_place()
        of_new = await self._of_new(command.settings)
        accepted = await self._do(
            accept_message,
            self._owner,
            self._id,
            content=command.content,
            client_id=command.client_id,
            attachments=command.attachments,
            **of_new,
        )
        self._may_create = False
        await self._accepted(accepted)

    async def _answer(self, command: SendAnswer) -> None:
        accepted = await self._do(
            accept_answer,
            self._owner,
            self._id,
            request_id=command.request_id,
            content=command.content,
            answer=command.answer,
            client_id=command.client_id,
            attachments=command.attachments,
        )
        await self._accepted(accepted)

    async def _accepted(self, accepted: Accepted) -> None:
        message = accepted.message
        assert message is not None  # of a command that brings one
        await self._tell(
            events.Accepted(
                type="accepted",
                client_id=message.client_id,
                message_id=str(message.id),
                turn=text_or_none(message.turn),
                seq=message.seq,
                duplicate=accepted.duplicate,
            )
        )
        announce.records_added(accepted.conversation, self._owner, accepted.records)
        if message.request_id:
            this_process.answer_soon(self._id, message)
        elif message.begun is None:
            this_process.wake_soon(self._id, message.id)

    def _requeued(self, queue: Requeued) -> None:
        """Other turns wait now: the agent goes on with the one that it is at."""
        announce.records_added(queue.conversation, self._owner, queue.records)
        this_process.requeue_soon(self._id, queue.dropped, queue.turns)

    async def _rewrite(self, accepted: Accepted) -> None:
        """The transcript is another one now: a fresh agent goes on from it."""
        announce.records_added(accepted.conversation, self._owner, accepted.records)
        this_process.restart_soon(self._id, accepted.turn)


def _authorised(owner: Owner, work: Callable[[], T]) -> T:
    """Do what the owner wants. In an I/O thread. Raises: Unauthorized."""
    if not still_valid({owner}):
        raise Unauthorized
    return work()
