"""One record of a conversation as it is read without the page: its text, what it shows, its sources and files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from chat.files import kinds
from chat.markdown import targets
from chat.markdown.colours import Patience
from chat.markdown.stream import render_within
from chat.models import Message
from chat.models.message import beginnings
from chat.parts.stored import cards_of, in_html
from chat.wire.values import json_text, visible

RECORDS_PER_READ = 100
MAX_HTML_BYTES = 256 * 1024  # of one answer
MAX_TEXT_CHARS = 20_000  # of one text of a tool
_BLANK: tuple[object, ...] = (None, "", [])  # fields of a form that were left as they are

_LINK = re.compile(r'<a href="(https?://([^"]*))"[^>]*>(.*?)</a>', re.DOTALL)

Address = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class File:
    """What a record gives or shows that lies in a file."""

    name: str
    type: str
    size: int
    url: str
    alt: str
    width: int | None
    height: int | None

    @property
    def is_image(self) -> bool:
        return self.type in kinds.IMAGES

    @property
    def is_audio(self) -> bool:
        return self.type in kinds.AUDIO


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record as it is read."""

    record: Message
    patience: Patience  # the page's, with the colours of code
    with_tools: bool
    address_of: Address  # of a file
    before: Message | None  # the record that stands before it

    @property
    def is_user(self) -> bool:
        return self.record.kind == Message.Kind.USER

    @property
    def is_tool(self) -> bool:
        return self.record.kind == Message.Kind.TOOL

    @property
    def who(self) -> str:
        return visible(self.record.agent) or _("Assistant")

    @property
    def goes_on(self) -> bool:
        """Whether who speaks has just spoken: then nobody needs to be told again."""
        before, record = self.before, self.record
        return (
            before is not None
            and not self.is_user
            and not self.has_bad_end
            and (before.kind, before.agent, before.depth) == (record.kind, record.agent, record.depth)
        )

    @property
    def indent(self) -> int:
        return min(self.record.depth, 3)

    @property
    def has_bad_end(self) -> bool:
        return self.record.status != Message.Status.COMPLETE

    @property
    def html(self) -> SafeString:
        """An answer, as sanitised HTML; empty where it is too long: then there is its text."""
        if self.record.kind != Message.Kind.ASSISTANT or self.left_out:
            return SafeString("")
        html, is_cut = render_within(self.record.content, MAX_HTML_BYTES, self.patience)
        return SafeString("") if is_cut else mark_safe(_LINK.sub(_with_target, html))  # made by the sanitiser

    @property
    def left_out(self) -> int:
        """How many characters of its text are not shown."""
        return self.record.left_out.get("content", 0)

    @property
    def text(self) -> str:
        """What it says; an answer to a question says what it meant."""
        answer, content = self.record.answer or {}, self.record.content
        given = answer.get("tool_args", {}).items()
        values = [f"{name}: {_text_of(value)}" for name, value in given if "approved" in answer or value not in _BLANK]
        if values and (self.with_tools or "approved" not in answer):
            return "\n".join([_("Approved, changed to"), *values] if answer.get("approved") else values)
        if answer.get("approved") is False and content != "Rejected":
            return _("Rejected: {reason}").format(reason=content)
        return content

    @property
    def text_is_shown(self) -> bool:
        """Whether its text says more than what is shown in its place."""
        return not self.record.parts or any(part["kind"] == "text" for part in self.record.parts)

    @property
    def cards(self) -> list[SafeString]:
        """What it shows beside its words and files, as sanitised HTML."""
        return [self._card(part) for part in self._carded if part["kind"] != "image"]

    @property
    def points(self) -> list[SafeString]:
        """The points of its figures, which stand below these."""
        return [self._card(part) for part in self._carded if part["kind"] == "image"]

    @property
    def _carded(self) -> list[dict[str, Any]]:
        return cards_of(self.record.parts) if self.with_tools or not self.is_tool else []

    def _card(self, part: dict[str, Any]) -> SafeString:
        return mark_safe(in_html(part, self.patience))  # made by the sanitiser, or escaped

    @property
    def sources(self) -> list[dict[str, Any]]:
        """What an answer stands on, with its page of the web or its file."""
        return [
            {
                "number": source.get("number", at),
                "name": (name := str(source.get("title") or source.get("document") or source.get("url", ""))),
                "page": source.get("page", ""),
                "quote": source.get("quote", ""),
                "url": url if (url := str(source.get("url", ""))).startswith(("http://", "https://")) else "",
                "target": targets.told(name, url) if url else "",
                "file": self._file(source["attachment"], {}) if "attachment" in source else None,
            }
            for at, source in enumerate(self.record.cited, 1)
        ]

    @property
    def details(self) -> list[tuple[str, str]]:
        """What a tool got and gave, where that is to be shown."""
        if not (self.is_tool and self.with_tools):
            return []
        arguments = json_text(self.record.tool_args) if self.record.tool_args else ""
        found = [(_("Arguments"), arguments), (_("Result"), self.record.content)]
        return [(title, text[:MAX_TEXT_CHARS]) for title, text in found if text]

    @property
    def files(self) -> list[File]:
        if self.is_tool and not self.with_tools:
            return []
        given = [self._file(item, {}) for item in self.record.attachments]
        return given + [self._file(part["attachment"], part) for part in with_files(self.record.parts)]

    def _file(self, item: dict[str, Any], part: dict[str, Any]) -> File:
        return File(
            name=visible(item["name"]),
            type=item["type"],
            size=item["size"],
            url=self.address_of(item["id"]),
            alt=visible(part.get("alt") or item["name"]),
            width=part.get("width"),
            height=part.get("height"),
        )

    @property
    def error(self) -> str:
        return str((self.record.error or {}).get("details", "")) if self.with_tools or not self.is_tool else ""


def _text_of(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json_text(value)


def _with_target(link: re.Match[str]) -> str:
    """A link of the sanitiser's, and for paper where it leads, unless that is what it says."""
    target, without_scheme, text = link.groups()
    is_told = target in text or text == without_scheme
    return link[0] if is_told else f'{link[0]}<span class="reading-target"> ({target})</span>'


def with_files(parts: list[Any] | None) -> list[dict[str, Any]]:
    return [part for part in parts or () if isinstance(part, dict) and "attachment" in part]


def entries(ids: Sequence[UUID], *, with_tools: bool, address_of: Address) -> Iterator[Entry]:
    patience = Patience()
    before = None
    for record in _records(ids):
        entry = Entry(record=record, patience=patience, with_tools=with_tools, address_of=address_of, before=before)
        if entry.is_tool or entry.error or entry.files or record.content.strip():
            yield entry
            before = record


def _records(ids: Sequence[UUID]) -> Iterator[Message]:
    for at in range(0, len(ids), RECORDS_PER_READ):
        part = ids[at : at + RECORDS_PER_READ]
        found = {row.id: row for row in beginnings(Message.objects.filter(id__in=part), MAX_HTML_BYTES)}
        yield from (found[id] for id in part if id in found)
