"""Find what an owner has read or written.

Nothing is indexed while a turn runs: storing a record costs what it did. Whoever looks for something first has the
index catch up with what the own conversations have got meanwhile (`Conversation.indexed_seq`), the newest first; the
page asks for that when its search opens. So the index lacks nothing, and people who never search have none.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import OperationalError, connection
from django.db.models import F, QuerySet

from chat.mends.locks import brief_transaction
from chat.models import Conversation, Message
from chat.owners import Owner
from chat.search.index import Entry, index_of
from chat.search.words import Passage, Phrase, passage_of, phrases_of, without_marks, words_of

logger = logging.getLogger(__name__)

ROWS = 100  # conversations that are looked up at once
BATCH = 100  # records that are put into the index in one transaction
CATCH_UP_SECONDS = 0.3  # for which somebody waits; then the next question goes on
LOCK_SECONDS = 0.2
MAX_HITS = 20
MAX_TITLES = 5
# What is read. Results of tools are not: one may be as long as a thousand messages, and nobody remembers its words.
KINDS = (Message.Kind.USER, Message.Kind.ASSISTANT)
READ = ("id", "seq", "kind", "content", "attachments", "parts", "sources", "created")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A message in which all that is looked for stands."""

    message: Message
    passage: Passage
    is_current: bool  # False: of a version that was left for another one


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found: the newest first."""

    hits: Sequence[Hit] = ()
    titles: Sequence[Conversation] = ()
    is_complete: bool = True  # False: the index has not caught up yet, ask again
    has_index: bool = True  # False: of this database titles alone can be searched


def find(owner: Owner, query: str) -> Found:
    """Look for a query's words in what the owner may see. Blocking; with an empty query the index catches up alone."""
    is_complete = catch_up(owner)
    phrases = phrases_of(query)
    if not phrases:
        return Found(is_complete=is_complete)
    index = index_of(connection)
    hits = _hits(owner, index.find(owner, phrases, 2 * MAX_HITS), phrases)
    return Found(hits=hits, titles=_titles(owner, query), is_complete=is_complete, has_index=index.is_there)


def _hits(owner: Owner, ids: Sequence[uuid.UUID], phrases: Sequence[Phrase]) -> list[Hit]:
    """The messages, each text of a conversation once: asking again repeats the question."""
    theirs = Message.objects.filter(conversation__in=Conversation.objects.listed(owner))
    rows = theirs.select_related("conversation").in_bulk(ids)
    messages = [rows[id] for id in ids if id in rows]
    paths = _paths({row.conversation for row in messages})
    hits: dict[tuple[uuid.UUID, str], Hit] = {}
    for row in messages:
        path = paths.get(row.conversation_id)
        is_current = path is None or row.turn is None or row.turn in path
        text = _text_of(row)
        known = hits.get((row.conversation_id, text))
        if known is None or (is_current and not known.is_current):
            read = without_marks(text) if row.kind == Message.Kind.ASSISTANT else text
            hits[row.conversation_id, text] = Hit(message=row, passage=passage_of(read, phrases), is_current=is_current)
    return list(hits.values())[:MAX_HITS]


def _text_of(message: Message) -> str:
    """What is looked through of a message: what it says, the names of its files, of what it shows, of its sources."""
    names = [file.get("name") for file in message.attachments]
    names += [part.get("name") for part in message.parts or ()]
    names += [source.get("title") or source.get("document") for source in message.cited]
    unsaid = dict.fromkeys(str(name) for name in names if name and str(name) not in message.content)
    return "\n".join([message.content, *unsaid]).strip()


def _paths(conversations: Iterable[Conversation]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """The turns of the transcripts of those that have been another one; in all others every turn is current."""
    moves = Message.objects.filter(kind=Message.Kind.HEAD, conversation__in=conversations)
    moved = set(moves.values_list("conversation", flat=True))
    return {row.id: set(row.turns_to(row.head)) for row in conversations if row.id in moved}


def _titles(owner: Owner, query: str) -> list[Conversation]:
    rows = Conversation.objects.listed(owner).order_by("-updated")
    for word in query.replace('"', " ").split():
        rows = rows.filter(title__icontains=word)
    return list(rows[:MAX_TITLES])


# -- catching up -------------------------------------------------------------------------------------------------------


def behind(owner: Owner) -> QuerySet[Conversation]:
    """The conversations of which the index does not know all, the last used first."""
    return Conversation.objects.listed(owner).filter(indexed_seq__lt=F("newest_seq")).order_by("-updated")


def catch_up(owner: Owner, *, seconds: float = CATCH_UP_SECONDS) -> bool:
    """Put what is new into the index, for so long. False: there is more, or somebody else has the database."""
    index, deadline = index_of(connection), time.monotonic() + seconds
    if not index.is_there:
        return True
    try:
        while rows := behind(owner).only("id", "indexed_seq")[:ROWS]:
            for row in rows:
                _index_next(owner, row)
                if time.monotonic() > deadline:
                    return not behind(owner).exists()
    except OperationalError as error:
        logger.info("the search index has not caught up: %s", type(error.__cause__ or error).__name__)
        return False
    return True


def _index_next(owner: Owner, row: Conversation) -> None:
    """Put the next records of a conversation into the index. The words are made before the row is locked."""
    after = row.indexed_seq
    records = list(row.records(after=after).only(*READ)[:BATCH])
    entries = [
        Entry(message=record.id, conversation=row.id, created=record.created, words=words_of(_text_of(record)))
        for record in records
        if record.kind in KINDS and (record.content or record.attachments)
    ]
    try:
        with brief_transaction(seconds=LOCK_SECONDS):
            locked = Conversation.objects.locked(row.id, owner=owner)
            if locked.indexed_seq != after:
                return  # somebody else did
            index_of(connection).add(owner, entries)
            Conversation.objects.filter(id=row.id).update(indexed_seq=records[-1].seq)
    except Conversation.DoesNotExist:
        pass  # deleted meanwhile, or another's


def forget(ids: Sequence[uuid.UUID]) -> None:
    """Have the index make what it knows of these conversations anew: they have another owner now. In a transaction."""
    index = index_of(connection)
    for id in Conversation.objects.filter(id__in=ids, indexed_seq__gt=0).values_list("id", flat=True):
        index.forget(id)
    Conversation.objects.filter(id__in=ids).update(indexed_seq=0)
