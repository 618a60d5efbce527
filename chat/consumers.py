"""The socket of one browser tab: translates frames into commands and events into frames, and decides nothing.

What a command does is in `commands.py` (stored) and `process.py` (run); what a connection is sent is in `feed.py`.
Nothing in a frame, a layer message or an agent can raise out of the consumer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.core import signing
from django.http import parse_cookie

from chat.actions import send as commands
from chat.actions.send import Accepted
from chat.cluster.process import here
from chat.conf import AgentSpec, agents, conf, default_agent
from chat.connection.feed import Feed
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
from chat.live.outbox import SEND_SECONDS, in_thread, join
from chat.models import Conversation
from chat.models.conversation import group_of, text_or_none
from chat.owners import Owner, has_session, new_visitor, owner_of_cookies, still_valid
from chat.wire.events import (
    CLOSE_ABUSE,
    CLOSE_FULL,
    CLOSE_NOT_FOUND,
    CLOSE_RATE,
    CLOSE_RESTART,
    CLOSE_SIGN_IN,
    CLOSE_TOO_LARGE,
    CLOSE_TOO_SLOW,
    VERSION,
    Ack,
    Branch,
    Bucket,
    Clear,
    Command,
    Edit,
    Event,
    Ping,
    Regenerate,
    Reset,
    SendAnswer,
    SendMessage,
    Stop,
    Sync,
    client_id_of,
    encode,
    error_event,
    load,
    parse,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

TICKET_SALT = "chat.ticket"
TICKET_SECONDS = 24 * 3600
ABUSE_FRAMES, ABUSE_SECONDS = 5, 10.0  # so many bad frames in so long a time close the socket
FLOOD_FRAMES = 200  # refused for their rate, within ABUSE_SECONDS


class Refused(Exception):
    """This connection is not opened: the code to close with, and why."""

    def __init__(self, code: int, error: ChatError) -> None:
        super().__init__(error.code)
        self.code = code
        self.error = error


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """One connection. `is_compatible`: of the earlier prototype's page (`docs/protocol.md`)."""

    feed: Feed | None = None
    _hearing: asyncio.Task[None] | None = None
    groups_left: set[str]  # not joined yet
    owner: Owner
    conversation_id: uuid.UUID
    is_compatible = False
    is_html = False
    address = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the connection: frames here, layer messages in a task of their own.

        The stock method (channels 4.3.2, utils.py, `await_many_dispatch`) has one task for both, which makes and awaits
        two more for each message: that costs twice what is done with it. And a layer message waits there for the
        database, while a frame of the page does.
        """
        self.scope, self.base_send = scope, send
        self.channel_layer = get_channel_layer(self.channel_layer_alias)
        self.channel_name = await self.channel_layer.new_channel()
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            # Not in disconnect(): Channels 4.3 does not call it after an exception, nor at shutdown.
            if self._hearing:
                self._hearing.cancel()
            await self._leave()

    async def _hear(self) -> None:
        try:
            while True:
                await self.dispatch(await self.channel_layer.receive(self.channel_name))
        except Exception:
            logger.exception("a connection does not hear its group")
            await self.close(CLOSE_RESTART)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle one frame or layer message.

        The stock method (channels 4.3.2, consumer.py, `dispatch`) first hops through the process-wide sync thread,
        where one slow query would delay every socket; and an unknown layer message would end the socket.
        """
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            return logger.warning("unknown layer message %s", message["type"])
        try:
            await handler(message)
        except StopConsumer:
            raise
        except Exception as error:
            await self._tell_of_failure(error)

    # -- opening and closing ----------------------------------------------------------------------------------------

    async def connect(self) -> None:
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        options = {name: values[-1] for name, values in query.items()}
        self.is_compatible = "v" not in options or self.scope["path"].rstrip("/").endswith("/ws")
        self.address = (self.scope.get("client") or [""])[0]
        self._bucket = Bucket(rate=conf.FRAMES_PER_SECOND, burst=conf.FRAMES_BURST)
        self._bad: deque[float] = deque(maxlen=ABUSE_FRAMES)
        self._refused: deque[float] = deque(maxlen=FLOOD_FRAMES)
        self._told_at = 0.0  # of the refusals
        self._accepted = self._is_closed = False
        try:
            await self._open(options)
        except Refused as refusal:
            await self._refuse(refusal)
        except StopConsumer:
            raise
        except Exception:
            incident = new_incident()
            logger.exception("a connection failed to open, incident %s", incident)
            await self._refuse(Refused(CLOSE_RESTART, Internal(incident=incident)))

    async def _open(self, options: dict[str, str]) -> None:
        self._check_profile(options)
        await self._identify()
        await here.start()
        if here.is_draining:
            raise Refused(CLOSE_RESTART, Busy("The server is restarting.", retry_ms=2000))
        await self._choose_conversation({} if self.is_compatible else options)
        if here.is_full(self.conversation_id):
            raise Refused(CLOSE_FULL, Busy("The server is full. Try again in a moment.", retry_ms=5000))
        if conf.MAX_SOCKETS_PER_IP and here.count_from(self.address) >= conf.MAX_SOCKETS_PER_IP:
            raise Refused(CLOSE_RATE, RateLimited("Too many connections from this address."))
        await self._accept()
        self.groups_left = {group_of(self.conversation_id)}
        if not self.is_compatible:
            self.groups_left.add(self.owner.group)
        await self._join_groups()
        self.is_html = options.get("html") == "1" and not self.is_compatible
        self.feed = Feed(self.conversation_id, self._write, html=self.is_html, is_compatible=self.is_compatible)
        here.join(self)
        feed = self.feed  # the process may dismiss this connection at any await
        await self._greet_page(feed, after=_after_of(options))
        self._hearing = asyncio.create_task(self._hear())  # not before `connection` is sent

    async def _greet_page(self, feed: Feed, *, after: int | None) -> None:
        """Send `connection` and what the page lacks, and see to what nobody has seen to."""
        if self._is_new:
            return await feed.open_new(self._greeting)
        if self._is_orphan:
            await here.close_orphan(self.conversation_id)
        await feed.open(self._greeting, after=after)
        if feed.has_queued:
            here.wake_soon(self.conversation_id)

    def _check_profile(self, options: dict[str, str]) -> None:
        if self.is_compatible and not conf.COMPATIBLE_PROFILE:
            raise Refused(CLOSE_ABUSE, BadFrame(f"Connect with v={VERSION}."))
        if not self.is_compatible and options["v"] != str(VERSION):
            raise Refused(CLOSE_ABUSE, BadFrame(f"This server speaks protocol {VERSION}."))

    async def _identify(self) -> None:
        """Find out who connects. Without the page's cookie an anonymous visitor is one of its own, for this socket."""
        cookies = _cookies_of(self.scope)
        owner = await in_thread(owner_of_cookies, cookies) if has_session(cookies) else owner_of_cookies(cookies)
        if owner is None and not conf.ALLOW_ANONYMOUS:
            raise Refused(CLOSE_SIGN_IN, Unauthorized())
        self.owner = owner or new_visitor()[0]

    async def _choose_conversation(self, options: dict[str, str]) -> None:
        id = options.get("conversation")
        self._is_new = id is None
        if id is None:
            self.agent = _agent_of(options.get("agent"))
            self.conversation_id, self._may_create = uuid.uuid4(), True
            return
        try:
            self.conversation_id = uuid.UUID(id)
        except ValueError:
            raise Refused(CLOSE_NOT_FOUND, NotFound()) from None
        row, self._is_orphan = await in_thread(_find, self.owner, self.conversation_id)
        self._may_create = row is None
        self.agent = _agent_of_row(row) if row else self._agent_of_ticket(options.get("ticket", ""))

    def _agent_of_ticket(self, ticket: str) -> AgentSpec:
        try:
            id, owner_id, key = signing.loads(ticket, salt=TICKET_SALT, max_age=TICKET_SECONDS)
        except (signing.BadSignature, ValueError):
            raise Refused(CLOSE_NOT_FOUND, NotFound()) from None
        if (id, owner_id) != (str(self.conversation_id), self.owner.id):
            raise Refused(CLOSE_NOT_FOUND, NotFound())
        return _agent_of(key)

    async def _join_groups(self) -> None:
        """Join before anything is read: what happens in between arrives twice rather than never.

        While the layer is away the process's tick delivers, and joins again.
        """
        for group in list(self.groups_left):
            if not await join(group, self.channel_name):
                return
            self.groups_left.discard(group)

    async def _accept(self) -> None:
        """Open the socket. Raises: StopConsumer where the page has left meanwhile."""
        self._accepted = True
        try:
            await self.accept()
        except (OSError, RuntimeError) as error:
            self._note_left(error)
            raise StopConsumer from None

    async def _refuse(self, refusal: Refused) -> None:
        """A browser cannot read a refused handshake: accept, say why, close."""
        if not self._accepted:
            await self._accept()
        await self._write(encode(error_event(refusal.error)))
        await self.close(refusal.code)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close once: uvicorn takes nothing after a close."""
        if not self._is_closed:
            self._is_closed = True
            await super().close(code, reason)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """End. The stock method (channels 4.3.2, generic/websocket.py) hops through the process-wide sync thread."""
        raise StopConsumer

    async def _leave(self) -> None:
        feed, self.feed = self.feed, None
        if feed is None:
            return
        here.leave(self)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                for group in (group_of(self.conversation_id), self.owner.group):
                    await self.channel_layer.group_discard(group, self.channel_name)
        except Exception as error:
            logger.info("a group was not left: %s", type(error).__name__)

    async def dismiss(self, code: int, *events: Event) -> None:
        """Say why, and close. Called by the process."""
        feed = self.feed
        if feed is None:
            return
        for event in events:
            await feed.send(event)
        await self.close(code)
        await self._leave()

    def _greeting(self, conversation: Conversation | None, resumed: bool, earlier: bool) -> Event:
        event: Event = {
            "type": "connection",
            "status": "connected",
            "session_id": str(self.conversation_id),
            "protocol": VERSION,
            "seq": conversation.newest_seq if conversation else 0,
            "head": text_or_none(conversation.head) if conversation else None,
            "title": conversation.title if conversation else "",
            "agent": {"key": self.agent.key, "name": self.agent.name},
            "resumed": resumed,
            "earlier": earlier,
            "limits": {
                "max_message_chars": conf.MAX_MESSAGE_CHARS,
                "max_attachment_bytes": 0,
                "max_queued_turns": conf.MAX_QUEUED_TURNS,
            },
            "message": f"Connected to {self.agent.name}",
        }
        if conversation is None:
            ticket = (str(self.conversation_id), self.owner.id, self.agent.key)
            event["ticket"] = signing.dumps(ticket, salt=TICKET_SALT)
        return event

    # -- from the browser -------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Check a frame and pass it on; whatever is wrong with it is answered, and the socket stays open."""
        if self.feed is None:
            return
        frame: Event = {}
        try:
            if not self._bucket.take(1, time.monotonic()):
                raise RateLimited(retry_ms=1000)
            frame = load(text_data)
            await self.receive_json(frame)
        except ChatError as error:
            await self._answer_error(error, frame)
        except Exception as error:
            await self._tell_of_failure(error, frame)

    async def receive_json(self, content: Event, **kwargs: Any) -> None:
        """Do what the frame says. Raises: ChatError."""
        command = parse(content, max_chars=conf.MAX_MESSAGE_CHARS)
        match command:
            case Ack(frames=frames):
                await self.feed.ack(frames)
            case Ping():
                await self.feed.send({"type": "pong"})
            case Sync(message_id=message_id):
                if not await self.feed.resync(message_id):
                    raise NotFound("This message is not being written.")
            case _:
                await self._obey(command)

    async def _do(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do blocking work in the owner's name, as long as the owner may: an account can be closed at any time."""
        try:
            return await in_thread(_authorised, self.owner, functools.partial(function, *args, **kwargs))
        except Unauthorized:
            await self.dismiss(CLOSE_SIGN_IN, error_event(Unauthorized()))
            raise

    async def _obey(self, command: Command) -> None:
        id, owner = self.conversation_id, self.owner
        match command:
            case SendMessage():
                await self._send_message(command)
            case SendAnswer(request_id=request_id, content=content, answer=answer, client_id=client_id):
                accepted = await self._do(
                    commands.accept_answer,
                    owner,
                    id,
                    request_id=request_id,
                    content=content,
                    answer=answer,
                    client_id=client_id,
                )
                await self._accepted_message(accepted)
            case Stop():
                await self._require_row()
                await here.stop(id)
            case Reset():
                await self._require_row()
                await here.reset(id)
            case Edit(turn=turn, content=content):
                await self._rewrite(await self._do(commands.edit, owner, id, turn=turn, content=content))
            case Regenerate(turn=turn):
                await self._rewrite(await self._do(commands.regenerate, owner, id, turn=turn))
            case Branch(turn=turn):
                await self._rewrite(await self._do(commands.branch, owner, id, turn=turn))
            case Clear():
                await self._rewrite(await self._do(commands.clear, owner, id))

    async def _require_row(self) -> None:
        """A stop or reset of what does not exist (any more) is nothing, or not found."""
        mine = Conversation.objects.for_owner(self.owner).filter(id=self.conversation_id)
        if not await self._do(mine.exists) and not self._may_create:
            raise NotFound

    async def _send_message(self, command: SendMessage) -> None:
        if command.attachments:
            raise NotFound("There is no such attachment.")
        if here.is_full(self.conversation_id):
            raise Busy("The server is full. Try again in a moment.", retry_ms=5000)
        accepted = await self._do(
            commands.accept_message,
            self.owner,
            self.conversation_id,
            content=command.content,
            client_id=command.client_id,
            new_agent=self.agent.key if self._may_create else None,
        )
        self._may_create = False
        await self._accepted_message(accepted)

    async def _accepted_message(self, accepted: Accepted) -> None:
        message = accepted.message
        event: Event = {
            "type": "accepted",
            "client_id": message.client_id,
            "message_id": str(message.id),
            "turn": text_or_none(message.turn),
            "seq": message.seq,
            "duplicate": accepted.duplicate,
        }
        if self.feed is not None:  # a page that has left meanwhile hears of it when it comes back
            await self.feed.send(event)
        here.records_added(accepted.conversation, self.owner, list(accepted.records))
        if message.request_id:
            here.answer_soon(self.conversation_id, message)
        elif message.begun is None:
            here.wake_soon(self.conversation_id, message.id)

    async def _rewrite(self, accepted: Accepted) -> None:
        """The transcript is another one now: a fresh agent goes on from it."""
        here.records_added(accepted.conversation, self.owner, list(accepted.records))
        here.restart_soon(self.conversation_id, accepted.turn)

    # -- errors -----------------------------------------------------------------------------------------------------

    async def _answer_error(self, error: ChatError, frame: Event) -> None:
        if self.feed is None:
            return
        if isinstance(error, RateLimited) and not frame:
            return await self._refuse_flood(error)
        await self.feed.send(error_event(error, client_id=client_id_of(frame)))
        if isinstance(error, BadFrame | TooLarge):
            await self._count_abuse(error)

    async def _count_abuse(self, error: ChatError) -> None:
        now = time.monotonic()
        self._bad.append(now)
        if len(self._bad) == ABUSE_FRAMES and now - self._bad[0] < ABUSE_SECONDS:
            await self.dismiss(CLOSE_TOO_LARGE if isinstance(error, TooLarge) else CLOSE_ABUSE)

    async def _refuse_flood(self, error: ChatError) -> None:
        """Say so at most once a second; close a connection that does not listen."""
        now = time.monotonic()
        self._refused.append(now)
        if now - self._told_at >= 1:
            self._told_at = now
            await self.feed.send(error_event(error))
        if len(self._refused) == FLOOD_FRAMES and now - self._refused[0] < ABUSE_SECONDS:
            await self.dismiss(CLOSE_RATE, error_event(error))

    async def _tell_of_failure(self, error: Exception, frame: Event | None = None) -> None:
        incident = new_incident()
        logger.error("a frame or message failed, incident %s", incident, exc_info=error)
        if self.feed is not None:
            known = Internal(incident=incident, retry_ms=2000)
            await self.feed.send(error_event(known, client_id=client_id_of(frame or {})))

    # -- from the channel layer and the process ---------------------------------------------------------------------

    async def chat_events(self, message: dict[str, Any]) -> None:
        """What the agent or another page has done in this conversation."""
        if self.feed is not None:
            await self.feed.deliver(message)

    async def chat_owner(self, message: dict[str, Any]) -> None:
        """A change of any conversation of this owner."""
        if self.feed is not None and self.feed.is_open and message["owner"] == self.owner.id:
            await self.feed.send({"type": "conversation"}, message["frame"])

    async def chat_deleted(self, message: dict[str, Any]) -> None:
        """The conversation is no more."""
        if message["conversation"] == str(self.conversation_id):
            await self.dismiss(CLOSE_NOT_FOUND, error_event(NotFound("This conversation was deleted.")))

    def compare(self, newest_seq: int, state: str) -> None:
        """Look whether the database knows of more than this page."""
        if self.feed is not None:
            self.feed.compare(newest_seq, state)

    @property
    def needs_tick(self) -> bool:
        """True while the page lacks something, or does not read."""
        feed = self.feed
        return feed is not None and (feed.is_behind or not feed.is_open or bool(self.groups_left))

    async def tick(self) -> None:
        """Close a page that does not read, and go on with one that was slow."""
        if self.feed is None:
            return
        if self.feed.is_stalled:
            logger.info("conversation %s: a page that reads nothing is closed", self.conversation_id)
            return await self.dismiss(CLOSE_TOO_SLOW, {"type": "bye", "reason": "too slow", "retry_ms": 1000})
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


def _authorised(owner: Owner, work: Callable[[], T]) -> T:
    """Do what the owner wants. In an I/O thread. Raises: Unauthorized."""
    if not still_valid({owner}):
        raise Unauthorized
    return work()


def _find(owner: Owner, id: uuid.UUID) -> tuple[Conversation | None, bool]:
    """The owner's conversation, and whether the process that ran its agent is dead. In an I/O thread."""
    row = Conversation.objects.find(id, owner=owner)
    return row, row is not None and row.is_orphan


def _agent_of(key: str | None) -> AgentSpec:
    known = agents()
    if key is None:
        return default_agent()
    if key not in known:
        raise Refused(CLOSE_NOT_FOUND, NotFound("There is no such agent."))
    return known[key]


def _agent_of_row(row: Conversation) -> AgentSpec:
    """The agent of a stored conversation; one that is not configured any more can still be read."""
    known = agents().get(row.agent_key)
    return known or AgentSpec(key=row.agent_key, factory="", name=row.agent_key)


def _after_of(options: dict[str, str]) -> int | None:
    try:
        return int(options["after"])
    except (KeyError, ValueError):
        return None


def _cookies_of(scope: dict[str, Any]) -> dict[str, str]:
    """The cookies as Django reads them, which is more forgiving than the standard library."""
    cookies: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            cookies |= parse_cookie(value.decode("latin-1"))
    return cookies
