"""Kill the server at random points of streaming turns, start it again, and look whether a promise was broken.

    python -m tests.faults.kill --runs 200 [--pages 3] [--seed 1] [--kind uvicorn] [--postgres]

Each run kills (SIGKILL) the server while several pages stream turns of several shapes, restarts it on the same port and
database, has the pages come back, and checks for each:

    every accepted message is in the database, once, and its text reached the model at most once
    the page's records are the database's, numbered without gap or repetition
    text that was shown more than a second before the kill is in the record; the open message is `interrupted`
    the page has all of that within 5 s of the server's answering again, and its next message is accepted
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests import programs
from tests.client import Event
from tests.faults.page import Page, check_transcript
from tests.faults.store import Store
from tests.pace import SLACK
from tests.servers import Server
from tests.stub_llm import StubServer

BACK_SECONDS = 5.0  # from the server's first answer to a page that has everything
KEPT_AFTER_SECONDS = 1.0 if SLACK <= 1 else 1.5  # text shown longer than this before the kill is kept
LONGEST_TURN_SECONDS = 2.5

# What a turn does: the agent, and its order to the model. All of them take one to three seconds.
SHAPES = {
    "answer": ("plain", "[[tokens=150 tps=60]]"),
    "thinking": ("plain", "[[think=60 tokens=60 tps=60]]"),
    "before the first byte": ("plain", "[[hang=1 tokens=30 tps=60]]"),
    "tool": (
        "tools",
        '[[say="Let me see what that gives." tool=square args={"number":7} tps=20 then.tokens=60 then.tps=40]]',
    ),
    "slow tool": ("tools", '[[tool=sleep args={"seconds":1} then.tokens=40 then.tps=40]]'),
    "sub-agent": (
        "tools",
        r'[[tool=delegate args={"job":"[\u005btokens=60 tps=40]\u005d"} then.tokens=40 then.tps=40]]',
    ),
    "question": ("tools", "[[tool=ask_user then.tokens=40 then.tps=40]]"),
    "two messages": ("plain", "[[tokens=60 tps=60]]"),
}


@dataclass
class Summary:
    """What the runs have shown."""

    kills: int = 0
    turns: int = 0
    accepted: int = 0
    interrupted: int = 0
    kept_chars: int = 0  # that were shown more than a second before a kill
    files: int = 0  # that were given or shown, and compared
    back_seconds: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        back = sorted(self.back_seconds) or [0.0]
        return (
            f"{self.kills} kills, {self.turns} turns, {self.accepted} messages accepted, "
            f"{self.interrupted} interrupted, "
            f"{self.kept_chars} characters and {self.files} files compared; "
            f"back p50 {back[len(back) // 2]:.2f} s, longest {back[-1]:.2f} s; broken promises: {len(self.broken)}"
        )


class Killing:
    """A server that is killed again and again, on one port and one database."""

    shapes = SHAPES

    def __init__(self, server: Server, stub: StubServer, store: Store, *, pages: int, seed: int) -> None:
        self.server = server
        self.stub = stub
        self.store = store
        self.pages = pages
        self.random = random.Random(seed)
        self.summary = Summary()

    async def run(self) -> None:
        """One kill. Raises: AssertionError for a broken promise."""
        self.stub.reset()
        names = [self.random.choice(list(self.shapes)) for _ in range(self.pages)]
        pages = [await self._start(name) for name in names]
        await asyncio.sleep(self.random.uniform(0, LONGEST_TURN_SECONDS))
        killed = time.monotonic()
        await asyncio.to_thread(self.server.kill)
        for page in pages:
            page.crashed = True
            await page.closed()
        await asyncio.to_thread(self.server.start, migrate=False)
        answers = time.monotonic()
        await asyncio.gather(*(self._come_back(page, answers) for page in pages))
        for page in pages:
            await self._check(page, killed)
        await self._check_files()
        self.summary.kills += 1
        self.summary.turns += sum(len(page.messages("user")) for page in pages)

    async def _start(self, name: str) -> Page:
        agent, order = self.shapes[name]
        cookies = await asyncio.to_thread(self.server.visitor)
        page = Page(self.server.ws_url, cookies=cookies, agent=agent)
        await page.connect()
        for number in range(2 if name == "two messages" else 1):
            await page.post(f"{name} {number} {self.random.random()} {order}")
        return page

    async def _come_back(self, page: Page, answers: float) -> None:
        """Within five seconds the page is connected, what was open is closed, and a new message is accepted."""
        await page.come_back(seconds=BACK_SECONDS)
        mark = len(page.events)
        again = await page.say(f"still there? {self.random.random()} [[tokens=3]]")
        assert again["type"] == "accepted", again
        self.summary.back_seconds.append(time.monotonic() - answers)
        assert time.monotonic() - answers < BACK_SECONDS, f"back after {time.monotonic() - answers:.1f} s"
        await self._answer_question(page, mark)
        await page.settled(timeout=30)
        assert page.messages()[-1]["status"] == "complete", page.messages()[-1]

    async def _answer_question(self, page: Page, mark: int) -> None:
        """A turn that had not begun when the server died may ask now: then it is answered."""
        event = await page.wait(
            lambda event: event["type"] == "input_request" or says_idle(event), after=mark, timeout=30
        )
        if event["type"] == "input_request":
            await page.send(type="answer", request_id=event["request_id"], approved=True, message_id=f"a{mark}")

    async def _check(self, page: Page, killed: float) -> None:
        await check_transcript(page)
        self.store.check(page.conversation)
        stored = self.store.turns(page.conversation)
        accepted = {id: event["message_id"] for id, event in page.accepted.items()}
        assert accepted.items() <= stored.items(), (accepted, stored)
        self._check_once(page)
        for message in page.messages():
            kept = page.shown_before(message["id"], killed - KEPT_AFTER_SECONDS)
            assert message["content"].startswith(kept), f"shown {kept!r}, kept {message['content']!r}"
            self.summary.interrupted += message["status"] == "interrupted"
            self.summary.kept_chars += len(kept)
        self.summary.accepted += len(page.accepted)
        await page.close()

    async def _check_files(self) -> None:
        """What else there is to look at: see `uploads.py`."""

    def _check_once(self, page: Page) -> None:
        """No message of the user reached the model twice, and one that was answered in full reached it."""
        newest = [str(body["messages"][-1].get("content")) for body in self.stub.requests()]
        answers = {message["turn"]: message["status"] for message in page.messages() if message["depth"] == 0}
        for message in page.messages("user"):
            runs = sum(told.startswith(message["content"]) for told in newest)  # its files are told after it
            assert runs <= 1, f"{message['content']!r} ran {runs} times"
            assert runs == 1 or message.get("request_id") or answers[message["turn"]] != "complete"


def says_idle(event: Event) -> bool:
    return event["type"] == "status" and event["state"] == "idle"


async def kill_again_and_again(
    runs: int, *, pages: int, seed: int, kind: str, postgres: bool, folder: Path, killing: type[Killing] = Killing
) -> Summary:
    """Do that many runs; a run whose promise is broken is noted, and printed, and the next one goes on."""
    with ExitStack() as stack:
        stub = stack.enter_context(StubServer())
        environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
        store = Store(folder / "chat.sqlite3")
        if postgres:
            environment["DATABASE_URL"] = stack.enter_context(programs.postgres_server()).url
            store = Store(environment["DATABASE_URL"])
        server = stack.enter_context(Server(folder, kind=kind, **environment))
        killed = killing(server, stub, store, pages=pages, seed=seed)
        summary = killed.summary
        for number in range(runs):
            try:
                await killed.run()
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                summary.broken.append(f"run {number}: {type(error).__name__} {error} ({where.line})")
                print(summary.broken[-1], flush=True)
            if number % 20 == 19:
                print(summary, flush=True)
        return summary


async def main(description: str | None = __doc__, killing: type[Killing] = Killing) -> None:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--pages", type=int, default=3, help="pages that stream while the server is killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", default="daphne", choices=("daphne", "uvicorn"))
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    options = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        summary = await kill_again_and_again(**options, folder=Path(folder), killing=killing)
    print(summary)
    sys.exit(bool(summary.broken))


if __name__ == "__main__":
    asyncio.run(main())
