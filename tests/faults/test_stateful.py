"""Random interleavings of what pages and operators do, against one server: whatever the order, the promises hold.

The full size takes an hour:

    FAULTS_EXAMPLES=500 FAULTS_STEPS=50 python -m pytest -n0 tests/faults/test_stateful.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from websockets.exceptions import ConnectionClosed

from tests.client import Event
from tests.faults.page import Page, check_transcript
from tests.faults.store import Store
from tests.servers import Server
from tests.stub_llm import KEPT_REQUESTS, StubServer

EXAMPLES = int(os.environ.get("FAULTS_EXAMPLES", "20"))
STEPS = int(os.environ.get("FAULTS_STEPS", "20"))
TABS = st.integers(0, 1)
TURNS = st.integers(0, 30)
ORDERS = st.sampled_from(
    [
        "[[tokens=3]]",
        "[[tokens=30 tps=100]]",
        "[[think=5 tokens=40 tps=80]]",
        "[[hang=0.3 tokens=5]]",
        "[[error=500]]",
        '[[tool=square args={"number":7} then.tokens=10]]',
        r'[[say="A helper knows." tool=delegate args={"job":"[\u005btokens=10 tps=60]\u005d"} then.tokens=10]]',
    ]
)
QUESTION = "[[tool=ask_user then.tokens=5]]"


class Tab(Page):
    """A page that remembers what it was asked, and what of its own was refused."""

    question: Event | None = None

    def _apply(self, event: Event) -> None:
        super()._apply(event)
        if event["type"] == "input_request":
            self.question = event
        elif event["type"] == "error" and event.get("client_id") in self.outbox:
            assert event["error"] == "busy", event  # that too much waits is the only reason
            del self.outbox[event["client_id"]]

    @property
    def asks(self) -> bool:
        return self.status.get("state") == "waiting" and self.question is not None

    async def answer(self, question: Event, is_approved: bool) -> None:
        id = question["request_id"]
        await self.try_to_send(type="answer", request_id=id, approved=is_approved, message_id=f"answer-{uuid.uuid4()}")

    async def try_to_send(self, **frame: object) -> None:
        with contextlib.suppress(ConnectionClosed):  # closed, and not heard of it yet
            await self.send(**frame)


class Chat(RuleBasedStateMachine):
    """One conversation with two tabs. The server, its model and its store are set by the test.

    No rule has a precondition: what a page has heard of so far depends on time, and hypothesis wants the same choices
    each time. A rule that makes no sense just now does nothing.

    Whatever an example has drawn, it ends with one event more, each in its turn: so all of them happen, also when what
    is drawn is different (hypothesis takes constants from the modules that happen to be imported).
    """

    server: Server
    stub: StubServer
    store: Store
    runner: asyncio.Runner
    done: Counter[str]  # of all examples
    last_events: Iterator[Callable[[Chat], None]]  # one for each example

    def __init__(self) -> None:
        super().__init__()
        self.tabs: list[Tab] = []
        self.sent = 0

    def run(self, work):
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        self.stub.reset()
        cookies = self.server.visitor()
        first = Tab(self.server.ws_url, cookies=cookies, agent="tools")
        self.tabs = [first]
        self.run(first.connect())
        self.send(tab=0, order="[[tokens=3]]")
        self.run(first.settled())
        second = Tab(self.server.ws_url, cookies=cookies, conversation=first.conversation, agent="tools")
        self.run(second.connect())
        self.tabs.append(second)

    def _up(self, tab: int) -> Tab:
        page = self.tabs[tab]
        if page.close_code is not None:
            self.run(page.come_back())
        return page

    # -- what people do ---------------------------------------------------------------------------------------------

    @rule(tab=TABS, order=ORDERS)
    def send(self, tab: int, order: str) -> None:
        self.sent += 1
        self.run(self._up(tab).post(f"{self.sent} {order}"))

    @rule(tab=TABS, answers_in=st.sampled_from([0, 1, None]), is_approved=st.booleans())
    def be_asked(self, tab: int, answers_in: int | None, is_approved: bool) -> None:
        """Send what makes the agent ask, and stay to see a question; answer it now, in either tab, or not yet."""
        self.send(tab=tab, order=QUESTION)
        page = self.tabs[tab]
        self.run(page.until(lambda: page.asks or page.is_settled or page.close_code))
        if page.question and answers_in is not None:
            self._answer(answers_in, page.question, is_approved)

    @rule(tab=TABS)
    def stop(self, tab: int) -> None:
        self._command(tab, "stop")

    @rule(tab=TABS, is_approved=st.booleans())
    def answer(self, tab: int, is_approved: bool) -> None:
        """From any tab, also a second time, or when the question is closed already."""
        page = self._up(tab)
        if page.question:
            self._answer(tab, page.question, is_approved)

    def _answer(self, tab: int, question: Event, is_approved: bool) -> None:
        self.run(self._up(tab).answer(question, is_approved))
        self.done["answer"] += 1

    @rule(tab=TABS, turn=TURNS)
    def edit(self, tab: int, turn: int) -> None:
        if chosen := self._turn(tab, turn):
            self._command(tab, "edit", message_id=chosen["id"], content=f"edited {uuid.uuid4()} [[tokens=5]]")

    @rule(tab=TABS, turn=TURNS)
    def regenerate(self, tab: int, turn: int) -> None:
        if chosen := self._turn(tab, turn):
            self._command(tab, "regenerate", message_id=chosen["id"])

    @rule(tab=TABS, turn=TURNS)
    def branch(self, tab: int, turn: int) -> None:
        if chosen := self._turn(tab, turn):
            self._command(tab, "branch", turn=chosen["id"])

    @rule(tab=TABS, command=st.sampled_from(["clear", "reset"]))
    def start_afresh(self, tab: int, command: str) -> None:
        self._command(tab, command)

    def _turn(self, tab: int, number: int) -> Event | None:
        turns = [message for message in self._up(tab).messages("user") if not message.get("request_id")]
        return turns[number % len(turns)] if turns else None

    def _command(self, tab: int, command: str, **fields: str) -> None:
        self.run(self._up(tab).try_to_send(type="command", command=command, **fields))
        self.done[command] += 1

    # -- what happens to them ---------------------------------------------------------------------------------------

    @rule(tab=TABS)
    def send_again(self, tab: int) -> None:
        """As by a page that missed the answer."""
        page = self._up(tab)
        for id, content in list(page.outbox.items()):
            self.run(page.try_to_send(type="message", content=content, message_id=id))

    @rule(tab=TABS)
    def cut(self, tab: int) -> None:
        page = self._up(tab)
        page.cut()
        self.run(page.closed())
        self.done["cut"] += 1

    @rule(tab=TABS)
    def come_back(self, tab: int) -> None:
        self._up(tab)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.1]))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule(happens=st.sampled_from([False, True, False]))  # seldom: it takes a second
    def crash(self, happens: bool) -> None:
        if not happens:
            return
        self.server.kill()
        for page in self.tabs:
            page.crashed = True
            self.run(page.closed())
        self.server.start(migrate=False)
        self.done["crash"] += 1

    # -- what holds -------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not self.tabs:
            return
        try:
            next(self.last_events)(self)
            for tab in range(len(self.tabs)):
                self.run(self._heard(self._up(tab)))
            for page in self.tabs:
                self.run(self._settle(page))
            self._check_what_the_model_is_told()
            self.run(self._agree())
            self.store.check(self.tabs[0].conversation)
            self._check_kept()
            self._check_once()
        finally:
            for page in self.tabs:
                self.run(page.close())

    async def _heard(self, page: Tab) -> None:
        """Wait until the server has done what this page asked for: a command is answered by what it does."""
        await page.send(type="ping")
        await page.event("pong")

    async def _settle(self, page: Tab) -> None:
        """Answer what is asked until nothing is."""
        while not page.is_settled:
            await page.until(lambda: page.asks or page.is_settled, timeout=40)
            if page.asks:
                await page.answer(page.question, True)
                page.question = None

    def _check_what_the_model_is_told(self) -> None:
        """The next turn's model reads the path to the head in turns, and nothing else of what was said."""
        page = self.tabs[0]
        self.send(tab=0, order='the last [[text="end"]]')
        self.run(self._settle(page))  # what the other tab has just asked for may run before it, and ask
        told = [message["content"] for message in self.stub.last()["messages"] if message["role"] == "user"]
        answers = {answer["turn"]: answer["status"] for answer in page.messages() if answer["depth"] == 0}
        read = [(turn["content"], answers[turn["id"]]) for turn in path(page)]
        assert told == [content for content, _ in read], f"the model: {told}\nthe page: {read}"

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
        assert {id: event["message_id"] for id, event in told.items() if id in stored} == {
            id: stored[id] for id in told
        }
        unheard = {id for id in stored if id not in told}
        assert all(id.startswith("answer-") for id in unheard), unheard  # which a page does not send again

    def _check_once(self) -> None:
        """No turn reached the model twice; a request that fails with 500 is made again by Langroid."""
        asked = Counter(body["messages"][-1].get("content") for body in self.stub.requests())
        turns = Counter(turn["content"] for turn in self.tabs[0].messages("user") if not turn.get("request_id"))
        twice = {content for content, number in turns.items() if asked[content] > number}
        assert all("error=500" in content for content in twice), twice
        assert asked.total() < KEPT_REQUESTS


LAST_EVENTS: list[Callable[[Chat], None]] = [
    lambda chat: chat.be_asked(tab=0, answers_in=1, is_approved=True),
    lambda chat: chat.stop(tab=1),
    lambda chat: chat.crash(happens=True),
    lambda chat: chat.edit(tab=0, turn=1),
    lambda chat: chat.regenerate(tab=1, turn=0),
    lambda chat: chat.branch(tab=0, turn=0),
    lambda chat: chat.start_afresh(tab=1, command="clear"),
    lambda chat: chat.cut(tab=0),
    lambda chat: chat.start_afresh(tab=0, command="reset"),
]


def path(page: Page) -> list[Event]:
    """The user's messages from the first turn to the head."""
    turns = {turn["id"]: turn for turn in page.messages("user") if not turn.get("request_id")}
    heads = [
        record["turn"] if record["type"] == "head" else record["message"]["id"]
        for record in page.transcript
        if record["type"] == "head" or record.get("message", {}).get("id") in turns
    ]
    head, found = heads[-1], []
    while head:
        found.append(turns[head])
        head = turns[head]["follows"]
    return found[::-1]


@pytest.mark.timeout(60 + 30 * EXAMPLES)
def test_promises_hold_for_any_order_of_events(start, stub, tmp_path):
    Chat.server = start()
    Chat.stub = stub
    Chat.done = Counter()
    Chat.last_events = cycle(LAST_EVENTS)
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
    rare = ("stop", "cut", "crash", "edit", "regenerate", "branch", "clear", "reset", "answer")
    assert min(Chat.done[name] for name in rare) > 1, Chat.done
