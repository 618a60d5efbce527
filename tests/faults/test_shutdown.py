"""SIGTERM and Ctrl-C: every page is told, running turns have their time, nothing is left."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from tests.client import Client
from tests.faults.page import Page, check_transcript
from tests.faults.store import Store
from tests.pace import assert_within

KINDS = pytest.mark.parametrize("kind", ["daphne", "uvicorn", "runserver"])
LONG = "[[tokens=2000 tps=50]]"


async def open_pages(server, *contents: str | None) -> list[Page]:
    """One page for each; those with a content have a turn that streams."""
    pages = []
    for content in contents:
        page = Page(server.ws_url, cookies=await asyncio.to_thread(server.visitor))
        await page.connect()
        pages.append(page)
        if content:
            await page.post(content)
            await page.event("stream_token", after=0)
    return pages


async def end(server, signum: int, pages: list[Page]) -> float:
    """Send the signal; return its moment when the pages were told at once and the process is gone."""
    sent = time.monotonic()
    server.signal(signum)
    codes = await asyncio.gather(*(page.closed() for page in pages))
    assert_within(1, since=sent)
    assert set(codes) == {4012}
    for page in pages:
        bye = page.of("bye")[-1]
        assert bye["retry_ms"] > 0 and page.events[-1] == bye
    await asyncio.to_thread(server.wait)
    return sent


def check_left_nothing(server, tmp_path) -> Store:
    store = Store(tmp_path / "chat.sqlite3")
    assert store.unended_sessions() == 0
    assert store.query("SELECT count(*) FROM chat_serverprocess WHERE ended IS NULL") == [(0,)]
    assert store.query("SELECT count(*) FROM chat_message WHERE seq IS NULL") == [(0,)]
    assert "Traceback" not in server.log
    return store


@KINDS
async def test_sigterm_tells_every_page_and_interrupts_what_does_not_end_in_time(start, tmp_path, kind):
    server = start(kind=kind, CHAT_DRAIN_SECONDS="5")
    pages = await open_pages(server, LONG, None, LONG, None, None)
    sent = await end(server, signal.SIGTERM, pages)
    assert time.monotonic() - sent >= 5
    assert_within(5 + 2, since=sent)
    store = check_left_nothing(server, tmp_path)
    for page in (pages[0], pages[2]):
        ((status, content),) = store.query(
            "SELECT status, content FROM chat_message WHERE kind = 'assistant' AND conversation_id = ?",
            store.id(page.conversation),
        )
        assert status == "interrupted" and content.startswith(next(iter(page.texts.values())))


@KINDS
async def test_a_turn_that_ends_in_time_is_finished(start, tmp_path, kind):
    server = start(kind=kind, CHAT_DRAIN_SECONDS="20")
    pages = await open_pages(server, "[[tokens=60 tps=40]]")
    assert_within(1.5 + 2, since=await end(server, signal.SIGTERM, pages))
    store = check_left_nothing(server, tmp_path)
    ((status, content),) = store.query("SELECT status, content FROM chat_message WHERE kind = 'assistant'")
    assert status == "complete" and len(content.split()) == 60


@KINDS
async def test_ctrl_c_waits_for_no_turn(start, tmp_path, kind):
    server = start(kind=kind, CHAT_DRAIN_SECONDS="20")
    pages = await open_pages(server, LONG, None)
    assert_within(2, since=await end(server, signal.SIGINT, pages))
    check_left_nothing(server, tmp_path)


async def test_a_signal_that_its_starter_lets_it_ignore_drains_nothing(start):
    """As a shell does for Ctrl-C with what runs in its background."""
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server = start()
    finally:
        signal.signal(signal.SIGINT, heeded)
    (page,) = await open_pages(server, None)
    server.signal(signal.SIGINT)
    for _ in range(2):
        assert (await page.say("[[tokens=3]]"))["type"] == "accepted"
        await page.settled()
    await page.close()


async def test_a_page_returns_by_itself_to_the_restarted_server(start):
    server = start(CHAT_DRAIN_SECONDS="0")
    (page,) = await open_pages(server, LONG)
    await end(server, signal.SIGTERM, [page])
    await asyncio.to_thread(server.start, migrate=False)
    page.crashed = True  # what was sent to nobody during the farewell
    await page.come_back()
    await page.settled()
    await check_transcript(page)
    assert page.messages()[-1]["status"] == "interrupted"
    await page.say("and now? [[tokens=3]]")
    await page.settled()
    await page.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
async def test_a_question_is_asked_again_by_the_restarted_server_and_its_answer_counts(start, signum):
    server = start(CHAT_DRAIN_SECONDS="0")
    page = Client(server.ws_url, cookies=await asyncio.to_thread(server.visitor), agent="tools")
    await page.connect()
    await page.say("[[tool=ask_user then.text=Thanks.]]")
    await page.event("input_request", after=0)
    server.signal(signum)
    await asyncio.to_thread(server.wait)
    await asyncio.to_thread(server.start, migrate=False)
    mark = len(page.events)
    await page.reconnect()
    asked = await page.event("input_request", after=mark)
    assert page.status["state"] == "waiting"
    await page.send(type="answer", request_id=asked["request_id"], approved=True)
    await page.until(lambda: page.messages() and page.messages()[-1]["content"] == "Thanks.")
    [result] = page.of("tool_result")
    assert (result["status"], result["result"]) == ("complete", "Approved|True|None")
    await page.close()


async def test_a_server_that_drains_takes_no_new_page(start):
    server = start(CHAT_DRAIN_SECONDS="2")
    (page,) = await open_pages(server, LONG)
    server.signal(signal.SIGTERM)
    await page.closed()
    late = Client(server.ws_url, cookies=page.cookies, conversation=page.conversation)
    try:
        refusal = await late.connect()
    except OSError:
        return  # the server's port may be closed already: uvicorn does that
    assert refusal["error"] == "busy" and refusal["retry_ms"] and await late.closed() == 4012
