"""The browsers: N connections of protocol 1 in one process, each with a conversation of its own.

    python -m benchmarks.load '{"url": …, "pid": …, …}'        # see `Plan`; prints a JSON object

Each client checks what it gets: `n` without a hole or repetition, and a text that is the expected one.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import resource
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.processes import cpu_seconds, rss_bytes
from benchmarks.stub import answer_of

ACK_EVERY = 8
CONNECTING = 50  # handshakes at the same time
SETTLE_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do."""

    url: str
    pid: int  # of the server
    sessions: int = 1
    turns: int = 1  # 0: connect only
    tokens: int = 200
    tps: int = 50
    html: bool = False
    spread_seconds: float = 1.0  # people do not press their keys at the same moment
    warm_turns: int = 1  # of each session, before the measured ones
    newcomers: bool = False  # measure each session's first turn, then a later one
    idle_seconds: float = 0.0  # watch so long at the end what idle connections cost
    question_words: int = 8
    windows: tuple[tuple[int, int], ...] = ()  # first and last turn: the server's CPU per turn in between


@dataclass
class Turn:
    """What one turn looked like from outside. Times are monotonic seconds."""

    asked: float
    frames: list[float] = field(default_factory=list)  # when text came
    lost: int = 0  # tokens lost or repeated
    expected: int = 0  # n of the next chunk
    starts: int = 0  # more than one: the server began again with all there was

    def take(self, n: int) -> None:
        """Note a chunk that came now."""
        self.frames.append(time.monotonic())
        self.lost += n != self.expected
        self.expected = n + 1


class Page:
    """One connection."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.turns: list[Turn] = []
        self.connected_seconds = 0.0
        self._frames = 0
        self._socket: ClientConnection

    async def open(self) -> None:
        started = time.monotonic()
        url = f"{self._plan.url}?v=1" + ("&html=1" if self._plan.html else "")
        self._socket = await connect(url, compression=None, open_timeout=60, ping_interval=None, max_queue=None)
        while (await self._next())["type"] != "status":
            pass
        self.connected_seconds = time.monotonic() - started

    async def close(self) -> None:
        await self._socket.close()

    async def ask(self, tokens: int, tps: int) -> Turn:
        """Say something, and read until the server is idle again."""
        question = " ".join(["word"] * self._plan.question_words) + f" [[tokens={tokens} tps={tps}]]"
        turn = Turn(asked=time.monotonic())
        await self._socket.send(json.dumps({"type": "message", "content": question, "message_id": str(uuid.uuid4())}))
        text: list[str] = []
        content, is_over, is_accepted = None, False, False
        while not (is_over and is_accepted):
            event = await self._next()
            match event["type"]:
                case "accepted":
                    is_accepted = True
                case "stream_start" | "stream_more":
                    if event["type"] == "stream_start":
                        turn.starts += 1
                        text.clear()
                    text.append(event["content"])
                    turn.expected = event["n"]
                case "stream_token" | "stream_html":
                    turn.take(event["n"])
                    text.append(event.get("token", ""))
                case "message" if event["message"]["sender"] == "assistant":
                    content = event["message"]["content"]
                case "status":
                    is_over = event["state"] == "idle" and content is not None
                case "error":
                    raise SystemExit(f"the server answered {event}")
        if content != answer_of(tokens):
            turn.lost += 1
        if not self._plan.html and "".join(text) != content:
            turn.lost += 1
        return turn

    async def first_word(self, question: str) -> float:
        """Say something; return when the answer began."""
        await self._socket.send(json.dumps({"type": "message", "content": question}))
        while (await self._next())["type"] not in ("stream_token", "stream_html"):
            pass
        return time.monotonic()

    async def _next(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self._socket.recv())
        self._frames += 1
        if self._frames % ACK_EVERY == 0:
            await self._socket.send(f'{{"type":"ack","frames":{self._frames}}}')
        return event

    async def listen(self) -> None:
        """Read and acknowledge what comes unasked, for ever."""
        while True:
            await self._next()


async def load(plan: Plan) -> dict[str, Any]:
    """Do it; return what was seen, and what the server needed for it."""
    await warm_up(plan)
    rss_before, cpu_before, started = rss_bytes(plan.pid), cpu_seconds(plan.pid), time.monotonic()
    pages = [Page(plan) for _ in range(plan.sessions)]
    slots = asyncio.Semaphore(CONNECTING)

    async def open_one(page: Page) -> None:
        async with slots:
            await page.open()

    await asyncio.gather(*map(open_one, pages))
    connect_seconds = time.monotonic() - started
    result: dict[str, Any] = {
        "sessions": plan.sessions,
        "connect_wall_seconds": connect_seconds,
        "connect_cpu_seconds": cpu_seconds(plan.pid) - cpu_before,
        "connect_seconds": [page.connected_seconds for page in pages],
    }
    if plan.windows:
        result["windows"] = await windows(plan, pages[0])
    elif plan.newcomers:
        result |= {"first": await measured(plan, pages)}
        await asyncio.sleep(SETTLE_SECONDS)
        result |= {"later": await measured(plan, pages)}
    elif plan.turns:
        for _ in range(plan.warm_turns):
            await asyncio.gather(*(page.ask(5, 0) for page in pages))
        result |= await measured(plan, pages)
    await asyncio.sleep(SETTLE_SECONDS)
    result["rss_bytes"], result["rss_bytes_before"] = rss_bytes(plan.pid), rss_before
    if plan.idle_seconds:
        result["idle_cpu_share"] = await idle(plan, pages)
    await asyncio.gather(*(page.close() for page in pages))
    return result


async def warm_up(plan: Plan) -> None:
    """Let the server import and cache what it does only once."""
    for _ in range(3):
        page = Page(plan)
        await page.open()
        await page.ask(20, 0)
        await page.close()


async def measured(plan: Plan, pages: list[Page]) -> dict[str, Any]:
    async def talk(page: Page) -> list[Turn]:
        await asyncio.sleep(random.random() * plan.spread_seconds)
        return [await page.ask(plan.tokens, plan.tps) for _ in range(plan.turns)]

    gc.collect()
    own, before, started = time.process_time(), cpu_seconds(plan.pid), time.monotonic()
    turns = list(itertools.chain(*await asyncio.gather(*map(talk, pages))))
    wall, cpu, own = time.monotonic() - started, cpu_seconds(plan.pid) - before, time.process_time() - own
    return {
        "tokens": len(turns) * plan.tokens,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "client_cpu_share": own / wall,
        "lost": sum(turn.lost for turn in turns),
        "caught_up": sum(turn.starts - 1 for turn in turns),
        "first_seconds": [turn.frames[0] - turn.asked for turn in turns],
        "last_seconds": [turn.frames[-1] - turn.asked for turn in turns],
        "gap_seconds": [b - a for turn in turns for a, b in itertools.pairwise(turn.frames)],
    }


async def windows(plan: Plan, page: Page) -> list[dict[str, Any]]:
    """One long conversation, looked at in some windows of turns."""
    found, turn = [], 0
    for first, last in plan.windows:
        while turn < first - 1:
            await page.ask(plan.tokens, 0)
            turn += 1
        before = cpu_seconds(plan.pid)
        while turn < last:
            await page.ask(plan.tokens, 0)
            turn += 1
        found.append({"turns": (first, last), "cpu_per_turn": (cpu_seconds(plan.pid) - before) / (last - first + 1)})
    return found


async def idle(plan: Plan, pages: list[Page]) -> float:
    """The share of a core that the server needs while nothing happens."""
    readers = [asyncio.create_task(page.listen()) for page in pages]
    before = cpu_seconds(plan.pid)
    await asyncio.sleep(plan.idle_seconds)
    share = (cpu_seconds(plan.pid) - before) / plan.idle_seconds
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return share


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(load(Plan(**json.loads(sys.argv[1]))))))
