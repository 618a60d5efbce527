"""What people think of answers: stored, changed, taken back; seen by agent and date; told to the host project."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from chat import checks
from chat.models import Conversation, Feedback, Message
from chat.signals import feedback_given, feedback_withdrawn

pytestmark = pytest.mark.django_db(transaction=True)

REASONS = {"UP": ["Short"], "DOWN": ["Wrong", "Rude"]}


@pytest.fixture(autouse=True)
def _agents(settings):
    entry = {"FACTORY": "chat.demo.agents.assistant", "NAME": "Ann"}
    settings.CHAT_AGENTS = {"ann": {**entry, "FEEDBACK": REASONS}, "mute": {**entry, "FEEDBACK": False}, "bob": entry}


@pytest.fixture
def alice(client) -> User:
    user = User.objects.create_user("alice")
    client.force_login(user)
    return user


def answer_of(user: User, agent: str = "ann") -> Message:
    row = Conversation.objects.create(user=user, agent_key=agent)
    turn = row.add_turn("question", follows=None, begun=row.created, ended=row.created)
    answer = Message(kind="assistant", content="answer", agent="Ann", turn=turn.id)
    row.append(answer)
    return answer


def address(message: Message) -> str:
    return f"/api/conversations/{message.conversation_id}/feedback/{message.id}"


def put(client: Client, message: Message, **body):
    return client.put(address(message), json.dumps(body), content_type="application/json")


def test_a_judgement_is_stored_changed_and_taken_back(client, alice):
    answer = answer_of(alice)
    given = {"value": "down", "reasons": ["Wrong"], "comment": "It is not so."}

    assert put(client, answer, **given).json() == given
    listed = client.get(f"/api/conversations/{answer.conversation_id}/feedback").json()
    assert listed == {"feedback": {str(answer.id): given}}

    assert put(client, answer, value="up").json() == {"value": "up", "reasons": [], "comment": ""}
    assert Feedback.objects.count() == 1
    assert client.delete(address(answer)).status_code == client.delete(address(answer)).status_code == 204
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"value": "sideways"}, {"value": "up", "reasons": ["Rude"]}, {"value": "down", "reasons": "Wrong"}),
        *({"value": "down", "reasons": [1]}, {"value": "down", "comment": 7}, {"value": ["up"]}),
    ],
    ids=str,
)
def test_what_is_no_judgement_is_refused(client, alice, body):
    assert put(client, answer_of(alice), **body).status_code == 400
    assert not Feedback.objects.exists()


def test_nobody_judges_what_is_someone_else_s_a_question_or_an_agent_that_wants_none(client, alice):
    theirs = answer_of(User.objects.create_user("bob"))
    question = answer_of(alice).conversation.messages.get(kind="user")

    for message in (theirs, question, answer_of(alice, "mute")):
        assert put(client, message, value="up").status_code == 404
        assert client.delete(address(message)).status_code in (204, 404)
    assert client.get(f"/api/conversations/{theirs.conversation_id}/feedback").status_code == 404
    assert not Feedback.objects.exists()


def test_a_long_comment_is_cut(client, alice):
    assert len(put(client, answer_of(alice), value="up", comment="x" * 5000).json()["comment"]) == 2000


def test_it_goes_with_the_conversation(client, alice):
    answer = answer_of(alice)
    put(client, answer, value="up")
    answer.conversation.delete()
    assert not Feedback.objects.exists()


def test_the_host_project_hears_of_it_and_its_faults_disturb_nobody(client, alice):
    heard: list[tuple] = []

    def given(feedback, is_new, **_):
        heard.append((feedback.value, feedback.comment, is_new))

    def withdrawn(message_id, conversation_id, **_):
        heard.append((message_id, conversation_id))

    def breaks(**_):
        raise ValueError("of the host")

    answer = answer_of(alice)
    for signal, receiver in ((feedback_given, breaks), (feedback_given, given), (feedback_withdrawn, withdrawn)):
        signal.connect(receiver)
    try:
        assert put(client, answer, value="down", comment="no").status_code == 200
        put(client, answer, value="up")
        client.delete(address(answer))
    finally:
        for signal, receiver in ((feedback_given, breaks), (feedback_given, given), (feedback_withdrawn, withdrawn)):
            signal.disconnect(receiver)

    assert heard == [("down", "no", True), ("up", "", False), (answer.id, answer.conversation_id)]


def test_the_page_is_told_of_each_agent_s_reasons(client, alice):
    html = client.get("/").content.decode().replace("&quot;", '"')
    assert '"feedback": {"up": ["Short"], "down": ["Wrong", "Rude"]}' in html
    assert '"feedback": null' in html and "Not what I asked" in html


@pytest.mark.parametrize("wrong", [{"SIDE": []}, {"UP": "text"}, {"DOWN": [1]}, "yes"])
def test_a_wrong_entry_is_named(settings, wrong):
    settings.CHAT_AGENTS = {"ann": {"FACTORY": "chat.demo.agents.assistant", "FEEDBACK": wrong}}
    (problem,) = checks.check_agents()
    assert "FEEDBACK" in problem.msg


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


def test_the_admin_shows_it_by_agent_and_comments_to_those_who_may_read(client, alice):
    for agent, value in (("ann", "up"), ("ann", "down"), ("bob", "up")):
        put(client, answer_of(alice, agent), value=value, comment="a secret comment")
    row = Feedback.objects.filter(agent_key="ann").first()
    browser = staff("view_feedback")

    listed = browser.get("/admin/chat/feedback/")
    assert [(each["agent_key"], each["good"], each["bad"]) for each in listed.context["sums"]] == [
        ("ann", 1, 1),
        ("bob", 1, 0),
    ]
    filtered = browser.get(f"/admin/chat/feedback/?agent=ann&given__year={row.given.year}")
    assert [each["agent_key"] for each in filtered.context["sums"]] == ["ann"]
    page = browser.get(f"/admin/chat/feedback/{row.id}/change/")
    assert page.status_code == 200 and "a secret comment" not in page.content.decode() + listed.content.decode()

    User.objects.get(username="staff").user_permissions.add(Permission.objects.get(codename="view_content"))
    assert "a secret comment" in browser.get(f"/admin/chat/feedback/{row.id}/change/").content.decode()
