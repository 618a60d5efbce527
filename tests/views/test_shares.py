"""Links that show a conversation: what they show, for how long, to whom, and what nobody reaches by them."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from chat.models import Attachment, Conversation, Message, Share, ShareNote
from tests.part_things import picture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(client) -> User:
    user = User.objects.create_user("alice", password="secret")
    client.force_login(user)
    return user


@pytest.fixture
def conversation(alice) -> Conversation:
    row = Conversation.objects.create(user=alice, agent_key="assistant", title="A <plan>")
    turn = say(row, "first question", "**bold** answer")
    row.append(
        Message(kind="tool", turn=turn.id, tool_name="look_up", tool_args={"key": "argument-7"}, content="result-7")
    )
    return row


def say(row: Conversation, text: str, answer: str, *, follows=None) -> Message:
    turn = row.add_turn(text, follows=follows, begun=row.created, ended=row.created)
    row.append(Message(kind="assistant", content=answer, agent="A", turn=turn.id, reasoning="thought-7"))
    return turn


def make(client: Client, row: Conversation, **wanted) -> dict:
    answer = client.post(f"/api/conversations/{row.id}/shares", json.dumps(wanted), content_type="application/json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def shown(url: str) -> str:
    """What somebody sees who has the link and nothing else."""
    answer = Client().get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_who_has_the_link_reads_the_conversation_without_a_cookie(client, conversation):
    answer = Client().get(make(client, conversation)["url"])
    html = answer.content.decode()

    assert "first question" in html and "<strong>bold</strong> answer" in html and "A &lt;plan&gt;" in html
    assert not answer.cookies and "Cookie" not in answer.get("Vary", "")
    assert answer["X-Robots-Tag"] == "noindex, nofollow, noarchive" and 'content="noindex' in html
    assert answer["Referrer-Policy"] == "no-referrer" and "no-store" in answer["Cache-Control"]
    assert "script-src" not in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"] and "<script" not in html


def test_it_leads_nowhere_and_tells_nothing_of_its_owner(client, conversation):
    html = shown(make(client, conversation)["url"])

    assert "href=" not in re.sub('<link rel="(stylesheet|icon)" href=', "", html)
    assert str(conversation.id) not in html and "alice" not in html and "thought-7" not in html


def test_the_arguments_of_tools_are_shown_on_wish_alone(client, conversation):
    without = shown(make(client, conversation)["url"])
    assert "look_up" in without and "argument-7" not in without and "result-7" not in without

    html = shown(make(client, conversation, with_tools=True)["url"])
    assert "argument-7" in html and "result-7" in html


def attach(row: Conversation, turn: Message, name: str, content: bytes = b"") -> Attachment:
    """A file that the agent has shown in this turn."""
    content = content or picture()
    file = Attachment.objects.store(io.BytesIO(content), owner=row.owner, name=name, conversation=row, turn=turn.id)
    kind = "image" if file.media_type == "image/png" else "file"
    part = {"kind": kind, "name": name, "alt": f"as it is: {name}", "attachment": file.description()}
    row.append(Message(kind="assistant", agent="A", turn=turn.id, content=f"Image: {name}", parts=[part]))
    return file


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")  # the client is synchronous
def test_the_files_of_what_is_shown_are_shown_and_no_others(client, conversation):
    turn = conversation.records().filter(kind="user").first()
    image = attach(conversation, turn, "plot.png")
    page = attach(conversation, turn, "page.html", b"<script>alert(1)</script>")
    link = make(client, conversation)
    later = attach(conversation, turn, "later.png")
    other = Conversation.objects.create(user=conversation.user, agent_key="assistant")
    foreign = attach(other, say(other, "x", "y"), "foreign.png")
    html, reader = shown(link["url"]), Client()
    address = link["url"].removeprefix("http://testserver")

    assert f'<img src="{address}files/{image.id}" alt="as it is: plot.png"' in html and "Image: plot" not in html
    seen = reader.get(f"{address}files/{image.id}")
    assert b"".join(seen) == picture() and not seen.cookies and "noindex" in seen["X-Robots-Tag"]
    assert "img-src 'self'" in reader.get(address)["Content-Security-Policy"]
    assert reader.get(f"{address}files/{page.id}")["Content-Type"] == "application/octet-stream"
    assert str(later.id) not in html
    for file in (later, foreign):
        assert reader.get(f"{address}files/{file.id}").status_code == 404
    assert reader.get(f"/api/attachments/{image.id}").status_code == 401
    client.delete(f"/api/shares/{link['id']}")
    assert reader.get(f"{address}files/{image.id}").status_code == 404


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
def test_a_file_is_reached_in_the_branch_that_has_taken_it_along(client, conversation):
    turn = conversation.records().filter(kind="user").first()
    file = attach(conversation, turn, "plot.png")
    edited = say(conversation, "an edit of the first", "otherwise")
    Message.objects.filter(id=edited.id).update(attachments=[file.description()])
    conversation.refresh_from_db()
    conversation.set_head(edited.id)
    address = make(client, conversation)["url"]

    assert f"files/{file.id}" in shown(address) and Client().get(f"{address}files/{file.id}").status_code == 200


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
@pytest.mark.parametrize("with_tools", [False, True])
def test_the_file_of_a_tool_s_card_is_shown_with_the_tools_alone(client, conversation, with_tools):
    turn = conversation.records().filter(kind="user").first()
    rows = Attachment.objects.store(
        io.BytesIO(b"a,b"), owner=conversation.owner, name="rows.csv", conversation=conversation, turn=turn.id
    )
    part = {"kind": "table", "name": "rows", "columns": [], "rows": [], "attachment": rows.description()}
    conversation.append(Message(kind="tool", turn=turn.id, tool_name="query", content="result-8", parts=[part]))
    address = make(client, conversation, with_tools=with_tools)["url"]

    assert (str(rows.id) in shown(address)) is with_tools
    assert Client().get(f"{address}files/{rows.id}").status_code == (200 if with_tools else 404)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
def test_the_file_of_a_source_is_shown_as_long_as_the_link_works(client, conversation):
    turn = conversation.records().filter(kind="user").first()
    file = Attachment.objects.store(
        io.BytesIO(b"All moons."), owner=conversation.owner, name="moons.txt", conversation=conversation, turn=turn.id
    )
    source = {"title": "moons.test", "url": "https://e.test", "quote": "All moons.", "attachment": file.description()}
    answer = Message(kind="assistant", turn=turn.id, agent="A", content="They turn.[^1]", sources=[source])
    conversation.append(answer)
    link = make(client, conversation)
    address = f"{link['url'].removeprefix('http://testserver')}files/{file.id}"

    html = shown(link["url"])
    assert f'<a href="{address}?download=1" download="moons.txt">' in html and "<bdi>(e.test)</bdi></a>" in html
    assert b"".join(Client().get(address)) == b"All moons."
    client.delete(f"/api/shares/{link['id']}")
    assert Client().get(address).status_code == 404


def test_cards_are_shown_as_what_they_are(client, conversation):
    turn = conversation.records().filter(kind="user").first()
    table = {"kind": "table", "name": "Sales", "columns": ["city"], "rows": [["Rome"]], "total": 1, "total_columns": 1}
    letter = {"kind": "html", "name": "letter", "html": "<p>Dear <strong>Ann</strong></p><script>alert(1)</script>"}
    conversation.append(
        Message(kind="assistant", agent="A", turn=turn.id, content="**Sales** in words", parts=[table]),
        Message(kind="tool", turn=turn.id, tool_name="write", content="written", parts=[letter]),
    )
    html = shown(make(client, conversation)["url"])
    assert '<td dir="auto">Rome</td>' in html and "in words" not in html and "Dear" not in html
    with_tools = shown(make(client, conversation, with_tools=True)["url"])
    assert "<p>Dear <strong>Ann</strong></p>" in with_tools and "<script>alert" not in with_tools


def test_pictures_are_printed_for_their_owner(client, conversation):
    image = attach(conversation, conversation.records().filter(kind="user").first(), "plot.png")
    assert f'<img src="/api/attachments/{image.id}"' in client.get(f"/c/{conversation.id}/print/").content.decode()


def test_a_snapshot_stays_as_it_was_and_the_other_kind_follows(client, conversation):
    snapshot, following = make(client, conversation)["url"], make(client, conversation, follows=True)["url"]
    say(conversation, "second question", "later", follows=conversation.head)
    say(conversation, "an edit of the first", "otherwise")
    conversation.set_head(conversation.head)

    assert "second question" not in shown(snapshot) and "first question" in shown(snapshot)
    assert "an edit of the first" in shown(following) and "first question" not in shown(following)


def test_a_link_is_over_when_its_time_is_or_when_it_is_taken_back(client, conversation):
    expired, revoked = make(client, conversation, days=1), make(client, conversation)
    Share.objects.filter(id=expired["id"]).update(expires=timezone.now() - timedelta(seconds=1))
    assert client.delete(f"/api/shares/{revoked['id']}").status_code == 204
    nothing = Client().get("/s/" + "x" * 43 + "/")

    for link in (expired, revoked):
        answer = Client().get(link["url"])
        assert answer.status_code == 404 and answer.content == nothing.content
    assert client.get(f"/api/conversations/{conversation.id}/shares").json() == {"shares": []}
    assert client.delete(f"/api/shares/{revoked['id']}").status_code == 404


def test_no_link_works_longer_than_the_site_allows(client, conversation, settings):
    settings.CHAT_SHARE_DAYS = 2
    link = make(client, conversation, days=3650)
    row = Share.objects.get(id=link["id"])
    assert timedelta(days=1.9) < row.expires - row.created < timedelta(days=2.1)


def test_with_the_conversation_its_links_go(client, conversation):
    url = make(client, conversation)["url"]
    conversation.delete()
    assert Client().get(url).status_code == 404


@pytest.mark.parametrize("switch", ["site", "agent"])
def test_where_sharing_is_off_no_link_is_made_and_none_works(client, conversation, settings, switch):
    url = make(client, conversation)["url"]
    if switch == "site":
        settings.CHAT_SHARE = False
    else:
        settings.CHAT_AGENTS = {"assistant": {"FACTORY": "chat.demo.agents.assistant", "SHARE": False}}

    assert client.post(f"/api/conversations/{conversation.id}/shares").status_code == 404
    assert Client().get(url).status_code == 404
    assert '"share": false' in client.get("/").content.decode().replace("&quot;", '"')


def test_a_conversation_has_a_bounded_number_of_links(client, conversation):
    for _ in range(20):
        make(client, conversation)
    answer = client.post(f"/api/conversations/{conversation.id}/shares")
    assert (answer.status_code, answer.json()["error"]) == (409, "limit_reached")


@pytest.mark.parametrize("body", [{"days": "7"}, {"days": True}, {"follows": 1}, {"with_tools": "yes"}])
def test_what_makes_no_sense_makes_no_link(client, conversation, body):
    address = f"/api/conversations/{conversation.id}/shares"
    assert client.post(address, json.dumps(body), content_type="application/json").status_code == 400
    assert not Share.objects.exists()


def test_nobody_else_makes_or_revokes_a_link(client, conversation):
    link = make(client, conversation)
    mallory = Client()
    mallory.force_login(User.objects.create_user("mallory"))

    assert mallory.post(f"/api/conversations/{conversation.id}/shares").status_code == 404
    assert mallory.get(f"/api/conversations/{conversation.id}/shares").status_code == 404
    assert mallory.delete(f"/api/shares/{link['id']}").status_code == 404
    assert Client().get(link["url"]).status_code == 200


def test_who_shared_what_is_noted_for_good_and_how_often_it_was_opened(client, conversation):
    link = make(client, conversation, follows=True, with_tools=True)
    shown(link["url"])
    client.delete(f"/api/shares/{link['id']}")
    id = conversation.id
    assert Share.objects.get().views == 1
    conversation.delete()

    notes = list(ShareNote.objects.order_by("noted", "id"))
    assert [(note.act, note.user_name, note.conversation_id) for note in notes] == [
        ("made", "alice", id),
        ("revoked", "alice", id),
    ]
    assert notes[0].terms["follows"] and notes[0].terms["with_tools"]


def test_the_admin_shows_links_without_their_token_and_revokes_them(client, conversation):
    link = make(client, conversation)
    token = Share.objects.get().token
    root = Client()
    root.force_login(User.objects.create_superuser("root"))

    pages = [root.get("/admin/chat/share/"), root.get(f"/admin/chat/share/{link['id']}/change/")]
    assert [page.status_code for page in pages] == [200, 200]
    assert not any(token in page.content.decode() for page in pages)
    root.post("/admin/chat/share/", {"action": "take_back", "_selected_action": [link["id"]]})
    assert Client().get(link["url"]).status_code == 404
    assert ShareNote.objects.filter(act="revoked", user_name="root").count() == 1
    assert root.get("/admin/chat/sharenote/").status_code == 200


def test_printing_shows_all_to_the_owner_alone_and_opens_the_dialog(client, conversation):
    answer = client.get(f"/c/{conversation.id}/print/")
    html = answer.content.decode()

    assert "first question" in html and "argument-7" in html and "chat/print" in html
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert Client().get(f"/c/{conversation.id}/print/").status_code in (401, 404)


def test_an_answer_to_a_question_says_what_it_meant_and_shows_a_tool_s_arguments_only_with_the_tools(
    client, conversation
):
    turn = conversation.records().filter(kind="user").first()
    form = {"nights": 2, "with": ["Ann", "Ben"], "day": None, "note": "", "of": []}
    for content, answer in (
        ("Approved", {"approved": True, "tool_args": {"to": "argument-9"}}),
        ("too dear", {"approved": False}),
        ("Filled in", {"tool_args": form}),
    ):
        conversation.append(Message(kind="user", content=content, answer=answer, turn=turn.id))
    html = shown(make(client, conversation)["url"])
    assert "Rejected: too dear" in html and "nights: 2\nwith: Ann, Ben</" in html and "argument-9" not in html
    html = shown(make(client, conversation, with_tools=True)["url"])
    assert "Approved, changed to\nto: argument-9" in html
