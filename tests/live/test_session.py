"""The live agent's side of the fence: whose conversation another process has claimed can say nothing any more."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connection

from chat.actions.send import accept_message
from chat.cluster.process import this_process
from chat.connection.catch_up import Lack, Stored, read
from chat.connection.feed import Feed
from chat.live import recorder
from chat.live.claims import Claim, claim, stop_waiting
from chat.live.flusher import Flusher
from chat.live.hold import Hold
from chat.live.questions import TOO_LONG
from chat.live.session import AgentSession
from chat.live.threads import beside_loop, start_thread
from chat.mends.known import KEPT_CONNECTIONS
from chat.mends.sqlite import BUSY_SECONDS, MAX_OPEN, connected, goes_first
from chat.models import Conversation, Message, ServerProcess
from chat.observer import AgentGone, Failure, LlmOutcome, Place, Question, TaskRun, ToolOutcome, ToolRun, Usage
from chat.owners import Owner
from chat.wire.events import RECORDS
from chat.wire.frames import encode, fits
from tests.connection.test_feed import Known, feed_into
from tests.pace import SLACK, assert_within

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = Owner(visitor="f" * 64)
PLACE = Place(agent="A")
ANSWER, TOOL, OTHER = (str(uuid.uuid4()) for _ in range(3))
FAILURE = Failure(code="internal", details="It failed.", incident="x")
RUN = ToolRun(id=TOOL, name="square", args={}, message_id=None, place=PLACE)

# What an agent may say next, in the middle of a turn with an open answer and an open tool.
WRITES: dict[str, Callable[[AgentSession], object]] = {
    "the answer ends": lambda session: session.llm_ended(ANSWER, LlmOutcome(content="half and whole")),
    "a tool starts": lambda session: session.tool_started(ToolRun(**{**vars(RUN), "id": OTHER})),
    "a tool ends": lambda session: session.tool_ended(TOOL, ToolOutcome(result="49")),
    "a question": lambda session: session.ask(Question(prompt="May I?", agent="A")),
    "the turn fails": lambda session: session.turn_failed(FAILURE),
    "the turn ends": lambda session: session.next_message(),
}


@pytest.fixture
async def session(settings) -> AgentSession:
    """An agent in the middle of a turn, without its thread."""
    settings.CHAT_AGENTS = {"mock": {"FACTORY": "tests.server_agents.mock", "NAME": "A"}}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "chat.layers.InMemoryLayer"}}
    id = uuid.uuid4()

    def begin() -> tuple:
        accept_message(OWNER, id, content="hello", client_id=None, new_agent="mock")
        process = ServerProcess.objects.create(host="one", pid=1)
        return claim(id, process), process

    claimed, process = await asyncio.to_thread(begin)
    session = AgentSession(claimed, resources={}, ended=lambda _: None)

    def work() -> None:
        session.next_message()
        session.llm_started(ANSWER, PLACE, may_call_tools=False)
        session.llm_text(ANSWER, "half")
        session.tool_started(RUN)

    Flusher.of_loop().end()  # what waits to be sent stays in the outbox, for the tests to see
    await start_thread(work, name="agent-test")
    session.outbox.take()
    await asyncio.to_thread(process.end)
    return session


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_former_owner_stores_nothing_and_sends_nothing(session, write):
    other = await asyncio.to_thread(ServerProcess.objects.create, host="two", pid=2)
    await asyncio.to_thread(claim, session.conversation_id, other)
    before = await asyncio.to_thread(rows)

    def say() -> None:
        with pytest.raises(AgentGone):
            write(session)

    await start_thread(say, name="agent-test")
    assert await asyncio.to_thread(rows) == before
    assert session.outbox.take() is None
    assert session.halted and session.closing


@pytest.mark.parametrize("what", sorted(WRITES.keys() - {"a question"}))  # that one leaves no record
async def test_the_owner_itself_stores_and_sends_it(session, what):
    before = await asyncio.to_thread(rows)
    session.close("grace")  # nothing waits for a message
    await start_thread(lambda: WRITES[what](session), name="agent-test")
    assert await asyncio.to_thread(rows) != before
    assert session.outbox.take()


@pytest.mark.parametrize("what", ["the answer ends", "a tool ends", "the turn ends"])
async def test_what_is_a_record_already_is_nowhere_open(session, monkeypatch, what):
    """A page may have read the record, in any process, before the agent's thread has come to send it."""
    session.close("grace")  # nothing waits for a message
    send, snapshots = session._recorder.send, []
    look = threading.Thread(target=lambda: snapshots.append(session.snapshot(html=False)))

    def look_and_send(record: Message, *then: dict) -> None:
        if not look.ident:
            look.start()
            look.join(0.3)  # it waits for what follows; else it is done by then
        send(record, *then)

    monkeypatch.setattr(session._recorder, "send", look_and_send)
    await start_thread(lambda: WRITES[what](session), name="agent-test")
    await asyncio.to_thread(look.join)
    (snapshot,) = snapshots
    open_ids = {view.start["message_id"] for view in snapshot.streams}
    open_ids |= {call["tool_call_id"] for call in snapshot.calls}
    records = [str(id) async for id in Message.objects.exclude(seq=None).values_list("id", flat=True)]
    assert len(records) > 1 and open_ids.isdisjoint(records)


def in_its_thread(work: Callable[[], None]) -> None:
    """Do what an agent does while another thread reads: it has a connection of its own."""
    with ThreadPoolExecutor(1) as agent:
        agent.submit(work).result(10)


def feed_of(session: AgentSession, frames: list[dict], *, read: Callable[[Lack], Stored] = read) -> Feed:
    """The feed of a page of this conversation, whose agent is asked as the process does."""
    known = Known()
    known.read, known.ask = read, this_process.snapshot
    return feed_into(frames, known, of=session.conversation_id)


@pytest.mark.parametrize("is_open", [False, True], ids=["opens", "catches up"])
async def test_a_page_that_reads_while_a_turn_ends_hears_of_its_records_before_its_end(session, monkeypatch, is_open):
    """What it reads is older than the agent's state, which it asks for afterwards."""
    frames: list[dict] = []
    opens = asyncio.Event()

    def read_and_let_the_turn_end(lack: Lack) -> Stored:
        stored = read(lack)
        if opens.is_set() and not session.closing:
            session.close("grace")  # nothing waits for a message
            in_its_thread(end_turn)
        return stored

    def end_turn() -> None:
        session.tool_ended(TOOL, ToolOutcome())
        session.llm_ended(ANSWER, LlmOutcome(content="half and whole"))
        session.next_message()

    def greet(conversation: Conversation, *_: bool) -> dict:
        return {"type": "connection", "seq": conversation.newest_seq}

    monkeypatch.setitem(this_process.sessions, session.conversation_id, session)
    feed = feed_of(session, frames, read=read_and_let_the_turn_end)
    if is_open:
        await feed.open(greet, after=None)
        feed.fall_behind()
    opens.set()
    await (feed.catch_up() if is_open else feed.open(greet, after=None))

    ends = [at for at, frame in enumerate(frames) if frame.get("state") == "idle"]
    assert len(ends) == 1
    assert max(frame["seq"] for frame in frames[: ends[0]] if "seq" in frame) == 3
    assert [frame["seq"] for frame in frames if frame["type"] in RECORDS] == [1, 2, 3]


async def test_what_is_open_is_not_shown_before_the_records_that_it_follows(session, monkeypatch):
    """The agent goes on between two queries of the reading; nobody answers for it."""
    find, frames, gone_on = type(Conversation.objects).find, [], []

    def find_and_go_on(self: object, id: uuid.UUID, **options: Owner) -> Conversation | None:
        found = find(self, id, **options)
        if not gone_on:
            gone_on.append(True)
            in_its_thread(go_on)
        return found

    def go_on() -> None:
        session.llm_ended(ANSWER, LlmOutcome(content="half and whole"))
        session.tool_started(ToolRun(**{**vars(RUN), "id": OTHER, "message_id": ANSWER}))

    monkeypatch.setattr(type(Conversation.objects), "find", find_and_go_on)
    feed = feed_of(session, frames)
    await feed.open(lambda conversation, *_: {"type": "connection", "seq": conversation.newest_seq}, after=1)
    kinds = [frame["type"] for frame in frames]
    assert kinds == ["connection", "status", "message", "tool_call", "tool_call"]
    assert [frame["tool_call_id"] for frame in frames if frame["type"] == "tool_call"] == [TOOL, OTHER]


async def test_a_page_that_has_not_seen_a_turn_begin_hears_of_it_before_its_records(session):
    frames: list[dict] = []
    feed = feed_of(session, frames)
    await feed.open_new(lambda *_: {"type": "connection", "seq": 0})
    assert frames[-1]["state"] == "idle"
    await start_thread(lambda: WRITES["a tool ends"](session), name="agent-test")
    feed.compare(2, "running")  # the process's tick: nothing has come by the layer
    await feed.catch_up()
    kinds = [frame["type"] for frame in frames]
    assert kinds == ["connection", "status", "status", "message", "tool_result", "stream_start"]
    assert frames[2]["state"] == "running"


async def test_what_a_returning_page_has_is_not_told_again_when_it_comes_late(session):
    """The page has read the records before the agent's frames were sent, and is back before them too."""
    frames: list[dict] = []

    def work() -> None:
        session.llm_started(OTHER, PLACE, may_call_tools=False)
        session.llm_text(OTHER, "all")
        session.llm_ended(OTHER, LlmOutcome(content="all"))
        run = ToolRun(**{**vars(RUN), "id": str(uuid.uuid4())})
        session.tool_started(run)
        session.tool_ended(run.id, ToolOutcome(result="49"))

    await start_thread(work, name="agent-test")
    feed = feed_of(session, frames)
    await feed.open(lambda conversation, *_: {"type": "connection", "seq": conversation.newest_seq}, after=3)
    opened = len(frames)
    late = session.outbox.take()
    assert {"stream_start", "stream_end", "message", "tool_call", "tool_result"} <= set(kinds_of(late["raw"]))
    await feed.deliver(late)
    assert frames[0] == {"type": "connection", "seq": 3}
    assert set(kinds_of(late["raw"])) & {frame["type"] for frame in frames[opened:]} <= {"status"}


def kinds_of(raw: str) -> list[str]:
    return [json.loads(frame)["type"] for frame in raw.split("\n")]


def rows() -> list[dict]:
    return list(Message.objects.order_by("id").values())


@pytest.mark.parametrize("begins", [False, True], ids=["before it begins", "before the model is asked"])
async def test_an_agent_that_has_not_heard_of_a_stopped_message_gives_way_to_one_that_has(session, begins):
    """Else its memory would lack what the page shows."""
    heard: list[str] = []

    def work() -> None:
        session._turns.history()  # of nothing
        session.llm_ended(ANSWER, LlmOutcome(content="half"))
        session.tool_ended(TOOL, ToolOutcome())
        say("second")
        if begins:
            heard.append(session.next_message().content)
            session.stop()
        else:
            session._turns.end()
            stop_waiting(session.conversation_id)
        say("third")
        heard.append(session.next_message())

    def say(text: str) -> None:
        session.submit(accept_message(OWNER, session.conversation_id, content=text, client_id=None).turn)

    await start_thread(work, name="agent-test")
    assert heard == (["second", None] if begins else [None])
    assert session.closing and session.has_waiting
    assert await Message.objects.filter(content="third", begun=None).aexists()


async def test_snapshots_take_no_connection_that_a_writer_waits_for(session):
    """Who stores waits for a connection with `storing`; who looks waited for `storing` with a connection."""
    process = this_process
    stored = asyncio.Event()
    loop = asyncio.get_running_loop()

    def store() -> None:
        with session._recorder.storing:
            loop.call_soon_threadsafe(stored.set)
            threading.Event().wait(0.3)  # until all have come to look
            with connected():
                Conversation.objects.count()

    storing = asyncio.create_task(beside_loop(store))
    await stored.wait()
    started = time.monotonic()
    looks = [process._snapshot_of(session, html=False) for _ in range(2 * MAX_OPEN - 2)]
    *_, last = await asyncio.gather(storing, *looks)
    assert_within(0.5 / SLACK * 2, since=started)
    assert last is not None and last.streams


async def test_who_has_a_connection_may_not_wait_for_who_stores(session):
    """The order of locks: `storing`, then a connection."""

    def wrong() -> None:
        with connected(), session._recorder.storing:
            pass

    if connection.vendor == "sqlite" and KEPT_CONNECTIONS.holds:  # else nobody waits for a connection
        with pytest.raises(AssertionError):
            await beside_loop(wrong)


async def test_a_snapshot_of_an_agent_that_waits_for_the_database_is_not_waited_for(session, monkeypatch):
    monkeypatch.setattr(recorder, "SNAPSHOT_SECONDS", 0.05)
    with session._recorder.storing:
        assert await this_process._snapshot_of(session, html=False) is None


async def test_a_checkpoint_holds_only_what_pages_have_been_sent(session):
    session.llm_text(ANSWER, " and more")
    assert [text for _, text, _ in session.checkpoints()] == ["half"]
    session.outbox.take()
    assert [text for _, text, _ in session.checkpoints()] == ["half and more"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's one lock")
async def test_what_an_agent_says_while_another_program_has_the_lock_is_stored_afterwards(session):
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = asyncio.create_task(beside_loop(session.llm_ended, ANSWER, LlmOutcome(content="half and whole")))
        await asyncio.wait([ends], timeout=BUSY_SECONDS + 1)  # the lock's length: more than one go
        assert not ends.done() and not session.is_gone
        other.execute("ROLLBACK")
    await ends
    assert await Message.objects.filter(id=ANSWER, content="half and whole", seq=2).aexists()


@pytest.fixture
def locked():
    """Another program has the lock of the database, until it is called."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield lambda: other.execute("ROLLBACK")


def begin_another(session: AgentSession) -> None:
    session.llm_started(OTHER, PLACE, may_call_tools=False)
    session.llm_text(OTHER, "first")


LATER: dict[str, tuple[Callable[[AgentSession], object], str, str]] = {
    "a later word": (lambda session: session.llm_text(OTHER, " and more"), "open", "first"),
    "its end": (lambda session: session.llm_ended(OTHER, LlmOutcome(content="first")), "complete", "first"),
    "a stop": (lambda session: session.abandon("stopped", "stopped"), "stopped", "first"),
}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's one lock")
@pytest.mark.parametrize("what", LATER)
async def test_a_first_word_waits_for_no_other_program_and_is_stored_later(session, locked, monkeypatch, what):
    monkeypatch.setattr(recorder, "LATE_SECONDS", 0.0)
    do, status, text = LATER[what]
    started = time.monotonic()
    await start_thread(lambda: begin_another(session), name="agent-test")
    assert_within(1, since=started)
    assert '"first"' in session.outbox.take()["raw"]
    assert session.checkpoints() == [(uuid.UUID(ANSWER), "half", "")]  # of what has a row
    locked()

    await start_thread(lambda: do(session), name="agent-test")
    row = await Message.objects.aget(id=OTHER)
    assert (row.status, row.content) == (status, text)
    assert (row.seq is None) == (status == "open")


@pytest.mark.parametrize("may_start", [True, False])
async def test_an_agent_that_does_not_start_tells_who_waits_and_counts_if_it_was_tried(session, monkeypatch, may_start):
    def begin() -> Claim:
        id = uuid.uuid4()
        accept_message(OWNER, id, content="hello", client_id=None, new_agent="mock")
        return claim(id, ServerProcess.objects.create(host="one", pid=1))

    def panic(*_: object) -> None:
        raise GeneratorExit

    monkeypatch.setattr("chat.agents.registry.build", panic)
    claimed = await asyncio.to_thread(begin)
    refused = AgentSession(claimed, resources={}, may_start=may_start, ended=lambda _: None)
    await start_thread(refused._run, name="agent-test")
    assert refused.is_fruitless is may_start
    last = await Message.objects.filter(conversation=refused.conversation_id).alatest("seq")
    assert (last.status, last.error["code"]) == ("error", "agent_unavailable")


async def test_whatever_an_agent_says_of_itself_fits_its_columns(session):
    name, where = "x\x00\ud800\u202e" * 1000, str(uuid.uuid4())
    place = Place(agent=name, depth=1, task={"id": where, "name": name, "parent_id": None})
    usage = Usage(prompt_tokens=10**4000, completion_tokens=2**40, cost=1e30)
    tool = str(uuid.uuid4())

    def work() -> None:
        session.task_started(TaskRun(id=where, name=name, parent_id=None, depth=1))
        session.llm_ended(ANSWER, LlmOutcome(content="half", usage=usage, sources=({"deep": [[[name]]] * 5},)))
        session.tool_started(ToolRun(id=tool, name=name, args={name: 10**5000}, message_id=None, place=place))
        session.tool_ended(tool, ToolOutcome(result=name, error=name))
        session.turn_failed(Failure(code="internal", details=name, incident="x"))
        session.close("grace")
        session.next_message()

    await start_thread(work, name="agent-test")
    rows = [row async for row in Message.objects.all()] + [session.record]
    assert len(rows) >= 5
    for row in rows:
        await row.arefresh_from_db()
        await asyncio.to_thread(row.clean_fields)
    assert not [row for row in rows if "\u202e" in f"{getattr(row, 'agent', '')}{getattr(row, 'task', '')}"]


async def test_a_question_that_no_frame_holds_says_so(session):
    args, asked = {"text": "x" * 300_000}, []

    def ask() -> None:
        session.ask(Question(prompt="p" * 300_000, agent="A", kind="approval", tool_name="send", tool_args=args))

    thread = start_thread(ask, name="agent-test")
    while not (asked := [row.question async for row in Conversation.objects.exclude(question=None)]):
        await asyncio.sleep(0.01)
    session.close("grace")
    await thread
    assert fits(encode(asked[0]))
    assert TOO_LONG in asked[0]["prompt"] and list(asked[0]["tool_args"]) == [TOO_LONG]


async def test_a_turn_begins_before_others_write(session, monkeypatch):
    def accepted() -> Claim:
        id = uuid.uuid4()
        accept_message(OWNER, id, content="hello", client_id=None, new_agent="mock")
        return claim(id, ServerProcess.objects.create(host="one", pid=1))

    claimed = await asyncio.to_thread(accepted)
    another, seen, plainly = AgentSession(claimed, resources={}, ended=lambda _: None), [], Hold.transaction
    monkeypatch.setattr(Hold, "transaction", lambda self: (seen.append(goes_first()), plainly(self))[1])

    await start_thread(another.next_message, name="agent-test")

    assert seen == [True]
