"""Hostile clients of a real server: what they send is refused, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from chat.mends.daphne_close import CLOSE_SECONDS
from tests.client import Client
from tests.pace import SLACK, assert_within
from tests.servers import Server

KIB, MIB = 2**10, 2**20
OTHERS_SECONDS = 2.0 * SLACK


@pytest.fixture(scope="module")
def server(stub, tmp_path_factory):
    """A server with the frame limits of a real one."""
    limits = {"CHAT_FRAMES_PER_SECOND": "20", "CHAT_FRAMES_BURST": "40"}
    model = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(tmp_path_factory.mktemp("attacked"), **limits, **model) as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
async def other(server):
    """Someone else's page, which must be served as ever."""
    async with Client(server.ws_url, agent="mock") as client:
        await echo(client)
        yield client
        assert await echo(client) < OTHERS_SECONDS


async def echo(client: Client) -> float:
    """A turn of an agent that answers at once; how long it took, in seconds."""
    start = time.monotonic()
    assert (await client.say("echo"))["type"] == "accepted"
    await client.idle()
    assert client.answer() == "You said: echo"
    return time.monotonic() - start


async def lives(client: Client) -> None:
    await client.send(type="ping")
    await client.event("pong")


def message(size: int) -> str:
    """A message whose frame has this many bytes."""
    frame = json.dumps({"type": "message", "content": ""})
    return frame[:-2] + "x" * (size - len(frame)) + frame[-2:]


# -- frames ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(message(64 * KIB + 1), "too_large", id="64 KiB + 1"),
        pytest.param(message(MIB), "too_large", id="1 MiB"),
        pytest.param(message(64 * KIB), "too_large", id="64 KiB, and a text that is too long"),
        pytest.param(b"\x00\x01\xff", "bad_frame", id="binary"),
        pytest.param(message(40).encode(), "bad_frame", id="binary JSON"),
        pytest.param("[" * 60_000, "bad_frame", id="60,000 open brackets"),
        pytest.param("[" * 100_000, "too_large", id="100,000 open brackets"),
        pytest.param('{"type":' + '{"a":' * 10_000 + "1" + "}" * 10_001, "bad_frame", id="10,000 nested objects"),
        pytest.param('{"type":"ack","frames":' + "9" * 5_000 + "}", "bad_frame", id="a number of 5,000 digits"),
        pytest.param('{"type":"ack","frames":1e400}', "bad_frame", id="a number beyond all"),
        pytest.param('{"type":"message","content":"\\ud800"}', "bad_frame", id="a lone surrogate"),
        pytest.param('{"type":"message","content":"a\\u0000b"}', "bad_frame", id="NUL"),
        pytest.param('{"type":"ping","type":["ping"]}', "bad_frame", id="a type twice"),
        pytest.param("", "bad_frame", id="nothing"),
    ],
)
async def test_a_hostile_frame_is_answered_and_the_socket_lives(server, other, frame, code):
    async with Client(server.ws_url) as client:
        await client.send_raw(frame)
        assert (await client.event("error"))["error"] == code
        await lives(client)


async def test_a_frame_over_one_mebibyte_ends_its_connection_only(server, other):
    async with Client(server.ws_url) as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send_raw(message(MIB + 1))
        assert await client.closed() in (1006, 1009)


async def test_text_that_is_not_utf_8_ends_its_connection_only(server, other):
    async with Client(server.ws_url) as client:
        with contextlib.suppress(ConnectionClosed):
            await client.socket.send(b'{"type":"ping","x":"\xff\xfe"}', text=True)
        assert await client.closed() in (1006, 1007)


def frame_of(first: int, second: int, rest: bytes = b"") -> bytes:
    return bytes([first, second]) + rest


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(frame_of(0x81, 0x02, b"{}"), id="not masked"),
        pytest.param(frame_of(0xF1, 0x82, b"\x00" * 4 + b"{}"), id="reserved bits"),
        pytest.param(frame_of(0x83, 0x82, b"\x00" * 4 + b"{}"), id="an unknown kind"),
        pytest.param(frame_of(0x80, 0x82, b"\x00" * 4 + b"{}"), id="goes on with nothing"),
        pytest.param(frame_of(0x89, 0xFE, b"\x00\x7e" + b"\x00" * 130), id="a ping of 126 bytes"),
        pytest.param(frame_of(0x81, 0xFF, b"\x3f" + b"\xff" * 7 + b"\x00" * 4), id="claims 2^62 bytes"),
    ],
)
def test_what_is_no_websocket_ends_its_connection_only(server, frame):
    with raw_websocket(server) as raw:
        raw.sendall(frame)
        read_to_the_end(raw)
    assert urllib.request.urlopen(f"{server.url}/healthz", timeout=30).status == 200


def test_a_client_that_is_closed_has_some_seconds_to_read_why(server):
    """A busy page answers a close late. Autobahn's own second may be over at once."""
    nothing = "&conversation=00000000-0000-4000-8000-000000000000"
    with raw_websocket(server, nothing) as raw:
        received = b""
        while not received.endswith(frame_of(0x88, 2, (4404).to_bytes(2))):
            received += raw.recv(65536)
        closed = time.monotonic()
        read_to_the_end(raw)
    assert time.monotonic() - closed > CLOSE_SECONDS - 2
    assert_within(CLOSE_SECONDS + 2, since=closed)


@contextlib.contextmanager
def raw_websocket(server, query: str = "") -> Iterator[socket.socket]:
    """A connection with which the server has begun to speak WebSocket."""
    lines = [f"GET /ws/chat/?v=1{query} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", ""]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall("\r\n".join(lines).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += raw.recv(1)
        assert b" 101 " in head.split(b"\r\n")[0]
        yield raw


def read_to_the_end(raw: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        while raw.recv(65536):
            pass


async def test_no_compression_is_negotiated(server):
    """A few bytes that become gigabytes."""
    offers = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    async with ws_connect(f"{server.ws_url}?v=1", extensions=offers) as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers


# -- floods ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [('{"type":"ping"}', 4429), (message(300), 4429), ("x" * 60_000, 4400), (message(900 * KIB), 4413)],
    ids=["pings", "messages", "60 kB of nonsense", "900 kB"],
)
async def test_a_flood_is_closed_and_others_are_served_meanwhile(server, other, frame, code):
    async with Client(server.ws_url) as client:

        async def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(2_000):
                    await client.send_raw(frame)
                    await asyncio.sleep(0)  # this client and the other one read, however fast the server is

        flooding = asyncio.create_task(flood())
        waits = [await echo(other) for _ in range(3)]
        assert await client.closed(timeout=30) == code
        await flooding
    assert max(waits) < OTHERS_SECONDS


async def test_of_many_sockets_of_one_visitor_the_newest_ten_stay(server, other):
    cookies = server.visitor()
    clients = [Client(server.ws_url, cookies=cookies) for _ in range(30)]
    for client in clients:
        await client.connect()
    for client in clients[:20]:
        assert await client.closed() == 4409
    for client in clients[20:]:
        await lives(client)
        await client.close()


# -- addresses, headers, bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        *("v=1&after=-1", "v=1&after=99999999999999999999999", "v=1&after=" + "9" * 5_000, "v=1&after=x"),
        *("v=1&conversation=%00", "v=1&conversation=../../etc/passwd", "v=1&ticket=" + "x" * 5_000),
        *("v=1&agent=%00", "v=1&agent=__class__", "v=1&agent=os.system", "v=%FF", "v=1&v=1", "%", "v=1&html=2"),
        "v=1&conversation=" + quote("00000000-0000-4000-8000-000000000000' OR 1=1"),
    ],
    ids=lambda query: query[:40],
)
async def test_a_hostile_address_is_answered(server, query):
    async with ws_connect(f"{server.ws_url}?{query}") as client:
        first = json.loads(await client.recv())
        assert first["type"] in ("connection", "error")
        if first["type"] == "error":
            assert first["error"] in ("not_found", "bad_frame")


@pytest.mark.parametrize(
    "cookie",
    [
        *("sessionid=' OR 1=1 --", "sessionid=" + "x" * 8_000, "chat_visitor=:::", "chat_visitor=" + "é" * 100),
        *("=;=;;;", 'a="\\', "expires=1; path=/; sessionid", "__proto__=1", "chat_visitor=a; chat_visitor=b"),
    ],
    ids=lambda cookie: cookie[:30],
)
async def test_a_hostile_cookie_makes_nobody(server, cookie):
    async with ws_connect(f"{server.ws_url}?v=1", additional_headers={"Cookie": cookie}) as client:
        assert json.loads(await client.recv())["type"] == "connection"


def answer_to(server: Server, request: bytes) -> bytes:
    """The status line."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(request)
        return raw.recv(4096).split(b"\r\n")[0]


def test_a_header_that_hides_another_is_refused(server):
    assert b" 400 " in answer_to(server, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX\x1c: 1\r\n\r\n")


def test_half_a_megabyte_of_headers_is_refused(server):
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8_000) for number in range(60))
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        assert b" 400 " in answer_to(server, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n")
    assert urllib.request.urlopen(f"{server.url}/healthz", timeout=30).status == 200


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/conversations", "/admin/login/"])
def test_a_body_of_20_mb_is_refused(server, path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(server.url + path, data=bytes(20 * MIB)), timeout=60)
    assert caught.value.code == 413
