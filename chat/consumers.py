"""The socket of one browser tab: translates frames into commands and events into frames, and decides nothing.

Who connects, and to what, is in `connection/opening.py`; what a connection is sent in `connection/feed.py`; what a
command does in `actions/` (stored) and `cluster/process.py` (run). Nothing in a frame, a layer message or an agent can
raise out of the consumer.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from channels.exceptions import StopConsumer
from django.conf import settings

from chat.actions.away import refusal
from chat.addresses import address_of_scope
from chat.cluster.process import this_process
from chat.conf import conf
from chat.connection.abuse import Abuse
from chat.connection.catch_up import read
from chat.connection.commands import Commands
from chat.connection.feed import Feed
from chat.connection.opening import (
    Opening,
    Refused,
    browser_session_of,
    identify,
    identify_embedded,
    is_embedded,
    locale_of,
    no_ticket,
    open_for,
    options_of,
    speaks_compatible,
    ticket_in,
)
from chat.connection.strangers import Place, Places, strangers
from chat.exceptions import (
    BadFrame,
    Busy,
    ChatError,
    Internal,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    new_incident,
)
from chat.live.layer import join, part
from chat.mends.lean_consumer import LeanConsumer
from chat.mends.locks import AWAY, reason_of
from chat.models.conversation import group_of
from chat.owners import Owner
from chat.wire.codes import (
    CLOSE_FULL,
    CLOSE_NOT_FOUND,
    CLOSE_RATE,
    CLOSE_RESTART,
    CLOSE_SIGN_IN,
    CLOSE_TOO_SLOW,
)
from chat.wire.commands import (
    Ack,
    Frame,
    Ping,
    Sync,
    client_id_of,
    decode,
    parse,
)
from chat.wire.compatible import Compatible
from chat.wire.events import Bye, Event, Pong, error_event
from chat.wire.flow import Rate, Window
from chat.wire.frames import encode
from chat.words import translator

logger = logging.getLogger(__name__)

TICKET_WAIT_SECONDS = 20.0


class ChatConsumer(LeanConsumer):
    """One connection."""

    feed: Feed | None = None  # from the greeting on, until it leaves
    opening: Opening
    owner: Owner
    conversation_id: uuid.UUID
    groups_left: set[str]  # not joined yet
    _groups: frozenset[str] = frozenset()  # to be left
    is_html = False
    _profile: Compatible | None = None  # of a page that does not speak protocol 1
    address: str | None = None
    _place: Place | None = None  # among the sockets of its address
    _ticket_wait: asyncio.Task[None] | None = None  # until an embedded page has said who it is

    # -- opening and closing ----------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self.address = address_of_scope(self.scope)
        self._abuse = Abuse()
        self._accepted = self._is_closed = False
        options = options_of(self.scope)
        await self._try_to(self._await_ticket() if is_embedded(options) else self._open(options, None))

    async def _await_ticket(self) -> None:
        await self._accept()
        await this_process.start()
        await self._take_place(strangers.unnamed, self.address)
        self._ticket_wait = asyncio.create_task(self._refuse_later(TICKET_WAIT_SECONDS, no_ticket()))

    def _end_ticket_wait(self) -> None:
        if self._ticket_wait:
            self._ticket_wait.cancel()
            self._ticket_wait = None
            self._give_place()

    async def _take_place(self, places: Places, address: str | None) -> None:
        """Raises: Refused."""
        try:
            self._place = await places.take(address)
        except RateLimited as error:
            raise Refused(CLOSE_RATE, error) from None

    def _give_place(self) -> None:
        place, self._place = self._place, None
        if place:
            place.give()

    async def _refuse_later(self, seconds: float, refusal: Refused) -> None:
        await asyncio.sleep(seconds)
        await self._refuse(refusal)

    async def _try_to(self, open: Coroutine[Any, Any, None]) -> None:
        try:
            await open
        except Refused as refusal:
            await self._refuse(refusal)
        except StopConsumer:
            raise
        except Exception:
            incident = new_incident()
            logger.exception("a connection failed to open, incident %s", incident)
            await self._refuse(Refused(CLOSE_RESTART, Internal(incident=incident)))

    async def _open(self, options: dict[str, str], ticket: str | None) -> None:
        """`ticket`: of an embedded page, which has no cookie."""
        is_compatible = speaks_compatible(self.scope, options)
        if is_compatible:
            language = locale_of(self.scope, options)["language"]
            self._profile = Compatible(settings.LANGUAGE_CODE, language, translate=translator(language))
        if ticket is None:
            session = browser_session_of(options) if is_compatible else ""
            self.owner = await self.identify(session)
        else:
            self.owner = await identify_embedded(ticket, options)
        if self.owner.is_stranger:
            self.owner = replace(self.owner, address=self.address)
        await this_process.start()
        if this_process.is_draining:
            raise Refused(CLOSE_RESTART, Busy("The server is restarting.", retry_ms=2000))
        opening = self.opening = await open_for(self.owner, options, is_compatible=is_compatible)
        self.conversation_id, self.is_html = opening.conversation_id, opening.is_html
        locale = locale_of(self.scope, options)
        self._commands = Commands(opening, locale=locale, tell=self._tell)
        if this_process.is_full(self.conversation_id):
            raise Refused(CLOSE_FULL, Busy("The server is full. Try again in a moment.", retry_ms=5000))
        await self._take_place(strangers.sockets, self.owner.address)
        feed = await self._join(is_compatible=is_compatible)
        await self._greet_page(feed)
        self.hear()  # not before `connection` is sent

    async def identify(self, browser_session: str) -> Owner:
        """Find out who connects. Raises: Refused."""
        return await identify(self.scope, self.address, browser_session)

    async def _join(self, *, is_compatible: bool) -> Feed:
        """Accept the socket, and become one of this process's connections."""
        await self._accept()
        self._groups = frozenset({group_of(self.conversation_id)} | (set() if is_compatible else {self.owner.group}))
        self.groups_left = set(self._groups)
        await self._join_groups()
        feed = Feed(
            self.conversation_id,
            self._write,
            html=self.is_html,
            read=read,
            ask=this_process.snapshot,
            flow=Rate() if self._profile else Window(),
            tell=self._profile.tell if self._profile else None,
        )
        if self._profile:
            agent = self.opening.agent
            self._profile.greeting, self._profile.agent = agent.greeting, agent.name
        self.feed = feed  # the process may dismiss this connection at any await
        this_process.connections.join(self)
        return feed

    async def _greet_page(self, feed: Feed) -> None:
        """Send `connection` and what the page lacks, and see to what nobody has seen to."""
        if self.opening.is_new:
            return await feed.open_new(self.opening.greeting)
        if self.opening.is_orphan:
            await this_process.close_orphan(self.conversation_id)
        await feed.open(self.opening.greeting, after=self.opening.after)
        if feed.has_queued:
            this_process.wake_soon(self.conversation_id)

    async def _join_groups(self) -> None:
        """Join before anything is read: what happens in between arrives twice rather than never.

        While the layer is away the process's tick delivers, and joins again.
        """
        for group in list(self.groups_left):
            if not await join(group, self.channel_name):
                return
            self.groups_left.discard(group)

    async def _accept(self) -> None:
        """Open the socket, once. Raises: StopConsumer where the page has left meanwhile."""
        if self._accepted:
            return
        self._accepted = True
        try:
            await self.accept()
        except (OSError, RuntimeError) as error:
            self._note_left(error)
            raise StopConsumer from None

    async def _refuse(self, refusal: Refused) -> None:
        """A browser cannot read a refused handshake: accept, say why, close."""
        await self._accept()
        error = error_event(refusal.error)
        for event in self._profile.tell(error) if self._profile else [error]:
            await self._write(encode(event))
        await self.close(refusal.code)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close once: uvicorn takes nothing after a close."""
        if not self._is_closed:
            self._is_closed = True
            await super().close(code, reason)

    async def leave(self) -> None:
        self._end_ticket_wait()
        self._give_place()
        feed, self.feed = self.feed, None
        if feed is not None:
            this_process.connections.leave(self)
            this_process.mark_read_soon(self.conversation_id, feed.seq)
            if self.opening.is_temporary:
                this_process.erase_later(self.conversation_id, self.owner)
        groups, self._groups = self._groups, frozenset()
        if groups:
            await part(groups, self.channel_name)

    async def dismiss(self, code: int, *events: Event) -> None:
        """Say why, and close. Called by the process."""
        feed = self.feed
        if feed is None:
            return
        for event in events:
            await feed.send(event)
        await self.close(code)
        await self.leave()

    # -- from the browser -------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Check a frame and pass it on; whatever is wrong with it is answered, and the socket stays open."""
        if self._ticket_wait and (ticket := ticket_in(text_data)) is not None:
            self._end_ticket_wait()
            return await self._try_to(self._open(options_of(self.scope), ticket))
        if self.feed is None:
            return
        frame: Frame = {}
        try:
            if not self._abuse.takes_frame():
                raise RateLimited(retry_ms=1000)
            frame = decode(text_data)
            await self.receive_json(frame)
        except ChatError as error:
            await self._answer_error(error, frame)
        except AWAY as error:
            logger.warning("a command was refused: %s", reason_of(error))
            await self._answer_error(refusal(error), frame)
        except Exception as error:
            await self._tell_of_failure(error, frame)

    async def receive_json(self, content: Frame, **kwargs: Any) -> None:
        """Do what the frame says. Raises: ChatError."""
        assert self.feed is not None  # `receive` has looked
        frame = self._profile.understand(content) if self._profile else content
        command = parse(frame, max_chars=conf.MAX_MESSAGE_CHARS)
        match command:
            case Ack(frames=frames):
                await self.feed.ack(frames)
            case Ping():
                await self.feed.send(Pong(type="pong"))
            case Sync(message_id=message_id):
                if not await self.feed.resync(message_id):
                    raise NotFound("This message is not being written.")
            case _:
                await self._commands.obey(command)

    async def _tell(self, event: Event) -> None:
        """Send an event. A page that has left meanwhile hears of it when it comes back."""
        if self.feed is not None:
            await self.feed.send(event)

    # -- errors -----------------------------------------------------------------------------------------------------

    async def _answer_error(self, error: ChatError, frame: Frame) -> None:
        if self.feed is None:
            return
        if isinstance(error, Unauthorized):
            return await self.dismiss(CLOSE_SIGN_IN, error_event(error))
        if isinstance(error, RateLimited) and not frame:
            return await self._refuse_flood(error)
        await self.feed.send(error_event(error, client_id=client_id_of(frame)))
        if isinstance(error, BadFrame | TooLarge) and (code := self._abuse.bad_frame(error)):
            await self.dismiss(code)

    async def _refuse_flood(self, error: ChatError) -> None:
        tells, code = self._abuse.refused_frame()
        if tells:
            await self._tell(error_event(error))
        if code:
            await self.dismiss(code, error_event(error))

    async def failed(self, error: Exception) -> None:
        await self._tell_of_failure(error, {})

    async def _tell_of_failure(self, error: Exception, frame: Frame) -> None:
        incident = new_incident()
        logger.error("a frame or message failed, incident %s", incident, exc_info=error)
        if self.feed is not None:
            known = Internal(incident=incident, retry_ms=2000)
            await self.feed.send(error_event(known, client_id=client_id_of(frame)))

    # -- from the channel layer and the process ---------------------------------------------------------------------

    async def chat_events(self, message: dict[str, Any]) -> None:
        """What the agent or another page has done in this conversation."""
        if self.feed is not None:
            await self.feed.deliver(message)

    async def chat_owner(self, message: dict[str, Any]) -> None:
        """A change of any conversation of this owner."""
        if self.feed is not None and self.feed.is_open and message["owner"] == self.owner.id:
            await self.feed.send_frame(message["frame"])

    async def chat_deleted(self, message: dict[str, Any]) -> None:
        """The conversation is no more."""
        if message["conversation"] == str(self.conversation_id):
            await self.dismiss(CLOSE_NOT_FOUND, error_event(NotFound("This conversation was deleted.")))

    def compare(self, newest_seq: int, state: str) -> None:
        """Look whether the database knows of more than this page."""
        if self.feed is not None:
            self.feed.compare(newest_seq, state)

    @property
    def needs_repair(self) -> bool:
        """True while the page lacks something, or does not read."""
        feed = self.feed
        return feed is not None and (feed.is_behind or not feed.is_open or bool(self.groups_left))

    async def repair(self) -> None:
        """Close a page that does not read, and go on with one that was slow."""
        if self.feed is None:
            return
        if self.feed.is_stalled:
            logger.info("conversation %s: a page that reads nothing is closed", self.conversation_id)
            return await self.dismiss(CLOSE_TOO_SLOW, Bye(type="bye", reason="too slow", retry_ms=1000))
        if self.groups_left:
            await self._join_groups()
        await self.feed.catch_up()

    async def _write(self, frame: str) -> None:
        if self._is_closed:
            return
        try:
            await self.send(text_data=frame)
        except (OSError, RuntimeError) as error:
            self._note_left(error)

    def _note_left(self, error: Exception) -> None:
        """The page is gone and the disconnect not heard yet.

        uvicorn raises an OSError then, as ASGI says; Daphne lets autobahn's RuntimeError through (autobahn 26.10.2,
        websocket/protocol.py:2584).
        """
        self._is_closed = True
        logger.info("a page left before a frame was sent: %s", type(error).__name__)
