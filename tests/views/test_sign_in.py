"""A visitor who signs in keeps the conversation."""

from __future__ import annotations

import logging

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation, TakenAlong
from chat.owners import COOKIE, owner_of_cookies

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(client, settings) -> Conversation:
    """Of the visitor that this browser is."""
    settings.CHAT_ALLOW_ANONYMOUS = True
    client.get("/")
    visitor = owner_of_cookies({COOKIE: client.cookies[COOKIE].value})
    return Conversation.objects.create(agent_key="assistant", **visitor.fields)


def sign_in(client) -> User:
    alice = User.objects.create_user("alice", password="secret")
    client.post("/accounts/login/", {"username": "alice", "password": "secret"})
    return alice


def test_signing_in_takes_the_conversations_along_once(client, conversation, caplog):
    caplog.set_level(logging.INFO, "chat")
    alice = sign_in(client)

    page = client.get(f"/c/{conversation.id}/")

    conversation.refresh_from_db()
    assert (conversation.user, conversation.visitor) == (alice, "")
    assert page.status_code == 200 and 'data-taken="1"' in page.content.decode()
    assert 'data-taken="0"' in client.get("/").content.decode()
    assert str(conversation.id) in caplog.text


def test_what_came_along_is_noted_for_good(client, conversation):
    visitor = conversation.visitor
    alice = sign_in(client)
    conversation.delete()
    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"username": "alice", "password": "secret"})

    note = TakenAlong.objects.get()
    assert (note.user, note.user_name, note.visitor) == (alice, "alice", visitor)
    with pytest.raises(TypeError):
        note.delete()


def test_the_admin_shows_who_took_what_along(client, conversation, admin_client):
    sign_in(client)

    page = admin_client.get("/admin/chat/takenalong/").content.decode()

    assert "alice" in page and str(conversation.id) in page and conversation.visitor[:8] in page


def test_signing_out_does_not_give_them_back(client, conversation):
    sign_in(client)
    client.post("/accounts/logout/")

    assert client.get(f"/c/{conversation.id}/").status_code == 404


def test_nobody_else_s_come_along(client, conversation):
    theirs = Conversation.objects.create(agent_key="assistant", visitor="b" * 64)
    sign_in(client)

    theirs.refresh_from_db()
    assert theirs.user is None
