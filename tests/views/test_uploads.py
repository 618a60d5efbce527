"""Files that users give: taken piece by piece, looked at, limited; what is hostile is refused or harmless."""

from __future__ import annotations

import errno
import gzip
import io
import json
import struct
import uuid
import zipfile
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError
from django.test import Client
from PIL import Image, PngImagePlugin

from chat.actions.attach import MAX_WAITING
from chat.actions.send import accept_message
from chat.exceptions import BadFrame, Conflict, NotFound
from chat.files import images, storage
from chat.files.kinds import SHOWN
from chat.models import Attachment, Conversation, Message
from chat.owners import Owner
from tests.part_things import picture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),  # the client is synchronous
]


@pytest.fixture
def alice(client) -> Owner:
    user = User.objects.create_user("alice")
    client.force_login(user)
    return Owner(user_id=user.pk)


def upload(client: Client, content: bytes, name: str = "a.txt", **headers):
    path = f"/api/attachments?name={name}"
    return client.generic("POST", path, content, content_type="application/octet-stream", headers=headers)


def files() -> list[str]:
    return list(storage.strays(set(), older_than=timedelta(days=-1)))


def send(owner: Owner, *ids: str, text: str = "look", id: uuid.UUID | None = None, client_id: str = "c1"):
    id = id or uuid.uuid4()
    return accept_message(owner, id, content=text, client_id=client_id, new_agent="assistant", attachments=ids)


def test_a_file_waits_for_its_message_and_belongs_to_its_turn_then(client, alice):
    given = upload(client, b"hello", "notes.txt").json()
    assert given | {"id": 0, "url": 0} == {"id": 0, "url": 0, "name": "notes.txt", "type": "text/plain", "size": 5}
    assert b"".join(client.get(given["url"])) == b"hello"

    accepted = send(alice, given["id"])

    row = Attachment.objects.get()
    assert (row.conversation_id, row.turn) == (accepted.conversation.id, accepted.turn)
    assert accepted.message.attachments == [row.description()]
    accepted.conversation.delete()
    assert files() == []


def test_a_message_of_files_alone_is_titled_by_their_name(client, alice):
    accepted = send(alice, upload(client, b"x", "plan.txt").json()["id"], text="")
    assert accepted.conversation.title == "plan.txt"


def test_the_same_message_again_runs_nothing_and_other_files_are_a_conflict(client, alice):
    first, second = (upload(client, b"x").json()["id"] for _ in range(2))
    accepted = send(alice, first)
    again = send(alice, first, id=accepted.conversation.id)
    assert again.duplicate and again.message == accepted.message
    with pytest.raises(Conflict):
        send(alice, second, id=accepted.conversation.id)


def test_a_file_is_taken_once_and_only_by_its_owner(client, alice):
    given = upload(client, b"x").json()["id"]
    mallory = Owner(user_id=User.objects.create_user("mallory").pk)
    with pytest.raises(NotFound):
        send(mallory, given)
    send(alice, given)
    with pytest.raises(NotFound):
        send(alice, given, client_id="c2")
    assert Conversation.objects.count() == 1 == Message.objects.count()


@pytest.mark.parametrize("ids", [["no uuid"], [str(uuid.uuid4())] * 2, [str(uuid.uuid4()) for _ in range(11)]])
def test_ids_that_cannot_be_are_refused(alice, ids):
    with pytest.raises(BadFrame):
        send(alice, *ids)


def test_a_file_can_be_taken_back_until_it_is_sent(client, alice):
    given = upload(client, b"x").json()
    assert client.delete(given["url"]).status_code == 204
    assert client.delete(given["url"]).status_code == 404 and files() == []
    sent = upload(client, b"x").json()
    send(alice, sent["id"])
    assert client.delete(sent["url"]).status_code == 404 and len(files()) == 1


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_too_large_is_refused(client, alice, settings):
    settings.CHAT_MAX_ATTACHMENT_BYTES = 1000
    answer = upload(client, bytes(1001))
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large") and files() == []


def test_an_owner_and_a_site_have_room_for_so_much(client, alice, settings):
    settings.CHAT_MAX_OWNER_FILE_BYTES = 10
    assert [upload(client, b"123456").status_code for _ in range(2)] == [201, 403]
    settings.CHAT_MAX_OWNER_FILE_BYTES, settings.CHAT_MAX_SITE_FILE_BYTES = 0, 10
    assert upload(client, b"123456").json()["details"].startswith("This site has no room")
    assert len(files()) == 1


def test_so_many_files_may_wait(client, alice):
    fields = {"user_id": alice.user_id, "media_type": "text/plain", "size_bytes": 1, "sha256": "", "name": "a"}
    Attachment.objects.bulk_create(Attachment(path=str(at), **fields) for at in range(MAX_WAITING))
    assert upload(client, b"x").status_code == 403


def test_who_may_not_chat_may_not_give_a_file(settings):
    settings.CHAT_ALLOW_ANONYMOUS = False
    assert upload(Client(), b"x").status_code == 401 and files() == []


def test_a_form_of_another_site_cannot_give_a_file(alice, client):
    answer = client.post("/api/attachments?name=a.txt", {"file": io.BytesIO(b"x")})
    assert answer.status_code == 415
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(pk=alice.user_id))
    assert upload(strict, b"x").status_code == 403 and not Attachment.objects.exists()


# -- the scan ----------------------------------------------------------------------------------------------------------

seen: list[tuple[str, str, bytes]] = []


def scan(file, *, name, media_type):
    seen.append((name, media_type, file.read()))
    return "This file is infected." if b"EICAR" in seen[-1][2] else None


def broken_scan(file, *, name, media_type):
    raise OSError("no scanner at /var/run/clamd")


def test_the_site_s_own_scanner_looks_at_each_file(client, alice, settings):
    settings.CHAT_SCAN = "tests.views.test_uploads.scan"
    assert upload(client, b"fine").status_code == 201
    assert seen[-1] == ("a.txt", "text/plain", b"fine")
    answer = upload(client, b"X5O!P%@AP EICAR")
    assert (answer.status_code, answer.json()["details"]) == (400, "This file is infected.")
    assert len(files()) == 1


def test_a_scanner_that_fails_lets_nothing_through(client, alice, settings):
    settings.CHAT_SCAN = "tests.views.test_uploads.broken_scan"
    answer = upload(client, b"fine")
    assert answer.status_code == 500 and "clamd" not in answer.content.decode() and files() == []


# -- what is hostile ---------------------------------------------------------------------------------------------------


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    return file.getvalue()


def pixel_bomb() -> bytes:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def frame_bomb() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("1", (3000, 3000), at % 2) for at in range(8)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def many_frames() -> bytes:
    """A GIF of a point, again and again: 15 bytes a frame."""
    head = b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\x00\x00" + b"\x00\x00\x00\xff\xff\xff"
    return head + (b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\x00\x02\x02\x44\x01\x00") * 3000 + b"\x3b"


def many_scans() -> bytes:
    """A JPEG whose last pass over its pixels comes again and again: 50 bytes each."""
    file = io.BytesIO()
    Image.new("RGB", (100, 100)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * 1000 + data[-2:]


def text_bomb() -> bytes:
    """A PNG with a text that is small as long as it is packed."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "0" * 80_000_000, zip=True)
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG", pnginfo=text)
    return file.getvalue()


SCRIPT = b"<script>alert(document.cookie)</script>"
HOSTILE = {  # content, name, and whether it is taken
    "SVG with a script": (b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>", "a.svg", True),
    "SVG as PNG": (b"<svg onload='alert(1)'/>", "a.png", True),
    "HTML": (b"<!doctype html>" + SCRIPT, "a.html", True),
    "HTML as an image": (SCRIPT, "a.jpg", True),
    "HTML in UTF-16": ("<html>".encode("utf-16"), "a.txt", True),
    "GIF that is a script": (b"GIF89a/*" + b"\0" * 8 + b"*/=1;" + SCRIPT, "a.gif", False),
    "PNG with HTML behind it": (picture() + SCRIPT, "a.html", True),
    "JPEG with a script in its EXIF": (picture("red", "JPEG")[:2] + picture("red", "JPEG")[2:] + SCRIPT, "a.jpg", True),
    "PDF with HTML in it": (b"%PDF-1.4\n" + SCRIPT, "a.pdf", True),
    "zip bomb": (zip_bomb(), "a.zip", True),
    "pixel bomb": (pixel_bomb(), "a.png", False),
    "frame bomb": (frame_bomb(), "a.gif", False),
    "tiny frames without end": (many_frames(), "a.gif", False),
    "layers without end": (many_scans(), "a.jpg", False),
    "text bomb in an image": (text_bomb(), "a.png", False),
    "SVG in gzip": (gzip.compress(b"<svg onload='alert(1)'/>"), "a.svgz", True),
    "XML with a stylesheet": (b"<?xml version='1.0'?><?xml-stylesheet href='a.xsl'?><a/>", "a.xml", True),
    "web archive": (b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + SCRIPT, "a.mhtml", True),
    "name longer than file systems take": (b"x", "%F0%9F%8C%8A" * 150 + ".txt", True),
    "name that is a folder": (b"x", "..", True),
    "name of broken bytes": (b"x", "%ED%A0%80%FF.txt", True),
    "half an image": (picture()[:100], "a.png", False),
    "empty file": (b"", "a.txt", False),
    "path up": (b"x", "..%2F..%2F..%2Fetc%2Fpasswd", True),
    "path up on Windows": (b"x", "..%5C..%5Cboot.ini", True),
    "name that turns": (b"x", "invoice%E2%80%AEfdp.exe", True),
    "name with a NUL and lines": (b"x", "a%00b%0D%0ASet-Cookie%3A%20x%3D1.txt", True),
    "name without an end": (b"x", "x" * 3000, True),
    "no name": (b"x", "", True),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_hostile_is_refused_or_harmless(client, alice, kind, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 50_000_000)
    content, name, is_taken = HOSTILE[kind]
    answer = upload(client, content, name)
    if not is_taken:
        assert answer.status_code in (400, 413) and files() == []
        return
    assert answer.status_code == 201, answer.json()
    given = answer.json()
    served = client.get(given["url"])
    body = b"".join(served)
    assert served["X-Content-Type-Options"] == "nosniff" and "sandbox" in served["Content-Security-Policy"]
    if served["Content-Type"] in SHOWN - {"application/pdf"}:
        assert b"script" not in body
    elif served["Content-Type"] != "application/pdf":
        assert served["Content-Type"] == "application/octet-stream"
        assert served["Content-Disposition"].startswith("attachment")
    assert not set(given["name"]) & set("/\\\0\r\n\u202e<>") and 0 < len(given["name"]) <= 150
    assert "Set-Cookie" not in served and "\n" not in served["Content-Disposition"]
    stored = Attachment.objects.get()
    assert ".." not in stored.path and "/" in stored.path
    copy = stored.given(is_new=True)
    assert copy.path.read_bytes() == body and copy.path.name == given["name"]


def test_where_a_user_was_is_not_in_what_others_get(client, alice):
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}
    exif[0x010E] = "my home"
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)

    body = b"".join(client.get(upload(client, file.getvalue(), "a.jpg").json()["url"]))

    assert b"my home" in file.getvalue() and b"my home" not in body
    assert not Image.open(io.BytesIO(body)).getexif()


def test_a_camera_s_photo_that_holds_several_stands_upright(client, alice):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    file = io.BytesIO()
    photo, preview = Image.new("RGB", (80, 40), "red"), Image.new("RGB", (8, 4), "blue")
    photo.save(file, "MPO", exif=exif, save_all=True, append_images=[preview])

    given = upload(client, file.getvalue(), "a.jpg").json()

    body = io.BytesIO(b"".join(client.get(given["url"])))
    with Image.open(body) as image:
        assert (image.format, image.size) == ("JPEG", (40, 80)) and given["type"] == "image/jpeg"


@pytest.mark.parametrize("length", ["abc", "-5", "²"])
def test_a_length_that_is_none_is_no_failure(client, alice, length):
    assert upload(client, b"x", **{"Content-Length": length}).status_code in (201, 400)


def test_a_refusal_says_why_in_words_for_people(client, alice):
    answer = json.loads(upload(client, pixel_bomb(), "a.png").content)
    assert answer == {"error": "too_large", "details": "This image has too many pixels."}


def test_a_full_disk_keeps_nothing_and_is_told(client, alice, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device: /srv/secret")

    monkeypatch.setattr(FileSystemStorage, "_save", full)
    answer = upload(client, b"hello")
    assert (answer.status_code, answer.json()["error"]) == (507, "internal") and "secret" not in str(answer.content)
    assert not Attachment.objects.exists() and files() == []


def test_a_locked_database_is_told_as_busy(client, alice, monkeypatch):
    def locked(*args):
        raise OperationalError("database is locked")

    monkeypatch.setattr("chat.actions.attach.check_files", locked)
    answer = upload(client, b"hello")
    assert (answer.status_code, answer.json()["error"]) == (503, "busy")
    assert files() == []
