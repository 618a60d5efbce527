"""The page's state: what each frame of the server and each deed of the user makes of it. A blank page, no server."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

Event = dict[str, Any]


def play(page: Page, *events: Event) -> Any:
    """Give the events to the reducer in order; return the state, with `turns` and `branches` as a reader sees them."""
    return page.evaluate(
        """async (events) => {
            const { initialState, reduce, shownLog } = await import("chat/state.js");
            const { transcript } = await import("chat/transcript.js");
            let [state, now] = [initialState({ now: 0 }), 0];
            for (const event of events) state = reduce(state, event, (now += 1000));
            const outline = (part) => ({
                text: () => part.message.content || part.message.blocks.join(""),
                tools: () => part.tools.map((tool) => tool.tool_name),
                task: () => ({ [part.task.name]: part.parts.map(outline) }),
                reply: () => part.parts.map(outline),
                answer: () => `answer: ${part.message.content}`,
            })[part.kind]();
            const { turns } = transcript(shownLog(state), state.status.turn);
            const read = turns.map((turn) => [turn.user.content, ...turn.segments.map(outline)]);
            return { ...state, turns: read, branches: turns.map((turn) => turn.branch) };
        }""",
        list(events),
    )


# -- the frames of a server ------------------------------------------------------------------------------


def connection(*, seq: int = 0, head: str | None = None, resumed: bool = False, **fields: Any) -> Event:
    agent = {"key": "a", "name": "Analyst"}
    return {
        "type": "connection",
        "session_id": "c",
        "seq": seq,
        "head": head,
        "resumed": resumed,
        "agent": agent,
        **fields,
    }


def status(state: str, turn: str | None = None, queued: tuple[str, ...] = ()) -> Event:
    return {"type": "status", "state": state, "turn": turn, "queued": list(queued), "agent": "Analyst"}


def user(seq: int, id: str, *, follows: str | None = None, content: str = "", **fields: Any) -> Event:
    message = {
        "id": id,
        "turn": id,
        "follows": follows,
        "sender": "user",
        "content": content or id,
        "depth": 0,
        **fields,
    }
    return {"type": "message", "seq": seq, "message": message}


def answer(seq: int, id: str, turn: str, **fields: Any) -> Event:
    message = {"id": id, "turn": turn, "sender": "assistant", "agent": "Analyst", "content": id, "depth": 0}
    return {"type": "message", "seq": seq, "message": message | {"status": "complete"} | fields}


def start(id: str, turn: str, **fields: Any) -> Event:
    begin = {"type": "stream_start", "message_id": id, "turn": turn, "n": 0, "reasoning_n": 0, "depth": 0}
    return begin | {"agent": "Analyst", "content": "", "blocks": [], "reasoning": ""} | fields


def html(id: str, n: int, block: int, text: str, **fields: Any) -> Event:
    return {"type": "stream_html", "message_id": id, "n": n, "block": block, "html": text, **fields}


def head(seq: int, turn: str | None) -> Event:
    return {"type": "head", "seq": seq, "turn": turn}


def tool(id: str, name: str, turn: str, *, seq: int = 0, **fields: Any) -> Event:
    common = {"tool_call_id": id, "tool_name": name, "tool_args": {}, "turn": turn, "depth": 0, **fields}
    return (
        {"type": "tool_result", "seq": seq, "status": "complete", **common} if seq else {"type": "tool_call", **common}
    )


def send(id: str) -> Event:
    return {"type": "page/send", "frame": {"type": "message", "message_id": id, "content": id}}


def blocks(state: Any, id: str) -> list[str]:
    return state["log"]["messages"][id]["blocks"]


# -- records and chunks ------------------------------------------------------------------------------


def test_a_record_that_the_page_has_is_ignored(modules):
    state = play(modules, connection(), user(1, "u1"), answer(2, "a1", "u1"), answer(2, "a1", "u1", content="other"))
    assert state["turns"] == [["u1", ["a1"]]]


def test_a_missing_record_is_noticed_and_nothing_after_it_is_taken(modules):
    state = play(modules, connection(), user(1, "u1"), answer(3, "a1", "u1"))
    assert state["log"]["gap"] is True
    assert state["log"]["newest"] == 1


def test_chunks_are_put_in_place_once_and_in_order(modules):
    chunks = [
        html("a1", 0, 0, "<p>on"),
        html("a1", 1, 0, "<p>one</p>"),
        html("a1", 0, 0, "<p>on"),
        html("a1", 2, 1, "<p>two</p>"),
    ]
    state = play(modules, connection(), user(1, "u1"), start("a1", "u1"), *chunks)
    assert blocks(state, "a1") == ["<p>one</p>", "<p>two</p>"]
    assert state["log"]["messages"]["a1"]["stale"] is False


def test_a_missing_chunk_makes_the_message_stale_until_all_of_it_comes_again(modules):
    cut = [
        connection(),
        user(1, "u1"),
        start("a1", "u1"),
        html("a1", 0, 0, "x"),
        html("a1", 2, 1, "z"),
        html("a1", 3, 1, "zz"),
    ]
    assert play(modules, *cut)["log"]["messages"]["a1"]["stale"] is True
    assert blocks(play(modules, *cut), "a1") == ["x"]

    state = play(modules, *cut, start("a1", "u1", blocks=["x", "y"], n=4), html("a1", 4, 1, "yz"))
    assert blocks(state, "a1") == ["x", "yz"]
    assert state["log"]["messages"]["a1"]["stale"] is False


def test_keep_counts_utf_16_units(modules):
    state = play(
        modules,
        connection(),
        user(1, "u1"),
        start("a1", "u1"),
        html("a1", 0, 0, "<p>🙂a"),
        html("a1", 1, 0, "b</p>", keep=5),
    )
    assert blocks(state, "a1") == ["<p>🙂b</p>"]


def test_the_record_replaces_what_was_streamed(modules):
    streamed = [start("a1", "u1"), html("a1", 0, 0, "<p>draft"), {"type": "stream_end", "message_id": "a1"}]
    state = play(
        modules, connection(), user(1, "u1"), *streamed, answer(2, "a1", "u1", content="done", html="<p>done</p>")
    )
    assert blocks(state, "a1") == ["<p>done</p>"]
    assert state["log"]["messages"]["a1"]["writing"] is False


def test_a_call_of_tools_alone_shows_no_empty_text(modules):
    state = play(
        modules, connection(), user(1, "u1"), answer(2, "a1", "u1", content=""), tool("t1", "sql", "u1", seq=3)
    )
    assert state["turns"] == [["u1", [["sql"]]]]


def test_when_the_agent_is_idle_nothing_is_left_open(modules):
    task = {"type": "task_start", "task_id": "k", "name": "Writer", "parent_id": None, "depth": 1}
    state = play(modules, connection(), user(1, "u1"), status("running", "u1"), start("a1", "u1"), task, status("idle"))
    assert state["log"]["messages"]["a1"]["writing"] is False
    assert state["log"]["tasks"]["k"]["status"] == "complete"


# -- connecting again ------------------------------------------------------------------------------

HELD = [connection(), user(1, "u1"), answer(2, "a1", "u1")]


def test_a_resumed_connection_goes_on_with_what_the_page_has(modules):
    state = play(modules, *HELD, connection(seq=3, head="u2", resumed=True), user(3, "u2", follows="u1"))
    assert state["turns"] == [["u1", ["a1"]], ["u2"]]


def test_a_fresh_snapshot_replaces_what_is_held_only_when_it_is_complete(modules):
    fresh = [connection(seq=4, head="u2"), user(3, "u2", follows="u1"), answer(4, "a2", "u2")]
    assert play(modules, *HELD, *fresh[:1])["turns"] == [["u1", ["a1"]]]
    assert play(modules, *HELD, *fresh[:2])["turns"] == [["u1", ["a1"]]]
    assert play(modules, *HELD, *fresh)["turns"] == [["u2", ["a2"]]]


def test_a_message_that_was_on_its_way_is_queued_again_when_the_connection_breaks(modules):
    lost = {"type": "page/link", "link": {"phase": "waiting", "retryAt": 9}}
    state = play(modules, connection(), send("m1"), {"type": "page/sent", "id": "m1"}, lost)
    assert [(item["id"], item["state"]) for item in state["pending"]] == [("m1", "queued")]


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(
            {"type": "accepted", "client_id": "m1", "message_id": "u1", "turn": "u1", "seq": 1}, id="accepted"
        ),
        pytest.param(user(1, "u1", client_id="m1"), id="its record"),
    ],
)
def test_a_message_waits_until_the_server_has_it(modules, proof):
    waiting = [connection(), send("m1"), {"type": "page/sent", "id": "m1"}]
    assert len(play(modules, *waiting)["pending"]) == 1
    assert play(modules, *waiting, proof)["pending"] == []


def test_a_refused_message_keeps_its_text_and_shows_the_reason(modules):
    refusal = {"type": "error", "error": "rate_limited", "details": "Wait.", "client_id": "m1"}
    [item] = play(modules, connection(), send("m1"), refusal)["pending"]
    assert (item["state"], item["error"]["details"], item["frame"]["content"]) == ("failed", "Wait.", "m1")


def test_the_wait_before_an_attempt_grows_to_thirty_seconds(modules):
    longest = modules.evaluate(
        """async () => {
            const { backoff } = await import("chat/connection.js");
            return [0, 1, 2, 5, 6, 7, 1000].map((attempt) => backoff(attempt, () => 1));
        }"""
    )
    assert longest == [500, 1000, 2000, 16000, 30000, 30000, 30000]


# -- what is read from top to bottom ------------------------------------------------------------------------------


def test_messages_sent_while_the_agent_works_are_read_with_their_answers(modules):
    records = [user(1, "u1"), user(2, "u2", follows="u1"), answer(3, "a1", "u1"), answer(4, "a2", "u2")]
    assert play(modules, connection(), *records)["turns"] == [["u1", ["a1"]], ["u2", ["a2"]]]


def test_an_edited_message_is_a_branch_of_its_own(modules):
    records = [user(1, "u1"), answer(2, "a1", "u1"), user(3, "u2"), head(4, "u2"), answer(5, "a2", "u2")]
    state = play(modules, connection(), *records)
    assert state["turns"] == [["u2", ["a2"]]]
    assert state["branches"] == [{"index": 2, "count": 2, "previous": "u1", "next": None, "isReply": False}]


def test_going_back_to_a_branch_shows_it_to_its_newest_end(modules):
    records = [user(1, "u1"), user(2, "u2", follows="u1"), user(3, "v1"), head(4, "v1")]
    state = play(modules, connection(), *records)
    assert state["branches"][0]["previous"] == "u2"
    assert [turn[0] for turn in play(modules, connection(), *records, head(5, "u2"))["turns"]] == ["u1", "u2"]


TASK = {"id": "k", "name": "Writer", "parent_id": "t1"}
INNER = {"depth": 1, "task": TASK, "parent_id": "t1"}
LIVE = [
    status("running", "u1"),
    tool("t1", "delegate", "u1"),
    {"type": "task_start", "task_id": "k", "name": "Writer", "parent_id": "t1", "depth": 1},
    start("b1", "u1", **INNER),
]
STORED = [answer(2, "b1", "u1", **INNER), tool("t2", "read", "u1", seq=3, **INNER), tool("t1", "delegate", "u1", seq=4)]
NESTED = [["u1", [["delegate"], {"Writer": ["b1", ["read"]]}]]]


@pytest.mark.parametrize("live", [pytest.param(LIVE, id="live"), pytest.param([], id="after a reload")])
def test_a_sub_agent_stands_under_the_tool_that_called_it(modules, live):
    assert play(modules, connection(), user(1, "u1"), *live, *STORED)["turns"] == NESTED


def test_the_answer_to_a_question_stands_where_it_was_given(modules):
    given = user(3, "q1", turn="u1", request_id="r", content="Ada")
    state = play(modules, connection(), user(1, "u1"), answer(2, "a1", "u1"), given, answer(4, "a2", "u1"))
    assert state["turns"] == [["u1", ["a1"], "answer: Ada", ["a2"]]]


def test_a_question_is_open_while_the_status_is_waiting(modules):
    question = {"type": "input_request", "request_id": "r", "prompt": "Name?", "kind": "text"}
    waiting = [connection(), user(1, "u1"), status("waiting", "u1"), question]
    assert play(modules, *waiting)["ask"]["request_id"] == "r"
    assert play(modules, *waiting, status("running", "u1"))["ask"] is None


def test_earlier_records_come_before_and_change_nothing_after(modules):
    page = {"type": "page/earlier", "id": "c", "earlier": False, "records": [user(1, "u1"), answer(2, "a1", "u1")]}
    state = play(
        modules, connection(seq=4, head="u2", earlier=True), user(3, "u2", follows="u1"), answer(4, "a2", "u2"), page
    )
    assert state["turns"] == [["u1", ["a1"]], ["u2", ["a2"]]]
    assert (state["log"]["oldest"], state["log"]["newest"], state["log"]["earlier"]) == (1, 4, False)
