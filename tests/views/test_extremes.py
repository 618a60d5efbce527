"""What is stored can be shown: the extreme of each field, on every page, in every answer, export and list."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from markdown_it import MarkdownIt

from chat.connection.catch_up import Lack, read
from chat.keeping.archive import to_zip
from chat.models import Attachment, ChatSession, Conversation, Feedback, Message, ServerProcess, Share
from chat.models.fields import Json
from chat.wire.frames import encode, fits
from chat.wire.values import MAX_DEPTH, clean_json

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),  # the client is synchronous
]

BIDI = "\u202etxt\u2066.exe\u200b\ufeff"
CONTROLS = "".join(map(chr, range(1, 32))) + "\x7f\x85\u2028\u2029"
HOSTILE = "<script>alert(1)</script>]]>--><!--{{ 7 }}{% if %}\"'\\\uffff\U0010ffff"
TEXTS = {
    "bidi": BIDI,
    "controls": CONTROLS,
    "marks": HOSTILE,
    "combining": "e" + "\u0301" * 2000,
    "longest": "x" * 200_000,
    "lines": "\n" * 100_000,
    "brackets": "[" * 20_000,
}


def nested(levels: int, kind: str = "dict") -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if kind == "dict" else [value]
    return value


VALUES = {
    "deepest": nested(MAX_DEPTH),
    "deep lists": nested(MAX_DEPTH, "list"),
    "numbers": {"huge": 10**299, "float": 1.7e308, "small": 5e-324, "negative": -(10**299)},
    "texts": {BIDI: CONTROLS, "": HOSTILE, "x" * 5000: "y" * 100_000},
    "many": {str(number): [] for number in range(5000)},
    "other types": clean_json({"nan": math.nan, "inf": -math.inf, "set": {1}, "bytes": b"\xff", 3: object}),
    "too deep": clean_json(nested(5000)),
    "too long": clean_json({"n": 10**5000}),
}
# What an earlier version let in, or another program: as the text of the column.
STORED = {
    "950 levels": '{"a":' * 950 + "1" + "}" * 950,
    "100,000 levels": "[" * 100_000 + "]" * 100_000,
    "5,000 digits": '{"n":' + "9" * 5000 + "}",
}
TEXT_FIELDS = ("content", "reasoning", "agent", "tool_name", "client_id")
JSON_FIELDS = tuple(field.name for field in Message._meta.get_fields() if isinstance(field, Json))
OBJECTS = ("tool_args", "answer", "error", "usage", "task")
KINDS = ("user", "assistant", "tool", "system")
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)
ADMINS = (Conversation, ChatSession, ServerProcess, Share, Attachment, Feedback)
viewer = MarkdownIt("commonmark", {"html": True})  # a reader of the export that runs HTML, unlike the page


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", is_staff=True, is_superuser=True)


@pytest.fixture
def conversation(alice) -> Conversation:
    return Conversation.objects.create(user=alice, agent_key="assistant", title="plain")


def store(conversation: Conversation, *, kinds: tuple[str, ...] = KINDS, **fields: Any) -> Message:
    """A turn with a record of each kind that has these fields."""
    turn = conversation.add_turn("say it", follows=conversation.head, ended=conversation.created)
    for number, kind in enumerate(kinds):
        own = fields | ({"client_id": f"{number}{fields['client_id']}"[:64]} if "client_id" in fields else {})
        conversation.append(Message(kind=kind, turn=turn.id, depth=number % 2, **own))
    return turn


def open_everything(user: User, conversation: Conversation) -> None:
    """Each page, answer, export and list that shows something of the conversation."""
    browser = Client()
    browser.force_login(user)
    base = f"/api/conversations/{conversation.id}"
    addresses = [
        f"/c/{conversation.id}/",
        "/api/conversations",
        f"{base}/records",
        f"{base}/records?html=1",
        f"{base}/export?format=json",
        f"{base}/export?format=zip",
        f"{base}/feedback",
        f"{base}/shares",
        "/api/search?q=plain",
        f"/c/{conversation.id}/print/",
        *(f"/s/{share.token}/" for share in conversation.shares.all()),
        *(f"{base}/records/{id}" for id in conversation.messages.values_list("id", flat=True)),
        *(reverse(f"admin:chat_{model._meta.model_name}_changelist") for model in ADMINS),
        reverse("admin:chat_conversation_change", args=[conversation.id]),
        reverse("admin:chat_conversation_delete", args=[conversation.id]),
        *(
            reverse(f"admin:chat_{model._meta.model_name}_change", args=[row.pk])
            for model in ADMINS[1:]
            for row in model.objects.all()
        ),
    ]
    for address in addresses:
        response = browser.get(address)
        content = b"".join(response) if response.streaming else response.content
        assert response.status_code == 200, address
        if "json" in response["Content-Type"]:
            json.loads(content, parse_constant=pytest.fail)
    markdown = b"".join(browser.get(f"{base}/export?format=markdown")).decode()
    tokens = [part for token in viewer.parse(markdown) for part in [token, *(token.children or [])]]
    assert not [token for token in tokens if token.type in ("html_block", "html_inline", "image")]
    assert b"".join(to_zip(conversation))
    stored = read(Lack(conversation_id=conversation.id, seq=0, greets=True, after=None))
    assert all(fits(encode(event)) for event in stored.records)
    encode(stored.snapshot.question)
    Conversation.objects.get(id=conversation.id).summary()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_text_is_shown(alice, conversation, text):
    short = {name: text[: Message._meta.get_field(name).max_length or len(text)] for name in TEXT_FIELDS}
    store(conversation, **short)
    conversation.title = text[:200]
    conversation.save()
    ChatSession.objects.create(conversation=conversation, fence=2**63 - 1, agent_key=text[:100], last_error=text[:200])
    ServerProcess.objects.create(host=f"h {text[:200]}", pid=2**31 - 1)
    open_everything(alice, conversation)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_value_is_shown(alice, conversation, value):
    fields = {name: value for name in JSON_FIELDS if name in OBJECTS or isinstance(value, list)}
    if not isinstance(value, dict):
        fields = {name: item for name, item in fields.items() if name in ("sources", "attachments")}
    fields.pop("attachments", None), fields.pop("parts", None)  # made by the server alone
    store(conversation, **fields)
    question = {"type": "input_request", "request_id": str(uuid.uuid4()), "turn": None, "kind": "approval"}
    question |= {"prompt": HOSTILE, "options": [value], "tool_args": value, "agent": BIDI, "timeout": None}
    Conversation.objects.filter(id=conversation.id).update(question=question, state="waiting")
    open_everything(alice, conversation)


@pytest.mark.parametrize("text", STORED.values(), ids=STORED)
@pytest.mark.parametrize("field", ["tool_args", "answer", "error", "usage", "sources", "task"])
def test_what_could_never_be_read_is_shown_as_unreadable(alice, conversation, text, field):
    store(conversation)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints=ON")  # SQLite's own reader has bounds too
        cursor.execute(f"UPDATE chat_message SET {field} = %s", [text])
        cursor.execute("UPDATE chat_conversation SET question = %s", [text])
        cursor.execute("PRAGMA ignore_check_constraints=OFF")
    open_everything(alice, conversation)


def test_every_number_is_shown(alice, conversation):
    store(conversation, duration_ms=2**31 - 1, whole_chars=2**31 - 1, model_chars=2**31 - 1)
    conversation.messages.filter(kind="tool").update(depth=32_767)
    conversation.messages.filter(kind="system").update(seq=2**31 - 1)
    fields = {"turns": 2**31 - 1, "prompt_tokens": 2**31 - 1, "completion_tokens": 2**31 - 1, "errors": 2**31 - 1}
    ChatSession.objects.create(
        conversation=conversation, fence=2**63 - 1, agent_key="a", cost="999999.999999", started=LAST_MOMENT, **fields
    )
    changes = {"fence": 2**63 - 1, "size_bytes": 2**63 - 1, "newest_seq": 2**31 - 1, "read_seq": 2**31 - 1}
    Conversation.objects.filter(id=conversation.id).update(**changes, updated=LAST_MOMENT)
    open_everything(alice, conversation)


HUGE = ("0", "-1", "1", str(2**31), str(2**63), str(2**200), "9" * 5000, "٣", "1e9", "nan", "\x00", "x" * 3000)


@pytest.mark.parametrize("number", HUGE)
def test_a_cursor_may_be_anything(alice, conversation, number):
    store(conversation)
    browser = Client()
    browser.force_login(alice)
    change = reverse("admin:chat_conversation_change", args=[conversation.id])
    sessions = reverse("admin:chat_chatsession_changelist")
    asked = [
        (f"/api/conversations/{conversation.id}/records", ("before", "limit", "html")),
        ("/api/conversations", ("before", "limit")),
        (f"/api/conversations/{conversation.id}/export", ("format",)),
        (change, ("page", "head")),
        (sessions, ("p", "o", "q", "live", "agent", "started__year", "conversation__id__exact", "end_reason__exact")),
        (reverse("admin:chat_conversation_changelist"), ("p", "o", "q", "updated__day", "state__exact", "all")),
    ]
    for address, names in asked:
        for name in names:
            assert browser.get(address, {name: number}).status_code < 500, (address, name)
    for after in (-(2**70), -1, 0, 2**31, 2**63, 2**70):
        lack = Lack(conversation_id=conversation.id, seq=0, greets=True, after=after)
        assert len(read(lack).records) == 5


HUGE_CHARS = 20_000_000
PARTS = ("text", "image", "audio", "pdf", "file", "table", "json", "diff", "code", "hits", "html")
LIVE = "`\n\n<script>x()</script>\r\r<b>\r\n# no\n\n![a](https://e.org/x.png)\n\n```\n</pre><img src=x onerror=x()>"
LATER = {"live": LIVE + BIDI + CONTROLS + HOSTILE, "combining": TEXTS["combining"], "brackets": TEXTS["brackets"]}


def part_of(kind: str, text: str, file: Attachment) -> dict[str, Any]:
    """What is stored of a part of this kind, with the text wherever there is room for one."""
    rows = [[text[:500]], [10**15], [None]]
    value = {text[:300]: text, "n": VALUES["numbers"], "deep": nested(50)}
    hit = {"title": text[:300], "url": f"https://e.org/{text[:2000]}", "text": text[:600]}
    names = dict.fromkeys(("name", "alt", "language"), text[:300])
    return {
        **names,
        "kind": kind,
        "attachment": file.description(),
        "columns": [text[:300]],
        "rows": rows,
        "total": 10**12,
        "total_columns": 10**12,
        "hits": [hit, {"title": text[:300]}, {}],
        "html": text,
        "data": {"columns": [text[:300]], "rows": rows},
        "width": 10**9,
        "height": 0,
    } | ({"value": value} if kind == "json" else {"text": text})


def sources_of(text: str, file: Attachment) -> list[Any]:
    everywhere = dict.fromkeys(("title", "document", "page", "quote", "url"), text[:2000])
    web = {"url": f"https://e.org/{text[:2000]}", "attachment": file.description()}
    return [everywhere | {"number": 10**30}, web, nested(50), text[:100], {}]


@pytest.mark.parametrize("text", LATER.values(), ids=LATER)
def test_whatever_stands_in_a_card_a_source_or_a_name_is_shown(alice, conversation, text):
    fields = {"owner": conversation.owner, "conversation": conversation}
    file = Attachment.objects.store(io.BytesIO(b"x"), name="a.png", **fields)
    file.name, file.media_type = text[:200], text[:100]
    file.save()
    turn = store(conversation, tool_name=text[:200], agent=text[:200], error={"details": text, "incident": text})
    for kind in PARTS:
        part = {"parts": [part_of(kind, text, file)], "attachments": [file.description()]}
        store(conversation, kinds=("assistant", "tool"), content=f"{text}[^1]", sources=sources_of(text, file), **part)
    answers = ({"approved": True, "tool_args": {text[:100]: nested(50)}}, {"approved": False, "always": True})
    for answer in answers:
        store(conversation, kinds=("user",), content=text, answer=answer, request_id=uuid.uuid4())
    said = {"conversation": conversation, "agent_key": "a", "value": "up", "reasons": [text], "comment": text[:2000]}
    Feedback.objects.create(message=conversation.messages.get(turn=turn.id, kind="assistant"), **said)
    for with_tools in (False, True):
        Share.objects.create(conversation=conversation, expires=LAST_MOMENT, with_tools=with_tools)
    changes = {"folder": text[:60], "title": text[:200], "allowed": [text], "suggestions": [text], "asking": [text]}
    changes |= {"settings": {text[:50]: text}, "locale": {"language": text, "time_zone": text}}
    Conversation.objects.filter(id=conversation.id).update(**changes)
    conversation.refresh_from_db()
    open_everything(alice, conversation)


@pytest.mark.parametrize("kind", ["user", "assistant", "tool"])
def test_of_a_text_that_was_stored_before_there_was_a_limit_no_more_is_read_than_is_shown(alice, conversation, kind):
    store(conversation)
    share = Share.objects.create(conversation=conversation, expires=LAST_MOMENT, with_tools=True)
    browser = Client()
    browser.force_login(alice)
    addresses = [
        f"/api/conversations/{conversation.id}/records?before=9&html=1",
        reverse("admin:chat_conversation_change", args=[conversation.id]),
        f"/s/{share.token}/",
        f"/c/{conversation.id}/print/",
    ]
    for address in addresses:
        assert browser.get(address).status_code == 200  # what is made once is there
    conversation.messages.filter(kind=kind).update(content="x" * HUGE_CHARS, reasoning="y" * HUGE_CHARS)
    for address in addresses:
        tracemalloc.start()
        page = browser.get(address).content.decode()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < HUGE_CHARS and page.count("x" * 10_000), (address, peak)
        assert "api" in address or "more characters are not shown" in page or kind == "tool"
