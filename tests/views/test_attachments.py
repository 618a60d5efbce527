"""Attachments: whose they are, how they are served, and that nothing of them is left when they go."""

from __future__ import annotations

import io
import json
import os
import time
import uuid
import zipfile
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from chat.actions.take_along import take_along
from chat.files import storage
from chat.models import Attachment, Conversation, Message
from chat.owners import COOKIE, Owner, new_visitor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),  # the client is synchronous
]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 600


@pytest.fixture
def alice(client) -> User:
    user = User.objects.create_user("alice")
    client.force_login(user)
    return user


@pytest.fixture
def conversation(alice) -> Conversation:
    return Conversation.objects.create(user=alice, agent_key="assistant")


def attach(owner: Owner, content: bytes = PNG, name: str = "plot.png", **fields) -> Attachment:
    return Attachment.objects.store(io.BytesIO(content), owner=owner, name=name, **fields)


def attach_to(conversation: Conversation, content: bytes = PNG, name: str = "plot.png") -> Attachment:
    """Store a file and the record that shows it."""
    row = attach(conversation.owner, content, name, conversation=conversation)
    conversation.append(Message(kind="assistant", agent="A", attachments=[row.description()]))
    return row


def address(row: Attachment) -> str:
    return f"/api/attachments/{row.id}"


def files() -> list[str]:
    return list(storage.strays(set(), older_than=timedelta(days=-1)))


def test_its_owner_gets_it_byte_by_byte_under_its_name(client, conversation):
    row = attach_to(conversation)

    answer = client.get(address(row))

    assert b"".join(answer) == PNG
    assert (answer["Content-Type"], answer["Content-Length"]) == ("image/png", str(len(PNG)))
    assert answer["Content-Disposition"] == 'inline; filename="plot.png"'
    assert "attachment" in client.get(address(row) + "?download=1")["Content-Disposition"]


def test_a_file_lies_under_a_name_that_tells_nothing(conversation):
    row = attach_to(conversation)

    assert "plot" not in row.path and str(row.id) not in row.path and len(row.path) == 41


@pytest.mark.parametrize(
    ("asked", "told", "span"),
    [
        ("bytes=0-0", 206, (0, 1)),
        ("bytes=100-", 206, (100, None)),
        ("bytes=-7", 206, (-7, None)),
        ("bytes=5-999999999", 206, (5, None)),
        (f"bytes={len(PNG) - 1}-", 206, (-1, None)),
        ("bytes=-999999999", 206, (0, None)),
        (f"bytes={len(PNG)}-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=9-8", 416, None),
        ("bytes=0-1,5-6", 200, (0, None)),
        ("bytes=-", 200, (0, None)),
        ("lines=1-2", 200, (0, None)),
        ("bytes=0-" + "9" * 5000, 200, (0, None)),
    ],
)
def test_a_player_gets_the_part_that_it_seeks(client, conversation, asked, told, span):
    answer = client.get(address(attach_to(conversation)), headers={"Range": asked})

    assert answer.status_code == told
    if span is None:
        assert answer["Content-Range"] == f"bytes */{len(PNG)}" and not answer.content
        return
    body = b"".join(answer)
    assert body == PNG[slice(*span)] and answer["Content-Length"] == str(len(body))
    assert answer["Accept-Ranges"] == "bytes" and "sandbox" in answer["Content-Security-Policy"]
    if told == 206:
        start, _, _ = slice(*span).indices(len(PNG))
        assert answer["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(PNG)}"


def test_a_part_of_another_file_than_was_begun_is_all_of_this_one(client, conversation):
    row = attach_to(conversation)
    whole = client.get(address(row), headers={"Range": "bytes=5-9", "If-Range": '"another"'})
    part = client.get(address(row), headers={"Range": "bytes=5-9", "If-Range": whole["ETag"]})
    assert (whole.status_code, part.status_code) == (200, 206)


def test_nobody_else_gets_it(conversation, settings):
    settings.CHAT_ALLOW_ANONYMOUS = True
    row = attach_to(conversation)
    mallory, root, visitor = Client(), Client(), Client()
    mallory.force_login(User.objects.create_user("mallory"))
    root.force_login(User.objects.create_superuser("root"))
    visitor.cookies[COOKIE] = new_visitor()[1]

    assert [browser.get(address(row)).status_code for browser in (mallory, root, visitor)] == [404, 404, 404]
    assert Client().get(address(row)).status_code == 401


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "a.svg"),
        (b"<!doctype html><script>alert(1)</script>", "a.png"),
        (b"plain", "a.txt"),
        (b"PK\x03\x04", "a.zip"),
    ],
)
def test_what_is_not_sure_to_be_harmless_is_bytes_to_be_saved(client, conversation, content, name):
    answer = client.get(address(attach_to(conversation, content, name)))

    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_nothing_of_a_file_runs_in_the_site_s_name(client, conversation):
    answer = client.get(address(attach_to(conversation)))

    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_name_cannot_add_a_header(client, conversation):
    row = attach_to(conversation)
    Attachment.objects.filter(id=row.id).update(name='a"\r\nSet-Cookie: x=1\u202e.png')

    answer = client.get(address(row))

    assert "Set-Cookie" not in answer and "\r" not in answer["Content-Disposition"]


def test_what_the_storage_has_lost_is_not_found(client, conversation):
    row = attach_to(conversation)
    storage.remove(row.path)

    assert client.get(address(row)).status_code == 404


def test_a_file_over_the_limit_leaves_nothing(alice, settings):
    settings.CHAT_MAX_ATTACHMENT_BYTES = 1000
    with pytest.raises(storage.TooLarge):
        attach(Owner(user_id=alice.pk), bytes(1001))

    assert files() == [] and not Attachment.objects.exists()


def test_a_row_that_cannot_be_stored_leaves_no_file(alice):
    with pytest.raises(Exception, match=r"CHECK|check|violates"):
        attach(Owner())

    assert files() == []


@pytest.mark.parametrize("deletes", ["its owner", "an admin", "its user goes", "the purge"])
def test_with_the_conversation_its_files_go(client, alice, conversation, deletes):
    kept = attach(Owner(user_id=User.objects.create_user("bob").pk))
    attach_to(conversation), attach_to(conversation)
    if deletes == "its owner":
        client.delete(f"/api/conversations/{conversation.id}")
    elif deletes == "an admin":
        Conversation.objects.all().delete()
    elif deletes == "its user goes":
        alice.delete()
    else:
        Conversation.objects.update(updated=timezone.now() - timedelta(days=400))
        call_command("purge", "--days", "365", stdout=io.StringIO())

    assert files() == [kept.path]


def test_an_upload_that_was_never_sent_goes_after_a_day_with_the_purge(alice):
    old, new = attach(Owner(user_id=alice.pk)), attach(Owner(user_id=alice.pk))
    Attachment.objects.filter(id=old.id).update(created=timezone.now() - timedelta(hours=25))

    call_command("purge", stdout=io.StringIO())

    assert files() == [new.path] and list(Attachment.objects.all()) == [new]


def test_a_file_that_a_dead_process_has_left_goes_after_a_day_with_the_purge(alice):
    row = attach(Owner(user_id=alice.pk))
    old, young = (storage.write(io.BytesIO(b"left")).path for _ in range(2))
    for path in (old, row.path):
        os.utime(storage.storage().path(path), (time.time() - 90_000,) * 2)

    call_command("purge", stdout=io.StringIO())

    assert sorted(files()) == sorted([row.path, young])


def test_a_visitor_who_signs_in_takes_the_files_along(alice):
    visitor, _ = new_visitor()
    row = attach(visitor)

    take_along(visitor, alice)

    assert Attachment.objects.for_owner(Owner(user_id=alice.pk)).get() == row


def test_a_record_names_its_attachments_with_their_address(client, conversation):
    row = attach_to(conversation)

    (record,) = client.get(f"/api/conversations/{conversation.id}/records").json()["records"]

    expected = {"id": str(row.id), "name": "plot.png", "type": "image/png", "size": len(PNG), "url": address(row)}
    assert record["message"]["attachments"] == [expected]


def test_the_archive_has_the_conversation_and_its_files(client, conversation):
    row, text = attach_to(conversation), attach_to(conversation, b"hello", "notes.txt")

    content = b"".join(client.get(f"/api/conversations/{conversation.id}/export?format=zip"))

    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    assert set(archive.namelist()) == {
        "conversation.json",
        "conversation.md",
        f"files/{row.id.hex[:8]}-plot.png",
        f"files/{text.id.hex[:8]}-notes.txt",
    }
    assert archive.read(f"files/{row.id.hex[:8]}-plot.png") == PNG
    assert len(json.loads(archive.read("conversation.json"))["records"]) == 2
    assert "plot.png" in archive.read("conversation.md").decode()


def test_a_project_without_a_storage_of_its_own_has_a_folder(settings, tmp_path):
    settings.STORAGES = {name: value for name, value in settings.STORAGES.items() if name != "chat"}
    settings.BASE_DIR = tmp_path

    stored = storage.write(io.BytesIO(b"x"))

    assert (tmp_path / "var" / "attachments" / stored.path).read_bytes() == b"x"


def test_an_unknown_attachment_is_not_found(client, alice):
    assert client.get(f"/api/attachments/{uuid.uuid4()}").status_code == 404
