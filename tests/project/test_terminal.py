"""`manage.py chat`: the session of a page, in a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.servers import ROOT, Server

SECONDS = 30


class Screen:
    """A terminal with the command in it."""

    def __init__(self, server: Server, *words: str) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "manage.py", "chat", *words]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**server.environment, "TERM": "dumb"}, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.text = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Read until this stands after what was waited for before; return what came up to it."""
        while not (found := re.search(pattern, self.text)):
            is_ready, _, _ = select.select([self._master], [], [], SECONDS)
            assert is_ready, f"nothing came after {self.text!r}"
            try:
                self.text += os.read(self._master, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the command has ended after {self.text!r}") from None
        before, self.text = self.text[: found.end()], self.text[found.end() :]
        return before

    def end(self) -> int:
        self.type("\x04")
        return self.process.wait(SECONDS)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Server:
    server = Server(
        tmp_path_factory.mktemp("terminal"), settings="webui_project.settings", CHAT_MOCK_MODEL="1", SECRET_KEY="x"
    )
    server.manage("migrate", "--verbosity", "0")
    return server


@pytest.fixture
def screen(site) -> Iterator:
    screens: list[Screen] = []

    def start(*words: str) -> Screen:
        screens.append(Screen(site, *words))
        return screens[-1]

    yield start
    for each in screens:
        each.process.kill()
        each.process.wait(SECONDS)


def count(site: Server) -> str:
    code = "from chat.models import Conversation; print('rows', Conversation.objects.count())"
    return re.search(r"rows (\d+)", site.manage("shell", "-c", code))[1]


def test_an_agent_streams_and_ctrl_c_stops_it(screen, site):
    chat = screen("assistant")
    chat.wait_for("> ")
    chat.type("Tell me a long story\n")
    chat.wait_for("Keeper of the Slow Light")
    chat.process.send_signal(signal.SIGINT)
    assert "The end" not in chat.wait_for(r"\(stopped\)")
    chat.wait_for("> ")
    chat.type("What did I say first?\n")
    chat.wait_for(r"messages ago\.\s+> ")
    assert chat.end() == 0
    assert count(site) == "0"  # a visitor's is nobody's afterwards


def test_tools_and_questions_are_lines(screen):
    chat = screen("postman")
    chat.wait_for("> ")
    chat.type("Invite alice@example.org\n")
    assert "send_letter(" in chat.wait_for(r"\[e\]dit")
    chat.type("n\n")
    chat.wait_for("why not")
    chat.type("not her\n")
    assert "rejected" not in chat.wait_for("  Rejected: not her\r\n")
    chat.wait_for("> ")
    assert chat.end() == 0


def test_files_are_given_by_their_paths_and_what_is_shown_lies_at_one(screen, tmp_path):
    table = tmp_path / "the planets.csv"
    table.write_text("Planet,Mass\nEarth,5.97\nMars,0.64\n")
    chat = screen("analyst")
    chat.wait_for("> ")
    chat.type("/file /no/such/file\n")
    chat.wait_for("No such file or directory")
    chat.type("Describe my table.\n")
    chat.wait_for("path\\? ")
    chat.type(f"{table}\n")
    assert "Mass" in chat.wait_for(r"the planets\.csv: text/csv, \d+ bytes[^>]+> ")
    chat.type(f"/file {table}\n")
    chat.wait_for("bytes")
    chat.type("Draw it.\n")
    path = re.search(r"(/\S+/Mass\.png)\s", chat.wait_for(r"/Mass\.png\s"))[1]
    with open(path, "rb") as file:
        assert file.read(4) == b"\x89PNG"
    chat.wait_for("> ")
    assert chat.end() == 0


def test_what_an_answer_stands_on_is_printed_below_it(screen):
    chat = screen("librarian")
    chat.wait_for("> ")
    chat.type("Who is called Ishmael?\n")
    told = chat.wait_for(r"“[^”]+”")
    assert "[1] Moby-Dick" in told and "Ishmael" in told.rsplit("[1]", 1)[1]
    chat.wait_for("> ")
    assert chat.end() == 0


def test_a_users_conversation_is_kept_and_gone_on_with(screen, site):
    site.manage("shell", "-c", "from django.contrib.auth.models import User; User.objects.create_user('alice')")
    chat = screen("toolbox", "--user", "alice")
    chat.wait_for("> ")
    chat.type("What is (17 + 4) * 2?\n")
    chat.wait_for("complete: .* = 42")
    chat.wait_for("> ")
    chat.type("\x04")
    id = re.search(r"conversation is (\S+)\.", chat.wait_for(r"conversation is \S+\."))[1]
    again = screen("--user", "alice", "--conversation", id)
    assert "Toolbox" in again.wait_for("> ")
    assert again.end() == 0


def test_an_unknown_agent_or_user_is_named(site):
    for words, told in (["nobody"], "no agent 'nobody'"), (["--user", "nobody"], "no user 'nobody'"):
        command = [sys.executable, "manage.py", "chat", *words]
        done = subprocess.run(command, cwd=ROOT, env=site.environment, capture_output=True, text=True)
        assert done.returncode == 1 and told in done.stderr
