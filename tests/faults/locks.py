"""Hold locks of the database while turns run, as other programs do, and look whether a promise was broken.

    python -m tests.faults.locks [--runs 20] [--seconds 8] [--seed 1] [--postgres] [--kind uvicorn]

Each run takes one kind of lock at a random moment of a turn for so many seconds, while somebody else's answer streams
and a third person sends a message, and checks:

    no turn is interrupted, every answer is whole, the transcripts are the database's
    the other's answer goes on: no gap between its frames is longer than a second
    what cannot be stored is refused as `busy`, with `retry_ms`, within five seconds
    where the lock is of one conversation alone, the third person is answered meanwhile
    where others only read, for as long as they like, who deletes a conversation is answered within a second
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psycopg

from chat.wire.codes import CLOSE_NOT_FOUND
from tests import programs
from tests.faults.kill import SHAPES
from tests.faults.page import Page, check_transcript
from tests.faults.store import Store
from tests.pace import SLACK
from tests.servers import Server
from tests.stub_llm import StubServer

GAP_SECONDS = 1.0  # longest silence of somebody else's answer
REFUSES_SECONDS = 5.0
DELETES_SECONDS = 1.0  # a deletion beside readers
DELETIONS = 3  # of a run
FIRST_SECONDS = 2.0  # of a turn, in which the lock is taken
AFTER_SECONDS = 20.0  # from the lock's end to the turn's, at the longest

Lock = Callable[["Locking", str], contextlib.AbstractContextManager[None]]


# -- the locks -------------------------------------------------------------------------------------------------------


def _connected(file: Path) -> sqlite3.Connection:
    """A connection that is begun with in one thread and closed in another."""
    return sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)


def _begun(begin: str) -> Lock:
    @contextlib.contextmanager
    def lock(locking: Locking, conversation: str) -> Iterator[None]:
        with closing(_connected(locking.file)) as other:
            other.execute(begin)
            yield
            other.execute("ROLLBACK")

    return lock


@contextlib.contextmanager
def _vacuum(locking: Locking, conversation: str) -> Iterator[None]:
    """One VACUUM after the other."""
    with _again_and_again(lambda: _run(locking.file, "VACUUM")):
        yield


@contextlib.contextmanager
def _emptied_log(locking: Locking, conversation: str) -> Iterator[None]:
    """A reader, as a backup is one, and a program that empties the log: it waits for the reader, with the lock."""
    with closing(_connected(locking.file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM chat_message").fetchone()
        with _again_and_again(lambda: _run(locking.file, "PRAGMA wal_checkpoint(TRUNCATE)")):
            yield
        reader.execute("ROLLBACK")


@contextlib.contextmanager
def _read(locking: Locking, conversation: str) -> Iterator[None]:
    """A reader, as a program is that looks for long, and copies of the file, one after the other."""
    with closing(_connected(locking.file)) as reader, tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM chat_message").fetchone()
        with _again_and_again(lambda: _run(locking.file, f"VACUUM INTO '{folder}/{next(numbers)}'")):
            yield
        reader.execute("ROLLBACK")


@contextlib.contextmanager
def _backup(locking: Locking, conversation: str) -> Iterator[None]:
    """A backup page by page, with pauses."""
    ends = threading.Event()

    def back_up() -> None:
        with ExitStack() as stack:
            source = stack.enter_context(closing(sqlite3.connect(locking.file)))
            copy = stack.enter_context(closing(sqlite3.connect(":memory:")))
            stack.enter_context(contextlib.suppress(sqlite3.Error))
            source.backup(copy, pages=1, progress=lambda *_: _pause(ends), sleep=0.05)

    thread = threading.Thread(target=back_up, daemon=True)
    thread.start()
    yield
    ends.set()
    thread.join()


def _pause(ends: threading.Event) -> None:
    if ends.wait(0.05):
        raise sqlite3.OperationalError("enough")


def _run(file: Path, sql: str) -> None:
    other = sqlite3.connect(file, timeout=5, isolation_level=None)
    with closing(other), contextlib.suppress(sqlite3.OperationalError):
        other.execute(sql)


@contextlib.contextmanager
def _again_and_again(work: Callable[[], None]) -> Iterator[None]:
    ends = threading.Event()

    def loop() -> None:
        while not ends.wait(0.01):
            work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    yield
    ends.set()
    thread.join()


def _held(*statements: str) -> Lock:
    """A transaction of PostgreSQL's that is left open; `%s` is the conversation."""

    @contextlib.contextmanager
    def lock(locking: Locking, conversation: str) -> Iterator[None]:
        with psycopg.connect(locking.address) as other:
            for statement in statements:
                other.execute(statement.replace("%s", f"'{conversation}'"))
            yield
            other.rollback()

    return lock


SQLITE: dict[str, Lock] = {
    "another writer": _begun("BEGIN IMMEDIATE"),
    "an exclusive lock": _begun("BEGIN EXCLUSIVE"),
    "VACUUM": _vacuum,
    "the log is emptied beside a reader": _emptied_log,
    "backup": _backup,
    "a reader, and VACUUM INTO": _read,
}
READING = ("backup", "a reader, and VACUUM INTO")
OF_ONE = {  # these concern the turn's conversation alone
    "the conversation's row": _held("SELECT 1 FROM chat_conversation WHERE id = %s FOR UPDATE"),
    "the rows of its messages": _held("SELECT 1 FROM chat_message WHERE conversation_id = %s FOR UPDATE"),
    "the row of its session": _held("SELECT 1 FROM chat_chatsession WHERE conversation_id = %s FOR UPDATE"),
}
POSTGRES: dict[str, Lock] = {
    **OF_ONE,
    "the process's row": _held("SELECT 1 FROM chat_serverprocess FOR UPDATE"),
    "the table of messages": _held("LOCK TABLE chat_message IN EXCLUSIVE MODE"),
    "the table of conversations": _held("LOCK TABLE chat_conversation IN EXCLUSIVE MODE"),
    "all, also for readers": _held("LOCK TABLE chat_message, chat_conversation, chat_serverprocess"),
    "CREATE INDEX": _held("CREATE INDEX of_a_test ON chat_message (agent)"),
    "VACUUM FULL": _held("LOCK TABLE chat_message IN ACCESS EXCLUSIVE MODE"),
}


# -- the runs --------------------------------------------------------------------------------------------------------


@dataclass
class Summary:
    """What the runs have shown."""

    locks: int = 0
    turns: int = 0
    refused: int = 0
    refused_seconds: float = 0.0  # the longest time to a refusal
    deleted: int = 0
    deleted_seconds: float = 0.0  # the longest deletion
    gap_seconds: float = 0.0  # the longest of somebody else's answer
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.locks} locks, {self.turns} turns; longest gap of another's answer {self.gap_seconds:.2f} s; "
            f"{self.refused} messages refused, after {self.refused_seconds:.1f} s at the longest; "
            f"{self.deleted} conversations deleted, in {self.deleted_seconds:.2f} s at the longest; "
            f"broken promises: {len(self.broken)}"
        )


class Locking:
    """A server whose database others lock."""

    def __init__(self, server: Server, *, address: str, seconds: float, seed: int) -> None:
        self.server = server
        self.address = address  # of PostgreSQL; empty: SQLite
        self.file = server.data_dir / "chat.sqlite3"
        self.store = Store(address or self.file)
        self.seconds = seconds
        self.random = random.Random(seed)
        self.summary = Summary()

    @property
    def locks(self) -> dict[str, Lock]:
        return POSTGRES if self.address else SQLITE

    async def run(self, lock: str, shape: str) -> None:
        """One lock. Raises: AssertionError for a broken promise."""
        agent, order = SHAPES[shape]
        mine, other, third = await self._page(agent), await self._page(), await self._page()
        await asyncio.gather(*(self._say(page, "hello [[tokens=2]]") for page in (mine, other, third)))
        await other.post(f"[[tokens={round(50 * (self.seconds + FIRST_SECONDS + 2))} tps=50]]")
        await other.event("stream_token")
        await mine.post(f"{shape} {self.random.random()} {order}")
        answering = asyncio.create_task(self._approve(mine))
        await asyncio.sleep(self.random.uniform(0, FIRST_SECONDS))
        async with self._locked(lock, mine.conversation):
            held = time.monotonic()
            asking = asyncio.create_task(self._say(third, f"and me? {self.random.random()} [[tokens=3]]"))
            if lock in OF_ONE:
                await asyncio.wait_for(asking, GAP_SECONDS * 3 * SLACK)
            if lock in READING:
                await self._delete_some()
            await asyncio.sleep(max(0.0, held + self.seconds - time.monotonic()))  # the fault's length
        freed = time.monotonic()
        await asyncio.gather(asking, *(page.settled(timeout=AFTER_SECONDS * SLACK) for page in (mine, other, third)))
        answering.cancel()
        self._check_gaps(other, held, freed)
        for page in (mine, other, third):
            await self._check(page)
        self.summary.locks += 1

    async def _page(self, agent: str = "plain") -> Page:
        cookies = await asyncio.to_thread(self.server.visitor)
        page = Page(self.server.ws_url, cookies=cookies, agent=agent)
        await page.connect()
        return page

    async def _say(self, page: Page, content: str) -> None:
        """Send a message until it is accepted, as a page does."""
        id = str(self.random.random())
        while True:
            asked = time.monotonic()
            answer = await page.say(content, message_id=id)
            if answer["type"] == "accepted":
                return await page.settled(timeout=self.seconds + AFTER_SECONDS * SLACK)  # its end waits for the lock
            took = time.monotonic() - asked
            assert answer["error"] == "busy" and answer["retry_ms"], answer
            assert took < REFUSES_SECONDS * SLACK, f"refused after {took:.1f} s"
            self.summary.refused += 1
            self.summary.refused_seconds = max(self.summary.refused_seconds, took)
            await asyncio.sleep(answer["retry_ms"] / 1000)

    async def _delete_some(self) -> None:
        """Others delete their conversations, which have been answered."""
        for _ in range(DELETIONS):
            page = await self._page()
            await self._say(page, "forget me [[tokens=2]]")
            asked = time.monotonic()
            assert await asyncio.to_thread(self.server.delete, page.conversation, page.cookies) == 204
            took = time.monotonic() - asked
            assert took < DELETES_SECONDS * SLACK, f"deleted after {took:.1f} s"
            assert await page.closed() == CLOSE_NOT_FOUND
            self.summary.deleted += 1
            self.summary.deleted_seconds = max(self.summary.deleted_seconds, took)

    async def _approve(self, page: Page) -> None:
        """Answer what the agent asks, again while that is refused."""
        asked = await page.event("input_request", after=0, timeout=600)
        while True:
            mark = len(page.events)
            await page.send(type="answer", request_id=asked["request_id"], approved=True, message_id="approved")
            if (await page.event("accepted", "error", after=mark))["type"] == "accepted":
                return
            await asyncio.sleep(1)

    @contextlib.asynccontextmanager
    async def _locked(self, lock: str, conversation: str) -> AsyncIterator[None]:
        context = self.locks[lock](self, conversation)
        await asyncio.to_thread(context.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)

    def _check_gaps(self, other: Page, held: float, freed: float) -> None:
        times = [shown.at for id in other.shown for shown in other.shown[id] if held - 0.5 < shown.at < freed]
        gap = max(after - before for before, after in pairwise(times))
        self.summary.gap_seconds = max(self.summary.gap_seconds, gap)
        assert gap < GAP_SECONDS * SLACK, f"another's answer stood still for {gap:.2f} s"

    async def _check(self, page: Page) -> None:
        await check_transcript(page)
        self.store.check(page.conversation)
        assert {message["status"] for message in page.messages()} == {"complete"}, page.messages()
        reasons = "SELECT count(*) FROM chat_chatsession WHERE conversation_id = ? AND end_reason IN ('lost', 'failed')"
        assert self.store.query(reasons, self.store.id(page.conversation)) == [(0,)]
        self.summary.turns += len(page.messages("user"))
        await page.close()


def runs_of(number: int, locks: Iterable[str], seed: int) -> list[tuple[str, str]]:
    """So many runs: each lock in turn, with a shape of turn at random."""
    shapes = random.Random(seed)
    each = itertools.islice(itertools.cycle(locks), number)
    return [(lock, shapes.choice(list(SHAPES))) for lock in each]


async def lock_again_and_again(runs: int, *, seconds: float, seed: int, kind: str, postgres: bool) -> Summary:
    """Do that many runs; one whose promise is broken is noted, and printed, and the next one goes on."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="locks-")))
        stub = stack.enter_context(StubServer())
        environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
        address = stack.enter_context(programs.postgres_server()).url if postgres else ""
        if postgres:
            environment["DATABASE_URL"] = address
        server = stack.enter_context(Server(folder, kind=kind, **environment))
        locking = Locking(server, address=address, seconds=seconds, seed=seed)
        for number, (lock, shape) in enumerate(runs_of(runs, locking.locks, seed)):
            try:
                await locking.run(lock, shape)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                text = f"run {number}, {lock}, {shape}: {type(error).__name__} {error} ({where.line})"
                locking.summary.broken.append(text)
                print(text[:2000], flush=True)
            print(f"{number + 1} {lock}, {shape}: {locking.summary}", flush=True)
        if locking.summary.broken:
            print(server.log[-4000:])
        return locking.summary


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each lock is held")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", default="daphne", choices=("daphne", "uvicorn"))
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    summary = await lock_again_and_again(**vars(parser.parse_args()))
    print(summary)
    sys.exit(bool(summary.broken))


if __name__ == "__main__":
    asyncio.run(main())
