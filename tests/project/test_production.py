"""The example project with DEBUG off, behind the servers of `docs/deployment.md`."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.client import Client
from tests.servers import Server

MIB = 2**20


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    production = {
        "DEBUG": "false",
        "HTTPS": "false",  # the tests speak plain HTTP
        "SECRET_KEY": "x" * 50,
        "ALLOWED_HOSTS": "127.0.0.1",
        "CHAT_ALLOW_ANONYMOUS": "true",
    }
    folder = tmp_path_factory.mktemp(request.param)
    server = Server(folder, kind=request.param, settings="webui_project.settings", **production)
    server.manage("collectstatic", "--noinput", "--verbosity", "0")
    with server:
        asyncio.run(talk(server))
        yield server


async def talk(server: Server) -> None:
    """Have a turn: afterwards everything is loaded, also what the server loads in the background, and memory rests."""
    async with Client(server.ws_url, cookies=server.visitor()) as client:
        await client.say("hello")
        await client.idle()
        assert client.answer()


def get(address: str) -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(address, timeout=30) as response:
        return response.read().decode(errors="replace"), {
            name.lower(): value for name, value in response.headers.items()
        }


def test_static_files_have_names_by_content_and_are_kept_for_ever(server):
    page, _ = get(f"{server.url}/")
    files = set(re.findall(r'"(/static/[^"]+)"', page))

    assert files
    for file in files:
        _, headers = get(server.url + file)
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", file)
        assert "immutable" in headers["cache-control"]
        assert headers["x-content-type-options"] == "nosniff"


def test_an_error_page_tells_nothing(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"{server.url}/nonsense")

    assert caught.value.code == 404
    assert "urlpatterns" not in caught.value.read().decode()


def announced(sent: socket.socket) -> None:
    sent.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (400 * MIB))
    for _ in range(400):
        sent.sendall(bytes(MIB))


def in_chunks(sent: socket.socket) -> None:
    sent.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(400):
        sent.sendall(b"%x\r\n" % MIB + bytes(MIB) + b"\r\n")


@pytest.mark.parametrize("post", [announced, in_chunks], ids=lambda post: post.__name__)
def test_a_body_of_400_mib_is_refused_and_takes_no_memory(server, post: Callable[[socket.socket], None]):
    with server.memory() as memory, socket.create_connection(("127.0.0.1", server.port), timeout=60) as sent:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused while it was being sent
            post(sent)
        try:
            answer = sent.recv(4096)
        except ConnectionResetError:
            answer = b""

    assert b" 413 " in answer.split(b"\r\n")[0] or not answer
    assert memory.growth_mib < 20
    assert get(f"{server.url}/healthz")[0]


def test_a_body_just_over_the_limit_is_answered(server):
    request = urllib.request.Request(f"{server.url}/", data=bytes(21 * MIB))

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)

    assert caught.value.code == 413


def test_nothing_in_the_log_is_worse_than_the_missing_page(server):
    bad = [line for line in server.log.splitlines() if re.search("WARNING|ERROR|Traceback", line)]

    assert all("/nonsense" in line for line in bad), bad
