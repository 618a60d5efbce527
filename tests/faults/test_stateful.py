"""Random interleavings of what pages and operators do, against one server: whatever the order, the promises hold."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.client import Event
from tests.faults.page import Page, check_transcript
from tests.faults.store import Store
from tests.servers import Server

EXAMPLES, STEPS = 8, 14
ORDERS = st.sampled_from(
    ["[[tokens=30 tps=100]]", "[[tokens=3]]", "[[think=5 tokens=40 tps=80]]", "[[hang=0.3 tokens=5]]", "[[error=500]]"]
)


class Chat(RuleBasedStateMachine):
    """One conversation with two tabs. The server and its store are set by the test."""

    server: Server
    store: Store
    runner: asyncio.Runner
    done: Counter[str]  # of all examples

    def __init__(self) -> None:
        super().__init__()
        self.tabs: list[Page] = []
        self.sent = 0

    def run(self, work):
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        self.cookies = self.server.visitor()
        self.tabs = [Page(self.server.ws_url, cookies=self.cookies)]
        self.run(self.tabs[0].connect())
        self.send(tab=0, order="[[tokens=3]]")
        self.run(self.tabs[0].settled())
        second = Page(self.server.ws_url, cookies=self.cookies, conversation=self.tabs[0].conversation)
        self.run(second.connect())
        self.tabs.append(second)

    def _up(self, tab: int) -> Page:
        page = self.tabs[tab]
        if page.close_code is not None:
            self.run(page.come_back())
        return page

    @rule(tab=st.integers(0, 1), order=ORDERS)
    def send(self, tab: int, order: str) -> None:
        self.sent += 1
        self.run(self._up(tab).post(f"{self.sent} {order}"))

    @rule(tab=st.integers(0, 1))
    def stop(self, tab: int) -> None:
        self.run(self._up(tab).command("stop"))
        self.done["stop"] += 1

    @precondition(lambda self: any(page.outbox or page.accepted for page in self.tabs))
    @rule(tab=st.integers(0, 1))
    def send_again(self, tab: int) -> None:
        """What was accepted is sent again, as by a page that missed the answer."""
        page = self._up(tab)
        for id, content in list(page.outbox.items()):
            self.run(page.send(type="message", content=content, message_id=id))

    @rule(tab=st.integers(0, 1))
    def cut(self, tab: int) -> None:
        page = self._up(tab)
        page.cut()
        self.run(page.closed())
        self.done["cut"] += 1

    @rule(tab=st.integers(0, 1))
    def come_back(self, tab: int) -> None:
        self._up(tab)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.1]))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def crash(self) -> None:
        self.server.kill()
        for page in self.tabs:
            page.crashed = True
            self.run(page.closed())
        self.server.start(migrate=False)
        self.done["crash"] += 1

    def teardown(self) -> None:
        if not self.tabs:
            return
        try:
            for tab in range(len(self.tabs)):
                self.run(self._up(tab).settled(timeout=40))
            self.run(self._agree())
            self.store.check(self.tabs[0].conversation)
            self._check_kept()
        finally:
            for page in self.tabs:
                self.run(page.close())

    async def _agree(self) -> None:
        """Both tabs hold what the database holds."""
        newest = max(max(page.records, default=0) for page in self.tabs)
        for page in self.tabs:
            await page.wait(lambda event: event.get("seq") == newest)
            await check_transcript(page)

    def _check_kept(self) -> None:
        """What was accepted is stored, once, under the id that was told."""
        stored = self.store.turns(self.tabs[0].conversation)
        told: dict[str, Event] = {id: event for page in self.tabs for id, event in page.accepted.items()}
        assert {id: event["message_id"] for id, event in told.items()} == stored
        assert len(stored) == self.sent and all(uuid.UUID(id) for id in stored)


@pytest.mark.timeout(300)
def test_promises_hold_for_any_order_of_events(start, tmp_path):
    Chat.server = start()
    Chat.done = Counter()
    Chat.store = Store(tmp_path / "chat.sqlite3")
    with asyncio.Runner() as Chat.runner:
        run_state_machine_as_test(
            Chat,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],  # a shrunk example takes minutes; the steps are printed as they are
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert min(Chat.done[name] for name in ("stop", "cut", "crash")) > 1, Chat.done
