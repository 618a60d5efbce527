"""The stub does what it is told: other tests rely on it."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.stub_llm import Answer, StubServer, options_of, read_options

SQUARE = [{"type": "function", "function": {"name": "square", "parameters": {}}}]


@pytest.fixture
def stub(fresh_stub: StubServer) -> StubServer:
    return fresh_stub


def post(stub: StubServer, text: str, **fields: Any) -> http.client.HTTPResponse:
    address = urlsplit(stub.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    body = {"model": "stub", "messages": [{"role": "user", "content": text}], **fields}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    return connection.getresponse()


def stream(stub: StubServer, text: str, **fields: Any) -> list[dict[str, Any]]:
    lines = post(stub, text, stream=True, **fields).read().decode().splitlines()
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]"
    return [json.loads(item) for item in data[:-1]]


def deltas(events: list[dict[str, Any]], field: str) -> list[Any]:
    found = [event["choices"][0]["delta"].get(field) for event in events if event["choices"]]
    return [value for value in found if value]


def message(stub: StubServer, text: str, **fields: Any) -> dict[str, Any]:
    return json.load(post(stub, text, **fields))["choices"][0]["message"]


def test_options_are_read_with_quotes_json_and_commas():
    assert read_options('tokens=4 text="two words" args={"n": 7} stall=2:9') == {
        "tokens": "4",
        "text": "two words",
        "args": '{"n": 7}',
        "stall": "2:9",
    }
    assert read_options("tokens=40,tps=50") == {"tokens": "40", "tps": "50"}


def test_the_last_message_wins_over_the_model_and_the_model_over_the_defaults():
    body = {"model": "stub:tokens=2,tps=9", "messages": [{"role": "user", "content": "hi [[tokens=3]]"}]}
    assert options_of(body, {"tokens": "1", "tps": "1", "think": "1"}) == {"tokens": "3", "tps": "9", "think": "1"}


@pytest.mark.parametrize("role", ["tool", "user"])
def test_a_tool_result_gets_the_options_after_then(role):
    asked = {"role": "user", "content": "[[tool=square then.text=ready]]"}
    called = {"role": "assistant", "content": '{"request": "square", "n": 7}'}
    result = {"role": role, "content": "49"}
    assert options_of({"messages": [asked, called, result]}, {}) == {"text": "ready"}


def test_a_later_message_without_directives_gets_the_defaults():
    asked, said = {"role": "user", "content": "[[error=500]]"}, {"role": "assistant", "content": "no"}
    later = {"role": "user", "content": "hi"}
    assert options_of({"messages": [asked, said, later]}, {"tokens": "2"}) == {"tokens": "2"}


def test_tokens_arrive_one_by_one_and_end_with_a_reason_and_usage(stub):
    events = stream(stub, "[[tokens=3]]", stream_options={"include_usage": True})
    assert deltas(events, "content") == ["a", " small", " stub"]
    assert [event["choices"][0]["finish_reason"] for event in events if event["choices"]][-1] == "stop"
    assert events[-1]["usage"]["completion_tokens"] == 3
    assert stub.stats().completed == 1


def test_usage_is_left_out_when_not_wanted(stub):
    assert "usage" not in stream(stub, "[[tokens=1]]")[-1]
    assert "usage" not in stream(stub, "[[tokens=1 usage=0]]", stream_options={"include_usage": True})[-1]
    assert "usage" not in json.load(post(stub, "[[usage=0]]"))


def test_text_echo_and_emptiness(stub):
    assert message(stub, '[[text="two words"]]')["content"] == "two words"
    assert message(stub, '[[text="two words" piece=1]]')["content"] == "two words"
    assert stub.stats().tokens >= len("two words")
    assert message(stub, "say this [[echo=1]]")["content"] == "say this"
    assert message(stub, "[[tokens=0]]")["content"] == ""
    assert len(message(stub, "[[chars=100000]]")["content"]) == 100_000


def test_reasoning_comes_apart_or_inline(stub):
    assert "".join(deltas(stream(stub, "[[think=1 tokens=1]]"), "reasoning_content")) == "thought 1"
    assert "".join(deltas(stream(stub, "[[think=1 inline=1 tokens=1]]"), "content")) == "<think>thought 1</think>a"
    assert message(stub, "[[think=1 text=yes]]") == {
        "role": "assistant",
        "content": "yes",
        "reasoning_content": "thought 1",
    }


def test_native_tool_calls_arrive_in_parts_and_only_when_offered(stub):
    directive = '[[tool=square args=[{"n":7},{"n":8}]]]'
    parts = [part for delta in deltas(stream(stub, directive, tools=SQUARE), "tool_calls") for part in delta]
    for index, expected in enumerate(['{"n": 7}', '{"n": 8}']):
        arguments = [part["function"]["arguments"] for part in parts if part["index"] == index]
        assert len(arguments) > 2 and "".join(arguments) == expected
    assert not deltas(stream(stub, directive), "tool_calls")


def test_parallel_calls_have_ids_of_their_own():
    body = {"messages": [{"role": "user", "content": ""}], "tools": SQUARE}
    calls = Answer(body, {"tool": "square", "tools": "3"}).calls
    assert len({call["id"] for call in calls}) == 3


def test_a_tool_call_can_be_written_as_json(stub):
    text = message(stub, '[[tool=square json=1 args={"n":7} say="Wait."]]')["content"]
    assert text == 'Wait.\n{"request": "square", "n": 7}'


@pytest.mark.parametrize("code", [400, 401, 429, 500, 503])
def test_errors_come_for_the_first_requests_only(stub, code):
    text = f"[[error={code} errors=2 retry_after=3]]"
    answers = [post(stub, text) for _ in range(3)]
    assert [answer.status for answer in answers] == [code, code, 200]
    assert answers[0].headers["retry-after"] == "3"
    assert stub.stats().failed == 2


def test_a_cut_answer_stops_in_the_middle(stub):
    with pytest.raises(http.client.IncompleteRead) as caught:
        post(stub, "[[tokens=9 cut=2]]", stream=True).read()
    assert caught.value.partial.count(b'"content": "') == 3  # the first is empty
    assert stub.stats().completed == 0


def test_a_dropped_request_gets_no_headers(stub):
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        post(stub, "[[drop=1]]")


def test_a_malformed_event_is_not_json(stub):
    lines = post(stub, "[[tokens=3 malformed=1]]", stream=True).read().decode().split("\n\n")
    broken = [line for line in lines if line and line != "data: [DONE]" and not _is_json(line)]
    assert len(broken) == 1


def _is_json(line: str) -> bool:
    try:
        json.loads(line.removeprefix("data: "))
    except ValueError:
        return False
    return True


def test_the_finish_reason_can_be_given(stub):
    assert json.load(post(stub, "[[finish=length]]"))["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("directive", ["hang=60", "stall=1:60", "tokens=9 tps=0.1"])
def test_a_client_that_leaves_is_counted_at_once(stub, directive):
    address = urlsplit(stub.url)
    with socket.create_connection((address.hostname, address.port)) as client:
        body = json.dumps({"stream": True, "messages": [{"role": "user", "content": f"[[{directive}]]"}]})
        client.sendall(f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        stub.wait(open=1)
    assert stub.wait(aborted=1, open=0).completed == 0


def test_the_last_requests_are_kept(stub):
    message(stub, "first")
    message(stub, "second")
    assert [body["messages"][0]["content"] for body in stub.requests()] == ["first", "second"]
    assert stub.last()["messages"][0]["content"] == "second"
