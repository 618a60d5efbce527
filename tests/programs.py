"""The programs beside Python that some tests need: finding them, starting servers of our own, ending them."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}  # where a program has several
START_SECONDS = 60  # on a busy machine Django alone takes ten


def find(program: str) -> str | None:
    """Return the path of `program`, or None."""
    folders = [*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"]
    folders += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    for name in NAMES.get(program, (program,)):
        if path := shutil.which(name, path=os.pathsep.join(folders)):
            return path
    return _playwright_chromium() if program == "chromium" else None


def _playwright_chromium() -> str | None:
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    return next(map(str, sorted(cache.glob("chromium-*/chrome-*/chrome"), reverse=True)), None)


def require(program: str) -> str:
    """Return the path of `program`; without it skip the test, or fail it where CI=true."""
    return find(program) or _missing(f"{program} is not installed")


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


PORTS = range(20_000, 32_000)  # below those that the system gives to outgoing connections, which take a port meanwhile


def free_port() -> int:
    """Return a TCP port of this machine that nothing uses just now, and that no connection is given by the system."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until `ready`.

    Raises:
        RuntimeError: `process` has ended.
        TimeoutError: not ready within START_SECONDS.
    """
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process and process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {START_SECONDS} s: {ready}")
        time.sleep(0.02)


def children_of(pid: int) -> set[int]:
    """The processes that a process has started and that live."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return {int(child) for line in lists for child in line.split()}


def accepts(port: int) -> bool:
    """Say whether something listens on `port`."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass
class Server:
    """A server of the tests' own: where it is, and its process to pause or kill."""

    url: str
    port: int
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def redis_server(port: int | None = None) -> Iterator[Server]:
    """Run an empty Redis that keeps nothing, on `port` or a free one."""
    port = port or free_port()
    command = [require("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: accepts(port), process)
            yield Server(f"redis://127.0.0.1:{port}/0", port, process)
        finally:
            end(process)


@contextlib.contextmanager
def postgres_server(port: int | None = None) -> Iterator[Server]:
    """Run an empty PostgreSQL cluster on `port` or a free one. PostgreSQL refuses to run as root."""
    initdb, postgres = require("initdb"), require("postgres")
    port = port or free_port()
    account = _unprivileged() if os.getuid() == 0 else None
    # Not pytest's folder: that is closed to other accounts.
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        identity = _identity(account) if account else {}
        data = f"{folder}/data"
        subprocess.run(
            [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **identity,
        )
        options = ["-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen([postgres, "-D", data, *options], cwd=folder, stdout=log, stderr=log, **identity)
        try:
            wait_until(lambda: "ready" in _line_of(f"{data}/postmaster.pid", 7), process)
            yield Server(f"postgres://postgres@127.0.0.1:{port}/postgres", port, process)
        finally:
            end(process, signal.SIGINT)  # its "fast" shutdown


@contextlib.contextmanager
def pgbouncer(database: Server) -> Iterator[Server]:
    """Run PgBouncer in transaction mode before a PostgreSQL, with two connections to it."""
    program, port = require("pgbouncer"), free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        settings = f"""
            [databases]
            * = host=127.0.0.1 port={database.port} user=postgres
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = 2
            max_client_conn = 200
        """
        Path(folder, "pgbouncer.ini").write_text("\n".join(map(str.strip, settings.splitlines())))
        os.chmod(folder, 0o755)
        identity = _identity(_unprivileged()) if os.getuid() == 0 else {}  # it refuses to run as root, too
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen([program, f"{folder}/pgbouncer.ini"], stdout=log, stderr=log, **identity)
        try:
            wait_until(lambda: accepts(port), process)
            yield Server(f"postgres://postgres@127.0.0.1:{port}/postgres", port, process)
        finally:
            end(process, signal.SIGINT)


def _line_of(path: str, line: int) -> str:
    try:
        return Path(path).read_text().splitlines()[line]
    except (FileNotFoundError, IndexError):
        return ""


def _identity(account: pwd.struct_passwd) -> dict[str, Any]:
    """What has `subprocess` run a program under this account."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    _missing("PostgreSQL does not run as root, and there is no other account")


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """End `process`, also one that is stopped or does not listen."""
    process.send_signal(signal.SIGCONT)
    process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    print(*(program for program in sys.argv[1:] if not find(program)), sep="\n")
