"""The consumer: who may connect, what bad input is answered, limits. With Channels' communicator, without agents."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
from contextlib import closing

import pytest
from asgiref.sync import sync_to_async
from autobahn.exception import Disconnected
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from chat.actions.send import accept_message
from chat.cluster.process import this_process
from chat.connection.abuse import ABUSE_FRAMES
from chat.live.threads import in_thread
from chat.models import Message
from chat.owners import COOKIE, new_visitor, owner_of_cookies, still_valid
from chat.routing import websocket_application
from tests.pace import assert_within
from tests.wire.test_wire import BAD_FRAMES

pytestmark = pytest.mark.django_db(transaction=True)

HOST = (b"host", b"testserver")
NOTHING = "00000000-0000-4000-8000-000000000000"  # an id that nothing has


@pytest.fixture(autouse=True)
async def process(settings):
    """A process of this test's own, ended with it, that lets anyone in."""
    settings.CHAT_ALLOW_ANONYMOUS = settings.CHAT_COMPATIBLE_PROFILE = True
    yield this_process
    await this_process.end()
    this_process.is_draining = False
    assert not this_process.connections and not this_process.sessions


SECONDS = 30  # for a frame that is to come: the first answer of all waits for the agent library


class Page(WebsocketCommunicator):
    def __init__(self, query="v=1", *, path="/ws/chat/", cookies=None, origin=None, host=HOST, client=None):
        headers = [host]
        if cookies:
            headers.append((b"cookie", "; ".join(f"{k}={v}" for k, v in cookies.items()).encode()))
        if origin:
            headers.append((b"origin", origin.encode()))
        super().__init__(websocket_application, f"{path}?{query}", headers=headers)
        if client:
            self.scope["client"] = (client, 1)

    async def open(self):
        """Connect; return the first frame."""
        connected, code = await self.connect(timeout=SECONDS)
        assert connected, code
        return await self.next()

    async def next(self):
        return json.loads(await self.receive_from(timeout=SECONDS))

    async def next_of(self, kind):
        while True:
            event = await self.next()
            if event["type"] == kind:
                return event

    async def closed(self):
        """Read until the close; return its code."""
        while True:
            output = await self.receive_output(timeout=SECONDS)
            if output["type"] == "websocket.close":
                return output["code"]

    async def say(self, **frame):
        await self.send_to(text_data=json.dumps(frame))


@pytest.fixture
async def page():
    page = Page()
    await page.open()
    await page.next_of("status")
    yield page
    await page.disconnect()


@sync_to_async
def signed_in(name="alice", **fields):
    """A user and the cookies of a browser where that user is signed in."""
    user = get_user_model().objects.create_user(name, password="pw", **fields)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return user, {"sessionid": session.session_key}


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_a_bad_frame_is_answered_and_the_socket_lives(page, text):
    frame = {"bytes": b"\x00\xff"} if text is None else {"text": text}
    await page.send_input({"type": "websocket.receive", **frame})
    assert (await page.next())["error"] == "bad_frame"
    await page.say(type="ping")
    assert await page.next() == {"type": "pong"}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"type":"message","content":"' + "x" * 70_000 + '"}', "too_large"),
        ("x" * 1_000_000, "too_large"),
        (json.dumps({"type": "message", "content": "x" * 16_001}), "too_large"),
        ('{"type":"sing"}', "unknown_type"),
        ('{"type":"command","command":"dance"}', "unknown_type"),
        (json.dumps({"type": "sync", "message_id": NOTHING}), "not_found"),
        (json.dumps({"type": "answer", "request_id": NOTHING, "content": "x"}), "not_found"),
        (
            json.dumps({"type": "command", "command": "edit", "message_id": NOTHING, "content": "x"}),
            "not_found",
        ),
        (json.dumps({"type": "command", "command": "branch", "turn": NOTHING}), "not_found"),
        (json.dumps({"type": "command", "command": "clear"}), "not_found"),
        (json.dumps({"type": "message", "content": "x", "attachments": [NOTHING]}), "not_found"),
        ('{"type":"ack","frames":1000}', "bad_frame"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_its_code(page, frame, code):
    await page.send_to(text_data=frame)
    assert (await page.next())["error"] == code
    await page.say(type="ping")
    assert await page.next() == {"type": "pong"}


async def test_a_refused_message_is_named_by_the_client_s_id(page):
    await page.say(type="message", content="", message_id="mine")
    assert (await page.next())["client_id"] == "mine"


@pytest.mark.parametrize(("frame", "code"), [("[]", 4400), ("x" * 70_000, 4413)])
async def test_five_bad_frames_in_a_row_close_the_socket(page, frame, code):
    for _ in range(ABUSE_FRAMES):
        await page.send_to(text_data=frame)
    assert await page.closed() == code


async def test_too_many_frames_are_refused_and_a_flood_is_closed(page, settings):
    for _ in range(400):
        await page.say(type="ping")
    assert (await page.next_of("error"))["error"] == "rate_limited"
    assert await page.closed() == 4429


# -- who may connect -------------------------------------------------------------------------------------------------


async def test_a_page_that_has_left_before_it_is_accepted_is_no_failure(caplog):
    """uvicorn says so by an OSError."""
    groups = set(get_channel_layer().groups)
    heard = asyncio.Queue()
    heard.put_nowait({"type": "websocket.connect"})

    async def send(message: dict) -> None:
        raise OSError

    async with asyncio.timeout(30):
        await websocket_application(Page().scope, heard.get, send)
    assert [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")] == []
    assert set(get_channel_layer().groups) == groups


async def test_the_first_frames_are_connection_and_status(settings):
    page = Page(cookies={COOKIE: new_visitor()[1]})
    connection = await page.open()
    status = await page.next()
    assert connection["status"] == "connected" and connection["protocol"] == 1 and connection["ticket"]
    assert connection["limits"]["max_message_chars"] == 16000
    assert (connection["seq"], connection["head"], connection["resumed"], connection["earlier"]) == (
        0,
        None,
        False,
        False,
    )
    assert (status["type"], status["state"], status["queued"]) == ("status", "idle", [])
    await page.disconnect()


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://testserver", True),
        ("http://testserver:80", True),
        ("http://localhost:5173", True),
        ("https://testserver", False),
        ("http://testserver:8000", False),
        ("http://testserver.evil.example", False),
        ("http://evil.example", False),
        ("http://localhost:5174", False),
        ("null", False),
        ("http://", False),
        ("http://testserver:port", False),
        ("file://testserver", False),
    ],
)
async def test_only_pages_of_this_site_and_of_allowed_origins_connect(origin, allowed, settings):
    settings.CHAT_ALLOWED_ORIGINS = ["http://localhost:5173"]
    page = Page(origin=origin)
    connected, _ = await page.connect(timeout=30)
    assert connected is allowed
    if connected:
        await page.disconnect()


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:5173"])
async def test_while_developing_an_older_page_may_come_from_any_port_of_this_machine(origin, settings):
    for debug, profile in ((True, True), (True, False), (False, True)):
        settings.DEBUG, settings.CHAT_COMPATIBLE_PROFILE = debug, profile
        page = Page(origin=origin)
        assert await page.connect(timeout=30) == (debug and profile, None if debug and profile else 1000)
        if debug and profile:
            await page.disconnect()


async def test_a_refused_handshake_tells_the_log_what_came_and_what_was_expected(settings, caplog):
    settings.CHAT_ALLOWED_ORIGINS = ["https://app.example"]
    await Page(origin="http://evil.example").connect(timeout=30)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "chat.routing"]
    for part in ("http://evil.example", "http://testserver", "https://app.example", "CHAT_ALLOWED_ORIGINS"):
        assert part in line


@pytest.mark.parametrize("content", ["half \ud83d", "nul \x00"])
async def test_what_cannot_be_sent_is_answered_for_its_client_s_id(page, content):
    await page.say(type="message", content=content, message_id="mine")
    refused = await page.next_of("error")
    assert (refused["error"], refused["client_id"]) == ("bad_frame", "mine")
    await page.say(type="message", content="a", message_id="\ud83d")
    assert "client_id" not in await page.next_of("error")


async def test_a_host_that_is_not_allowed_is_refused():
    connected, _ = await Page(host=(b"host", b"evil.example")).connect(timeout=30)
    assert not connected


async def test_an_unknown_path_is_refused():
    connected, _ = await Page(path="/ws/other/").connect(timeout=30)
    assert not connected


async def test_without_sign_in_and_without_anonymous_visitors_the_socket_says_sign_in(settings):
    settings.CHAT_ALLOW_ANONYMOUS = False
    page = Page()
    assert (await page.open())["error"] == "unauthorized"
    assert await page.closed() == 4401


async def test_a_signed_in_user_connects_where_visitors_may_not(settings):
    settings.CHAT_ALLOW_ANONYMOUS = False
    _, cookies = await signed_in()
    page = Page(cookies=cookies)
    assert (await page.open())["type"] == "connection"
    await page.disconnect()


@pytest.mark.parametrize("query", ["v=2", "v=", "v=x"])
async def test_another_protocol_is_refused(query):
    page = Page(f"{query}&a=b")
    connection = await page.open()
    if query == "v=":  # an empty parameter is none: the compatible profile
        assert connection["type"] == "connection"
        return await page.disconnect()
    assert connection["error"] == "bad_frame"
    assert await page.closed() == 4400


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/ws/chat/"])
async def test_the_compatible_profile_can_be_off(settings, path):
    settings.CHAT_COMPATIBLE_PROFILE = False
    page = Page("browser_session_id=x", path=path)
    assert (await page.open())["error"] == "bad_frame"
    assert await page.closed() == 4400


async def test_the_compatible_profile_is_never_acknowledged_nor_greeted_with_more_than_a_connection(settings):
    page = Page("browser_session_id=x", path="/ws")
    connection = await page.open()
    assert set(connection) == {"type", "status", "session_id", "message"}
    await page.say(type="ping")
    assert await page.next() == {"type": "pong"}
    await page.disconnect()


SESSION = "browser-1732953600000-k3x9q2m1a"


async def session_ids(*pages: Page) -> list[str]:
    """The conversations that these pages get, one page after the other; each says something."""
    ids = []
    for page in pages:
        ids.append((await page.open())["session_id"])
        await page.say(type="message", content="hello")
        await page.next_of("message")
        await page.disconnect()
    return ids


@pytest.mark.parametrize(("setting", "is_same"), [(True, True), (False, False)])
async def test_a_session_id_is_a_visitor_s_key_only_where_a_setting_says_so(settings, setting, is_same):
    settings.CHAT_COMPATIBLE_SESSION_IDS = setting
    first, second = await session_ids(*(Page(f"browser_session_id={SESSION}", path="/ws") for _ in range(2)))
    assert (first == second) is is_same


async def test_with_a_cookie_a_session_id_names_a_conversation_of_its_owner(settings):
    settings.CHAT_COMPATIBLE_SESSION_IDS = False
    mine, other = ({COOKIE: new_visitor()[1]} for _ in range(2))
    query = f"browser_session_id={SESSION}"
    first, again, theirs = await session_ids(*(Page(query, path="/ws", cookies=jar) for jar in (mine, mine, other)))
    assert first == again != theirs


async def test_what_is_easily_guessed_is_nobody_s_session(settings):
    settings.CHAT_COMPATIBLE_SESSION_IDS = True
    first, second = await session_ids(*(Page("browser_session_id=browser-1", path="/ws") for _ in range(2)))
    assert first != second


async def test_a_page_of_the_prototype_that_is_loaded_again_has_the_answers(settings):
    settings.CHAT_COMPATIBLE_SESSION_IDS = True
    query = f"browser_session_id={SESSION}"
    page = Page(query, path="/ws")
    await page.open()
    await page.say(type="message", content="hello")
    answer = await page.next_of("message")
    await page.disconnect()
    again = Page(query, path="/ws")
    await again.open()
    assert (await again.next_of("message"))["message"]["content"] == answer["message"]["content"]
    await again.disconnect()


@pytest.mark.parametrize("query", ["conversation=x", f"conversation={NOTHING}", "agent=nobody"])
async def test_what_does_not_exist_is_not_found(query):
    page = Page(f"v=1&{query}")
    assert (await page.open())["error"] == "not_found"
    assert await page.closed() == 4404


async def test_a_ticket_is_its_owner_s_only():
    cookies = {COOKIE: new_visitor()[1]}
    page = Page(cookies=cookies)
    connection = await page.open()
    await page.disconnect()
    query = f"v=1&conversation={connection['session_id']}&ticket={connection['ticket']}"
    mine = Page(query, cookies=cookies)
    assert (await mine.open())["session_id"] == connection["session_id"]
    await mine.disconnect()
    for jar, address in (({COOKIE: new_visitor()[1]}, query), (cookies, query + "x")):
        other = Page(address, cookies=jar)
        assert (await other.open())["error"] == "not_found"
        assert await other.closed() == 4404


async def test_a_forged_cookie_makes_nobody_the_visitor(page):
    cookie = new_visitor()[1]
    forged = cookie[:-1] + ("A" if cookie[-1] != "A" else "B")
    pages = [Page(cookies={COOKIE: value}) for value in (cookie, forged)]
    for each in pages:
        await each.open()
    owners = {connection.owner.id for connection in this_process.connections}
    assert len(owners) == 3
    for each in pages:
        await each.disconnect()


@pytest.mark.parametrize("what", ["disabled", "password", "logout", "deleted"])
async def test_a_user_who_may_not_chat_any_more_is_refused_at_once_and_closed_soon(what):
    user, cookies = await signed_in()
    page, idle = Page(cookies=cookies), Page(cookies=cookies)
    for each in (page, idle):
        await each.open()

    @sync_to_async
    def change():
        if what == "disabled":
            type(user).objects.update(is_active=False)
        elif what == "password":
            user.set_password("new")
            user.save()
        elif what == "logout":
            SessionStore(cookies["sessionid"]).delete()
        else:
            user.delete()

    await change()
    await page.say(type="message", content="hello")
    assert (await page.next_of("error"))["error"] == "unauthorized"
    assert await page.closed() == 4401
    async with asyncio.timeout(30):
        assert await idle.closed() == 4401
    assert not await sync_to_async(Message.objects.exists)()


# -- what opening costs ----------------------------------------------------------------------------------------------


@pytest.fixture
def trips(monkeypatch):
    """What is done in I/O threads while pages open."""
    made = []

    def count(function, *args, **kwargs):
        made.append(function.__name__)
        return in_thread(function, *args, **kwargs)

    monkeypatch.setattr("chat.connection.opening.in_thread", count)
    monkeypatch.setattr("chat.connection.feed.in_thread", count)
    return made


@sync_to_async
def say(cookie, content):
    """Store a visitor's message, which nobody answers yet; return it."""
    owner = owner_of_cookies({COOKIE: cookie})
    said = accept_message(owner, uuid.uuid4(), content=content, client_id=None, new_agent="assistant")
    return said.message


async def test_a_visitor_s_new_page_asks_the_database_nothing(page, trips):
    new = Page(cookies={COOKIE: new_visitor()[1]})
    assert (await new.open())["ticket"] and (await new.next())["state"] == "idle"
    assert trips == []
    await new.disconnect()


async def test_a_stored_page_asks_once_before_it_joins_its_group_and_once_after(page, trips):
    cookie = new_visitor()[1]
    turn = await say(cookie, "hello")
    await sync_to_async(turn.end)()
    stored = Page(f"v=1&conversation={turn.conversation_id}&after=0", cookies={COOKIE: cookie})
    assert (await stored.open())["seq"] == 1
    assert (await stored.next_of("message"))["message"]["content"] == "hello"
    assert len(trips) == 2
    await stored.disconnect()


async def test_a_turn_that_waits_is_woken_when_its_page_opens(page, monkeypatch):
    woken = []
    monkeypatch.setattr(this_process, "wake_soon", woken.append)
    monkeypatch.setattr(this_process, "wake", lambda id: asyncio.sleep(0))  # the tick would do it as well, later
    cookie = new_visitor()[1]
    turn = await say(cookie, "hello")
    waiting = Page(f"v=1&conversation={turn.conversation_id}", cookies={COOKIE: cookie})
    await waiting.open()
    assert (await waiting.next())["queued"]
    await waiting.next_of("message")
    await waiting.say(type="ping")
    await waiting.next_of("pong")
    assert woken == [turn.conversation_id]
    await waiting.disconnect()


async def test_the_oldest_of_too_many_sockets_gives_way(settings):
    settings.CHAT_MAX_SOCKETS = 2
    cookies = {COOKIE: new_visitor()[1]}
    pages = [Page(cookies=cookies) for _ in range(3)]
    for page in pages:
        await page.open()
    assert await pages[0].closed() == 4409
    await pages[2].say(type="ping")
    assert await pages[2].next_of("pong")
    for page in pages[1:]:
        await page.disconnect()


async def test_sockets_of_one_address_can_be_limited(settings):
    settings.CHAT_MAX_SOCKETS_PER_IP = 1
    page = Page(client="203.0.113.5")
    await page.open()
    other = Page(client="203.0.113.5")
    assert (await other.open())["error"] == "rate_limited"
    assert await other.closed() == 4429
    await page.disconnect()


async def test_sockets_that_open_at_once_are_limited_too(settings):
    settings.CHAT_MAX_SOCKETS_PER_IP = 2
    pages = [Page(client="203.0.113.5") for _ in range(8)]
    types = [first["type"] for first in await asyncio.gather(*(page.open() for page in pages))]
    assert sorted(types) == ["connection"] * 2 + ["error"] * 6
    for page in pages:
        await page.disconnect()
    late = Page(client="203.0.113.5")
    assert (await late.open())["type"] == "connection", "those that have left count no more"
    await late.disconnect()


async def test_sockets_without_a_cookie_are_new_visitors_and_few_of_one_address_are_taken_in(settings):
    settings.CHAT_VISITORS_PER_MINUTE = 3
    pages = [Page(client=f"2001:db8:1:2::{number}") for number in range(4)]
    types = [(await page.open())["type"] for page in pages]
    assert types == ["connection"] * 3 + ["error"]
    assert await pages[3].closed() == 4429
    elsewhere = Page(client="2001:db8:1:3::1")
    assert (await elsewhere.open())["type"] == "connection"
    for page in (*pages[:3], elsewhere):
        await page.disconnect()


async def answers_to_a_turn_each(pages):
    """What each page hears when it asks for a turn."""
    answers = []
    for page in pages:
        await page.open()
        await page.next_of("status")
        await page.say(type="message", content="hello")
        while (answer := await page.next())["type"] not in ("accepted", "error"):
            pass
        answers.append(answer.get("error", "accepted"))
    for page in pages:
        await page.disconnect()
    return answers


@pytest.fixture
def nobody_answers(monkeypatch):
    monkeypatch.setattr(this_process, "wake_soon", lambda *_: None)


async def test_visitors_of_one_address_share_a_limit_of_turns(settings, nobody_answers):
    settings.CHAT_VISITOR_TURNS_PER_MINUTE = 2
    pages = [Page(client="203.0.113.5") for _ in range(3)]
    assert await answers_to_a_turn_each(pages) == ["accepted", "accepted", "rate_limited"]
    assert await answers_to_a_turn_each([Page(client="203.0.113.6")]) == ["accepted"]


async def test_a_socket_signs_nobody_out_when_the_secret_key_was_changed(settings):
    _, cookies = await signed_in()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 8
    for _ in range(2):
        owner = await sync_to_async(owner_of_cookies)(cookies)
        assert owner.user_id and await sync_to_async(still_valid)({owner}) == {owner}


async def test_the_pages_and_sockets_of_a_person_stay_signed_in_when_the_secret_key_was_changed(settings):
    _, cookies = await signed_in()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 8
    socket = await sync_to_async(owner_of_cookies)(cookies)  # of a tab that came back first
    browser = Client()
    browser.cookies["sessionid"] = cookies["sessionid"]
    for address in ("/api/conversations", "/", "/api/conversations"):
        answer = await sync_to_async(browser.get)(address)
        assert answer.status_code == 200 and browser.cookies["sessionid"].value == cookies["sessionid"]
    assert await sync_to_async(still_valid)({socket}) == {socket}
    settings.SECRET_KEY_FALLBACKS = []  # who has come by needs the former one no more
    assert (await sync_to_async(owner_of_cookies)(cookies)).user_id == socket.user_id


async def test_an_expired_session_is_no_longer_good_for_an_open_socket():
    _, cookies = await signed_in()
    owner = await sync_to_async(owner_of_cookies)(cookies)
    await Session.objects.filter(session_key=cookies["sessionid"]).aupdate(expire_date=timezone.now())
    assert await sync_to_async(still_valid)({owner}) == set()


async def test_signed_in_users_are_not_counted_by_their_address(settings, nobody_answers):
    settings.CHAT_VISITOR_TURNS_PER_MINUTE = settings.CHAT_VISITORS_PER_MINUTE = settings.CHAT_MAX_SOCKETS_PER_IP = 1
    _, cookies = await signed_in()
    pages = [Page(client="203.0.113.5", cookies=cookies) for _ in range(3)]
    assert await answers_to_a_turn_each(pages) == ["accepted"] * 3


async def test_a_server_that_shuts_down_says_bye_and_takes_nobody_in():
    page = Page()
    await page.open()
    await this_process.drain(0)
    bye = await page.next_of("bye")
    assert bye["retry_ms"] > 0
    assert await page.closed() == 4012
    this_process.is_draining = True
    late = Page()
    assert (await late.open())["type"] == "error"
    assert await late.closed() == 4012


async def test_the_more_pages_there_are_the_longer_is_the_time_over_which_they_are_asked_back(page, monkeypatch):
    class Told:
        owner = new_visitor()[0]

        async def dismiss(self, code, *events):
            self.retry_ms = events[0]["retry_ms"]

    crowd = [Told() for _ in range(1000)]
    monkeypatch.setattr(this_process, "connections", crowd)
    await this_process.drain(0)
    monkeypatch.undo()
    delays = [told.retry_ms for told in crowd]
    assert min(delays) >= 500 and 4000 < max(delays) <= 5600


async def test_nothing_is_left_of_a_page_that_went():
    page = Page()
    await page.open()
    assert this_process.connections
    await page.disconnect()
    assert not this_process.connections


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), Disconnected("gone")], ids=repr)
async def test_a_page_that_is_gone_before_its_disconnect_is_heard_fails_nothing(page, caplog, error):
    async def fails(message):
        raise error

    [consumer] = this_process.connections
    consumer.base_send = fails
    await page.say(type="ping")
    await page.say(type="nonsense")
    await page.disconnect()
    assert not this_process.connections
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's one lock")
@pytest.mark.parametrize("frame", [{"type": "message", "content": "hello", "message_id": "1"}], ids=["message"])
async def test_while_another_program_has_the_lock_a_command_is_refused_as_busy(page, frame):
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = time.monotonic()
        await page.say(**frame)
        answer = await page.next()
        assert (answer["error"], answer["retry_ms"] > 0) == ("busy", True)
        assert_within(5, since=asked)
        other.execute("ROLLBACK")
    assert not await Message.objects.aexists()
