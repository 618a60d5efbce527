"""The chat in a frame of another site's page: who sits there, as that site's server says, and without a cookie.

    from chat.embed import ticket_for
    ticket_for("customer-4711", agent="poet")    # on the site's server, or POST /api/embed/tickets from another

The ticket says for `TICKET_SECONDS` who asks, and for which agent. The page around hands it to the page in the frame,
which gives it to the socket as its first frame; what HTTP is needed for goes by the `access` of the `connection` frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core import signing

from chat.conf import agents
from chat.owners import Owner, embedded_owner

SALT = "chat.embed.ticket"
TICKET_SECONDS = 60
MAX_PERSON_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """Who sits before the frame, and with which agent it talks."""

    owner: Owner
    agent: str


def ticket_for(person: str, *, agent: str) -> str:
    """Return a ticket for a person, by whatever stable id the embedding site knows it.

    The same id has the same conversations again. Any thread. Raises: ValueError for an id that is empty or above
    `MAX_PERSON_CHARS`, and for an agent that is not in CHAT_AGENTS.
    """
    if not isinstance(person, str) or not 0 < len(person) <= MAX_PERSON_CHARS:
        raise ValueError(f"A person is named by 1 to {MAX_PERSON_CHARS} characters.")
    if agent not in agents():
        raise ValueError("There is no such agent.")
    return signing.dumps([person, agent], salt=SALT, compress=False)


def read_ticket(text: Any) -> Ticket | None:
    """Return what a ticket says; None for one that is too old, or not ours."""
    try:
        person, agent = signing.loads(text, salt=SALT, max_age=TICKET_SECONDS)
    except (signing.BadSignature, TypeError, AttributeError, ValueError):
        return None
    return Ticket(owner=embedded_owner(person), agent=agent)
