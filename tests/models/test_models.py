"""What is stored, and who may write it: turns, branches, limits, claims, fences."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from chat.actions.answer import accept_answer
from chat.actions.counts import UNCLAIMED_SECONDS
from chat.actions.delete import erase
from chat.actions.rewrite import branch, clear, edit, regenerate
from chat.actions.send import accept_message
from chat.clock import Now
from chat.exceptions import BadFrame, Busy, Conflict, LimitReached, NotFound, RateLimited
from chat.keeping import erasure
from chat.live.claims import Claim, claim, close_orphan, stop_waiting, store_checkpoints
from chat.models import Conversation, Message, ServerProcess, Tally
from chat.models.conversation import title_of
from chat.owners import Owner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice():
    user = get_user_model().objects.create_user("alice")
    return Owner(user_id=user.pk, name="alice")


@pytest.fixture
def mallory():
    return Owner(visitor="f" * 64)


@pytest.fixture
def process():
    return ServerProcess.objects.create(host="here", pid=1)


def say(owner, id, text, client_id=None, agent="assistant"):
    return accept_message(owner, id, content=text, client_id=client_id, new_agent=agent)


def answer(accepted, text="ok"):
    """Play the agent: begin the turn, answer, end it."""
    with transaction.atomic():
        conversation = Conversation.objects.locked(accepted.conversation.id)
        conversation.messages.filter(id=accepted.turn).update(begun=Now(), ended=Now())
        conversation.append(Message(kind="assistant", turn=accepted.turn, content=text))


def texts(records):
    return [record.content for record in records]


def test_the_first_message_makes_the_conversation_with_a_title(alice):
    id = uuid.uuid4()
    accepted = say(alice, id, "\n  How do I bake bread?\nI have flour.")
    conversation = Conversation.objects.for_owner(alice).get(id=id)
    assert conversation.title == "How do I bake bread?"
    assert conversation.head == accepted.turn
    assert [(m.seq, m.content) for m in conversation.records()] == [(1, "\n  How do I bake bread?\nI have flour.")]


def test_a_greeting_is_the_first_record(alice, settings):
    settings.CHAT_AGENTS = {"a": {"FACTORY": "chat.demo.agents.assistant", "NAME": "Ann", "GREETING": "Hello!"}}
    accepted = say(alice, uuid.uuid4(), "hi", agent="a")
    assert [(r.kind, r.content, r.turn) for r in accepted.records] == [
        ("assistant", "Hello!", None),
        ("user", "hi", accepted.turn),
    ]


def test_the_same_client_id_is_accepted_once(alice):
    id = uuid.uuid4()
    first = say(alice, id, "one", "c1")
    again = say(alice, id, "one", "c1")
    assert again.duplicate and again.message.id == first.message.id and again.records == ()
    with pytest.raises(Conflict):
        say(alice, id, "two", "c1")
    assert Message.objects.count() == 1


def test_someone_else_s_conversation_is_not_found(alice, mallory):
    accepted = say(alice, uuid.uuid4(), "mine")
    id = accepted.conversation.id
    for attempt in (
        lambda: say(mallory, id, "x"),
        lambda: accept_answer(mallory, id, request_id=str(uuid.uuid4()), content="x", answer={}, client_id=None),
        lambda: edit(mallory, id, turn=accepted.turn, content="x"),
        lambda: regenerate(mallory, id, turn=accepted.turn),
        lambda: branch(mallory, id, turn=accepted.turn),
        lambda: clear(mallory, id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert Message.objects.count() == 1


def test_a_message_without_a_row_or_a_right_to_make_one_is_not_found(alice):
    with pytest.raises(NotFound):
        accept_message(alice, uuid.uuid4(), content="x", client_id=None)


def test_messages_sent_while_the_agent_works_are_read_in_turns(alice):
    id = uuid.uuid4()
    one = say(alice, id, "u1")
    two = say(alice, id, "u2")
    answer(one, "a1")
    answer(two, "a2")
    conversation = Conversation.objects.get(id=id)
    assert texts(conversation.records()) == ["u1", "u2", "a1", "a2"]
    assert texts(conversation.records_to(conversation.head)) == ["u1", "a1", "u2", "a2"]


def test_edit_makes_a_sibling_and_the_transcript_follows_it(alice):
    id = uuid.uuid4()
    one = say(alice, id, "u1")
    answer(one, "a1")
    two = say(alice, id, "u2")
    answer(two, "a2")
    edited = edit(alice, id, turn=two.turn, content="u2 again")
    answer(edited, "a2 again")
    conversation = Conversation.objects.get(id=id)
    assert edited.message.follows == two.message.follows == one.turn
    assert [r.kind for r in edited.records] == ["user", "head"]
    assert texts(conversation.records_to(conversation.head)) == ["u1", "a1", "u2 again", "a2 again"]
    branch(alice, id, turn=two.turn)
    conversation.refresh_from_db()
    assert texts(conversation.records_to(conversation.head)) == ["u1", "a1", "u2", "a2"]
    assert [m.seq for m in conversation.records()] == list(range(1, conversation.newest_seq + 1))


def test_regenerate_repeats_the_text_and_says_so(alice):
    one = say(alice, uuid.uuid4(), "u1")
    answer(one)
    again = regenerate(alice, one.conversation.id, turn=one.turn)
    event = again.message.event()["message"]
    assert event["content"] == "u1" and event["regenerated"] is True and event["follows"] is None


def test_clear_forgets_but_keeps_the_records(alice):
    one = say(alice, uuid.uuid4(), "u1")
    answer(one)
    clear(alice, one.conversation.id)
    conversation = Conversation.objects.get(id=one.conversation.id)
    assert conversation.head is None and conversation.records_to(None) == []
    assert conversation.records().count() == 3


@pytest.mark.parametrize("command", ["edit", "regenerate", "branch", "clear"])
def test_the_transcript_is_not_changed_while_a_turn_runs(alice, command):
    one = say(alice, uuid.uuid4(), "u1")
    id = one.conversation.id
    with pytest.raises(Busy):
        {
            "edit": lambda: edit(alice, id, turn=one.turn, content="x"),
            "regenerate": lambda: regenerate(alice, id, turn=one.turn),
            "branch": lambda: branch(alice, id, turn=one.turn),
            "clear": lambda: clear(alice, id),
        }[command]()


def test_limits_are_answered_with_a_time_to_wait(alice, settings):
    settings.CHAT_MAX_QUEUED_TURNS = 2
    id = uuid.uuid4()
    for text in "ab":
        say(alice, id, text)
    with pytest.raises(Busy) as busy:
        say(alice, id, "c")
    assert busy.value.retry_ms
    settings.CHAT_TURNS_PER_MINUTE = 2
    with pytest.raises(RateLimited) as limited:
        say(alice, uuid.uuid4(), "d")
    assert limited.value.retry_ms


def test_moves_of_the_head_count_with_the_turns(alice, settings):
    settings.CHAT_TURNS_PER_MINUTE = 4
    said = say(alice, uuid.uuid4(), "a")
    answer(said)
    id = said.conversation.id
    clear(alice, id)
    branch(alice, id, turn=said.turn)
    clear(alice, id)
    for move in (lambda: clear(alice, id), lambda: branch(alice, id, turn=said.turn), lambda: say(alice, id, "b")):
        with pytest.raises(RateLimited):
            move()
    assert Message.objects.filter(conversation=id).count() == 5


def test_what_is_deleted_counts_to_the_end_of_its_minute(alice, mallory, settings):
    settings.CHAT_TURNS_PER_MINUTE = 3
    said = say(alice, uuid.uuid4(), "a")
    answer(said)
    clear(alice, said.conversation.id)
    with erasure.postponed():
        erase(said.conversation.id)
    say(alice, uuid.uuid4(), "b")
    with pytest.raises(RateLimited):
        say(alice, uuid.uuid4(), "c")
    say(mallory, uuid.uuid4(), "d")
    Tally.objects.update(created=Now() - timedelta(minutes=1))
    say(alice, uuid.uuid4(), "c")


@pytest.mark.parametrize(("setting", "most"), [("CHAT_MAX_RECORDS", 4), ("CHAT_MAX_STORED_BYTES", 20)])
def test_an_owner_has_a_quota_over_all_conversations(alice, mallory, settings, setting, most):
    setattr(settings, setting, most)
    first = say(alice, uuid.uuid4(), "ä" * 8)
    answer(first)
    answer(say(alice, uuid.uuid4(), "b"))
    for refused in (lambda: say(alice, uuid.uuid4(), "c"), lambda: clear(alice, first.conversation.id)):
        with pytest.raises(LimitReached) as limit:
            refused()
    assert "Delete" in limit.value.details
    say(mallory, uuid.uuid4(), "others have their own")

    Conversation.objects.get(id=first.conversation.id).delete()
    say(alice, uuid.uuid4(), "room again")


def test_running_turns_of_one_owner_are_limited(alice, mallory, process, settings):
    settings.CHAT_MAX_RUNNING_TURNS = 1
    first = say(alice, uuid.uuid4(), "a").conversation
    Conversation.objects.filter(id=first.id).update(state="running", owner_process=process)
    with pytest.raises(Busy):
        say(alice, uuid.uuid4(), "b")
    say(alice, first.id, "c")
    say(mallory, uuid.uuid4(), "d")


def test_what_a_dead_process_has_left_running_does_not_count(alice, process, settings):
    settings.CHAT_MAX_RUNNING_TURNS = 1
    first = say(alice, uuid.uuid4(), "a").conversation
    Conversation.objects.filter(id=first.id).update(state="running", owner_process=process)
    process.end()
    say(alice, uuid.uuid4(), "b")


def test_what_no_process_has_taken_yet_counts_as_running_for_a_while(alice, settings):
    settings.CHAT_MAX_RUNNING_TURNS = 1
    first = say(alice, uuid.uuid4(), "a").conversation
    with pytest.raises(Busy):
        say(alice, uuid.uuid4(), "b")
    Conversation.objects.filter(id=first.id).update(updated=Now() - timedelta(seconds=UNCLAIMED_SECONDS + 1))
    say(alice, uuid.uuid4(), "b")


def test_one_of_two_claims_wins(alice, process):
    other = ServerProcess.objects.create(host="there", pid=2)
    id = say(alice, uuid.uuid4(), "a").conversation.id
    results = []

    def attempt(who):
        results.append(claim(id, who))
        connection.close()

    threads = [threading.Thread(target=attempt, args=[who]) for who in (process, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    won = [result for result in results if isinstance(result, Claim)]
    assert len(won) == 1 and len(results) == 2
    assert won[0].conversation.owner_process_id in results


def test_a_new_conversation_is_made_and_taken_in_few_trips(alice, process):
    id = uuid.uuid4()
    with CaptureQueriesContext(connection) as made:
        say(alice, id, "u1")
    with CaptureQueriesContext(connection) as taken:
        claimed = claim(id, process)
    assert [len(_statements(each)) for each in (made, taken)] == [5, 4]
    assert claimed.session.started and claimed.session.process_id == process.id


def _statements(captured):
    """Those of the turn: what begins and ends transactions differs between databases."""
    return [q["sql"] for q in captured if q["sql"].startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))]


def test_a_dead_owner_s_open_message_is_interrupted_and_its_turn_never_runs_again(alice, process):
    one = say(alice, uuid.uuid4(), "u1")
    id = one.conversation.id
    first = claim(id, process)
    Message.objects.filter(id=one.turn).update(begun=Now())
    Message.objects.create(conversation_id=id, kind="assistant", status="open", turn=one.turn, content="half an ans")
    Message.objects.create(
        conversation_id=id, kind="tool", status="open", turn=one.turn, created=Now() + timedelta(seconds=1)
    )
    two = say(alice, id, "u2")
    ServerProcess.objects.filter(id=process.id).update(renewed=Now() - timedelta(seconds=60))
    second = claim(id, ServerProcess.objects.create(host="there", pid=2))
    assert [(r.kind, r.status, r.seq) for r in second.closed] == [
        ("assistant", "interrupted", 3),
        ("tool", "interrupted", 4),
    ]
    assert second.closed[0].content == "half an ans"
    assert [turn.id for turn in second.queued] == [two.turn]
    assert second.conversation.fence > first.conversation.fence
    with pytest.raises(Conversation.DoesNotExist), transaction.atomic():
        Conversation.objects.locked(id, fence=first.conversation.fence)


def test_a_turn_interrupted_before_its_first_word_still_gets_a_record(alice, process):
    one = say(alice, uuid.uuid4(), "u1")
    claim(one.conversation.id, process)
    Message.objects.filter(id=one.turn).update(begun=Now())
    process.end()
    (record,) = close_orphan(one.conversation.id)
    assert (record.kind, record.status, record.content, record.turn) == ("assistant", "interrupted", "", one.turn)
    assert close_orphan(one.conversation.id) == ()


def test_what_a_live_process_owns_is_left_alone(alice, process):
    one = say(alice, uuid.uuid4(), "u1")
    claim(one.conversation.id, process)
    Message.objects.filter(id=one.turn).update(begun=Now())
    assert close_orphan(one.conversation.id) == ()


def test_a_question_is_answered_once(alice):
    one = say(alice, uuid.uuid4(), "u1")
    id, request = one.conversation.id, str(uuid.uuid4())
    question = {"request_id": request, "turn": str(one.turn), "kind": "approval", "prompt": "?"}
    Conversation.objects.filter(id=id).update(question=question, state="waiting")

    def give(content, client_id=None):
        return accept_answer(
            alice, id, request_id=request, content=content, answer={"approved": True}, client_id=client_id
        )

    first = give("yes", "c1")
    assert str(first.message.turn) == str(one.turn) and first.message.event()["message"]["request_id"] == request
    assert give("yes", "c1").duplicate
    with pytest.raises(Conflict):
        give("no", "c2")


def test_a_plain_message_answers_a_question_in_text(alice):
    one = say(alice, uuid.uuid4(), "u1")
    request = str(uuid.uuid4())
    question = {"request_id": request, "turn": str(one.turn), "kind": "text", "prompt": "Name?"}
    Conversation.objects.filter(id=one.conversation.id).update(question=question, state="waiting")
    given = say(alice, one.conversation.id, "Ann")
    assert str(given.message.request_id) == request and str(given.message.turn) == str(one.turn)


def test_the_newest_records_begin_with_a_turn(alice, settings):
    settings.CHAT_TURNS_PER_MINUTE = 1000
    id = uuid.uuid4()
    for number in range(40):
        answer(say(alice, id, f"u{number}"), f"a{number}")
    conversation = Conversation.objects.get(id=id)
    rows = conversation.newest(5)
    assert texts(rows) == ["u37", "a37", "u38", "a38", "u39", "a39"]
    assert texts(conversation.newest(3, before=rows[0].seq)) == ["u35", "a35", "u36", "a36"]


def test_a_conversation_is_found_by_its_owner_alone(alice, mallory):
    id = say(alice, uuid.uuid4(), "u1").conversation.id
    assert Conversation.objects.find(id).id == Conversation.objects.find(id, owner=alice).id == id
    assert Conversation.objects.find(id, owner=mallory) is None
    assert Conversation.objects.find(uuid.uuid4(), owner=alice) is None


def test_a_page_resumes_unless_it_lacks_too_much(alice, settings, monkeypatch):
    settings.CHAT_TURNS_PER_MINUTE = 1000
    monkeypatch.setattr("chat.models.conversation.RESUME_RECORDS", 10)
    monkeypatch.setattr("chat.models.conversation.NEWEST_RECORDS", 50)
    id = uuid.uuid4()
    for number in range(40):
        answer(say(alice, id, f"u{number}"), f"a{number}")
    conversation = Conversation.objects.get(id=id)
    assert conversation.start_for(80) == (80, True)
    assert conversation.start_for(70) == (70, True)
    for after in (None, -1, 69, 81):
        assert conversation.start_for(after) == (30, False)


def test_numbers_are_unique_and_an_owner_is_needed(alice):
    one = say(alice, uuid.uuid4(), "u1")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(conversation=one.conversation, seq=1, kind="user")
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.create(agent_key="a")


def test_a_long_first_line_is_cut_at_a_word():
    title = title_of("word " * 40)
    assert len(title) <= 81 and title.endswith("word…")
    assert title_of("  \n ") == ""


def test_a_record_with_a_long_text_says_where_all_of_it_is(alice):
    one = say(alice, uuid.uuid4(), "u1")
    answer(one, "x" * 400_000)
    event = Conversation.objects.get(id=one.conversation.id).records().last().event()
    assert event["message"]["truncated"] and str(one.conversation.id) in event["message"]["url"]


def test_a_claim_that_finds_nothing_to_run_leaves_the_conversation_nobody_s_again(alice, process):
    one = say(alice, uuid.uuid4(), "u1")
    answer(one)
    taken = claim(one.conversation.id, process)
    assert taken.session is None and taken.conversation.owner_process is None
    assert not one.conversation.sessions.exists()


@pytest.mark.parametrize("command", ["edit", "regenerate", "branch", "clear"])
def test_an_agent_that_remembers_another_transcript_is_shut_out(alice, process, command):
    one = say(alice, uuid.uuid4(), "u1")
    id = one.conversation.id
    taken = claim(id, process)
    answer(one)
    {
        "edit": lambda: edit(alice, id, turn=one.turn, content="x"),
        "regenerate": lambda: regenerate(alice, id, turn=one.turn),
        "branch": lambda: branch(alice, id, turn=one.turn),
        "clear": lambda: clear(alice, id),
    }[command]()
    with pytest.raises(Conversation.DoesNotExist), transaction.atomic():
        Conversation.objects.locked(id, fence=taken.conversation.fence)
    assert Conversation.objects.get(id=id).owner_process is None
    taken.session.refresh_from_db()
    assert taken.session.end_reason == "replaced"


def test_a_stop_ends_the_first_turn_that_waits_and_only_if_none_runs(alice, process):
    id = uuid.uuid4()
    one, two = say(alice, id, "u1"), say(alice, id, "u2")
    (record,) = stop_waiting(id)
    assert (record.turn, record.status, record.content) == (one.turn, "stopped", "")
    Message.objects.filter(id=two.turn).update(begun=Now())
    assert stop_waiting(id) == ()
    assert Conversation.objects.get(id=id).stop_turn == two.turn


def test_a_branch_to_an_old_turn_does_not_open_the_whole_log(alice, settings):
    settings.CHAT_TURNS_PER_MINUTE = 1000
    id = uuid.uuid4()
    turns = []
    for number in range(10):
        turns.append(say(alice, id, f"u{number}"))
        answer(turns[-1])
    branch(alice, id, turn=turns[0].turn)
    assert [row.seq for row in Conversation.objects.get(id=id).newest(4)] == [17, 18, 19, 20, 21]


def test_an_answer_is_one_of_the_choices(alice):
    one = say(alice, uuid.uuid4(), "u1")
    request = str(uuid.uuid4())
    question = {"request_id": request, "turn": str(one.turn), "kind": "choice", "prompt": "?", "options": ["a", "b"]}
    Conversation.objects.filter(id=one.conversation.id).update(question=question, state="waiting")
    choose = {"request_id": request, "content": "c", "client_id": None}
    with pytest.raises(BadFrame):
        accept_answer(alice, one.conversation.id, answer={"choice": "c"}, **choose)
    assert accept_answer(alice, one.conversation.id, answer={"choice": "b"}, **choose).message


@pytest.mark.parametrize(("fence", "seq", "stored"), [(0, None, "so far"), (1, None, ""), (0, 99, "")])
def test_a_checkpoint_needs_an_open_message_and_the_fence(alice, process, fence, seq, stored):
    said = say(alice, uuid.uuid4(), "u1")
    held = claim(said.conversation.id, process).conversation.fence
    row = Message.objects.create(
        conversation_id=said.conversation.id, kind="assistant", status="open", turn=said.turn, seq=seq
    )

    store_checkpoints([(held + fence, row.id, "so far", "hm"), (held, uuid.uuid4(), "nobody's", "")])

    row.refresh_from_db()
    assert (row.content, row.reasoning) == (stored, "hm" if stored else "")
