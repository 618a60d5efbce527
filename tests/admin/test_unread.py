"""Staff who may look at the lists, but not read what was said, meet none of it anywhere in the administration."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from chat.models import (
    Attachment,
    ChatSession,
    ContentView,
    Conversation,
    Feedback,
    Message,
    ServerProcess,
    Share,
    ShareNote,
    TakenAlong,
)
from tests.admin.test_admin import VIEWS, browser_of

pytestmark = pytest.mark.django_db

SECRET = "a-secret-word-that-somebody-said"
GUESS = SECRET[:8]
ADMINS = [each for model, each in admin.site._registry.items() if model._meta.app_label == "chat"]


@pytest.fixture
def rows():
    """A row of each list, with the word wherever somebody may have said it."""
    conversation = Conversation.objects.create(
        visitor="f" * 64,
        agent_key="a",
        title=SECRET,
        folder=SECRET,
        question={"prompt": SECRET, "request_id": "x"},
        suggestions=[SECRET],
        settings={"tone": SECRET},
        allowed=[SECRET],
    )
    turn = Message(kind="user", content=SECRET)
    answer = Message(kind="assistant", content=SECRET, reasoning=SECRET, sources=[{"title": SECRET}])
    conversation.append(turn, answer, Message(kind="tool", tool_name=SECRET, tool_args={"x": SECRET}, content=SECRET))
    process = ServerProcess.objects.create(host="here", pid=1)
    of = {"user_name": "ann", "conversation_id": conversation.id}
    return [
        conversation,
        process,
        ChatSession.objects.create(conversation=conversation, agent_key="a", process=process, fence=1),
        Attachment.objects.create(
            conversation=conversation, visitor="f" * 64, name=f"{SECRET}.txt", media_type="text/plain", size_bytes=1
        ),
        Feedback.objects.create(conversation=conversation, agent_key="a", message=answer, value="down", comment=SECRET),
        Share.objects.create(
            conversation=conversation, token=f"{SECRET}-token", expires=timezone.now() + timedelta(days=1)
        ),
        ContentView.objects.create(**of),
        TakenAlong.objects.create(**of, visitor="f" * 64),
        ShareNote.objects.create(**of, share_id=uuid.uuid4(), act="made"),
    ]


def test_no_page_of_the_administration_shows_what_was_said(rows):
    staff = browser_of("staff", *VIEWS, is_staff=True)
    assert {type(row) for row in rows} >= {each.model for each in ADMINS}
    seen = 0
    for row in rows:
        name = f"admin:chat_{row._meta.model_name}"
        each = admin.site._registry[type(row)]
        lists = [{}, {"q": GUESS}, {"q": "f" * 64}, {"e": "1"}]
        lists += [{"o": str(at)} for at in range(1, len(each.list_display) + 1)]
        pages = [staff.get(reverse(f"{name}_changelist"), query) for query in lists]
        pages += [staff.get(reverse(f"{name}_{page}", args=[row.pk])) for page in ("change", "history", "delete")]
        pages.append(
            staff.post(reverse(f"{name}_changelist"), {"action": "delete_selected", "_selected_action": row.pk})
        )
        asked = {"app_label": "chat", "model_name": row._meta.model_name, "term": GUESS}
        pages += [
            staff.get(reverse("admin:autocomplete"), {**asked, "field_name": field.name})
            for field in row._meta.get_fields()
            if field.is_relation and field.concrete
        ]
        for page in pages:
            body = page.content.decode()
            assert page.status_code < 500 and SECRET not in body, page.request
            seen += page.status_code == 200
    assert seen > 40
