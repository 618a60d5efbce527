"""Have many turns in few conversations, and print how memory, threads and open files grow.

    python -m tests.faults.soak --turns 1000 [--pages 4] [--kind uvicorn] [--plots]

Pages take turns of several shapes, come and go, and stop some. After a warm-up of 100 turns for each page, and 200 at
least, the server's figures are read once every 50 turns; the slope of the line through them is printed per 1,000 turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression

from tests.faults.page import Page
from tests.servers import Server
from tests.stub_llm import StubServer

Shapes = Sequence[tuple[str, str]]  # the agent, and its order to the model

TURNS = (
    ("plain", "[[tokens=40]]"),
    ("plain", "[[think=10 tokens=20]]"),
    ("tools", '[[tool=square args={"number":7} then.tokens=10]]'),
    ("tools", "[[tool=delegate then.tokens=10]]"),
    ("plain", "[[error=401]]"),
)
PLOTS = (("shows", "[[tool=plot then.tokens=10]]"),)  # a figure of Matplotlib in each turn
SAMPLE_EVERY = 50
CONTEXT_TOKENS = 2000  # a history grows until it fills the model's context: here that is over before the first sample


@dataclass
class Sample:
    """The server process after so many turns."""

    turns: int
    rss_mb: float
    threads: int
    files: int


@dataclass
class Soak:
    """The figures of a run."""

    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    open_ms: float = 0.0  # to open the conversation with the most turns, at the end

    def slope(self, name: str) -> float:
        """Growth per 1,000 turns, by least squares."""
        turns = [sample.turns for sample in self.samples]
        return 1000 * linear_regression(turns, [getattr(sample, name) for sample in self.samples]).slope

    def __str__(self) -> str:
        first, last = self.samples[0], self.samples[-1]
        return (
            f"{last.turns} turns in {self.seconds:.0f} s; RSS {first.rss_mb:.0f} -> {last.rss_mb:.0f} MB, "
            f"{self.slope('rss_mb'):+.1f} MB per 1,000 turns; threads {first.threads} -> {last.threads}, "
            f"{self.slope('threads'):+.1f}; files {first.files} -> {last.files}, {self.slope('files'):+.1f}; "
            f"a long conversation opens in {self.open_ms:.0f} ms"
        )


def look(server: Server, turns: int) -> Sample:
    folder = Path("/proc") / str(server.process.pid)
    fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    rss, threads = int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"])
    return Sample(turns, rss, threads, len(os.listdir(folder / "fd")))


async def soak(server: Server, shapes: Shapes, *, turns: int, pages: int, warm_up: int) -> Soak:
    """Have `turns` turns after `warm_up` others, spread over `pages` pages at a time, one conversation each."""
    result = Soak()
    watched = [await _open(server, shapes[number % len(shapes)][0]) for number in range(pages)]
    started = time.monotonic()
    for number in range(0, warm_up + turns, pages):
        if number >= warm_up and (number - warm_up) % SAMPLE_EVERY < pages:
            result.samples.append(look(server, number - warm_up))
        await asyncio.gather(*(_turn(page, shapes, number) for page in watched))
        if number // pages % 10 == 9:
            await watched[number // pages // 10 % pages].come_back()
    result.samples.append(look(server, turns))
    result.seconds = time.monotonic() - started
    for page in watched:
        asked = time.monotonic()
        again = Page(server.ws_url, cookies=page.cookies, conversation=page.conversation)
        await again.connect()
        await again.wait(lambda event, page=page: event.get("seq") == max(page.records))
        result.open_ms = max(result.open_ms, 1000 * (time.monotonic() - asked))
        again.check()
        await again.close()
        await page.close()
    return result


async def _open(server: Server, agent: str) -> Page:
    page = Page(server.ws_url, cookies=await asyncio.to_thread(server.visitor), agent=agent)
    await page.connect()
    return page


async def _turn(page: Page, shapes: Shapes, number: int) -> None:
    agent = page.options["agent"]
    orders = [order for name, order in shapes if name == agent]
    await page.post(f"{number} {orders[number % len(orders)]}")
    await page.settled(timeout=60)
    page.events.clear()  # a soak of the server, not of this client
    page.accepted.clear()


async def run(
    *, turns: int, pages: int, kind: str, folder: Path, warm_up: int | None = None, plots: bool = False
) -> Soak:
    with ExitStack() as stack:
        stub = stack.enter_context(StubServer())
        environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
        environment["CHAT_CONTEXT_TOKENS"] = str(CONTEXT_TOKENS)
        server = stack.enter_context(Server(folder, kind=kind, **environment))
        return await soak(
            server, PLOTS if plots else TURNS, turns=turns, pages=pages, warm_up=warm_up or max(200, 100 * pages)
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=4)
    parser.add_argument("--kind", default="daphne", choices=("daphne", "uvicorn"))
    parser.add_argument("--plots", action="store_true", help="each turn shows a figure of Matplotlib")
    options = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        print(await run(**options, folder=Path(folder)))


if __name__ == "__main__":
    asyncio.run(main())
