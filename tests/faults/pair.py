"""Two server processes on one PostgreSQL and one Redis, behind a plain round robin."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import psycopg

from tests import programs
from tests.faults.page import Page
from tests.faults.proxy import Proxy
from tests.faults.store import Store
from tests.servers import Server


@dataclass
class Pair:
    """The processes A and B, and what they share. All conversations in it are of one visitor each."""

    a: Server
    b: Server
    store: Store
    redis: programs.Server
    postgres: programs.Server
    settings: dict[str, str]  # of a further process
    more: ExitStack = field(default_factory=ExitStack)

    async def page(self, server: Server, *, of: Page | None = None, agent: str = "plain", **options: str) -> Page:
        """A page at one of the processes: of a new visitor, or of another page's, on its conversation."""
        if of is not None:
            options["conversation"] = of.conversation
        cookies = of.cookies if of else await asyncio.to_thread(self.a.visitor)
        page = Page(server.ws_url, cookies=cookies, agent=agent, **options)
        await page.connect()
        return page

    @contextlib.asynccontextmanager
    async def proxy(self) -> AsyncIterator[Proxy]:
        async with Proxy(self.a.port, self.b.port) as proxy:
            yield proxy

    def restart_redis(self) -> None:
        """Kill it, and start an empty one on the same port."""
        self.redis.process.kill()
        self.redis.process.wait()
        self.start_redis()

    def start_redis(self) -> None:
        self.redis = self.more.enter_context(programs.redis_server(self.redis.port))

    def stop_postgres(self) -> None:
        """Its "fast" shutdown: transactions are rolled back, connections closed."""
        self.postgres.process.send_signal(signal.SIGINT)
        self.postgres.process.wait(30)

    def start_postgres(self) -> None:
        """Start it again on its files, as the account that owns them."""
        ended = self.postgres.process
        data = Path(ended.args[2])
        account = data.stat()
        identity = {"user": account.st_uid, "group": account.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
        process = subprocess.Popen(
            ended.args, cwd=data.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **identity
        )
        self.postgres = replace(self.postgres, process=process)
        self.more.callback(programs.end, process, signal.SIGINT)
        programs.wait_until(self._is_postgres_ready, process)

    def _is_postgres_ready(self) -> bool:
        try:
            return self.store.query("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def restart_postgres(self) -> None:
        self.stop_postgres()
        self.start_postgres()

    @contextlib.contextmanager
    def redis_paused(self) -> Iterator[None]:
        with paused(self.redis.process):
            yield


@contextlib.contextmanager
def paused(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process as it is, and let it go on."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def paused_at_random(*processes: subprocess.Popen[bytes]) -> AsyncIterator[None]:
    """Stop the processes in turn, at random moments and for less than a second: none comes to count as dead."""
    random = Random(len(processes))

    async def pause() -> None:
        for process in itertools.cycle(processes):
            await asyncio.sleep(random.uniform(0.1, 0.4))
            with paused(process):
                await asyncio.sleep(random.uniform(0.05, 0.7))

    task = asyncio.create_task(pause())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.contextmanager
def started(
    folder: Path, *, api_base: str, kind: str = "uvicorn", of_b: dict[str, str] | None = None, **settings: str
) -> Iterator[Pair]:
    """Start the pair, with a PostgreSQL and a Redis of its own; `of_b` is the environment of B alone."""
    with ExitStack() as stack:
        postgres = stack.enter_context(programs.postgres_server())
        redis = stack.enter_context(programs.redis_server())
        environment = {"CHAT_API_BASE": api_base, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
        environment |= {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "SECRET_KEY": "of-the-pair", **settings}
        a = stack.enter_context(Server(folder, kind=kind, **environment))
        b = Server(folder, kind=kind, **environment, **(of_b or {}))
        stack.callback(b.stop)
        b.start(migrate=False)
        pair = Pair(a, b, Store(postgres.url), redis, postgres, environment)
        stack.enter_context(pair.more)
        yield pair
