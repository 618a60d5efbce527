"""Real server processes for the tests: started on a free port of this machine, ended by their process id."""

from __future__ import annotations

import functools
import http.cookiejar
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.programs import free_port

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60

# With these a C library gives memory back as soon as it is freed: what a process has is then what it holds.
FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}

COMMANDS = {
    "daphne": "-m daphne -b 127.0.0.1 -p {port} --websocket_connect_timeout 20 --ping-interval 10 --ping-timeout 15"
    " --no-server-name webui_project.asgi:application",
    "uvicorn": "-m uvicorn --host 127.0.0.1 --port {port} --ws websockets-sansio --ws-per-message-deflate false"
    " --log-level warning webui_project.asgi:application",
    "runserver": "manage.py runserver 127.0.0.1:{port} --noreload",
    "reloader": "manage.py runserver 127.0.0.1:{port}",
}


@functools.cache
def _new_database(settings: str) -> tempfile.TemporaryDirectory[str]:
    """A DATA_DIR with an empty database: to make it takes 2 s of the processor, to copy it nothing."""
    made = tempfile.TemporaryDirectory(prefix="database")
    Server(Path(made.name), settings=settings).manage("migrate", "--verbosity", "0")
    return made


class Memory(threading.Thread):
    """Looks at the memory of a process a hundred times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._ends = threading.Event()
        self._before = self._peak = self._resident_mib()

    @property
    def growth_mib(self) -> float:
        """How much more it had at its peak than at first."""
        return self._peak - self._before

    def run(self) -> None:
        while not self._ends.wait(0.01):
            self._peak = max(self._peak, self._resident_mib())

    def stop(self) -> None:
        self._ends.set()
        self.join()

    def _resident_mib(self) -> float:
        rows = dict(line.split(":", 1) for line in self._status.read_text().splitlines())
        return int(rows["VmRSS"].split()[0]) / 1024


class Server:
    """One server process. `environment` is added to a clean one: nothing of the caller's settings gets in."""

    def __init__(
        self,
        data_dir: Path,
        *,
        kind: str = "daphne",
        settings: str = "tests.server_settings",
        port: int | None = None,
        **environment: str,
    ) -> None:
        self.data_dir = data_dir
        self.kind = kind
        self.port = port or free_port()
        self.log_path = data_dir / f"server-{self.port}-{time.monotonic_ns()}.log"
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "TIKTOKEN_CACHE_DIR")
        self.environment = {name: os.environ[name] for name in keep if name in os.environ}
        self.environment |= {"DJANGO_SETTINGS_MODULE": settings, "DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}
        self.environment |= environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, once it was started."""
        assert self._process is not None
        return self._process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/chat/"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def visitor(self) -> dict[str, str]:
        """The cookies of a new anonymous visitor of the page."""
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        opener.open(f"{self.url}/", timeout=30).read()
        return {cookie.name: cookie.value or "" for cookie in jar}

    def delete(self, conversation: str, cookies: dict[str, str]) -> int:
        """Delete a conversation as its owner's page does; return the answer's status."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        headers["X-CSRFToken"] = cookies["csrftoken"]
        address = f"{self.url}/api/conversations/{conversation}"
        request = urllib.request.Request(address, method="DELETE", headers=headers)
        status: int = urllib.request.urlopen(request, timeout=30).status
        return status

    def manage(self, *arguments: str) -> str:
        """Run a management command with this server's settings; return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *, migrate: bool = True) -> Server:
        if migrate:
            self._migrate()
        command = COMMANDS[self.kind].format(port=self.port).split()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_ready()
        return self

    def _migrate(self) -> None:
        database = self.data_dir / "chat.sqlite3"
        if database.exists() or "DATABASE_URL" in self.environment:
            self.manage("migrate", "--verbosity", "0")
        else:
            shutil.copy(Path(_new_database(self.environment["DJANGO_SETTINGS_MODULE"]).name, database.name), database)

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            assert self.process.poll() is None, f"the server ended:\n{self.log}"
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=2).read()
                return
            except OSError:
                assert time.monotonic() < deadline, f"the server is not ready:\n{self.log}"
                time.sleep(0.05)  # nothing tells when a port begins to listen

    @contextmanager
    def memory(self) -> Iterator[Memory]:
        """Watch how the resident memory of the process grows while the block runs."""
        memory = Memory(self.process.pid)
        memory.start()
        try:
            yield memory
        finally:
            memory.stop()

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def wait(self, timeout: float = 30) -> int:
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(30)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if error is not None:
            print(f"---- log of the server on port {self.port}\n{self.log[-8000:]}")
