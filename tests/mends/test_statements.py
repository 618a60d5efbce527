"""Statements that are made once say what Django says, for every kind of value."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from chat.clock import Now
from chat.mends.statements import Prepared, insert, update
from chat.models import ChatSession, Conversation, Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation():
    return Conversation.objects.create(visitor="a" * 64, agent_key="poet", title="Ünïcode 🙂")


def message(conversation, **fields):
    given = {
        "conversation": conversation,
        "seq": 1,
        "kind": Message.Kind.TOOL,
        "created": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "turn": uuid.uuid4(),
        "content": "Result: 'quoted' \\ %s 🙂",
        "usage": {"prompt_tokens": 3, "cost": 0.25},
        "tool_args": {"n": [1, None, "ü"]},
        "tool_calls": ["a", "b"],
        "regenerated": True,
        "duration_ms": 7,
    }
    return Message(**(given | fields))


def stored(row):
    """All fields of a row as they are in the database."""
    return type(row).objects.filter(pk=row.pk).values().get()


def test_insert_stores_what_save_stores(conversation):
    mine, djangos = message(conversation), message(conversation, seq=2)
    djangos.turn = mine.turn

    insert(mine)
    djangos.save()

    assert stored(mine) | {"id": None, "seq": None} == stored(djangos) | {"id": None, "seq": None}


def test_insert_reads_back_what_the_database_makes(conversation):
    row = Message(conversation=conversation, kind=Message.Kind.USER)

    insert(row)

    assert abs((row.created - datetime.now(UTC)).total_seconds()) < 60
    assert row.created == stored(row)["created"]


def test_a_row_that_was_inserted_is_no_new_one(conversation):
    row = message(conversation)

    insert(row)
    row.content = "changed"
    row.save()

    assert Message.objects.get().content == "changed"


def test_insert_keeps_the_constraints(conversation):
    insert(message(conversation))

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(message(conversation))


def test_update_changes_the_named_fields_alone(conversation):
    row = message(conversation)
    insert(row)
    before = stored(row)

    row.content, row.usage, row.turn, row.agent = "new", None, None, "not stored"
    update(row, "content", "usage", "turn")

    assert stored(row) == before | {"content": "new", "usage": None, "turn": None}


def test_update_stores_and_reads_back_the_database_s_clock(conversation):
    row = message(conversation)
    insert(row)

    row.ended, row.content = Now(), "done"
    update(row, "content", "ended")

    after = stored(row)
    assert after["content"] == "done"
    assert abs((after["ended"] - datetime.now(UTC)).total_seconds()) < 60
    assert row.ended == after["ended"]


def test_update_stores_money(conversation):
    record = ChatSession.objects.create(conversation=conversation, agent_key="poet", fence=1)

    record.cost = Decimal("1.2500015")
    update(record, "cost")

    assert ChatSession.objects.get().cost == Decimal("1.250002")


def test_a_prepared_query_finds_what_django_finds(conversation):
    other = Conversation.objects.create(visitor="b" * 64, agent_key="poet")
    for seq in (1, 2, 3):
        insert(message(conversation, seq=seq))
        insert(message(other, seq=seq))
    make = lambda id, seq: Message.objects.filter(conversation=id, seq__gt=seq, kind="tool").order_by("-seq")  # noqa: E731
    newer = Prepared(make, uuid.UUID, int)

    for id in (conversation.id, other.id):
        for seq in (0, 2, 3):
            assert [vars(row).keys() for row in newer(id, seq)] == [vars(row).keys() for row in make(id, seq)]
            assert [stored(row) for row in newer(id, seq)] == [stored(row) for row in make(id, seq)]


def test_values_reach_the_database_as_values(conversation):
    by_agent = Prepared(lambda text: Conversation.objects.filter(agent_key=text), str)

    assert by_agent("poet") == [conversation]
    assert by_agent("poet' OR '1'='1") == []
    assert by_agent.first("nobody") is None


def test_a_query_is_made_once(conversation, monkeypatch):
    calls = []
    by_id = Prepared(lambda id: calls.append(id) or Conversation.objects.filter(id=id), uuid.UUID)

    assert by_id(conversation.id) == by_id(conversation.id) == [conversation]
    assert len(calls) == 1


def test_a_value_that_is_not_in_the_query_is_a_mistake():
    with pytest.raises(AssertionError, match="not in"):
        Prepared(lambda id: Conversation.objects.all(), uuid.UUID)(uuid.uuid4())


def test_each_is_one_statement(conversation):
    row = message(conversation)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        insert(row)
        update(row, "content")

    assert len(queries) == 2
