"""The chat in another site's frame: no cookie, a ticket of that site's server, and nobody else's conversations."""

from __future__ import annotations

import json
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from chat import embed
from chat.cluster.process import this_process
from chat.embed import SALT, read_ticket, ticket_for
from chat.models import Conversation
from chat.owners import embedded_owner, new_visitor, still_valid
from tests.test_consumers import Page, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

PARENT = "https://shop.example"
KEY = "k" * 32
EMBED = "v=1&embed=1"


@pytest.fixture(autouse=True)
async def site(settings):
    settings.CHAT_EMBED_PARENTS, settings.CHAT_EMBED_KEY = [PARENT], KEY
    settings.CHAT_ALLOW_ANONYMOUS = False
    yield
    await this_process.end()
    this_process.is_draining = False


def conversation_of(person: str, agent: str = "assistant") -> Conversation:
    return Conversation.objects.create(**embedded_owner(person).fields, agent_key=agent, title=person)


async def opened(ticket: str, query: str = EMBED, **options: object) -> tuple[Page, dict]:
    page = Page(query, **options)
    assert (await page.connect(timeout=30))[0]
    await page.say(type="ticket", ticket=ticket)
    return page, await page.next()


# -- the page, the launcher --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/embed/assistant/", "/embed/launcher.js"])
def test_nothing_is_embedded_where_no_parent_is_named(client, settings, path):
    settings.CHAT_EMBED_PARENTS = []

    assert client.get(path).status_code == 404


def test_the_page_goes_into_frames_of_the_parents_alone_and_sets_no_cookie(client):
    response = client.get("/embed/assistant/")

    assert response.status_code == 200
    assert f"frame-ancestors {PARENT};" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response and "Set-Cookie" not in response and not response.cookies
    assert 'data-csrf=""' in response.content.decode()


def test_the_page_knows_of_its_own_agent_alone(client, settings):
    settings.CHAT_AGENTS = {**settings.CHAT_AGENTS, "secret": {"FACTORY": "a.b", "NAME": "Other plans"}}

    assert "Other plans" not in client.get("/embed/assistant/").content.decode()
    assert client.get("/embed/nobody/").status_code == 404


def test_the_chats_own_page_is_in_no_frame(client, alice):
    client.force_login(alice)

    assert "frame-ancestors 'none'" in client.get("/")["Content-Security-Policy"]


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


def test_the_launcher_is_small_and_for_any_site(client):
    response = client.get("/embed/launcher.js")

    assert response["Content-Type"].startswith("text/javascript")
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert len(response.content) <= 2048 and b"import" not in response.content


# -- tickets -----------------------------------------------------------------------------------------------------------


def test_a_ticket_names_a_person_and_an_agent():
    ticket = read_ticket(ticket_for("4711", agent="assistant"))

    assert ticket is not None and (ticket.owner, ticket.agent) == (embedded_owner("4711"), "assistant")


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", None, 5, signing.dumps(["4711", "assistant"], salt="other"), signing.dumps("4711", salt=SALT)],
    ids=["empty", "nonsense", "none", "a number", "of another use", "without an agent"],
)
def test_what_is_no_ticket_names_nobody(text):
    assert read_ticket(text) is None


def test_a_ticket_is_good_for_a_minute(monkeypatch):
    ticket = ticket_for("4711", agent="assistant")
    monkeypatch.setattr(embed, "TICKET_SECONDS", 0)

    assert read_ticket(ticket) is None


@pytest.mark.parametrize(
    ("person", "agent"), [("", "assistant"), ("x" * 201, "assistant"), (5, "assistant"), ("a", "b")]
)
def test_a_ticket_for_nobody_or_no_agent_is_not_made(client, person, agent):
    with pytest.raises(ValueError):
        ticket_for(person, agent=agent)
    assert ask(client, {"person": person, "agent": agent}).status_code == 400


def ask(client: Client, body: object, key: str = KEY):
    headers = {"Authorization": f"Bearer {key}"}
    return client.post("/api/embed/tickets", json.dumps(body), content_type="application/json", headers=headers)


def test_another_sites_server_gets_a_ticket_for_its_key():
    response = ask(Client(enforce_csrf_checks=True), {"person": "4711", "agent": "assistant"})

    assert response.status_code == 201 and response.json()["expires_in"] == 60
    assert read_ticket(response.json()["ticket"]).owner == embedded_owner("4711")


@pytest.mark.parametrize("key", ["", "k" * 31, "ü"])
def test_without_the_key_there_is_no_ticket(client, settings, key):
    assert ask(client, {"person": "4711", "agent": "assistant"}, key).status_code == 401
    settings.CHAT_EMBED_KEY = ""
    assert ask(client, {"person": "4711", "agent": "assistant"}, "").status_code == 401


@pytest.mark.parametrize("body", [[], {}, {"person": "a"}, {"person": ["a"], "agent": {}}], ids=str)
def test_a_ticket_that_is_asked_for_wrongly_is_refused(client, body):
    assert ask(client, body).status_code == 400


# -- the socket --------------------------------------------------------------------------------------------------------


async def test_the_socket_is_the_persons_whatever_cookie_comes_along():
    _, cookies = await signed_in()
    row = await Conversation.objects.acreate(**embedded_owner("4711").fields, agent_key="assistant")
    page, first = await opened(ticket_for("4711", agent="assistant"), cookies=cookies)

    assert first["type"] == "connection" and first["session_id"] == str(row.id)
    await page.disconnect()


async def test_a_person_goes_on_where_it_was_or_begins_anew():
    row = await Conversation.objects.acreate(**embedded_owner("4711").fields, agent_key="assistant")
    page, first = await opened(ticket_for("4711", agent="assistant"), f"{EMBED}&fresh=1")

    assert first["session_id"] != str(row.id) and first["ticket"]
    await page.disconnect()


@pytest.mark.parametrize("other", ["somebody else", "a user", "a visitor"])
async def test_nobody_elses_conversation_opens(other):
    user, _ = await signed_in()
    owners = {
        "somebody else": embedded_owner("4712").fields,
        "a user": {"user_id": user.pk},
        "a visitor": new_visitor()[0].fields,
    }
    row = await Conversation.objects.acreate(**owners[other], agent_key="assistant")
    page, first = await opened(ticket_for("4711", agent="assistant"), f"{EMBED}&conversation={row.id}")

    assert first["error"] == "not_found" and await page.closed() == 4404


@pytest.mark.parametrize("ticket", ["", "nonsense", None, 7], ids=str)
async def test_a_bad_ticket_opens_nothing(ticket):
    page, first = await opened(ticket)

    assert first["error"] == "unauthorized" and await page.closed() == 4401


async def test_until_the_ticket_comes_nothing_is_done(monkeypatch):
    page = Page(EMBED)
    await page.connect(timeout=30)
    for frame in ({"type": "ping"}, {"type": "message", "content": "hello"}, {"type": "nonsense"}):
        await page.say(**frame)
    await page.send_input({"type": "websocket.receive", "text": "{"})

    assert await page.receive_nothing(0.1) and not await Conversation.objects.aexists()
    await page.say(type="ticket", ticket=ticket_for("4711", agent="assistant"))
    assert (await page.next())["type"] == "connection"
    await page.disconnect()


async def test_who_brings_no_ticket_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("chat.consumers.TICKET_WAIT_SECONDS", 0.05)
    page = Page(EMBED)
    await page.connect(timeout=30)

    assert (await page.next())["error"] == "unauthorized" and await page.closed() == 4401


async def test_an_address_holds_so_many_sockets_without_a_ticket_and_gets_its_places_back(settings):
    settings.CHAT_MAX_SOCKETS_PER_IP = 2
    waiting = [Page(EMBED, client="10.0.0.1") for _ in range(2)]
    for page in waiting:
        await page.connect(timeout=30)
    third = Page(EMBED, client="10.0.0.1")
    await third.connect(timeout=30)

    assert (await third.next())["error"] == "rate_limited" and await third.closed() == 4429
    await waiting[0].disconnect()
    await waiting[1].say(type="ticket", ticket=ticket_for("4711", agent="assistant"))
    assert (await waiting[1].next())["type"] == "connection"
    again, first = await opened(ticket_for("4712", agent="assistant"), client="10.0.0.1")
    assert first["type"] == "connection"
    for page in (waiting[1], again):
        await page.disconnect()


async def test_a_second_ticket_changes_nothing():
    page, _ = await opened(ticket_for("4711", agent="assistant"))
    await page.next_of("status")
    await page.say(type="ticket", ticket=ticket_for("4712", agent="assistant"))

    assert (await page.next())["error"] == "unknown_type"
    await page.disconnect()


async def test_where_nothing_may_be_embedded_a_ticket_is_no_way_in(settings):
    settings.CHAT_EMBED_PARENTS = []
    page = Page(EMBED)
    await page.connect(timeout=30)

    assert (await page.next())["error"] == "unauthorized" and await page.closed() == 4401


def test_a_person_stays_where_visitors_may_not_come():
    owners = {embedded_owner("4711"), new_visitor()[0]}

    assert still_valid(owners) == {embedded_owner("4711")}


# -- HTTP --------------------------------------------------------------------------------------------------------------


async def access_for(person: str) -> str:
    page, first = await opened(ticket_for(person, agent="assistant"), f"{EMBED}&fresh=1")
    await page.disconnect()
    return first["access"]


async def test_the_page_reads_and_changes_its_own_conversations_by_what_the_socket_gave_it(async_client):
    mine, other = [await Conversation.objects.acreate(**embedded_owner(p).fields, agent_key="a") for p in "ab"]
    headers = {"Authorization": f"Chat {await access_for('a')}"}

    assert (await async_client.get(f"/api/conversations/{mine.id}/records", headers=headers)).status_code == 200
    assert (await async_client.get(f"/api/conversations/{other.id}/records", headers=headers)).status_code == 404
    listed = (await async_client.get("/api/conversations", headers=headers)).json()["conversations"]
    assert [item["id"] for item in listed] == [str(mine.id)]


@pytest.mark.parametrize(
    "access", ["", "nonsense", signing.dumps("x", salt="other")], ids=["empty", "nonsense", "other"]
)
def test_a_bad_access_is_nobodys_even_with_a_cookie(client, alice, access):
    client.force_login(alice)

    assert client.get("/api/conversations", headers={"Authorization": f"Chat {access}"}).status_code == 401


async def test_what_carries_no_cookie_needs_no_token_and_what_carries_one_does():
    user, _ = await signed_in()
    row = await Conversation.objects.acreate(**embedded_owner("a").fields, agent_key="a")
    access = await access_for("a")

    def rename(client: Client, id: uuid.UUID, **headers: str) -> int:
        body = json.dumps({"title": "new"})
        address = f"/api/conversations/{id}"
        return client.patch(address, body, content_type="application/json", headers=headers).status_code

    def both() -> tuple[int, int]:
        embedded, own = Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)
        own.force_login(user)
        theirs = Conversation.objects.create(user=user, agent_key="a")
        return rename(embedded, row.id, Authorization=f"Chat {access}"), rename(own, theirs.id)

    assert await sync_to_async(both)() == (200, 403)
