"""The admin in German: no word of it is English, on any of its pages."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from chat.conf import agents
from chat.models import Attachment, ContentView, Feedback, Message, Share, ShareNote, TakenAlong
from tests.admin.test_admin import LISTS, alice, process, root, run_of, say  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db

# What is the same in both languages, and what stands in rows.
SAME = {
    "agent",
    "axes",
    "chat",
    "id",
    "link",
    "links",
    "name",
    "sha256",
    "status",
    "system",
    "filter",
    "details",
    "title",
}
DATA = {"alice", "assistant", "ffffffff", "hello", "hi", "root", "text/plain", "web-1", "0 ms"}
OF_A_ROW = re.compile(r"\S*[0-9a-f]{8}-[0-9a-f]{4}-|^[0-9a-f]{8}$|web-1:4711|assistant \d{4}-")


class Words(HTMLParser):
    """The texts between a page's tags, and in the attributes that people hear."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self._silent += tag in ("script", "style", "pre")
        self.found |= {value.strip() for name, value in attributes if name in ("aria-label", "title") and value}

    def handle_endtag(self, tag):
        self._silent -= tag in ("script", "style", "pre")

    def handle_data(self, data):
        if not self._silent:
            self.found.add(" ".join(data.split()))


def words_of(browser: Browser, url: str, language: str) -> set[str]:
    response = browser.get(url, headers={"Accept-Language": language})
    assert response.status_code == 200, url
    texts = Words(response.content.decode()).found
    return {text for text in texts if re.search(r"[A-Za-z]{2}", text) and not OF_A_ROW.search(text)}


def test_no_word_of_the_admin_is_the_same_in_german(root, alice, process):  # noqa: F811
    conversation = say(
        alice,
        "hello",
        Message(kind=Message.Kind.TOOL, tool_name="square", content="9", status=Message.Status.ERROR),
        Message(kind=Message.Kind.ASSISTANT, content="hi", reasoning="hm", usage={"prompt_tokens": 1, "cost": 0.1}),
    )
    answer = conversation.messages.get(kind=Message.Kind.ASSISTANT)
    runs = [run_of(conversation, process), run_of(conversation, process, ended=timezone.now(), end_reason="lost")]
    now = timezone.now()
    note = {"user_name": "alice", "conversation_id": conversation.id}
    rows = [
        conversation,
        *runs,
        process,
        Feedback.objects.create(message=answer, conversation=conversation, agent_key="assistant", value="up"),
        Share.objects.create(conversation=conversation, expires=now - timedelta(days=1)),
        Share.objects.create(conversation=conversation, expires=now + timedelta(days=1), revoked=now, seq=3),
        Share.objects.create(conversation=conversation, expires=now + timedelta(days=1), with_tools=True),
        Attachment.objects.create(
            visitor="f" * 64, name="a.txt", media_type="text/plain", size_bytes=3, sha256="0", path=str(uuid.uuid4())
        ),
        ContentView.objects.create(**note),
        TakenAlong.objects.create(visitor="f" * 64, **note),
        ShareNote.objects.create(share_id=uuid.uuid4(), act="made", **note),
    ]
    urls = [reverse("admin:index"), reverse("admin:app_list", args=["chat"])]
    urls += [reverse(f"admin:chat_{model}_changelist") for model in LISTS]
    urls += [reverse(f"admin:chat_{row._meta.model_name}_change", args=[row.pk]) for row in rows]
    urls += [reverse("admin:chat_conversation_delete", args=[conversation.pk])]

    same = {text: url for url in urls for text in words_of(root, url, "de") & words_of(root, url, "en")}

    known = {f"{timezone.localtime(now):%Y-%m}"} | SAME | DATA | {agent.name.lower() for agent in agents().values()}
    assert {text: url for text, url in same.items() if text.lower().strip("› :") not in known} == {}
