"""A checkout that its account may only read, without privileges, in the C locale, at odd places."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.client import Client
from tests.project.test_run_sh import ODD_NAME

ROOT = Path(__file__).parents[2]
DATA = f"data {ODD_NAME}"
PARTS = ("manage.py", "webui_project", "chat", "templates", "static")
# Root without its capabilities is an account like any other: what belongs to somebody else it may only read.
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.getuid() == 0 else []


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ODD_NAME
    folder.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        if UNPRIVILEGED:
            os.chown(path, 65534, 65534)
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in everything:
        path.chmod(0o755)  # or pytest cannot remove it


@pytest.fixture
def start(checkout: Path, tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Start manage.py there."""
    system = {name: os.environ[name] for name in ("PATH", "TIKTOKEN_CACHE_DIR") if name in os.environ}
    own = {"HOME": "/nonexistent", "LC_ALL": "C", "DATA_DIR": str(tmp_path / DATA), "CHAT_MOCK_MODEL": "true"}
    (tmp_path / DATA).mkdir()

    def start(*arguments: str, output) -> subprocess.Popen:
        command = [*UNPRIVILEGED, sys.executable, "manage.py", *arguments]
        return subprocess.Popen(command, cwd=checkout, env=system | own, stdout=output, stderr=output)

    return start


async def test_it_serves_and_keeps_its_data_elsewhere(checkout, start, tmp_path):
    log, port = tmp_path / "log", programs.free_port()
    with log.open("wb") as output:
        assert start("migrate", "-v0", output=output).wait(60) == 0, log.read_text()
        assert start("collectstatic", "--noinput", "-v0", output=output).wait(60) == 0, log.read_text()
        process = start("runserver", "--noreload", str(port), output=output)
    try:
        programs.wait_until(lambda: programs.accepts(port), process)
        async with Client(f"ws://127.0.0.1:{port}/ws/chat/") as client:
            await client.say("Grüße, 世界")
            await client.idle(timeout=60)
            assert "Grüße, 世界" in client.answer()
    finally:
        programs.end(process)
    text = log.read_text(encoding="utf-8")
    assert "Traceback" not in text and "WARNING" not in text, text
    assert (tmp_path / DATA / "chat.sqlite3").is_file() and (tmp_path / DATA / "static/chat").is_dir()
    assert not (checkout / "var").exists()
