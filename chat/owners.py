"""Who owns a conversation: a signed-in user, or an anonymous visitor known by a signed cookie.

The cookie holds 32 random bytes; the database holds only their hash, so that neither a leaked table nor a log lets
anyone act as the visitor. A session id or a conversation's id is never a credential.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, get_user
from django.core import signing
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from chat.conf import conf

COOKIE = "chat_visitor"
COOKIE_SECONDS = 365 * 24 * 3600
RENEW_SECONDS = 24 * 3600  # of age, at which a visitor who comes gets the cookie anew
ACCESS = "Chat"  # the scheme of the `Authorization` header of a page that has no cookie
ACCESS_SALT = "chat.embed.access"
ACCESS_SECONDS = 24 * 3600  # as long as a page may be open without a new connection


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A user (by primary key) or an anonymous visitor (by the hash of the cookie's key): exactly one of the two."""

    user_id: Any = None
    visitor: str = ""
    name: str = "anonymous"
    session_key: str = ""  # the HTTP session that signed the user in
    session_hash: str = ""  # changes with the password
    is_vouched_for: bool = False  # named by an embedding site (`embed.py`) or this process itself (`local.py`)
    address: str | None = field(default=None, compare=False)  # of a stranger, who is limited by it too

    @property
    def is_stranger(self) -> bool:
        """True for whom nobody vouches: neither an account nor an embedding site."""
        return self.user_id is None and not self.is_vouched_for

    @property
    def filter(self) -> Q:
        """The conversations of this owner. What is said twice lets SQLite use the index of visitors."""
        if self.user_id is not None:
            return Q(user_id=self.user_id)
        return Q(user=None, visitor=self.visitor) & ~Q(visitor="")

    @property
    def fields(self) -> dict[str, Any]:
        """The same as fields of a new conversation."""
        return {"user_id": self.user_id, "visitor": self.visitor}

    @property
    def id(self) -> str:
        """A stable text that names the owner, for groups and tickets; it tells nothing about who it is."""
        source = f"user:{self.user_id}" if self.user_id is not None else f"visitor:{self.visitor}"
        return hashlib.sha256(source.encode()).hexdigest()[:32]

    @property
    def group(self) -> str:
        """The channel layer's group of all connections of this owner."""
        return f"chat.owner.{self.id}"


def owner_of_request(request: HttpRequest) -> Owner | None:
    """Return who makes this HTTP request; None: nobody that may chat (sign in first)."""
    if has_access(request):
        return _owner_of_access(request.headers["Authorization"].removeprefix(ACCESS).strip())
    _keep_key(request.session)
    if request.user.is_authenticated:
        return _signed_in(request.user, request.session)
    return _visitor(request.COOKIES)


def _keep_key(session: Any) -> None:
    """Let the session have its key after a change of SECRET_KEY, when whoever looks at its user would give it another.

    A socket could not hand that to the browser. Of a page's requests the first would end the session that all others
    name, and those of its other tabs.
    """
    session.cycle_key = lambda: None


def has_access(request: HttpRequest) -> bool:
    """Whether the request names its owner itself: no browser does that unasked, and no cookie counts then."""
    return request.headers.get("Authorization", "").startswith(f"{ACCESS} ")


def visitor_of_request(request: HttpRequest) -> Owner | None:
    """Return the visitor that this browser is, or was before it signed in."""
    return _visitor(request.COOKIES)


def has_session(cookies: Mapping[str, str]) -> bool:
    """True if only the database knows whose cookies these are."""
    return bool(cookies.get(settings.SESSION_COOKIE_NAME))


def owner_of_cookies(cookies: Mapping[str, str]) -> Owner | None:
    """Return who opens a socket with these cookies; None: nobody that may chat.

    Reads the database if `has_session(cookies)`: not on the loop then.
    """
    if has_session(cookies):
        session = import_module(settings.SESSION_ENGINE).SessionStore(cookies[settings.SESSION_COOKIE_NAME])
        request = HttpRequest()
        request.session = session
        _keep_key(session)
        user = get_user(request)
        if user.is_authenticated:
            return _signed_in(user, session)
    return _visitor(cookies)


def cookie_name() -> str:
    """The name of a visitor's cookie. With TLS the prefix makes a browser refuse one from a neighbouring domain."""
    return f"__Host-{COOKIE}" if settings.SESSION_COOKIE_SECURE else COOKIE


def new_visitor() -> tuple[Owner, str]:
    """Make an anonymous owner; return it with the cookie's value."""
    key = secrets.token_hex(32)
    return Owner(visitor=_digest(key)), signing.TimestampSigner(salt=COOKIE).sign(key)


def renewed(cookies: Mapping[str, str]) -> str | None:
    """A visitor's cookie with the date and the SECRET_KEY of today; None for one of today, and for a bad one.

    Who comes back loses no conversations to the cookie's end, nor to a SECRET_KEY that is no fallback any more.
    """
    key, is_new = _key_of(cookies), _key_of(cookies, seconds=RENEW_SECONDS)
    return signing.TimestampSigner(salt=COOKIE).sign(key) if key and not is_new else None


def visitor_of_session(browser_session: str) -> Owner:
    """The anonymous owner that a page of the prototype names; whoever knows the id is that owner."""
    return Owner(visitor=_digest(f"session {browser_session}"))


def embedded_owner(person: str) -> Owner:
    """The owner that an embedding site names by an id of its own."""
    return Owner(visitor=_digest(f"embedded {person}"), is_vouched_for=True)


def access_of(owner: Owner) -> str:
    """What the page of an embedded owner puts into its requests' `Authorization: Chat …`."""
    return signing.dumps(owner.visitor, salt=ACCESS_SALT)


def _owner_of_access(access: str) -> Owner | None:
    try:
        return Owner(visitor=signing.loads(access, salt=ACCESS_SALT, max_age=ACCESS_SECONDS), is_vouched_for=True)
    except signing.BadSignature:
        return None


def remember(response: HttpResponse, cookie: str) -> None:
    """Give the visitor the cookie of `new_visitor()`."""
    response.set_cookie(
        cookie_name(),
        cookie,
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,  # type: ignore[arg-type]  # "None" in frames of other sites
    )


def still_valid(owners: set[Owner]) -> set[Owner]:
    """Return those of `owners` that may still chat: account active, password and HTTP session unchanged.

    Two queries with the database's sessions, whatever the number of owners. Reads the database: not on the loop.
    """
    from django.contrib.auth import get_user_model

    visitors = {owner for owner in owners if owner.user_id is None}
    valid = visitors if conf.ALLOW_ANONYMOUS else {owner for owner in visitors if owner.is_vouched_for}
    if signed_in := owners - visitors:
        users = get_user_model()._default_manager.in_bulk({owner.user_id for owner in signed_in})
        hashes = {pk: user.get_session_auth_hash() for pk, user in users.items() if user.is_active}
        sessions = _existing_sessions({owner.session_key for owner in signed_in})
        valid |= {
            owner
            for owner in signed_in
            if owner.user_id in hashes and (owner.is_vouched_for or _is_signed_in(owner, hashes, sessions))
        }
    return valid


def _is_signed_in(owner: Owner, hashes: Mapping[Any, str], sessions: set[str]) -> bool:
    return hashes[owner.user_id] == owner.session_hash and owner.session_key in sessions


def _existing_sessions(keys: set[str]) -> set[str]:
    from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions

    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, DatabaseSessions):
        return {key for key in keys if store(session_key=key).load()}  # `exists` knows nothing of sessions in cookies
    rows = store.get_model_class().objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return set(rows.values_list("session_key", flat=True))


def _signed_in(user: Any, session: Any) -> Owner:
    return Owner(
        user_id=user.pk,
        name=user.get_username(),
        session_key=session.session_key or "",
        session_hash=session.get(HASH_SESSION_KEY, ""),
    )


def _visitor(cookies: Mapping[str, str]) -> Owner | None:
    if not conf.ALLOW_ANONYMOUS:
        return None
    key = _key_of(cookies)
    return Owner(visitor=_digest(key)) if key else None


def _key_of(cookies: Mapping[str, str], *, seconds: int | None = None) -> str | None:
    """A visitor's key, from a cookie that is not older than so many seconds."""
    try:
        signer = signing.TimestampSigner(salt=COOKIE)
        return signer.unsign(cookies.get(cookie_name(), ""), max_age=COOKIE_SECONDS if seconds is None else seconds)
    except signing.BadSignature:
        return None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
