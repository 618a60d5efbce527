"""A conversation for reading: one page of one of its branches, as the admin shows it.

Only an assistant's text becomes HTML, by `markdown.py`; all else is text that the template escapes. What is shown of
one record and of one page is bounded, whatever the agents have written.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F
from django.http import Http404
from django.utils.safestring import SafeString, mark_safe

from chat.admin.waterfall import Waterfall, title_of, waterfalls
from chat.markdown.colours import Patience
from chat.markdown.stream import render_within
from chat.models import Conversation, Message
from chat.models.message import beginnings
from chat.models.order import Placed, as_read
from chat.parts.stored import cards_of, in_html, replace_text
from chat.wire.values import json_text, visible

RECORDS_PER_PAGE = 50
MAX_TEXT_CHARS = 20_000  # of one text that is shown
MAX_HTML_BYTES = 128 * 1024  # of one assistant's text
MAX_BRANCHES = 50
DEEPEST = 4  # deeper agents are not indented any further


@dataclass(frozen=True)
class Clipped:
    """A text, and how many of its characters are not shown."""

    text: str
    left_out: int = 0

    @classmethod
    def of(cls, text: str, left_out: int = 0) -> Clipped:
        """`left_out`: of it what was not even read."""
        return cls(text[:MAX_TEXT_CHARS], left_out + max(0, len(text) - MAX_TEXT_CHARS))

    @classmethod
    def of_json(cls, value: Any) -> Clipped:
        return cls.of(json_text(value)) if value else cls("")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record. `version` and `versions` tell a message that was edited or answered again from its siblings."""

    record: Message
    version: int
    versions: int
    patience: Patience  # the page's, with the colours of code
    waterfall: Waterfall | None = None  # of the turn that begins here

    @property
    def indent(self) -> int:
        return min(self.record.depth, DEEPEST)

    @property
    def is_open(self) -> bool:
        """True for what is in progress; its text is at most some seconds old."""
        return self.record.seq is None

    @property
    def title(self) -> str:
        return title_of(self.record)

    @property
    def task(self) -> str:
        """The name of the sub-task in which it happened."""
        return visible(str((self.record.task or {}).get("name", ""))) if self.record.depth else ""

    @property
    def has_bad_end(self) -> bool:
        return self.record.status not in (Message.Status.COMPLETE, Message.Status.OPEN)

    @property
    def html(self) -> SafeString:
        """An assistant's text, as sanitised HTML; empty for others and where it is too long: then there is `text`."""
        record = self.record
        if record.kind != Message.Kind.ASSISTANT or replace_text(record.parts) or record.left_out.get("content"):
            return SafeString("")
        html, is_cut = render_within(record.content, MAX_HTML_BYTES, self.patience)
        return SafeString("") if is_cut else mark_safe(html)  # made by the sanitiser

    @property
    def cards(self) -> list[SafeString]:
        """What it shows beside its words, as sanitised HTML."""
        return [mark_safe(in_html(part, self.patience)) for part in cards_of(self.record.parts)]

    @property
    def text(self) -> Clipped:
        if replace_text(self.record.parts) and self.record.kind != Message.Kind.TOOL:
            return Clipped("")
        shown = Clipped.of(self.record.content, self.record.left_out.get("content", 0))
        return Clipped(shown.text, self.record.whole_chars - len(shown.text)) if self.record.whole_chars else shown

    @property
    def reasoning(self) -> Clipped:
        return Clipped.of(self.record.reasoning, self.record.left_out.get("reasoning", 0))

    @property
    def arguments(self) -> Clipped:
        return Clipped.of_json(self.record.tool_args)

    @property
    def answer(self) -> Clipped:
        return Clipped.of_json(self.record.answer)

    @property
    def sources(self) -> Clipped:
        return Clipped.of_json(self.record.sources)

    @property
    def attachments(self) -> Clipped:
        """The files that it has; not what is in them."""
        shown = [part["attachment"] for part in self.record.parts or () if "attachment" in part]
        return Clipped.of_json([*self.record.attachments, *shown])

    @property
    def error(self) -> str:
        """Code, sentence and incident of what went wrong."""
        error = self.record.error or {}
        parts = (error.get("code"), error.get("details"), error.get("incident"))
        return Clipped.of(" · ".join(str(part) for part in parts if part)).text


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One way through the tree of turns, named by its last turn."""

    head: uuid.UUID
    turns: int
    last: datetime
    is_current: bool
    is_shown: bool


class Transcript:
    """The branch that ends with the turn `head`; None: the conversation's current one. Raises: Http404."""

    def __init__(self, conversation: Conversation, *, head: str | None, page: str | None) -> None:
        self.conversation = conversation
        turns = conversation.messages.filter(turn=F("id")).order_by("seq")
        self._turns = {id: (follows, created) for id, follows, created in turns.values_list("id", "follows", "created")}
        self.head = conversation.head if head is None else self._known(head)
        self._path = self._path_to(self.head)
        ids = self._record_ids()
        self.page: Page[uuid.UUID] = Paginator(ids, RECORDS_PER_PAGE).get_page(page or 1)
        self.page_numbers = self.page.paginator.get_elided_page_range(self.page.number)

    @property
    def is_current(self) -> bool:
        return self.head == self.conversation.head

    @property
    def question(self) -> Clipped:
        """What the agent asks and nobody has answered yet."""
        question = self.conversation.question or {}
        return Clipped.of(visible(str(question.get("prompt", ""))))

    @property
    def entries(self) -> list[Entry]:
        """The records of the page, in order."""
        ids = list(self.page.object_list)
        found = {row.id: row for row in beginnings(Message.objects.filter(id__in=ids), MAX_HTML_BYTES)}
        records = [found[id] for id in ids if id in found]
        siblings: dict[uuid.UUID | None, list[uuid.UUID]] = defaultdict(list)
        for id, (follows, _) in self._turns.items():
            siblings[follows].append(id)
        entries = []
        patience = Patience()
        steps = waterfalls(records)
        for record in records:
            versions = siblings[record.follows] if record.id in self._turns else [record.id]
            version = versions.index(record.id) + 1
            entries.append(
                Entry(
                    record=record,
                    version=version,
                    versions=len(versions),
                    patience=patience,
                    waterfall=steps.get(record.id),
                )
            )
        return entries

    @property
    def branches(self) -> list[Branch]:
        """All branches, the last used first; none while there is only the one that is shown."""
        followed = {follows for follows, _ in self._turns.values()}
        heads = {id for id in self._turns if id not in followed}
        current = self.conversation.head
        if current:
            heads.add(current)  # it may be a turn in the middle of another branch
        newest = sorted(heads, key=lambda id: self._turns[id][1], reverse=True)[:MAX_BRANCHES]
        branches = [
            Branch(
                head=id,
                turns=len(self._path_to(id)),
                last=self._turns[id][1],
                is_current=id == current,
                is_shown=id == self.head,
            )
            for id in newest
        ]
        return [] if all(branch.is_shown for branch in branches) else branches

    def _known(self, head: str) -> uuid.UUID:
        try:
            id = uuid.UUID(head)
        except ValueError:
            raise Http404("There is no such turn.") from None
        if id not in self._turns:
            raise Http404("There is no such turn.")
        return id

    def _path_to(self, head: uuid.UUID | None) -> dict[uuid.UUID, None]:
        """The turns of the branch, the last one first."""
        path: dict[uuid.UUID, None] = {}
        while head in self._turns and head not in path:
            path[head] = None
            head = self._turns[head][0]
        return path

    def _record_ids(self) -> list[uuid.UUID]:
        """The records of the branch: before its first turn, then turn by turn; what is in progress last in its turn."""
        turns: dict[uuid.UUID | None, list[Placed]] = {turn: [] for turn in (None, *reversed(self._path))}
        for row in self.conversation.messages.exclude(kind=Message.Kind.HEAD).values_list(*Placed._fields):
            if row[1] in turns:
                turns[row[1]].append(Placed(*row))
        return [id for rows in turns.values() for id in as_read(rows)]
