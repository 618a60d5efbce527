"""`./run.sh` as people call it, with a .venv that is ready: what it does on a second start."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs

ROOT = Path(__file__).parents[2]
ODD_NAME = "Bücher #1 a+b?c%20"
PARTS = ("run.sh", "scripts", "manage.py", "webui_project", "chat", "templates", "static")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project, at an odd place, whose .venv is this Python, with the mark of a finished installation."""
    folder = tmp_path / ODD_NAME
    folder.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, folder)
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    mark = subprocess.run("cat requirements*.txt | cksum", shell=True, cwd=folder, capture_output=True).stdout
    (folder / ".venv/installed-requirements").write_bytes(mark)
    return folder


@pytest.fixture
def run(checkout: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start run.sh with these arguments and variables; its output goes to the file `output`."""
    started = []

    def run(*arguments: str, **variables: str) -> subprocess.Popen:
        system = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with (checkout / "output").open("w") as output:
            process = subprocess.Popen(
                ["./run.sh", *arguments],
                cwd=checkout,
                env=system | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            programs.end(process)


def output(checkout: Path) -> str:
    return (checkout / "output").read_text()


def status(address: str) -> int:
    with urllib.request.urlopen(address, timeout=30) as response:
        return response.status


@pytest.mark.parametrize("options", [(), ("--noreload",)], ids=["reloader", "noreload"])
def test_it_serves_the_page_and_ends_when_told_to(run, checkout, options):
    port = programs.free_port()

    server = run("--port", str(port), *options)
    programs.wait_until(lambda: programs.accepts(port), server)

    assert status(f"http://127.0.0.1:{port}/") == 200
    assert f"http://127.0.0.1:{port}/" in output(checkout)
    server.terminate()
    assert server.wait(30) == 0
    assert not programs.accepts(port)
    assert "WARNING" not in output(checkout) and "Traceback" not in output(checkout)


def test_a_busy_port_is_one_line(run, checkout):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert run("--port", str(port)).wait(60) == 1

    lines = [line for line in output(checkout).splitlines() if not line.startswith("Chat: ")]
    assert lines == [f"CommandError: Cannot listen on 127.0.0.1:{port}: Address already in use."]


def test_on_all_addresses_the_machine_answers_to_its_own_names_only(run, checkout):
    port = programs.free_port()
    server = run("--host", "0.0.0.0", "--port", str(port), "--noreload")
    programs.wait_until(lambda: programs.accepts(port), server)

    def status_as(host: str) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": host})
        try:
            return urllib.request.urlopen(request, timeout=30).status
        except urllib.error.HTTPError as error:
            return error.code

    assert status_as(socket.gethostname()) == 200
    assert status_as("evil.example") == 400


@pytest.mark.parametrize("arguments", [("--nonsense",), ("--port",)])
def test_a_wrong_option_is_named_and_nothing_is_started(run, checkout, arguments):
    assert run(*arguments).wait(30) == 1
    assert arguments[0] in output(checkout)


def test_an_admin_gets_a_link_that_works_once(run, checkout):
    port = programs.free_port()
    server = run("--admin", "alice", "--port", str(port), "--noreload")
    programs.wait_until(lambda: programs.accepts(port), server)

    link = next(line for line in output(checkout).splitlines() if "/accounts/reset/" in line)

    assert link.startswith(f"http://127.0.0.1:{port}/")
    assert "password" in urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(link).read().decode()


def test_an_admin_at_a_terminal_chooses_a_password_that_is_good(checkout, run):
    person, terminal = pty.openpty()
    command = [str(checkout / ".venv/bin/python"), "manage.py", "make_admin", "alice"]
    run_manage = {"cwd": checkout, "env": {"PATH": os.environ["PATH"]}}
    subprocess.run([command[0], "manage.py", "migrate", "--verbosity", "0"], check=True, **run_manage)
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, **run_manage
    )
    os.close(terminal)

    shown = converse(
        person,
        [
            (b"Password for alice: ", b"12345\n"),
            (b"Again: ", b"12345\n"),
            (b"Password for alice: ", b"right-horse-battery\n"),
            (b"Again: ", b"right-horse-battery\n"),
        ],
    )

    assert process.wait(30) == 0
    assert b"too short" in shown
    code = (
        "import django; django.setup(); from django.contrib.auth.models import User; u = User.objects.get();"
        "print(u.is_superuser, u.check_password('right-horse-battery'))"
    )
    environment = run_manage["env"] | {"DJANGO_SETTINGS_MODULE": "webui_project.settings"}
    done = subprocess.run([command[0], "-c", code], cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"]


def converse(terminal: int, turns: list[tuple[bytes, bytes]]) -> bytes:
    """Answer each prompt in turn and return all that was shown."""
    shown, seen = b"", 0
    deadline = time.monotonic() + programs.START_SECONDS
    for prompt, answer in turns:
        while prompt not in shown[seen:]:
            assert time.monotonic() < deadline, shown
            shown += os.read(terminal, 1024)
        seen = shown.index(prompt, seen) + len(prompt)
        os.write(terminal, answer)
    return shown


def test_address_and_port_may_stand_in_the_dotenv_file(checkout, run):
    port = programs.free_port()
    (checkout / ".env").write_text(f"HOST=127.0.0.1\nPORT='{port}'  # where\n")
    programs.wait_until(lambda: programs.accepts(port), run("--noreload"))
