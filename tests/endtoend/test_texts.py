"""Texts that are too much for whatever reads them: nobody else waits, whatever serves the page."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.client import Client
from tests.pace import SLACK, assert_within
from tests.programs import children_of, wait_until
from tests.servers import Server

SLOW = '"' + "\\" * 60  # as scala it takes Pygments' lexer longer than the universe has
OTHERS_SECONDS = 1.0


@pytest.fixture(params=["daphne", "uvicorn", "reloader"])
def any_server(request, stub, tmp_path):
    model = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o-mini", "DEBUG": "1"}
    with Server(tmp_path, kind=request.param, **model) as server:
        yield server


async def echo_seconds(client: Client) -> float:
    began = time.monotonic()
    await client.say("echo")
    await client.idle(timeout=60)  # the first one waits for Langroid's import
    return time.monotonic() - began


def colour_processes(pid: int) -> set[int]:
    """Those of a server and, under the reloader, of its child."""
    below = children_of(pid)
    found = {child for child in below if "colour_process" in command_of(child)}
    return found.union(*map(colour_processes, below))


def command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline") as command:
            return command.read()
    except OSError:
        return ""


async def test_a_text_without_end_for_its_lexer_freezes_nobody(any_server):
    server = any_server
    text = f"Look:\n\n```scala\n{SLOW}\n```\n\n```python\nx = 1\n```\n"
    async with Client(server.ws_url, agent="mock") as other, Client(server.ws_url, html="1") as page:
        await echo_seconds(other)
        asked = asyncio.ensure_future(page.say(f"[[echo=1 piece=7]]{text}"))
        gaps = [await echo_seconds(other) for _ in range(20)]
        await asked
        await page.idle()
        assert max(gaps) < OTHERS_SECONDS * SLACK
        assert SLOW in page.messages()[-1]["html"]

        async with Client(server.ws_url, html="1", conversation=page.conversation, cookies=page.cookies) as again:
            began = time.monotonic()
            await again.idle(after=0)
            assert_within(2.0, since=began)

        processes = colour_processes(server.process.pid)
        assert processes
        server.stop() if server.kind == "reloader" else server.kill()

    wait_until(lambda: not any(map(os.path.exists, (f"/proc/{pid}" for pid in processes))))
