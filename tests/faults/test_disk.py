"""The disk is full: SQLite can write no byte more, as the kernel's limit for the sizes of files has it."""

from __future__ import annotations

import asyncio
import resource

from tests.client import Client
from tests.servers import Server


def fill(server: Server) -> None:
    """No file of the server grows beyond what SQLite's log has now."""
    size = (server.data_dir / "chat.sqlite3-wal").stat().st_size
    assert server.log_path.stat().st_size < size // 2, "its own log is to go on"
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def make_room(server: Server) -> None:
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def test_a_full_disk_is_told_and_nothing_that_streams_is_lost(start):
    server = start()
    cookies = await asyncio.to_thread(server.visitor)
    async with Client(server.ws_url, cookies=cookies) as one, Client(server.ws_url, cookies=cookies) as two:
        await two.say("hello [[tokens=2]]")
        await two.idle(timeout=60)  # Langroid's import
        await one.say("[[tokens=100 tps=50]]")
        await one.event("stream_token")
        fill(server)

        answer = await two.say("is there room?")
        assert answer["error"] == "busy" and "disk is full" in answer["details"] and answer["retry_ms"]
        await one.until(
            lambda: len(one.streams) and "".join(view["text"] for view in one.streams.values()).count(" ") > 60
        )
        assert "SQLITE_IOERR" in server.log

        make_room(server)
        await one.idle(timeout=60)
        assert one.messages()[-1]["status"] == "complete"
        assert (await two.say("and now? [[tokens=2]]"))["type"] == "accepted"
        await two.idle()
        assert two.messages()[-1]["status"] == "complete"
        shown, text = one.answer(), one.streamed
        await one.reconnect()
        assert one.answer() == shown and shown in text.values()
