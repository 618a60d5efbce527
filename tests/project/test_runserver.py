"""The development server as people start and end it: real processes, real signals."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests import programs
from tests.client import Client
from tests.pace import SLACK
from tests.servers import Server

ROOT = Path(__file__).parents[2]

# An application that answers with its process id, takes a moment to end, and says so when it has ended cleanly.
PROBE = """
import os, pathlib
from twisted.internet import reactor, task

urlpatterns = []

async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

ended = pathlib.Path(__file__).with_name("ended")
reactor.addSystemEventTrigger("before", "shutdown", lambda: task.deferLater(reactor, 0.3, ended.write_text, "cleanly"))
"""
SETTINGS = """
from webui_project.settings import *

ASGI_APPLICATION = "probe.application"
ROOT_URLCONF = "probe"
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("chat", "django.contrib.admin")]
"""
BUSY_THREAD = """
from concurrent.futures import ThreadPoolExecutor
from time import sleep
ThreadPoolExecutor().submit(sleep, 60)
"""


class Site:
    """A project in a folder of its own, and the servers started for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = programs.free_port()
        self.application = folder / "probe.py"
        self.application.write_text(PROBE)
        (folder / "probe_settings.py").write_text(SETTINGS)

    def start(self, *options: str) -> subprocess.Popen:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "probe_settings",
            "PYTHONPATH": str(self.folder),
            "DATA_DIR": str(self.folder / "var"),
        }
        environment.pop("RUN_MAIN", None)
        return subprocess.Popen(
            [sys.executable, "manage.py", "runserver", str(self.port), *options],
            cwd=ROOT,
            env=environment,
            stdout=(self.folder / "output").open("w"),
            stderr=subprocess.STDOUT,
        )

    def server_pid(self, other_than: int | None = None) -> int:
        """Wait for an answer, of a process other than this, and return the id of the process that gave it."""
        answer: list[int] = []

        def answered() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2) as response:
                    answer[:] = [int(response.read())]
            except OSError:
                return False
            return answer != [other_than]

        programs.wait_until(answered)
        return answer[0]

    def change(self, text: str) -> None:
        """Write the application anew, and its time again until the reloader has seen it: it looks once a second."""
        seen = self.output.count("changed, reloading")
        self.application.write_text(text)
        times = itertools.count(time.time() + 5, 5)

        def noticed() -> bool:
            now = next(times)
            os.utime(self.application, (now, now))
            return self.output.count("changed, reloading") > seen

        programs.wait_until(noticed)

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def server(site: Site, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen]:
    process = site.start(*getattr(request, "param", ()))
    yield process
    if process.poll() is None:
        programs.end(process)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("server", [(), ("--noreload",)], ids=["reloader", "noreload"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_to_the_parent_ends_all_its_processes_cleanly(site, server, number):
    pid = site.server_pid()

    server.send_signal(number)

    assert server.wait(3 * SLACK) == 0
    assert not is_alive(pid)
    assert (site.folder / "ended").read_text() == "cleanly"
    assert "Traceback" not in site.output


def test_a_signal_to_both_processes_ends_them_cleanly(site, server):
    pid = site.server_pid()

    os.kill(pid, signal.SIGINT)  # as a terminal does at Ctrl-C
    server.send_signal(signal.SIGINT)

    assert server.wait(3 * SLACK) == 0
    assert (site.folder / "ended").read_text() == "cleanly"
    assert "Traceback" not in site.output


def test_a_changed_file_starts_the_server_again(site, server):
    first = site.server_pid()

    site.change(PROBE + "# changed\n")

    assert site.server_pid(other_than=first) != first
    assert not is_alive(first)
    assert (site.folder / "ended").read_text() == "cleanly"


def test_a_thread_that_sits_in_a_call_holds_up_neither_reload_nor_end(site):
    site.application.write_text(PROBE + BUSY_THREAD)
    server = site.start()
    first = site.server_pid()

    site.change(PROBE + BUSY_THREAD + "# changed\n")
    second = site.server_pid(other_than=first)
    server.terminate()

    assert server.wait(4 * SLACK) == 0
    assert not is_alive(first) and not is_alive(second)


def test_a_server_with_an_error_is_started_again_when_the_file_is_mended(site):
    site.application.write_text("this is no Python")
    server = site.start()
    try:
        programs.wait_until(lambda: "SyntaxError" in site.output, server)
        site.change(PROBE)
        assert site.server_pid()
    finally:
        programs.end(server)


def test_a_server_with_an_error_can_be_ended(site):
    site.application.write_text("this is no Python")
    server = site.start()
    programs.wait_until(lambda: "SyntaxError" in site.output, server)

    server.terminate()

    server.wait(3 * SLACK)


@pytest.mark.parametrize("options", [(), ("--noreload",)], ids=["reloader", "noreload"])
def test_a_busy_port_is_one_line_and_leaves_the_other_program_alone(site, options):
    with socket.create_server(("127.0.0.1", site.port)) as other:
        server = site.start(*options)

        assert server.wait(60) == 1
        assert site.output == f"CommandError: Cannot listen on 127.0.0.1:{site.port}: Address already in use.\n"
        socket.create_connection(other.getsockname(), timeout=1).close()


def test_migrate_prepares_the_database_at_the_first_start_alone(site):
    server = site.start("--migrate")
    try:
        first = site.server_pid()
        assert "Applying auth.0001_initial" in site.output
        (site.folder / "var" / "chat.sqlite3").unlink()
        site.change(PROBE + "# changed\n")
        site.server_pid(other_than=first)
        assert site.output.count("Applying auth.0001_initial") == 1
    finally:
        programs.end(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("tell", [os.kill, os.killpg], ids=["parent", "all"])
@pytest.mark.parametrize("kind", ["reloader", "runserver"])
async def test_pages_are_told_before_the_server_ends(tmp_path, kind, tell, number):
    with Server(tmp_path, kind=kind, settings="webui_project.settings") as server:
        async with Client(server.ws_url) as page:
            tell(server.process.pid, number)

            assert await page.closed(timeout=1 * SLACK) == 4012
            assert page.of("bye")
        assert server.wait(3 * SLACK) == 0
        assert "Traceback" not in server.log


POET = """
import langroid as lr

def script(messages):
    return " ".join(["WORD", *(message.content for message in messages if message.role.value == "user")])

def poet(context):
    return lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(mock=script)))
"""


async def test_an_author_s_changed_code_answers_next_in_the_same_conversation(tmp_path):
    code = tmp_path / "poet.py"
    code.write_text(POET.replace("WORD", "old"))
    own = {"PYTHONPATH": str(tmp_path), "CHAT_AGENTS": '{"poet": {"FACTORY": "poet.poet"}}', "CHAT_MOCK_MODEL": "1"}
    with Server(tmp_path, kind="reloader", settings="webui_project.settings", **own) as server:
        page = Client(server.ws_url, cookies=server.visitor())
        await page.connect()
        await page.say("one")
        await page.idle()
        assert page.answer() == "old one"

        code.write_text(POET.replace("WORD", "new"))
        for later in itertools.count(5, 5):  # the reloader looks once a second, and first notes what there is
            os.utime(code, (time.time() + later,) * 2)
            with contextlib.suppress(TimeoutError):
                assert await page.closed(timeout=3) == 4012
                break
        await _say_to_the_new_one(page, "two")
        await page.idle()
        assert page.answer() == "new one two"
        await page.close()


async def _say_to_the_new_one(page: Client, text: str) -> None:
    while True:
        try:
            await page.reconnect()
            await page.say(text)
            return
        except (OSError, EOFError, ConnectionClosed, InvalidMessage):  # not there yet, or not gone yet
            await asyncio.sleep(0.2)
