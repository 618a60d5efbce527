"""Let models write what takes long to render, and look whether somebody else's answer stands still.

    python -m tests.faults.hostile [--kind uvicorn]

For each text: a page shows the answer as it is written, and joins it again and again, with HTML, while two other
visitors, one with HTML and one without, read answers of 50 tokens a second. Prints the longest gap between their
frames.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.client import Client, Event
from tests.pace import SLACK
from tests.servers import Server
from tests.stub_llm import StubServer

GAP_SECONDS = 1.0  # longest silence of somebody else's answer
TEXTS = {  # what is written, how often, and in pieces of how many characters
    "one paragraph of brackets, growing": ("[" * 9_990, 1, 100),
    "20 such paragraphs": ("[" * 9_990 + "\n\n", 20, 5_000),
}
JOINS = 3  # pages that come while the text is written
JOIN_SECONDS = 0.7  # between them
SECONDS = 12  # of the others' answers
ENVIRONMENT = {"CHAT_MODEL": "gpt-4o-mini", "CHAT_API_KEY": "sk-test-key"}


class Reader(Client):
    """A page that notes when text came."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.times: list[float] = []

    def _apply(self, event: Event) -> None:
        super()._apply(event)
        if event["type"] in ("stream_token", "stream_html"):
            self.times.append(time.monotonic())

    @property
    def gap(self) -> float:
        return max(after - before for before, after in pairwise(self.times))


async def gaps_beside(
    server: Server, text: str, times: int, piece: int, *, seconds: float = SECONDS
) -> dict[str, float]:
    """The longest gaps of two others' answers while a model writes this text."""
    hostile, raw, html = await _page(server, html="1"), await _page(server), await _page(server, html="1")
    for page in (raw, html):
        await page.send(type="message", content=f"[[tokens={round(50 * seconds)} tps=50]]")
        await page.event("stream_token", "stream_html")
    await hostile.send(type="message", content=f"[[text={json.dumps(text)} times={times} piece={piece}]]")
    await hostile.event("stream_start")
    for _ in range(JOINS):
        await asyncio.sleep(JOIN_SECONDS)
        await hostile.reconnect()
    for page in (raw, html, hostile):
        await page.idle(after=0, timeout=60 * SLACK)
    await asyncio.gather(*(page.close() for page in (raw, html, hostile)))
    return {"without HTML": raw.gap, "with HTML": html.gap}


async def _page(server: Server, **options: str) -> Reader:
    cookies = await asyncio.to_thread(server.visitor)
    page = Reader(server.ws_url, cookies=cookies, agent="plain", **options)
    await page.connect()
    return page


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="daphne", choices=("daphne", "uvicorn"))
    kind = parser.parse_args().kind
    longest = 0.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hostile-")))
        stub = stack.enter_context(StubServer())
        server = stack.enter_context(Server(folder, kind=kind, CHAT_API_BASE=stub.url, **ENVIRONMENT))
        for name, text in TEXTS.items():
            gaps = await gaps_beside(server, *text)
            print(f"{name}: " + ", ".join(f"{who} {gap:.2f} s" for who, gap in gaps.items()), flush=True)
            longest = max(longest, *gaps.values())
    print(f"longest gap of another's answer: {longest:.2f} s")
    sys.exit(longest > GAP_SECONDS * SLACK)


if __name__ == "__main__":
    asyncio.run(main())
