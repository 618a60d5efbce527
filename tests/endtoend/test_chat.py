"""End to end: a real server, a real socket, the real OpenAI client against an HTTP stub."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request

import pytest

from tests.client import Client
from tests.pace import assert_within


@pytest.fixture
async def client(server):
    async with Client(server.ws_url, cookies=server.visitor()) as client:
        yield client


def connect(server, agent="plain", **options):
    return Client(server.ws_url, cookies=server.visitor(), agent=agent, **options)


def get(server, client, path):
    """What a page of the same owner gets over HTTP."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    request = urllib.request.Request(server.url + path, headers={"Cookie": cookie})
    return urllib.request.urlopen(request, timeout=30).read().decode()


# -- a conversation --------------------------------------------------------------------------------------------------


async def test_an_answer_streams_in_and_becomes_the_record(client):
    accepted = await client.say("hello [[tokens=30 tps=20]]")
    assert accepted["type"] == "accepted" and accepted["seq"] == 1 and not accepted["duplicate"]
    await client.idle()
    (answer,) = client.messages()
    assert client.streamed[answer["id"]] == answer["content"] and len(answer["content"].split()) == 30
    assert (answer["status"], answer["finish_reason"], answer["agent"]) == ("complete", "stop", "Plain")
    assert answer["usage"]["completion_tokens"] == 30
    assert client.types("stream_token", "conversation", "status") == [
        "connection",
        "accepted",
        "message",
        "stream_start",
        "stream_end",
        "message",
    ]
    assert [event["state"] for event in client.of("status")] == ["idle", "running", "running", "idle"]


async def test_the_context_is_kept_from_turn_to_turn(client, stub):
    for text in ("my name is Ann [[tokens=3]]", "what is it? [[tokens=3]]"):
        await client.say(text)
        await client.idle()
    roles = [(m["role"], m["content"]) for m in stub.last()["messages"]]
    assert [role for role, _ in roles[-3:]] == ["user", "assistant", "user"]
    assert "my name is Ann" in roles[-3][1] and roles[-2][1] == client.messages()[0]["content"]


async def test_reasoning_comes_apart_from_the_answer(client):
    await client.say("[[think=8 tokens=5]]")
    await client.idle()
    (answer,) = client.messages()
    thought = "".join(event["token"] for event in client.of("stream_reasoning"))
    assert thought == answer["reasoning"] != "" and "think" not in answer["content"]


async def test_the_page_s_mode_gets_html_that_equals_the_record(server):
    async with connect(server, html="1") as client:
        await client.say('[[text="# A\\n\\nsome **bold** text\\n\\n- one\\n- two" tps=50]]')
        await client.idle()
        (answer,) = client.messages()
        assert "<strong>bold</strong>" in answer["html"]
        assert not client.of("stream_token") and client.of("stream_html")


async def test_an_agent_that_cannot_stream_answers_in_one_record(server):
    async with connect(server, "mock") as client:
        await client.say("hello")
        await client.idle()
        assert client.answer() == "You said: hello"
        assert not client.of("stream_start", "stream_end")


async def test_the_built_in_agent_answers_without_any_model(server):
    async with connect(server, "assistant") as client:
        await client.say("hello")
        await client.idle()
        assert client.answer()


# -- tools and sub-agents --------------------------------------------------------------------------------------------


async def test_a_tool_call_has_its_result_and_then_the_answer(server):
    async with connect(server, "tools") as client:
        await client.say('[[tool=square args={"number":7}]]')
        await client.idle()
        (call,) = client.of("tool_call")
        (result,) = client.of("tool_result")
        assert call["tool_args"] == {"number": 7} and call["tool_call_id"] == result["tool_call_id"]
        assert (result["result"], result["status"], result["error"]) == ("49", "complete", None)
        assert len(client.messages()) == 1 and client.answer()


async def test_parallel_calls_have_a_result_each(server):
    async with connect(server, "tools") as client:
        await client.say("[[tool=square tools=2]]")
        await client.idle()
        assert len(client.of("tool_call")) == len(client.of("tool_result")) == 2
        assert len({event["tool_call_id"] for event in client.of("tool_result")}) == 2


async def test_a_tool_that_raises_shows_an_error_without_its_text(server):
    async with connect(server, "tools") as client:
        await client.say("[[tool=fail]]")
        await client.idle()
        (result,) = client.of("tool_result")
        assert result["status"] == "error" and result["error"]
        assert "sk-12345678" not in result["error"] and "/etc" not in result["error"]
        await client.say("still there? [[tokens=3]]")
        await client.idle()
        assert client.messages()[-1]["status"] == "complete"


async def test_json_tools_leave_no_json_in_the_answer(server):
    async with connect(server, "json_tools") as client:
        await client.say('[[tool=square json=1 args={"number":5} say="Let me see."]]')
        await client.idle()
        (result,) = client.of("tool_result")
        assert result["result"] == "25"
        assert all("request" not in message["content"] for message in client.messages())
        assert client.messages()[0]["content"].strip() == "Let me see."
        assert "request" not in "".join(event["token"] for event in client.of("stream_token"))


async def test_a_sub_agent_made_inside_a_tool_is_nested_under_the_call(server):
    async with connect(server, "tools") as client:
        await client.say(r'[[tool=delegate args={"job":"[\u005btokens=6]\u005d"}]]')
        await client.idle()
        (call,) = client.of("tool_call")
        (begin,) = client.of("task_start")
        (end,) = client.of("task_end")
        nested = [message for message in client.messages() if message["depth"] == 1]
        assert begin["task_id"] == end["task_id"] and begin["parent_id"] == call["tool_call_id"]
        assert nested[0]["agent"] == "Helper" and nested[0]["task"]["id"] == begin["task_id"]
        assert nested[0]["parent_id"] == call["tool_call_id"] and len(nested[0]["content"].split()) == 6


# -- questions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("approval", {"approved": True}, "Approved|True|None"),
        ("approval", {"approved": False, "content": "too dear"}, "too dear|False|None"),
        ("choice", {"choice": "red"}, "red|None|red"),
        ("text", {"content": "forty two"}, "forty two|None|None"),
    ],
)
async def test_a_question_waits_for_its_answer(server, kind, answer, expected):
    async with connect(server, "tools") as client:
        await client.say(f'[[tool=ask_user args={{"question":"May I?","kind":"{kind}"}}]]')
        question = await client.event("input_request", after=0)
        assert (question["kind"], question["prompt"]) == (kind, "May I?")
        assert client.status["state"] == "waiting"
        await client.send(type="answer", request_id=question["request_id"], message_id="a1", **answer)
        await client.idle()
        (result,) = client.of("tool_result")
        assert result["result"] == expected
        stored = client.messages("user")[-1]
        assert stored["request_id"] == question["request_id"] and stored["turn"] == client.messages("user")[0]["id"]


async def test_an_open_question_is_shown_again_after_a_reload(server):
    async with connect(server, "tools") as client:
        await client.say("[[tool=ask_user]]")
        question = await client.event("input_request", after=0)
        client.cut()
        await client.reconnect()
        again = await client.event("input_request")
        assert again["request_id"] == question["request_id"]
        await client.send(type="answer", request_id=question["request_id"], approved=True)
        await client.idle()
        assert client.of("tool_result")[0]["result"].startswith("Approved")


# -- failures of the model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("error=401", "llm_auth"),
        ("error=403", "llm_auth"),
        ("error=429", "llm_rate_limited"),
        ("error=500", "llm_unavailable"),
        ("error=503", "llm_unavailable"),
        ("error=400", "llm_error"),
        ("tokens=20 cut=8", "llm_unavailable"),
        ("drop=1", "llm_unavailable"),
    ],
)
async def test_a_model_s_failure_is_shown_and_the_next_message_is_answered(client, order, code):
    await client.say(f"[[{order}]]")
    await client.idle()
    failed = client.messages()[-1]
    assert failed["status"] == "error" and failed["error"]["code"] == code
    assert failed["error"]["details"] and failed["error"]["incident"]
    if "cut" in order:
        assert len(failed["content"].split()) == 8
    await client.say("and now? [[tokens=4]]")
    await client.idle()
    assert client.messages()[-1]["status"] == "complete"


async def test_an_empty_answer_ends_the_turn(client):
    await client.say("[[tokens=0]]")
    await client.idle()
    await client.say("[[tokens=4]]")
    await client.idle()
    assert client.messages()[-1]["content"]


@pytest.mark.parametrize("agent", ["broken", "wrong_type"])
async def test_a_factory_that_fails_says_so_and_hides_why(server, agent):
    async with connect(server, agent) as client:
        await client.say("hello")
        await client.idle()
        (answer,) = client.messages()
        assert answer["status"] == "error" and answer["error"]["code"] == "agent_unavailable"
        assert "sk-12345678" not in str(client.events)
        assert answer["error"]["incident"] in server.log


# -- stop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "order", "event"),
    [
        ("plain", "tokens=2000 tps=50", "stream_token"),
        ("plain", "hang=30", "status"),
        ("plain", "stall=5:30", "stream_token"),
        ("tools", r'[[tool=delegate args={"job":"[\u005btokens=2000 tps=50]\u005d"}]]', "stream_token"),
        ("tools", "tool=sleep", "tool_call"),
        ("tools", "tool=ask_user", "input_request"),
    ],
    ids=["in mid-answer", "before the first byte", "in a stall", "in a sub-agent", "in a tool", "in a question"],
)
async def test_stop_is_idle_in_time_and_the_next_message_is_answered(server, stub, agent, order, event):
    stub.reset()
    async with connect(server, agent) as client:
        await client.say(order if order.startswith("[[") else f"[[{order}]]")
        await client.event(event, after=4)
        if event == "status":
            await asyncio.to_thread(stub.wait, requests=1)
        asked = time.monotonic()
        await client.command("stop")
        await client.idle()
        assert_within(1.5, since=asked)
        assert client.messages()[-1]["status"] == "stopped" or client.of("tool_result")[-1]["status"] == "stopped"
        assert not client.streams
        if agent == "plain":
            await asyncio.to_thread(stub.wait, open=0, aborted=1)
        await client.say("go on [[tokens=4]]")
        await client.idle()
        assert client.messages()[-1]["status"] == "complete"


async def test_a_stop_while_the_agent_is_being_made_ends_the_turn_and_what_waits_runs(server):
    async with connect(server, "slow_start") as client:
        await client.say("one")
        await client.say("two")
        asked = time.monotonic()
        await client.command("stop")
        stopped = await client.wait(lambda event: event["type"] == "message" and event["seq"] == 3)
        assert_within(1.5, since=asked)
        assert (stopped["message"]["status"], stopped["message"]["content"]) == ("stopped", "")
        await client.idle()
        assert [message["content"] for message in client.messages()] == ["", "You said: two"]


async def test_a_stop_when_nothing_runs_does_nothing(client):
    await client.command("stop")
    await client.say("[[tokens=3]]")
    await client.idle()
    await client.command("stop")
    await client.say("[[tokens=3]]")
    await client.idle()
    assert [message["status"] for message in client.messages()] == ["complete", "complete"]


# -- commands --------------------------------------------------------------------------------------------------------


async def test_edit_regenerate_branch_and_clear_change_what_the_model_knows(client, stub):
    def known():
        return [m["content"] for m in stub.last()["messages"] if m["role"] == "user"]

    await client.say("first [[tokens=2]]")
    await client.idle()
    await client.say("second [[tokens=2]]")
    await client.idle()
    first, second = [message["id"] for message in client.messages("user")]

    await client.command("edit", message_id=second, content="second edited [[tokens=2]]")
    await client.idle()
    assert known() == ["first [[tokens=2]]", "second edited [[tokens=2]]"]

    await client.command("regenerate", message_id=first)
    await client.idle()
    assert known() == ["first [[tokens=2]]"]

    await client.command("branch", turn=second)
    assert (await client.event("head"))["turn"] == second
    await client.say("third [[tokens=2]]")
    await client.idle()
    assert known() == ["first [[tokens=2]]", "second [[tokens=2]]", "third [[tokens=2]]"]

    await client.command("clear")
    assert (await client.event("head"))["turn"] is None
    await client.say("fourth [[tokens=2]]")
    await client.idle()
    assert known() == ["fourth [[tokens=2]]"]

    await client.command("reset")
    await client.say("fifth [[tokens=2]]")
    await client.idle()
    assert known() == ["fourth [[tokens=2]]", "fifth [[tokens=2]]"]


async def test_messages_sent_while_the_agent_works_are_answered_in_turns(client, stub):
    await client.say("one [[tokens=40 tps=100]]")
    await client.say("two [[tokens=3]]")
    await client.say("three [[tokens=3]]")
    await client.wait(lambda event: event["type"] == "status" and len(event["queued"]) == 2)
    await client.idle(timeout=30)
    turns = [message["turn"] for message in client.messages()]
    assert turns == [message["id"] for message in client.messages("user")]
    asked = [m["content"].split()[0] for m in stub.last()["messages"] if m["role"] == "user"]
    assert asked == ["one", "two", "three"]


async def test_the_transcript_cannot_be_changed_while_a_turn_runs(client):
    await client.say("[[tokens=300 tps=100]]")
    await client.command("clear")
    assert (await client.event("error"))["error"] == "busy"
    await client.command("stop")
    await client.idle()


# -- coming back -----------------------------------------------------------------------------------------------------


async def test_a_page_that_comes_back_sees_every_token_once(client):
    await client.say("[[tokens=150 tps=100]]")
    for _ in range(6):
        await client.event("stream_token")
        client.cut()
        assert (await client.reconnect())["resumed"]
    await client.idle()
    (answer,) = client.messages()
    assert client.streamed[answer["id"]] == answer["content"] and len(answer["content"].split()) == 150


async def test_two_tabs_see_the_same(server):
    async with connect(server) as one:
        await one.say("[[tokens=60 tps=100]]")
        two = Client(server.ws_url, cookies=one.cookies, conversation=one.conversation, html="1")
        async with two:
            await one.idle()
            await two.idle()
            assert [r["seq"] for r in one.records.values()] == [r["seq"] for r in two.records.values()]
            await two.say("[[tokens=3]]")
            await two.idle()
            await one.wait(lambda event: event.get("seq") == 4)
            assert one.messages()[-1]["content"] == two.messages()[-1]["content"]


async def test_a_page_cut_before_its_first_message_comes_back_to_the_same_conversation(client):
    before, ticket = client.conversation, client.ticket
    assert ticket
    client.cut()
    await client.reconnect()
    assert client.conversation == before
    await client.say("[[tokens=3]]")
    await client.idle()


async def test_the_same_message_sent_again_runs_once(client, stub):
    stub.reset()
    first = await client.say("once [[tokens=3]]", message_id="same-id")
    await client.idle()
    again = await client.say("once [[tokens=3]]", message_id="same-id")
    other = await client.say("twice", message_id="same-id")
    assert again["duplicate"] and again["message_id"] == first["message_id"]
    assert other["error"] == "conflict"
    assert stub.stats().requests == 1


async def test_someone_else_s_conversation_is_not_there(server, client):
    await client.say("[[tokens=3]]")
    await client.idle()
    stranger = Client(server.ws_url, cookies=server.visitor(), conversation=client.conversation)
    assert (await stranger.connect())["error"] == "not_found"
    assert await stranger.closed() == 4404
    nobody = Client(server.ws_url, conversation="00000000-0000-4000-8000-000000000000")
    assert (await nobody.connect()) | {"details": ""} == stranger.events[0] | {"details": ""}


async def test_earlier_records_come_by_page(server, client):
    for number in range(4):
        await client.say(f"{number} [[tokens=2]]")
        await client.idle()
    page = json.loads(get(server, client, f"/api/conversations/{client.conversation}/records?before=7&limit=3"))
    assert [record["seq"] for record in page["records"]] == [3, 4, 5, 6] and page["earlier"] is True
    assert page["records"][0] == client.records[3]


@pytest.mark.parametrize("html", ["0", "1"])
async def test_an_answer_too_long_for_a_frame_is_cut_in_its_record_only(server, html):
    async with connect(server, html=html) as client:
        await client.say("[[chars=600000 tps=100]]")
        await client.event("stream_html" if html == "1" else "stream_token", after=0)
        client.cut()
        await client.reconnect()
        await client.idle(timeout=60)
        (answer,) = client.messages()
        assert answer["truncated"] and len(answer["content"]) < 600_000
        whole = get(server, client, answer["url"])
        assert len(whole) == 600_000 and whole.startswith(answer["content"])
        if html == "0":
            assert client.streamed[answer["id"]] == whole


async def test_a_page_that_comes_late_gets_a_long_text_in_parts(server):
    async with connect(server) as client:
        await client.say("[[chars=200000 tps=2000 stall=40:30]]")
        await client.wait(
            lambda event: len(client.streams and next(iter(client.streams.values()))["text"]) >= 40 * 4096
        )
        late = Client(server.ws_url, cookies=client.cookies, conversation=client.conversation)
        async with late:
            await late.event("stream_more", after=0)
            await late.wait(lambda _: len(next(iter(late.streams.values()))["text"]) >= 40 * 4096)
            assert late.streams == client.streams
            await late.command("stop")
            await late.idle()
            await client.idle()
            assert late.messages() == client.messages()


async def test_a_page_that_does_not_acknowledge_is_served_again_when_it_does(server):
    slow = connect(server)
    slow.acks = False
    async with slow:
        await slow.say("[[tokens=800 tps=100]]")
        other = Client(server.ws_url, cookies=slow.cookies, conversation=slow.conversation)
        async with other:
            await other.idle(timeout=30)
        assert slow.frames <= 66 and 2 not in slow.records
        await slow.send(type="ack", frames=slow.frames)
        again = await slow.event("connection")
        assert again["resumed"] is True
        await slow.wait(lambda event: event["type"] == "message" and event["seq"] == 2)
        assert slow.messages() == other.messages()


async def test_what_a_page_was_sent_counts_as_read(client):
    await client.say("[[tokens=3]]")
    await client.idle()
    await client.wait(lambda event: event["type"] == "conversation" and event["read_seq"] == event["newest_seq"] == 2)


# -- the old page ----------------------------------------------------------------------------------------------------


async def test_the_old_page_gets_its_ten_types_only(server):
    page = OldPage(server.ws_url.replace("/ws/chat/", "/ws?browser_session_id=browser-1"))
    async with page:
        await page.send(type="message", content="hello [[tokens=20 tps=100]]", sessionId="x")
        await page.event("message")
        assert page.types("stream_token") == ["connection", "stream_start", "stream_end", "message"]
        text = "".join(event["token"] for event in page.of("stream_token"))
        assert text == page.events[-1]["message"]["content"]
        await page.send(type="message", content="[[error=401]]")
        await page.event("input_request")
        assert [event.get("error") for event in page.events[-2:]] == ["llm_auth", None], page.events[-5:]


class OldPage(Client):
    """The prototype's page keeps nothing and acknowledges nothing."""

    def __init__(self, url):
        super().__init__(url, acks=False)
        self.options = {}

    def _apply(self, event):
        assert event["type"] in {
            "connection",
            "message",
            "stream_start",
            "stream_token",
            "stream_end",
            "input_request",
            "error",
            "tool_call",
            "tool_result",
            "delete_message",
        }
