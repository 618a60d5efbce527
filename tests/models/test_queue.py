"""What waits can be changed and taken back, until an agent has begun it."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from chat.actions.queue import cancel, revise
from chat.actions.send import accept_message
from chat.exceptions import Conflict, NotFound
from chat.models import Conversation
from chat.owners import Owner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice():
    return Owner(user_id=get_user_model().objects.create_user("alice").pk, name="alice")


@pytest.fixture
def queue(alice):
    """A conversation with a turn that runs and three that wait: its id, and the turns."""
    id = uuid.uuid4()
    turns = [
        accept_message(alice, id, content=f"text {n}", client_id=f"c{n}", new_agent="assistant").turn for n in range(4)
    ]
    with transaction.atomic():
        Conversation.objects.locked(id).queued[0].begin()
    return id, turns


def path(id) -> list[str]:
    conversation = Conversation.objects.get(id=id)
    return [row.content for row in conversation.records_to(conversation.head)]


def waiting(id) -> list[str]:
    return [turn.content for turn in Conversation.objects.get(id=id).queued]


def test_the_last_that_waits_is_taken_back(alice, queue):
    id, turns = queue
    done = cancel(alice, id, turn=turns[3])

    assert (done.dropped, done.turns) == ((turns[3],), ())
    assert waiting(id) == ["text 1", "text 2"] and path(id) == ["text 0", "text 1", "text 2"]
    assert [record.kind for record in done.records] == ["head"]


def test_from_the_middle_the_others_close_ranks(alice, queue):
    id, turns = queue
    done = cancel(alice, id, turn=turns[1])

    assert waiting(id) == ["text 2", "text 3"] and path(id) == ["text 0", "text 2", "text 3"]
    assert done.dropped == tuple(turns[1:]) and len(done.turns) == 2
    first, second = Conversation.objects.get(id=id).queued
    assert (first.follows, second.follows) == (turns[0], first.id)


def test_another_text_stands_in_its_place(alice, queue):
    id, turns = queue
    revise(alice, id, turn=turns[2], content="other")

    assert waiting(id) == ["text 1", "other", "text 3"] and path(id) == ["text 0", "text 1", "other", "text 3"]


def test_the_only_message_of_a_conversation_can_be_taken_back(alice):
    id = uuid.uuid4()
    turn = accept_message(alice, id, content="only", client_id=None, new_agent="assistant").turn
    cancel(alice, id, turn=turn)
    assert waiting(id) == path(id) == []
    assert Conversation.objects.get(id=id).head is None


@pytest.mark.parametrize("what", ["begun", "ended", "unknown"])
def test_what_an_agent_has_begun_cannot(alice, queue, what):
    id, turns = queue
    turn = uuid.uuid4() if what == "unknown" else turns[0]
    if what == "ended":
        Conversation.objects.get(id=id).messages.get(id=turn).end()
    for change in (lambda: cancel(alice, id, turn=turn), lambda: revise(alice, id, turn=turn, content="x")):
        with pytest.raises(Conflict):
            change()
    assert len(waiting(id)) == 3


def test_nobody_else_can(queue):
    id, turns = queue
    with pytest.raises(NotFound):
        cancel(Owner(visitor="f" * 64), id, turn=turns[3])
