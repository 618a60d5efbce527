"""The processes that take part, and what the kernel says of them. Linux only: it reads /proc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import ROOT, Server

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and kernel time of a process so far, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def stub(tokens: int, tps: int) -> Iterator[str]:
    """A model's server with this answer; its base URL."""
    command = [sys.executable, "-m", "benchmarks.stub", "--tokens", str(tokens), "--tps", str(tps)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def chat_server(kind: str, api_base: str, **environment: str) -> Iterator[Server]:
    """The chat's server, with an empty database and an agent that talks to this model's server."""
    model = {"CHAT_API_BASE": api_base, "CHAT_API_KEY": "sk-benchmark", "CHAT_MODEL": "gpt-4o-mini"} if api_base else {}
    with tempfile.TemporaryDirectory() as directory:
        settings = "benchmarks.server_settings"
        server = Server(Path(directory), kind=kind, settings=settings, port=None, **(model | environment))
        with server:
            yield server


def run(module: str, **options: Any) -> Any:
    """Run `python -m benchmarks.MODULE` with these options; return the JSON that it prints. Its errors are shown."""
    command = [sys.executable, "-m", f"benchmarks.{module}", json.dumps(options)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"benchmarks.{module} failed")
    return json.loads(done.stdout.splitlines()[-1])
