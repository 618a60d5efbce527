"""`manage.py purge` removes what is old, and nothing that anybody uses."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat.keeping import retention
from chat.models import ChatSession, Conversation, Message, ServerProcess
from chat.owners import Owner

pytestmark = pytest.mark.django_db(transaction=True)

VISITOR = Owner(visitor="f" * 64)
SECRET = "a secret text"


@pytest.fixture
def alice() -> Owner:
    return Owner(user_id=User.objects.create_user("alice").pk)


def ago(days: float):
    return timezone.now() - timedelta(days=days)


def process(*, days: float = 0) -> ServerProcess:
    """A process that has renewed its lease so many days ago."""
    row = ServerProcess.objects.create(host="here", pid=1)
    ServerProcess.objects.filter(id=row.id).update(renewed=ago(days))
    return row


def conversation(*, days: float, owner: Owner = VISITOR, process: ServerProcess | None = None) -> Conversation:
    """A conversation with one turn, last used so many days ago, with the record of its ended session."""
    row = Conversation.objects.create(agent_key="a", owner_process=process, **owner.fields)
    row.add_turn(SECRET, follows=None)
    ChatSession.objects.create(conversation=row, agent_key="a", fence=0, process=process, ended=ago(days))
    Conversation.objects.filter(id=row.id).update(updated=ago(days))
    return row


def purge(*options: str) -> dict[str, int]:
    """Run the command; return the numbers that it prints."""
    out, err = StringIO(), StringIO()
    call_command("purge", *options, stdout=out, stderr=err)
    assert not err.getvalue() and SECRET not in out.getvalue()
    return {name: int(number) for name, number in (line.split(": ") for line in out.getvalue().splitlines())}


def test_a_visitor_s_conversation_goes_after_thirty_days_and_not_before():
    kept, gone = conversation(days=29.9), conversation(days=30.1)

    assert purge()["conversations of visitors"] == 1
    assert list(Conversation.objects.all()) == [kept]
    assert not Message.objects.filter(conversation=gone.id).exists()
    assert not ChatSession.objects.filter(conversation=gone.id).exists()


def test_the_days_of_visitors_are_an_option():
    conversation(days=2)

    assert purge("--anonymous-days", "3")["conversations of visitors"] == 0
    assert purge("--anonymous-days", "1")["conversations of visitors"] == 1


def test_what_users_have_is_kept_unless_asked(alice):
    conversation(days=1000, owner=alice)

    assert set(purge().values()) == {0}
    assert purge("--days", "999")["conversations of users"] == 1
    assert not Conversation.objects.exists()


def test_session_records_go_with_days_and_their_conversation_stays():
    row = conversation(days=50)
    Conversation.objects.filter(id=row.id).update(updated=ago(0))
    ChatSession.objects.create(conversation=row, agent_key="a", fence=1)  # it runs

    assert purge("--days", "40")["session records"] == 1
    assert [session.ended for session in row.sessions.all()] == [None]


def test_a_conversation_whose_agent_lives_stays_however_old():
    kept = conversation(days=90, process=process())
    conversation(days=90, process=process(days=2))

    assert purge()["conversations of visitors"] == 1
    assert list(Conversation.objects.all()) == [kept]


def test_more_than_a_batch_is_deleted(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        conversation(days=40)

    assert purge("--days", "39")["conversations of visitors"] == 5
    assert not Conversation.objects.exists()


def test_records_of_sign_ins_go_after_thirty_days(client):
    for name in ("old", "new"):
        client.post("/accounts/login/", {"username": name, "password": "wrong"})
    AccessLog.objects.create(username="alice", ip_address="127.0.0.1")
    AccessLog.objects.update(attempt_time=ago(31))
    AccessAttempt.objects.filter(username="old").update(attempt_time=ago(31))

    assert purge("--dry-run")["sign-ins"] == 2
    assert purge()["sign-ins"] == 2
    assert [attempt.username for attempt in AccessAttempt.objects.all()] == ["new"]
    assert not AccessLog.objects.exists()


def test_a_dry_run_counts_and_changes_nothing(alice):
    dead = process(days=2)
    for owner in (VISITOR, alice):
        conversation(days=40, owner=owner, process=dead)
    options = ("--days", "35")

    assert purge("--dry-run", *options) == {
        "conversations of visitors": 1,
        "conversations of users": 1,
        "session records": 2,
        "temporary conversations": 0,
        "interrupted conversations": 0,
        "dead processes": 0,
        "sign-ins": 0,
        "uploads never sent": 0,
        "stray files": 0,
    }
    assert (Conversation.objects.count(), ChatSession.objects.count(), ServerProcess.objects.count()) == (2, 2, 1)


def test_a_temporary_conversation_that_nobody_has_erased_goes_after_a_day():
    for days, is_temporary in ((2, True), (0, True), (2, False)):
        row = conversation(days=days)
        Conversation.objects.filter(id=row.id).update(temporary=is_temporary)

    assert purge()["temporary conversations"] == 1
    assert Conversation.objects.count() == 2


def test_what_a_dead_process_left_open_is_closed_before_its_row_goes():
    dead = process(days=2)
    row = conversation(days=3, process=dead)
    row.messages.update(begun=ago(3))
    Conversation.objects.filter(id=row.id).update(state="running")
    Message.objects.create(conversation=row, kind="assistant", status="open", turn=row.head, content="half a")
    ChatSession.objects.all().delete()

    found = purge()
    row.refresh_from_db()

    assert (found["interrupted conversations"], found["dead processes"]) == (1, 1)
    assert (row.state, row.owner_process) == ("idle", None)
    assert [(m.content, m.status) for m in row.messages.filter(kind="assistant")] == [("half a", "interrupted")]


def test_the_row_of_a_process_stays_while_a_session_record_names_it():
    conversation(days=2, process=process(days=2))
    process(days=2)
    alive = process()

    assert purge()["dead processes"] == 1
    assert ServerProcess.objects.filter(id=alive.id).exists()
    assert ServerProcess.objects.count() == 2


@pytest.mark.parametrize("days", ["-1", "soon"])
def test_days_are_a_number(days):
    with pytest.raises(CommandError):
        purge(f"--anonymous-days={days}")
