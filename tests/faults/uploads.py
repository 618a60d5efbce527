"""Kill the server in the middle of uploads, of what agents show, and of forms that they ask; look at the files too.

    python -m tests.faults.uploads --runs 50 [--pages 3] [--seed 1] [--kind uvicorn] [--postgres]

Everything that `kill.py` looks at, and:

    every upload that was answered with 201 has its row and its bytes, and a message takes it along
    one that was not has neither a row nor, once the purge has passed by, a file
    whatever a page was shown it gets, byte for byte as long as it was told
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.client import Event
from tests.faults.kill import Killing, main, says_idle
from tests.faults.page import Page
from tests.web import get, headers_of

SHAPES = {
    "show": ("shows", '[[tool=show args={"what":"image","times":12} then.tokens=60 then.tps=40]]'),
    "table": ("shows", '[[tool=show args={"what":"long_table","times":4} then.tokens=60 then.tps=40]]'),
    "result": ("shows", '[[tool=give args={"what":"files"} then.tokens=60 then.tps=40]]'),
    "form": ("shows", "[[tool=ask_form then.tokens=40 then.tps=40]]"),
}
PIECE_BYTES, PIECES = 20_000, 12
DAY_SECONDS = 25 * 3600


class Uploader:
    """A person who gives files, one after the other, each in pieces, until the server is gone."""

    def __init__(self, killing: Killing, page: Page) -> None:
        self.given: dict[str, bytes] = {}  # by id: answered with 201
        self._server, self._page = killing.server, page
        self._random = killing.random
        self._task = asyncio.create_task(asyncio.to_thread(self._give_all))

    def _give_all(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):  # the server is gone
            headers = headers_of(self._server, self._page)
            while True:
                content = self._random.randbytes(PIECE_BYTES) * PIECES
                self.given[self._give(content, headers)["id"]] = content

    def _give(self, content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest("POST", "/api/attachments?name=noise.bin")
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                connection.putheader(name, value)
            connection.endheaders()
            for at in range(PIECES):
                connection.send(content[at * PIECE_BYTES : (at + 1) * PIECE_BYTES])
                time.sleep(0.005)
            answer = connection.getresponse()
            told = json.load(answer)
            assert answer.status == 201, told
            return told

    async def end(self) -> None:
        await self._task

    async def check(self) -> None:
        for id, content in self.given.items():
            assert await asyncio.to_thread(get, self._server, self._page, f"/api/attachments/{id}") == content, id
        if self.given:
            id = next(iter(self.given))
            told = await self._page.say(f"look at {id} [[tokens=2]]", attachments=[id])
            assert told["type"] == "accepted", told
            await self._page.idle()
            assert self._page.messages("user")[-1]["attachments"][0]["id"] == id


class KillingFiles(Killing):
    """The same, with what lies in the storage."""

    shapes = SHAPES

    async def run(self) -> None:
        self._giving: list[Uploader] = []
        await super().run()

    async def _start(self, name: str) -> Page:
        page = await super()._start(name)
        self._giving.append(Uploader(self, page))
        return page

    async def _answer_question(self, page: Page, mark: int) -> None:
        event = await page.wait(
            lambda event: event["type"] == "input_request" or says_idle(event), after=mark, timeout=30
        )
        if event["type"] == "input_request":
            values = {"title": "Sea", "lines": 2}
            await page.send(type="answer", request_id=event["request_id"], tool_args=values, message_id=f"a{mark}")

    async def _check(self, page: Page, killed: float) -> None:
        for attachment in _shown(page):
            content = await asyncio.to_thread(get, self.server, page, attachment["url"])
            assert len(content) == attachment["size"], attachment
            self.summary.files += 1
        for uploader in self._giving:
            if uploader._page is page:
                await uploader.end()
                await uploader.check()
                self.summary.files += len(uploader.given)
        await super()._check(page, killed)

    async def _check_files(self) -> None:
        """Each row has its file; what else lies there goes with the purge, once it is a day old."""
        folder = self.server.data_dir / "attachments"
        rows = dict(self.store.query("SELECT path, size_bytes FROM chat_attachment"))
        assert {path: size for path, size in _files(folder).items() if path in rows} == rows
        long_ago = time.time() - DAY_SECONDS
        for path in _files(folder):
            os.utime(folder / path, (long_ago, long_ago))
        await asyncio.to_thread(self.server.manage, "purge")
        assert _files(folder) == rows


def _shown(page: Page) -> list[Event]:
    parts = [part for message in page.messages() for part in message.get("parts", ())]
    return [part["attachment"] for part in parts if "attachment" in part]


def _files(folder: Path) -> dict[str, int]:
    """Path -> size of what lies in the storage."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


if __name__ == "__main__":
    asyncio.run(main(__doc__, KillingFiles))
