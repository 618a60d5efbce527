"""Open many sockets, restart the server under them, and see them all come back.

    python -m tests.faults.storm --sockets 5000 [--kind uvicorn] [--stored]

Every socket is the page of a conversation: an empty one, or with `--stored` one with a turn in the database. It was
told `bye`, comes back after the `retry_ms` of that, and after a failure with full-jitter backoff. Passes when all are
back within 120 s, less than 1 % of the attempts fail after the server answers again, the server's memory is within 20 %
of what it was, and the model was asked for nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.soak import look
from tests.servers import Server
from tests.stub_llm import StubServer

BACK_SECONDS = 120
PER_VISITOR = 10
OPENING = 100  # at the same time, at first
BACKOFF_SECONDS = (0.5, 30.0)
RESUME = {"conversation": "session_id", "ticket": "ticket"}  # option and field of `connection`

# For `manage.py shell`: prints the ids of so many new conversations of each visitor, with one turn of two records.
STORE = """
import json, os, uuid
from django.conf import settings
from chat.clock import Now
from chat.models import Conversation, Message
from chat.owners import COOKIE, owner_of_cookies

conversations, messages = [], []
for cookies in json.loads((settings.DATA_DIR / "visitors.json").read_text()):
    for _ in range({count}):
        turn = uuid.uuid4()
        conversation = Conversation(
            **owner_of_cookies(cookies).fields, agent_key="plain", title="hello", newest_seq=2, read_seq=2, head=turn
        )
        conversations.append(conversation)
        common = {{"conversation": conversation, "turn": turn}}
        messages.append(Message(id=turn, seq=1, kind="user", content="hello", begun=Now(), ended=Now(), **common))
        messages.append(Message(seq=2, kind="assistant", content="hi", agent="Plain", **common))
Conversation.objects.bulk_create(conversations)
Message.objects.bulk_create(messages)
print(*(conversation.id for conversation in conversations))
"""


@dataclass
class Storm:
    """What happened."""

    sockets: int
    opened_seconds: float = 0.0
    told_seconds: float = 0.0  # from SIGTERM until the last socket was closed
    back_seconds: float = 0.0
    attempts: int = 0
    failures: int = 0  # of those, after the server answered again
    rss_before_mb: float = 0.0
    rss_after_mb: float = 0.0
    model_calls: int = 0
    told: int = 0  # sockets closed with 4012

    @property
    def passes(self) -> bool:
        return (
            self.back_seconds <= BACK_SECONDS
            and self.failures < 0.01 * self.attempts
            and self.rss_after_mb < 1.2 * self.rss_before_mb
            and not self.model_calls
            and self.told == self.sockets
        )

    def __str__(self) -> str:
        return (
            f"{self.sockets} sockets opened in {self.opened_seconds:.0f} s, {self.told} told to come back within "
            f"{self.told_seconds:.1f} s, all back in {self.back_seconds:.1f} s ({self.attempts} attempts, "
            f"{self.failures} failed); server {self.rss_before_mb:.0f} -> {self.rss_after_mb:.0f} MB; "
            f"{self.model_calls} model calls"
        )


class Socket:
    """One page, as small as can be."""

    def __init__(self, server: Server, cookies: dict[str, str], conversation: str | None) -> None:
        self._url = server.ws_url
        self._headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        self._options = {"v": "1"}
        if conversation:
            self._options |= {"conversation": conversation, "after": "2"}
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        """Connect, and read until `connection`. Raises: OSError, InvalidHandshake, ConnectionClosed, TimeoutError."""
        self._socket = await connect(
            f"{self._url}?{urlencode(self._options)}",
            additional_headers=self._headers,
            compression=None,
            open_timeout=30,
            ping_interval=None,
        )
        first = json.loads(await asyncio.wait_for(self._socket.recv(), 30))
        if first["type"] != "connection":
            raise ConnectionResetError(first.get("error"))
        self._options |= {name: first[key] for name, key in RESUME.items() if key in first}

    async def told(self) -> float | None:
        """Read until the close; return the seconds that `bye` asked to wait, None without it."""
        seconds = None
        try:
            async for text in self._socket:
                if (event := json.loads(text))["type"] == "bye":
                    seconds = event["retry_ms"] / 1000
        except ConnectionClosed:
            pass
        return seconds if self._socket.close_code == 4012 else None

    async def close(self) -> None:
        await self._socket.close()


def raise_limit(files: int) -> None:
    """Allow this process and its children so many open files. Raises: SystemExit when that is not allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, hard)))
    except (ValueError, OSError) as error:
        sys.exit(f"{files} open files are needed and {hard} allowed: {error}")


def store(server: Server, visitors: list[dict[str, str]]) -> list[str]:
    """Make a stored conversation for each socket of these visitors; return their ids."""
    (server.data_dir / "visitors.json").write_text(json.dumps(visitors))
    return server.manage("shell", "--verbosity", "0", "--command", STORE.format(count=PER_VISITOR)).split()


async def storm(server: Server, stub: StubServer, *, sockets: int, stored: bool = False) -> Storm:
    result = Storm(sockets)
    visitors = [await asyncio.to_thread(server.visitor) for _ in range(0, sockets, PER_VISITOR)]
    ids = await asyncio.to_thread(store, server, visitors) if stored else [None] * sockets
    pages = [Socket(server, visitors[number // PER_VISITOR], ids[number]) for number in range(sockets)]
    slots = asyncio.Semaphore(OPENING)

    async def open_first(page: Socket) -> None:
        async with slots:
            await page.open()

    started = time.monotonic()
    await asyncio.gather(*map(open_first, pages))
    result.opened_seconds = time.monotonic() - started
    result.rss_before_mb = look(server, 0).rss_mb
    farewells = [asyncio.create_task(page.told()) for page in pages]
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    waits = await asyncio.gather(*farewells)
    result.told_seconds = time.monotonic() - started
    result.told = sum(wait is not None for wait in waits)
    await asyncio.to_thread(server.wait, 30)
    await asyncio.to_thread(server.start, migrate=False)
    started = time.monotonic()

    async def come_back(page: Socket, wait: float) -> None:
        await asyncio.sleep(wait)
        for attempt in range(20):
            result.attempts += 1
            try:
                return await page.open()
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                result.failures += 1
                least, most = BACKOFF_SECONDS
                await asyncio.sleep(random.uniform(0, min(most, least * 2**attempt)))
        raise AssertionError("a page gave up")

    await asyncio.gather(*(come_back(page, wait or 0.0) for page, wait in zip(pages, waits, strict=True)))
    result.back_seconds = time.monotonic() - started
    result.rss_after_mb = look(server, 0).rss_mb
    result.model_calls = stub.stats().requests
    await asyncio.gather(*(page.close() for page in pages))
    return result


async def run(*, sockets: int, kind: str, folder: Path, stored: bool = False) -> Storm:
    with ExitStack() as stack:
        stub = stack.enter_context(StubServer())
        environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
        server = stack.enter_context(Server(folder, kind=kind, **environment))
        return await storm(server, stub, sockets=sockets, stored=stored)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--kind", default="daphne", choices=("daphne", "uvicorn"))
    parser.add_argument("--stored", action="store_true", help="conversations that have a turn")
    options = vars(parser.parse_args())
    raise_limit(2 * options["sockets"] + 1000)
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        result = await run(**options, folder=Path(folder))
    print(result)
    sys.exit(not result.passes)


if __name__ == "__main__":
    asyncio.run(main())
