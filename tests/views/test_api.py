"""The JSON beside the socket: whose conversations, which pages of records, what a cross-site form can do, health."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat import urls
from chat.cluster import room
from chat.cluster.process import this_process
from chat.models import Conversation, Message
from chat.owners import COOKIE, new_visitor
from chat.views import health
from tests.client import Client as Page

pytestmark = pytest.mark.django_db(transaction=True)

TITLE = "Secret plan"
OPEN_TO_ALL = {
    "manifest",
    "embed",
    "embed-launcher",
    "embed-tickets",
    "shared",
    "shared-file",
    "socket",
    "health",
    "page",
    "healthz",
    "readyz",
}
NEW = {"attachments", "agent-settings"}  # something of one's own to be: test_uploads.py, tests/agents/test_opening.py
CALLS = {  # method and body, where it is not a plain GET
    "conversation": [("get", None)],
    "conversations": [("get", None)],
    "conversation-data": [("patch", {"title": "stolen"}), ("delete", None)],
    "records": [("get", None)],
    "record-text": [("get", None)],
    "export": [("get", None)],
    "attachment": [("get", None)],
    "search": [("get", None)],
    "print": [("get", None)],
    "feedback": [("get", None)],
    "feedback-of": [("put", {"value": "up"}), ("delete", None)],
    "shares": [("get", None), ("post", {"follows": True})],
    "share": [("delete", None)],
    "settings": [("get", None), ("put", {"values": {}})],
}


@pytest.fixture
def alice(client) -> User:
    user = User.objects.create_user("alice", password="secret")
    client.force_login(user)
    return user


def add_turn(conversation: Conversation, text: str, answer: str = "well") -> Message:
    turn = conversation.add_turn(
        text, follows=conversation.head, begun=conversation.created, ended=conversation.created
    )
    conversation.append(Message(kind="assistant", content=answer, agent="A", turn=turn.id))
    return turn


@pytest.fixture
def conversation(alice) -> Conversation:
    row = Conversation.objects.create(user=alice, agent_key="assistant", title=TITLE)
    add_turn(row, "first")
    return row


def address(name: str, conversation_id: UUID, message_id: UUID | None = None) -> str:
    known = {"conversation_id": conversation_id, "id": conversation_id, "message_id": message_id or uuid4()}
    known["attachment_id"] = known["share_id"] = message_id or uuid4()
    pattern = next(pattern for pattern in urls.urlpatterns if pattern.name == name).pattern
    return reverse(f"chat:{name}", kwargs={key: known[key] for key in pattern.converters})


def call(browser: Client, method: str, url: str, body: dict | None = None):
    return (
        getattr(browser, method)(url, body and json.dumps(body), content_type="application/json")
        if body
        else (getattr(browser, method)(url))
    )


# -- whose -------------------------------------------------------------------------------------------------------------


def stranger_of(kind: str) -> Client:
    browser = Client()
    if kind == "another user":
        browser.force_login(User.objects.create_user("mallory"))
    elif kind == "an administrator":
        browser.force_login(User.objects.create_superuser("root"))
    elif kind == "a visitor":
        browser.cookies[COOKIE] = new_visitor()[1]
    return browser


def test_every_address_of_the_app_is_in_this_table():
    assert {pattern.name for pattern in urls.urlpatterns} == OPEN_TO_ALL | NEW | set(CALLS) | {"token"}


def test_a_token_of_now_is_for_those_who_may_chat(settings, alice):
    settings.CHAT_ALLOW_ANONYMOUS = False
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    token = browser.get(reverse("chat:token")).json()["token"]

    answer = browser.delete(reverse("chat:conversation-data", args=[uuid4()]), headers={"X-CSRFToken": token})

    assert answer.status_code == 404
    assert Client().get(reverse("chat:token")).status_code == 401


@pytest.mark.parametrize("who", ["another user", "an administrator", "a visitor", "nobody"])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_someone_else_s_answers_like_what_does_not_exist(conversation, settings, name, who):
    settings.CHAT_ALLOW_ANONYMOUS, settings.DEBUG = True, False
    browser = stranger_of(who)
    message = conversation.messages.first().id
    for method, body in CALLS[name]:
        theirs = call(browser, method, address(name, conversation.id, message), body)
        nobodys = call(browser, method, address(name, uuid4()), body)
        assert (theirs.status_code, nobodys.status_code) in [(404, 404), (401, 401), (200, 200)]
        assert theirs.status_code != 200 or name in ("conversations", "search")
        assert TITLE not in theirs.content.decode() and "first" not in theirs.content.decode()
        if theirs["Content-Type"] == "application/json":
            assert theirs.json() == nobodys.json()
    conversation.refresh_from_db()
    assert conversation.title == TITLE


@pytest.mark.parametrize("name", [name for name in CALLS if name != "conversation"])
def test_without_visitors_nobody_gets_anything_but_the_wish_to_sign_in(conversation, settings, name):
    settings.CHAT_ALLOW_ANONYMOUS = False
    for method, body in CALLS[name]:
        answer = call(Client(), method, address(name, conversation.id), body)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


@pytest.mark.parametrize("name", CALLS)
def test_what_was_deleted_is_gone_for_its_owner_too(client, conversation, name):
    message = conversation.messages.first().id
    id = conversation.id
    assert client.delete(address("conversation-data", id)).status_code == 204
    assert not Conversation.objects.filter(id=id).exists() and not Message.objects.exists()
    for method, body in CALLS[name]:
        answer = call(client, method, address(name, id, message), body)
        if name == "conversations":
            assert answer.json()["conversations"] == []
        elif name == "search":
            assert answer.json()["hits"] == answer.json()["titles"] == []
        else:
            assert answer.status_code == 404


def test_a_record_of_another_conversation_is_not_found_through_one_s_own(client, conversation):
    mallorys = Conversation.objects.create(user=User.objects.create_user("mallory"), agent_key="a")
    secret = add_turn(mallorys, "of mallory")
    assert client.get(address("record-text", conversation.id, secret.id)).status_code == 404


def test_a_signed_in_user_does_not_own_what_the_same_browser_s_visitor_said(client, alice):
    owner, cookie = new_visitor()
    row = Conversation.objects.create(agent_key="a", **owner.fields)
    client.cookies[COOKIE] = cookie
    assert client.get(address("records", row.id)).status_code == 404


def test_nothing_is_cached_on_the_way(client, conversation):
    message = conversation.messages.first().id
    for name in CALLS.keys() - {"conversation-data", "share", "feedback-of"}:
        assert "no-store" in client.get(address(name, conversation.id, message))["Cache-Control"], name


# -- cross-site forms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "body"), CALLS["conversation-data"])
def test_another_site_s_form_changes_nothing(alice, conversation, method, body):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    url = address("conversation-data", conversation.id)
    assert call(browser, method, url, body).status_code == 403
    conversation.refresh_from_db()
    assert conversation.title == TITLE
    browser.get("/")
    token = browser.cookies["csrftoken"].value
    given = json.dumps(body) if body else ""
    answer = getattr(browser, method)(url, given, content_type="application/json", headers={"X-CSRFToken": token})
    assert answer.status_code in (200, 204)


@pytest.mark.parametrize("method", ["post", "put"])
def test_other_methods_are_refused(client, conversation, method):
    for name in ("conversation-data", "records", "conversations", "record-text"):
        assert getattr(client, method)(address(name, conversation.id)).status_code == 405


# -- rename ------------------------------------------------------------------------------------------------------------


def rename(client: Client, conversation: Conversation, body: object):
    url = address("conversation-data", conversation.id)
    return client.patch(url, body if isinstance(body, bytes) else json.dumps(body), content_type="application/json")


def test_a_title_is_trimmed_and_cut(client, conversation):
    answer = rename(client, conversation, {"title": f"  {'x' * 300} "})
    conversation.refresh_from_db()
    assert answer.json()["title"] == conversation.title == "x" * 200


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"title": ""}, {"title": "  "}, {"title": None}, {"title": 7}, {"title": ["a"]}, {"title": "a\x00b"}),
        *([], "a", b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"title": "\\ud800"}'),
    ],
    ids=lambda body: repr(body)[:30],
)
def test_what_is_no_title_is_refused(client, conversation, body):
    answer = rename(client, conversation, body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_frame")
    conversation.refresh_from_db()
    assert conversation.title == TITLE


# -- search ------------------------------------------------------------------------------------------------------------


def test_a_search_tells_where_what_was_found_stands(client, conversation):
    found = client.get("/api/search?q=firs").json()
    (hit,) = found["hits"]
    assert (hit["conversation"], hit["seq"], hit["sender"], hit["title"]) == (str(conversation.id), 1, "user", TITLE)
    assert hit["passage"] == [["first", True]] and hit["current"] and found["complete"] and found["has_index"]
    assert [row["title"] for row in client.get("/api/search?q=secret").json()["titles"]] == [TITLE]
    assert client.get("/api/search?q=%00%22" + "x" * 5000).json()["hits"] == []


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moments", [7, 2, 1])
def test_the_list_goes_on_after_a_conversation_without_gap_or_repetition(client, alice, moments):
    """Also where several were used in the same moment."""
    now = timezone.now()
    for number in range(7):
        Conversation.objects.create(user=alice, agent_key="a", title=str(number))
        used = now + timedelta(seconds=number % moments)
        Conversation.objects.filter(title=str(number)).update(updated=used)
    url, seen = "/api/conversations?limit=3", []
    page = client.get(url).json()
    while page["more"]:
        assert len(page["conversations"]) == 3
        seen += page["conversations"]
        page = client.get(f"{url}&before={seen[-1]['id']}").json()
    seen += page["conversations"]
    assert sorted(row["title"] for row in seen) == list("0123456")
    assert [row["updated"] for row in seen] == sorted((row["updated"] for row in seen), reverse=True)


def change(client: Client, row: Conversation, **changes):
    return client.patch(address("conversation-data", row.id), json.dumps(changes), content_type="application/json")


def listed(client: Client, query: str = "") -> list[str]:
    return [row["title"] for row in client.get(f"/api/conversations?{query}").json()["conversations"]]


def test_pinned_ones_stand_first_archived_ones_apart_and_folders_by_name(client, alice):
    now = timezone.now()  # the database's clock has milliseconds: two rows may be of one
    rows = [
        Conversation.objects.create(user=alice, agent_key="a", title=f"{at}", updated=now + timedelta(seconds=at))
        for at in range(5)
    ]
    for row, changes in zip(
        rows,
        ({"pinned": True}, {"archived": True}, {"folder": " My  work "}, {"folder": "My work", "pinned": True}, {}),
        strict=True,
    ):
        assert not changes or change(client, row, **changes).status_code == 200

    assert listed(client) == ["3", "0", "4", "2"]
    assert listed(client, "archived=1") == ["1"]
    assert listed(client, "folder=My+work") == ["3", "2"]
    assert client.get("/api/conversations").json()["folders"] == ["My work"]
    seen, before = [], ""
    for _ in range(4):
        page = client.get(f"/api/conversations?limit=1{before}").json()
        seen += page["conversations"]
        before = f"&before={seen[-1]['id']}"
    assert [row["title"] for row in seen] == ["3", "0", "4", "2"] and not page["more"]
    change(client, rows[2], folder="")
    change(client, rows[3], folder="")
    assert client.get("/api/conversations").json()["folders"] == []


@pytest.mark.parametrize(
    "changes", [{"pinned": 1}, {"archived": "yes"}, {"folder": None}, {"folder": "a\x00"}], ids=str
)
def test_what_is_no_place_in_a_list_is_refused(client, conversation, changes):
    assert change(client, conversation, **changes).status_code == 400


@pytest.mark.parametrize("before", ["x", "00000000-0000-4000-8000-000000000000"])
def test_a_list_after_what_does_not_exist_is_not_found(client, alice, before):
    assert client.get(f"/api/conversations?before={before}").status_code == 404


def test_records_come_by_whole_turns_oldest_first(client, conversation):
    for number in range(4):
        add_turn(conversation, f"more {number}")
    url = address("records", conversation.id)
    page = client.get(f"{url}?before=8&limit=2").json()
    assert ([record["seq"] for record in page["records"]], page["earlier"]) == ([5, 6, 7], True)
    page = client.get(f"{url}?before=5&limit=50").json()
    assert ([record["seq"] for record in page["records"]], page["earlier"]) == ([1, 2, 3, 4], False)
    assert client.get(f"{url}?before=1").json() == {"records": [], "earlier": False}


@pytest.mark.parametrize("query", ["before=x", "limit=x", "before=-5", "limit=-1", "limit=999999999", "limit=1e9"])
def test_a_query_that_makes_no_sense_gets_what_does(client, conversation, query):
    answer = client.get(f"{address('records', conversation.id)}?{query}")
    assert answer.status_code == 200 and isinstance(answer.json()["records"], list)


def test_html_comes_on_wish_and_is_sanitised(client, conversation):
    add_turn(conversation, "<b>hi</b>", "**bold** <script>alert(1)</script>")
    url = address("records", conversation.id)
    *_, user, answer = [record["message"] for record in client.get(f"{url}?html=1").json()["records"]]
    assert "html" not in user and user["content"] == "<b>hi</b>"
    assert "<strong>bold</strong>" in answer["html"] and "<script" not in answer["html"]
    assert all("html" not in record["message"] for record in client.get(url).json()["records"])


def test_the_whole_text_of_a_long_record_is_inert(client, conversation):
    long = "<script>alert(1)</script>" + "é🙂" * 200_000
    turn = add_turn(conversation, "tell me", long)
    record = client.get(f"{address('records', conversation.id)}").json()["records"][-1]["message"]
    assert record["truncated"] is True and len(record["content"]) < len(long)
    answer = client.get(record["url"])
    assert answer.content.decode() == long
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert client.get(address("record-text", conversation.id, turn.id)).content == b"tell me"


# -- health ------------------------------------------------------------------------------------------------------------


def test_health_needs_nothing(client, monkeypatch):
    monkeypatch.setattr(connection, "ensure_connection", lambda: pytest.fail("asked the database"))
    answer = client.get("/healthz")
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]


def test_ready_when_everything_answers(client):
    assert client.get("/readyz").json() == {"status": "ok"}


def away(*args, **kwargs):
    raise ConnectionError("password=hunter2 host=db.internal")


def test_not_ready_without_the_database(client, monkeypatch):
    monkeypatch.setattr(connection, "cursor", away)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["database"])
    assert "hunter2" not in answer.content.decode()


def test_not_ready_with_a_full_disk(client, monkeypatch):
    monkeypatch.setattr(room, "MIN_FREE_BYTES", 2**80)
    assert client.get("/readyz").json()["problems"] == ["database file", "attachments"]
    assert room.problem().endswith("cannot be stored")


def test_not_ready_where_the_attachments_folder_cannot_be_written(client, settings):
    options = settings.STORAGES["chat"] | {"OPTIONS": {"location": "/proc/attachments"}}
    settings.STORAGES = settings.STORAGES | {"chat": options}
    assert client.get("/readyz").json()["problems"] == ["attachments"]


def test_not_ready_once_the_file_of_the_database_is_deleted(client, monkeypatch, tmp_path):
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "gone.sqlite3"))
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("name", [":memory:", "file:of_tests?mode=memory&cache=shared"])
def test_a_database_in_memory_has_no_file_that_could_be_gone(monkeypatch, name):
    monkeypatch.setitem(connection.settings_dict, "NAME", name)
    assert room.database_has_room()


def test_a_database_that_is_named_by_a_uri_is_its_file(monkeypatch, tmp_path):
    path = tmp_path / "a name.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", f"file:{quote(str(path))}?mode=rwc")
    assert not room.database_has_room()
    path.touch()
    assert room.database_has_room()


def test_a_file_of_the_database_that_is_not_the_one_that_was_opened_is_told(monkeypatch, tmp_path):
    path, other = tmp_path / "here.sqlite3", tmp_path / "restored.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    assert not room.database_has_room()
    path.write_bytes(b""), other.write_bytes(b"")
    assert room.database_has_room()
    other.replace(path)  # open connections go on with the one that was there
    assert not room.database_has_room() and "SQLite's file" in room.problem()


def test_not_ready_without_the_layer(client, settings):
    unused = "redis://127.0.0.1:1/0"
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [unused]}}
    }
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["channel layer"])


def test_not_ready_while_shutting_down(client, monkeypatch):
    monkeypatch.setattr(this_process, "is_draining", True)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_the_checks_are_those_of_this_page():
    assert set(health._CHECKS) == {
        *("database", "database file", "attachments", "channel layer", "file descriptors", "shutting down")
    }


# -- with a server -----------------------------------------------------------------------------------------------------


def request(server, method: str, path: str, cookies: dict[str, str], body: dict | None = None) -> int:
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    headers |= {"X-CSRFToken": cookies["csrftoken"], "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    made = urllib.request.Request(server.url + path, data, headers, method=method)
    return urllib.request.urlopen(made, timeout=30).status


async def test_other_pages_hear_of_a_new_title_and_of_the_end(server):
    cookies = server.visitor()
    async with Page(server.ws_url, cookies=cookies) as page, Page(server.ws_url, cookies=cookies) as other:
        await page.say("hello [[tokens=2]]")
        await page.idle()
        path = f"/api/conversations/{page.conversation}"
        assert await asyncio.to_thread(request, server, "PATCH", path, cookies, {"title": "New name"}) == 200
        heard = await other.wait(lambda event: event.get("title") == "New name")
        assert (heard["type"], heard["id"]) == ("conversation", page.conversation)
        assert await asyncio.to_thread(request, server, "DELETE", path, cookies) == 204
        await other.wait(lambda event: event["type"] == "conversation" and event["state"] == "deleted")
        assert await page.closed() == 4404


async def test_deleting_stops_what_runs_and_never_begins_what_waits(server, stub):
    cookies = server.visitor()
    stub.reset()
    async with Page(server.ws_url, cookies=cookies) as page:
        await page.say("[[tokens=2000 tps=50]]")
        await page.event("stream_token", after=0)
        await page.say("never begun")
        conversation = page.conversation
        path = f"/api/conversations/{conversation}"
        assert await asyncio.to_thread(request, server, "DELETE", path, cookies) == 204
        assert await page.closed() == 4404
    await asyncio.to_thread(stub.wait, open=0, aborted=1)
    async with Page(server.ws_url, cookies=cookies) as page:
        await page.say("another [[tokens=2]]")
        await page.idle()
    assert all("never begun" not in json.dumps(body) for body in stub.requests())
    assert server.log.count(f"{conversation}: agent plain starts") == 1


def test_the_prototype_s_question_for_health_is_answered(client, settings):
    settings.CHAT_COMPATIBLE_PROFILE = True
    assert client.get("/health").json() == {"status": "healthy"}
    settings.CHAT_COMPATIBLE_PROFILE = False
    assert client.get("/health").status_code == 404


def told_elsewhere(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A project's CSRF_FAILURE_VIEW that is no 403."""
    return redirect("/sorry/")


def test_a_project_s_own_answer_to_a_missing_token_lets_nothing_through(alice, conversation, settings):
    settings.CSRF_FAILURE_VIEW = f"{__name__}.told_elsewhere"
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    answer = browser.delete(address("conversation-data", conversation.id))

    assert (answer.status_code, answer.json()["error"]) == (403, "csrf")
    conversation.refresh_from_db()


# -- a project all of whose pages ask for a sign-in --------------------------------------------------------------------


@pytest.fixture
def closed_site(settings):
    settings.DEBUG = True
    del settings.CHAT_ALLOW_ANONYMOUS
    where = settings.MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    own = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:where], own, *settings.MIDDLEWARE[where:]]


def test_there_scripts_are_answered_in_json_probes_at_all_and_people_go_to_sign_in(client, closed_site):
    new_visitor_of = {COOKIE: new_visitor()[1]}
    client.cookies.load(new_visitor_of)

    assert client.get(reverse("chat:conversations")).json()["error"] == "unauthorized"
    assert client.get(reverse("chat:healthz")).json() == {"status": "ok"}
    assert client.get(reverse("chat:socket")).status_code == 426
    assert client.get(reverse("chat:manifest")).status_code == 200
    for name, arguments in (("page", []), ("shared", ["x" * 43])):
        answer = client.get(reverse(f"chat:{name}", args=arguments))
        assert answer.status_code == 302 and "login" in answer["Location"], name


def test_there_visitors_chat_where_a_setting_says_so(client, closed_site, settings):
    settings.CHAT_ALLOW_ANONYMOUS = True

    assert client.get(reverse("chat:page")).status_code == 200
