"""An owner finds what the own conversations hold, and nothing else; the index follows what becomes of them."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from chat import checks
from chat.actions.take_along import take_along
from chat.models import Conversation, Message
from chat.owners import Owner
from chat.search import find as search
from chat.search import index
from tests.keeping.test_erasure import bytes_of, is_cleaning, sqlite_file
from tests.pace import SLACK
from tests.programs import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = Owner(visitor="a" * 64)
MALLORY = Owner(visitor="f" * 64)


@pytest.fixture(autouse=True)
def _settled(transactional_db):
    """No thread of one test cleans in the next."""
    yield
    wait_until(lambda: not is_cleaning())


def new_conversation(owner=ALICE, title="") -> Conversation:
    return Conversation.objects.create(agent_key="assistant", title=title, **owner.fields)


@transaction.atomic
def say(conversation: Conversation, text: str, answer: str = "well", *, follows=None, **fields) -> Message:
    turn = conversation.add_turn(
        text, follows=follows, begun=conversation.created, ended=conversation.created, **fields
    )
    conversation.append(Message(kind="assistant", content=answer, agent="A", turn=turn.id))
    return turn


def found(query: str, owner: Owner = ALICE) -> list[str]:
    return [hit.message.content for hit in search.find(owner, query).hits]


def test_questions_and_answers_are_found_by_their_words_and_their_beginnings():
    say(new_conversation(), "How do I bake Bread?", "With flour and patience")

    assert found("bread") == found("bak") == ["How do I bake Bread?"]
    assert found("flour pat") == found('"flour and"') == ["With flour and patience"]
    assert found("flour bread") == found('"and flour"') == found("lour") == found("") == []


def test_a_file_is_found_by_its_name_and_what_a_tool_gave_is_not():
    conversation = new_conversation()
    turn = say(conversation, "", attachments=[{"id": "1", "name": "Invoice 2026.pdf"}])
    with transaction.atomic():
        conversation.append(Message(kind="tool", tool_name="look", content="a haystack", turn=turn.id))

    (hit,) = search.find(ALICE, "invoice").hits
    assert (hit.message.id, "".join(text for text, _ in hit.passage)) == (turn.id, "Invoice 2026.pdf")
    assert found("haystack") == []


def test_what_an_answer_shows_and_cites_is_found_by_its_name_and_read_without_marks():
    conversation = new_conversation()
    turn = say(conversation, "draw it", "> ## **Bars** of `Saturn`, see [the page](https://example.org/x)")
    shown = [{"kind": "image", "name": "Radii.png", "alt": "", "attachment": {"id": "1", "name": "Radii.png"}}]
    with transaction.atomic():
        conversation.append(Message(kind="assistant", content="Image: bars", turn=turn.id, parts=shown))
        cited = [{"number": 1, "title": "The Moons", "document": "moons.pdf"}]
        conversation.append(Message(kind="assistant", content="It has 274.", turn=turn.id, sources=cited))

    assert (found("radii.png"), found("moons")) == (["Image: bars"], ["It has 274."])
    (hit,) = search.find(ALICE, "saturn").hits
    assert hit.passage == [("Bars of ", False), ("Saturn", True), (", see the page", False)]


def test_the_newest_stand_first_and_each_has_its_passage():
    conversation = new_conversation()
    for number in range(3):
        turn = say(conversation, f"round {number} of tea", follows=conversation.head)
        Message.objects.filter(id=turn.id).update(created=turn.created + timedelta(seconds=number))

    hits = search.find(ALICE, "tea").hits

    assert [hit.message.content for hit in hits] == ["round 2 of tea", "round 1 of tea", "round 0 of tea"]
    assert hits[0].passage == [("round 2 of ", False), ("tea", True)]


def test_signs_of_the_databases_languages_are_no_commands():
    say(new_conversation(), "it's 100% a:b c & d | ! \\ ' * (x)")

    for query in (
        "it's",
        "a:b",
        "c & d",
        "100%",
        "' OR 1=1 --",
        "words:it",
        'NEAR("it s", 2)',
        "=" + ALICE.id,
        "a*",
        "\\",
    ):
        assert set(found(query)) <= {"it's 100% a:b c & d | ! \\ ' * (x)"}
    assert found("it's") and found("a:b") and not found(f"={ALICE.id}")


def test_nobody_finds_what_is_someone_else_s():
    say(new_conversation(), "the secret of alice")
    say(new_conversation(MALLORY), "the secret of mallory")

    assert found("secret") == ["the secret of alice"]
    assert found("secret", MALLORY) == ["the secret of mallory"]
    assert not found("alice", MALLORY) and not search.find(MALLORY, ALICE.id).hits


def test_what_an_entry_says_of_its_owner_is_not_believed():
    conversation = new_conversation()
    say(conversation, "the secret of alice")
    assert found("secret")

    Conversation.objects.filter(id=conversation.id).update(visitor=MALLORY.visitor)  # behind the index's back

    assert found("secret") == []


def test_what_comes_later_is_found_too_and_nothing_twice():
    conversation = new_conversation()
    say(conversation, "first word")
    assert found("word") == ["first word"]

    say(conversation, "second word", follows=conversation.head)

    assert sorted(found("word")) == ["first word", "second word"]
    assert sorted(found("word")) == ["first word", "second word"]


def test_an_edit_leaves_the_old_version_behind_and_a_question_asked_again_is_there_once():
    conversation = new_conversation()
    say(conversation, "an olive tree", "green")
    say(conversation, "an olive branch", "peace", follows=None)
    with transaction.atomic():
        conversation.set_head(conversation.head)
    again = say(conversation, "an olive branch", "a dove", follows=None, regenerated=True)
    with transaction.atomic():
        conversation.set_head(again.id)

    hits = {hit.message.content: hit for hit in search.find(ALICE, "olive").hits}

    assert hits.keys() == {"an olive tree", "an olive branch"}
    assert not hits["an olive tree"].is_current
    assert hits["an olive branch"].is_current and hits["an olive branch"].message.id == again.id
    assert not search.find(ALICE, "peace").hits[0].is_current


def test_after_clear_everything_is_of_an_earlier_version():
    conversation = new_conversation()
    say(conversation, "an olive tree")
    with transaction.atomic():
        conversation.set_head(None)

    assert [hit.is_current for hit in search.find(ALICE, "olive").hits] == [False]


def test_titles_are_found_too():
    new_conversation(title="Holidays in Rome")
    new_conversation(title="Work")

    assert [row.title for row in search.find(ALICE, "rome holi").titles] == ["Holidays in Rome"]


def test_what_a_visitor_takes_along_is_the_user_s():
    user = User.objects.create_user("alice")
    say(new_conversation(), "the secret of alice")
    assert found("secret")

    take_along(ALICE, user)

    assert found("secret", Owner(user_id=user.pk)) == ["the secret of alice"]
    assert found("secret") == []


def entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {index.TABLE}")
        return int(cursor.fetchone()[0])


def test_whatever_deletes_a_conversation_takes_it_out_of_the_index():
    before = entries()
    user = User.objects.create_user("alice")
    owner = Owner(user_id=user.pk)
    one, other = new_conversation(owner), new_conversation(owner)
    say(one, "ephemeral")
    say(other, "ephemeral")
    assert len(found("ephemeral", owner)) == 2 and entries() == before + 4

    one.delete()
    assert len(found("ephemeral", owner)) == 1 and entries() == before + 2
    user.delete()
    assert entries() == before


def test_no_word_of_a_deleted_text_is_left_in_the_files():
    folder, word = sqlite_file().parent, b"quizzaciously"
    kept = [new_conversation() for _ in range(10)]
    for row in kept:
        say(row, "kept words " * 50, "more of them " * 50)
    doomed = new_conversation()
    say(doomed, f"{word.decode()} " * 3, "and this")
    assert found("quizz")
    assert word in bytes_of(folder)

    doomed.delete()

    deadline = time.monotonic() + 4 * SLACK
    while word in bytes_of(folder):
        assert time.monotonic() < deadline, "the index still has it"
        time.sleep(0.05)
    assert len(found("kept")) == 10


def test_who_searches_waits_for_the_index_for_moments_alone_and_it_goes_on_with_the_next_question():
    for number in range(3):
        say(new_conversation(), f"number {number}")

    assert not search.catch_up(ALICE, seconds=0)
    assert search.behind(ALICE).count() == 2
    assert search.catch_up(ALICE, seconds=60)
    assert len(search.find(ALICE, "number").hits) == 3


def test_two_who_index_at_once_index_once():
    for number in range(20):
        say(new_conversation(), f"number {number}")
    before = entries()

    def catch_up() -> None:
        while not search.catch_up(ALICE, seconds=30):
            time.sleep(0.01)
        connection.close()

    threads = [threading.Thread(target=catch_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert entries() == before + 40


def test_without_fts5_there_is_a_warning_and_nothing_else_breaks(monkeypatch):
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite")
    monkeypatch.setattr(checks, "has_fts5", lambda: False)
    monkeypatch.setattr(index, "_has_table", lambda connection: False)
    conversation = new_conversation(title="Rome")
    say(conversation, "roman holidays")

    result = search.find(ALICE, "rom")

    assert [message.id for message in checks.check_search()] == ["chat.W005"]
    assert result.hits == [] and [row.title for row in result.titles] == ["Rome"] and result.is_complete
    assert not result.has_index
    conversation.delete()
