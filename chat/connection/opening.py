"""Who connects, and to what: from a socket's cookies and query to an `Opening`, or a refusal."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from django.core import signing
from django.http import HttpRequest, parse_cookie
from django.utils import translation

from chat.clock import Now
from chat.conf import AgentSpec, agents, conf, default_agent
from chat.connection.strangers import strangers
from chat.embed import read_ticket
from chat.exceptions import BadFrame, ChatError, NotFound, RateLimited, Unauthorized
from chat.live.threads import in_thread
from chat.models import Conversation
from chat.owners import Owner, access_of, has_session, new_visitor, owner_of_cookies, visitor_of_session
from chat.wire.codes import CLOSE_ABUSE, CLOSE_NOT_FOUND, CLOSE_RATE, CLOSE_SIGN_IN, VERSION
from chat.wire.commands import decode
from chat.wire.events import Connection
from chat.wire.values import text_or_none, visible

TICKET_SALT = "chat.ticket"
TICKET_SECONDS = 24 * 3600
SESSIONS = uuid.UUID("5ce2a4a1-3c55-4a3f-9f7e-0d8f4b6d6a52")  # the name space of browser sessions
BROWSER_SESSION = re.compile(r"[\w-]{20,128}", re.ASCII)  # `browser-`, milliseconds, `-`, nine random characters


class Refused(Exception):
    """This connection is not opened: the code to close with, and why."""

    def __init__(self, code: int, error: ChatError) -> None:
        super().__init__(error.code)
        self.code = code
        self.error = error


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a connection is of, and what its page has."""

    owner: Owner
    conversation_id: uuid.UUID
    agent: AgentSpec
    is_new: bool  # nobody can have written to the conversation yet
    may_create: bool  # it has no row yet
    is_temporary: bool  # it is erased when its pages have left
    is_orphan: bool  # the process that ran its agent is dead
    is_compatible: bool  # of the earlier prototype's page (`docs/protocol.md`)
    is_html: bool
    after: int | None  # the newest record that the page has

    def greeting(self, conversation: Conversation | None, resumed: bool, earlier: bool) -> Connection:
        """The `connection` event. `conversation`: as stored, if it is."""
        event = Connection(
            type="connection",
            status="connected",
            session_id=str(self.conversation_id),
            protocol=VERSION,
            seq=conversation.newest_seq if conversation else 0,
            head=text_or_none(conversation.head) if conversation else None,
            title=visible(conversation.title) if conversation else "",
            allowed=conversation.allowed if conversation else [],
            suggestions=conversation.suggestions if conversation else [],
            agent={"key": self.agent.key, "name": self.agent.name},
            resumed=resumed,
            earlier=earlier,
            limits={
                "max_message_chars": conf.MAX_MESSAGE_CHARS,
                "max_attachment_bytes": 0,
                "max_queued_turns": conf.MAX_QUEUED_TURNS,
            },
            message=f"Connected to {self.agent.name}",
        )
        if self.is_temporary:
            event["temporary"] = True
        if conversation is None:
            ticket = [str(self.conversation_id), self.owner.id, self.agent.key, *([True] if self.is_temporary else [])]
            event["ticket"] = signing.dumps(ticket, salt=TICKET_SALT)
            if self.agent.opening:
                event["opens"] = True
        if self.owner.is_vouched_for and self.owner.user_id is None:
            event["access"] = access_of(self.owner)
        return event


def options_of(scope: dict[str, Any]) -> dict[str, str]:
    """The parameters of the socket's address."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return {name: values[-1] for name, values in query.items()}


def speaks_compatible(scope: dict[str, Any], options: dict[str, str]) -> bool:
    """True for a page of the earlier prototype. Raises: Refused for a protocol that is not spoken here."""
    is_compatible = "v" not in options or scope["path"].rstrip("/").endswith("/ws")
    if is_compatible and not conf.COMPATIBLE_PROFILE:
        raise Refused(CLOSE_ABUSE, BadFrame(f"Connect with v={VERSION}."))
    if not is_compatible and options["v"] != str(VERSION):
        raise Refused(CLOSE_ABUSE, BadFrame(f"This server speaks protocol {VERSION}."))
    return is_compatible


async def identify(scope: dict[str, Any], address: str | None, browser_session: str = "") -> Owner:
    """Find out who connects. Without the page's cookie an anonymous visitor is one of its own, for this socket.

    `browser_session` names such a visitor where CHAT_COMPATIBLE_SESSION_IDS says so. Raises: Refused.
    """
    cookies = _cookies_of(scope)
    owner = await in_thread(owner_of_cookies, cookies) if has_session(cookies) else owner_of_cookies(cookies)
    if owner is None and not conf.ALLOW_ANONYMOUS:
        raise Refused(CLOSE_SIGN_IN, Unauthorized())
    if owner is not None:
        return owner
    try:
        await in_thread(strangers.check_new, address)
    except RateLimited as error:
        raise Refused(CLOSE_RATE, error) from None
    if browser_session and conf.COMPATIBLE_SESSION_IDS:
        return visitor_of_session(browser_session)
    return new_visitor()[0]


def browser_session_of(options: dict[str, str]) -> str:
    """The id that the prototype's page keeps while its tab lives; "" for none, and for what is easily guessed."""
    id = options.get("browser_session_id", "")
    return id if BROWSER_SESSION.fullmatch(id) else ""


def is_embedded(options: dict[str, str]) -> bool:
    """True for a page in another site's frame: its first frame says who it is."""
    return options.get("embed") == "1" and bool(conf.EMBED_PARENTS)


def no_ticket() -> Refused:
    """The page around the frame has given no ticket in time, or a bad one."""
    return Refused(CLOSE_SIGN_IN, Unauthorized("The page around the chat has not said who you are."))


def ticket_in(frame: str | None) -> str | None:
    """The ticket of a frame of this type; None for any other frame."""
    try:
        content = decode(frame)
    except ChatError:
        return None
    return str(content.get("ticket")) if content.get("type") == "ticket" else None


async def identify_embedded(text: str, options: dict[str, str]) -> Owner:
    """Find out from the ticket who connects, and put into `options` what it opens. Raises: Refused.

    Without `conversation`, or `fresh=1`, the newest one of this person and agent goes on.
    """
    ticket = read_ticket(text)
    if ticket is None:
        raise no_ticket()
    options["agent"] = ticket.agent
    goes_on = "conversation" not in options and options.get("fresh") != "1"
    if goes_on and (newest := await in_thread(_newest_of, ticket.owner, ticket.agent)):
        options["conversation"] = str(newest)
    return ticket.owner


def _newest_of(owner: Owner, agent: str) -> uuid.UUID | None:
    """In an I/O thread."""
    conversations = Conversation.objects.for_owner(owner).filter(agent_key=agent)
    return conversations.order_by("-updated").values_list("id", flat=True).first()


async def open_for(owner: Owner, options: dict[str, str], *, is_compatible: bool) -> Opening:
    """Choose the conversation: a stored one of this owner, one that its ticket names, or a new one. Raises: Refused."""
    text = None if is_compatible else options.get("conversation")
    session = browser_session_of(options) if is_compatible else ""
    id = _id_of(text) if text is not None else _id_of_session(session, owner)
    may_exist = text is not None or session != ""
    row, is_orphan = await in_thread(_find, owner, id) if may_exist else (None, False)
    is_temporary = conf.TEMPORARY and options.get("temporary") == "1" and not is_compatible
    if row:
        agent, is_temporary = _agent_of_row(row), row.temporary
    elif text is not None:
        agent, is_temporary = _read_ticket(options.get("ticket", ""), id, owner)
    else:
        agent = _agent_of(options.get("agent"))
    return Opening(
        owner=owner,
        conversation_id=id,
        agent=agent,
        is_new=not may_exist,
        may_create=row is None,
        is_temporary=is_temporary,
        is_orphan=is_orphan,
        is_compatible=is_compatible,
        is_html=options.get("html") == "1" and not is_compatible,
        after=_after_of(options),
    )


def _id_of(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Refused(CLOSE_NOT_FOUND, NotFound()) from None


def _id_of_session(browser_session: str, owner: Owner) -> uuid.UUID:
    """The conversation that a page of the prototype continues; each owner has its own for the same id."""
    return uuid.uuid5(SESSIONS, f"{owner.id} {browser_session}") if browser_session else uuid.uuid4()


def _find(owner: Owner, id: uuid.UUID) -> tuple[Conversation | None, bool]:
    """The owner's conversation, and whether the process that ran its agent is dead. In an I/O thread."""
    row = Conversation.objects.find(id, owner=owner)
    if row and row.temporary:
        Conversation.objects.filter(id=id).update(updated=Now())  # somebody is here: it is not erased yet
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


def _read_ticket(ticket: str, conversation_id: uuid.UUID, owner: Owner) -> tuple[AgentSpec, bool]:
    """The agent of a new conversation that a page comes back to, and whether it is temporary."""
    try:
        id, owner_id, key, *more = signing.loads(ticket, salt=TICKET_SALT, max_age=TICKET_SECONDS)
    except (signing.BadSignature, ValueError):
        raise Refused(CLOSE_NOT_FOUND, NotFound()) from None
    if (id, owner_id) != (str(conversation_id), owner.id):
        raise Refused(CLOSE_NOT_FOUND, NotFound())
    return _agent_of(key), bool(more)


def locale_of(scope: dict[str, Any], options: dict[str, str]) -> dict[str, str]:
    """The language of the page, and the time zone of its browser where it names one."""
    request = HttpRequest()
    request.COOKIES = _cookies_of(scope)
    accepted = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
    request.META["HTTP_ACCEPT_LANGUAGE"] = accepted.decode("latin-1")
    found = {"language": translation.get_language_from_request(request)}
    try:
        return {**found, "time_zone": ZoneInfo(options["tz"]).key}
    except (KeyError, ValueError, OSError):  # one that this machine does not know is a KeyError
        return found


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
