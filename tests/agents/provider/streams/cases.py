"""Answers as servers that call themselves OpenAI-compatible send them, and what a person expects of each.

The agent has the native tools `calculate(expression)`, `now()`, `send_letter(to, text)`. What follows a tool's result
is an ordinary answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Args = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """The parts of a body, and what comes of it."""

    body: tuple[bytes, ...]
    text: str | None = None  # of the first answer; None: there is none, or it does not matter
    reasoning: str = ""
    tools: tuple[tuple[str, Args], ...] = ()  # that ran, in order
    refused: tuple[str, ...] = ()  # names of calls that must not run, and whose model is told so
    status: str = "complete"
    code: str | None = None
    finish: str | None = None
    usage: tuple[int, int] | None = None
    content_type: str = "text/event-stream"
    says: str = ""  # a word of the error's sentence


def data(value: Any) -> bytes:
    """An event; text as it is."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def event(delta: Any, finish: Any = None, **fields: Any) -> bytes:
    return data({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields})


def message(content: Any, finish: Any = None, **fields: Any) -> bytes:
    return data(
        {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": content, **fields}, "finish_reason": finish}
            ]
        }
    )


def call(index: Any = None, id: Any = None, name: Any = None, args: Any = None, **fields: Any) -> Args:
    """A piece of a tool call: what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", args)) if value is not None}
    found = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return {**found, "type": "function", "function": function, **fields}


def calls(*pieces: Args) -> bytes:
    return event({"tool_calls": list(pieces)})


def texts(*parts: str) -> tuple[bytes, ...]:
    return tuple(event({"content": part}) for part in parts)


ROLE = event({"role": "assistant", "content": ""})
STOP = event({}, "stop")
TOOLS = event({}, "tool_calls")
DONE = data(b"[DONE]")
USAGE = data({"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}})
END = (STOP, USAGE, DONE)
HELLO = texts("Hello", " world.")
ONE, TWO = '{"expression": "1+1"}', '{"expression": "20+2"}'
SUM_ONE, SUM_TWO = ("calculate", json.loads(ONE)), ("calculate", json.loads(TWO))
TO_ALICE = '{"to": "alice@example.org", "text": "You are hired."}'
TO_BOB = '{"to": "bob@example.org", "text": "Sorry, no."}'
LETTERS = (("send_letter", json.loads(TO_ALICE)), ("send_letter", json.loads(TO_BOB)))


def said(*body: bytes, text: str = "Hello world.", **expected: Any) -> Case:
    return Case(body=body, text=text, **expected)


def ran(*body: bytes, tools: Any = (SUM_ONE,), end: tuple[bytes, ...] = (TOOLS, DONE), **expected: Any) -> Case:
    return Case(body=(*body, *end), tools=tuple(tools), **expected)


def failed(*body: bytes, code: str, text: str = "", **expected: Any) -> Case:
    return Case(body=body, text=text, status="error", code=code, **expected)


def error(**fields: Any) -> bytes:
    return data({"error": fields})


CONTROLS = {
    "plain": said(ROLE, *HELLO, *END, finish="stop", usage=(30, 4)),
    "thoughts": said(ROLE, *texts("<think>one</think>\n\n", "Hello world."), *END, reasoning="one"),
    "two calls": ran(
        calls(call(0, "a", "calculate", ONE)), calls(call(1, "b", "calculate", TWO)), tools=(SUM_ONE, SUM_TWO)
    ),
    "a call in pieces": ran(
        calls(call(0, "a", "calculate", "")), calls(call(0, args=ONE[:9])), calls(call(0, args=ONE[9:]))
    ),
    "two calls in turns": ran(
        calls(call(0, "a", "calculate", ""), call(1, "b", "calculate", "")),
        *(calls(call(0, args=a), call(1, args=b)) for a, b in ((ONE[:5], TWO[:5]), (ONE[5:], TWO[5:]))),
        tools=(SUM_ONE, SUM_TWO),
    ),
}

BOTH = (SUM_ONE, SUM_TWO)
IDENTITY = {
    "no index, one event": ran(
        calls(call(None, "a", "send_letter", TO_ALICE), call(None, "b", "send_letter", TO_BOB)), tools=LETTERS
    ),
    "no index, two events": ran(
        calls(call(None, "a", "calculate", ONE)), calls(call(None, "b", "calculate", TWO)), tools=BOTH
    ),
    "no index, in pieces": ran(
        calls(call(None, "a", "calculate", ONE[:9])),
        calls(call(args=ONE[9:])),
        calls(call(None, "b", "calculate", TWO)),
        tools=BOTH,
    ),
    "no index, no id": ran(
        calls(call(name="calculate", args=ONE)), calls(call(name="calculate", args=TWO)), tools=BOTH
    ),
    "no index, no id, one event": ran(
        calls(call(name="calculate", args=ONE), call(name="now", args="{}")), tools=(SUM_ONE, ("now", {}))
    ),
    "no index, lists in step": ran(
        calls(call(id="a", name="calculate", args=""), call(id="b", name="calculate", args="")),
        calls(call(args=ONE), call(args=TWO)),
        tools=BOTH,
    ),
    "same index": ran(calls(call(0, "a", "calculate", ONE)), calls(call(0, "b", "calculate", TWO)), tools=BOTH),
    "same index, in pieces": ran(
        calls(call(0, "a", "calculate", "")),
        calls(call(0, args=ONE)),
        calls(call(0, "b", "calculate", "")),
        calls(call(0, args=TWO)),
        tools=BOTH,
    ),
    "same index, no id": ran(
        calls(call(0, None, "calculate", ONE)), calls(call(0, None, "now", "{}")), tools=(SUM_ONE, ("now", {}))
    ),
    "same index, another tool": ran(
        calls(call(0, "a", "calculate", ONE)), calls(call(0, "b", "now", "{}")), tools=(SUM_ONE, ("now", {}))
    ),
    "same id": ran(calls(call(0, "a", "calculate", ONE)), calls(call(1, "a", "calculate", TWO)), tools=BOTH),
    "same id and index": ran(
        calls(call(0, "a", "calculate", ONE)), calls(call(0, "a", "now", "{}")), tools=(SUM_ONE, ("now", {}))
    ),
    "no id": ran(calls(call(0, None, "calculate", ONE)), calls(call(1, None, "calculate", TWO)), tools=BOTH),
    "id empty": ran(calls(call(0, "", "calculate", ONE))),
    "ids empty": ran(calls(call(0, "", "calculate", ONE)), calls(call(1, "", "calculate", TWO)), tools=BOTH),
    "id null": ran(event({"tool_calls": [{**call(0, name="calculate", args=ONE), "id": None}]})),
    "id a number": ran(calls(call(0, 7, "calculate", ONE))),
    "id late": ran(calls(call(0, None, "calculate", ONE[:6])), calls(call(0, "a", None, ONE[6:]))),
    "id alone first": ran(calls(call(0, "a")), calls(call(0, None, "calculate")), calls(call(0, args=ONE))),
    "id new in each piece": ran(calls(call(0, "a", "calculate", ONE[:6])), calls(call(0, "b", None, ONE[6:]))),
    "id and name again in each piece": ran(
        *(calls(call(0, "a", "calculate", part)) for part in (ONE[:6], ONE[6:12], ONE[12:], ""))
    ),
    "empty id and name go on": ran(calls(call(0, "a", "calculate", ONE[:13])), calls(call(0, "", "", ONE[13:]))),
    "index a string": ran(calls(call("0", "a", "calculate", ONE[:6])), calls(call("0", args=ONE[6:]))),
    "head and tail": ran(
        calls(call(0, "a", "calculate", "")),
        calls(call(1, args=ONE)),
        calls(call(1, "b", "calculate", "")),
        calls(call(2, args=TWO)),
        tools=BOTH,
    ),
    "tail one before": ran(
        calls(call(1, "a", "calculate", "")),
        calls(call(0, args=ONE)),
        calls(call(2, "b", "calculate", "")),
        calls(call(1, args=TWO)),
        tools=BOTH,
    ),
    "name in pieces": ran(calls(call(0, "a", "calc", "")), calls(call(0, "", "ulate", "")), calls(call(0, args=ONE))),
    "name grows": ran(
        calls(call(0, "a", "calc", "")), calls(call(0, "a", "calculate", "")), calls(call(0, "a", "calculate", ONE))
    ),
    "the whole once more": ran(
        calls(call(0, "a", "calculate", ONE[:9])), calls(call(0, args=ONE[9:])), calls(call(0, "a", "calculate", ONE))
    ),
    "a message at the end once more": ran(
        calls(call(0, "a", "calculate", ONE)),
        message(None, "tool_calls", tool_calls=[call(0, "a", "calculate", ONE)]),
        end=(DONE,),
    ),
    "without arguments, then another": ran(
        calls(call(0, "a", "now")), calls(call(1, "b", "calculate", ONE)), tools=(("now", {}), SUM_ONE)
    ),
    "joined under one name": ran(calls(call(0, "a", "calculate", ONE + TWO)), tools=BOTH),
    "an object, not a list": ran(event({"tool_calls": call(0, "a", "calculate", ONE)})),
    "text and a call": ran(*HELLO, calls(call(0, "a", "calculate", ONE)), text="Hello world."),
    "a message": ran(message(None, "tool_calls", tool_calls=[call(None, "a", "calculate", ONE)]), end=(DONE,)),
}

ARGUMENTS = {
    "an object": ran(calls(call(0, "a", "calculate", json.loads(ONE)))),
    "two objects": ran(
        calls(call(0, "a", "calculate", json.loads(ONE))), calls(call(0, "b", "calculate", json.loads(TWO))), tools=BOTH
    ),
    "encoded twice": ran(calls(call(0, "a", "calculate", json.dumps(ONE)))),
    "encoded twice, in pieces": ran(
        calls(call(0, "a", "calculate", json.dumps(ONE)[:9])), calls(call(0, args=json.dumps(ONE)[9:]))
    ),
    "empty": ran(calls(call(0, "a", "now", "")), tools=(("now", {}),)),
    "null": ran(calls(call(0, "a", "now", "null")), tools=(("now", {}),)),
    "none": ran(calls({"index": 0, "id": "a", "function": {"name": "now", "arguments": None}}), tools=(("now", {}),)),
    "empty object first": ran(calls(call(0, "a", "calculate", "{}")), calls(call(0, args=ONE))),
    "function null": ran(calls({"index": 0, "id": "a", "function": None}), calls(call(0, None, "calculate", ONE))),
    "no function": ran(calls({"index": 0, "id": "a", "name": "calculate", "arguments": ONE})),
    "of Python": ran(calls(call(0, "a", "calculate", "{'expression': '1+1'}"))),
    "a bracket too many": ran(calls(call(0, "a", "calculate", ONE + "}"))),
    "a line break in a string": ran(
        calls(call(0, "a", "send_letter", '{"to": "a@b", "text": "one\ntwo"}')),
        tools=(("send_letter", {"to": "a@b", "text": "one\ntwo"}),),
    ),
    "half a character": ran(
        calls(call(0, "a", "send_letter", '{"to": "a@b", "text": "\\ud83d"}')),
        tools=(("send_letter", {"to": "a@b", "text": "\ufffd"}),),
    ),
    "a character over two pieces": ran(
        calls(call(0, "a", "send_letter", '{"to": "a", "text": "\ud83d')),
        calls(call(0, args='\ude00"}')),
        tools=(("send_letter", {"to": "a", "text": "\U0001f600"}),),
    ),
    "functions.": ran(calls(call(0, "a", "functions.calculate", ONE))),
    "functions:0": ran(calls(call(0, "functions.calculate:0", "functions.calculate:0", ONE))),
    "a mark after the name": ran(calls(call(0, "a", "calculate<|channel|>json", ONE))),
    "function_call": ran(
        event({"function_call": {"name": "calculate", "arguments": ""}}),
        event({"function_call": {"arguments": ONE}}),
        end=(event({}, "function_call"), DONE),
    ),
    "no such tool": ran(calls(call(0, "a", "frobnicate", "{}")), tools=(), refused=("frobnicate",)),
    "no such tool beside one": ran(
        calls(call(0, "a", "frobnicate", "{}")), calls(call(1, "b", "calculate", ONE)), refused=("frobnicate",)
    ),
    "no name": ran(calls(call(0, "a", "", ONE)), tools=(), refused=("unnamed",)),
    "an odd name": ran(calls(call(0, "a", "do it!", "{}")), tools=(), refused=("do_it_",)),
    "that do not fit": ran(calls(call(0, "a", "calculate", '{"wrong": 1}')), tools=(), refused=("calculate",)),
    "that do not fit beside one": ran(
        calls(call(0, "a", "calculate", '{"wrong": 1}')),
        calls(call(1, "b", "now", "{}")),
        tools=(("now", {}),),
        refused=("calculate",),
    ),
    "no object": ran(calls(call(0, "a", "calculate", "[1, 2]")), tools=(), refused=("calculate",)),
    "broken off": ran(
        calls(call(0, "a", "send_letter", TO_ALICE[:40])),
        tools=(),
        refused=("send_letter",),
        end=(event({}, "length"), DONE),
    ),
    "broken off without a word": ran(
        calls(call(0, "a", "send_letter", TO_ALICE[:40])), tools=(), refused=("send_letter",)
    ),
    "broken off after the first": ran(
        calls(call(0, "a", "now", "{}")),
        calls(call(1, "b", "send_letter", TO_ALICE[:40])),
        tools=(("now", {}),),
        refused=("send_letter",),
        end=(event({}, "length"), DONE),
    ),
}

TEXT = {
    "a character over two events": said(*texts("Hi \ud83d", "\ude00 there."), *END, text="Hi \U0001f600 there."),
    "half a character": said(*texts("Hi \ud83d there."), *END, text="Hi \ufffd there."),
    "half a character at the end": said(*texts("Hi \ud83d"), *END, text="Hi \ufffd"),
    "half a character thought": said(event({"reasoning_content": "Hm \udc00."}), *HELLO, *END, reasoning="Hm \ufffd."),
    "no UTF-8": said(
        b'data: {"choices":[{"index":0,"delta":{"content":"caf\xc3"},"finish_reason":null}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\xa9 ok"},"finish_reason":null}]}\n\n',
        *texts(" end."),
        *END,
        text="caf\ufffd\ufffd ok end.",
    ),
    "parts": said(
        event({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "I think"}]}]}),
        event({"content": [{"type": "text", "text": "Hello"}]}),
        *texts(" world."),
        *END,
        reasoning="I think",
    ),
    "parts of both kinds": said(
        event(
            {
                "content": [
                    {"type": "thinking", "thinking": "I think"},
                    {"type": "text", "text": "Hello"},
                    {"type": "image_url"},
                    " world.",
                ]
            }
        ),
        *END,
        reasoning="I think",
    ),
    "one part": said(event({"content": {"type": "text", "text": "Hello world."}}), *END),
    "refusal": said(
        event({"role": "assistant", "content": None, "refusal": ""}),
        event({"refusal": "I cannot "}),
        event({"refusal": "do that."}),
        *END,
        text="I cannot do that.",
    ),
    "no stream": said(
        json.dumps(
            {
                "object": "chat.completion",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Hello world."}, "finish_reason": "stop"}
                ],
                "usage": {"prompt_tokens": 30, "completion_tokens": 4},
            }
        ).encode(),
        content_type="application/json",
        usage=(30, 4),
    ),
    "no stream, printed": said(
        *(
            line + b"\n"
            for line in json.dumps(
                {"choices": [{"message": {"content": "Hello world."}, "finish_reason": "stop"}]}, indent=1
            )
            .encode()
            .split(b"\n")
        ),
        content_type="application/json",
    ),
    "no stream, thoughts": said(
        json.dumps(
            {"choices": [{"message": {"content": "<think>one</think>Hello world."}, "finish_reason": "stop"}]}
        ).encode(),
        reasoning="one",
    ),
    "objects, one a line": said(
        *(
            json.dumps({"message": {"role": "assistant", "content": part, "thinking": thought}, "done": False}).encode()
            + b"\n"
            for part, thought in (("", "one"), ("Hello", ""), (" world.", ""))
        ),
        json.dumps(
            {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 30, "eval_count": 4}
        ).encode()
        + b"\n",
        content_type="application/x-ndjson",
        reasoning="one",
        usage=(30, 4),
    ),
    "messages": said(message("Hello"), message(" world."), message("", "stop"), DONE),
    "a message at the end once more": said(*HELLO, message("Hello world.", "stop"), DONE),
    "an empty delta and a message": said(
        *HELLO,
        data({"choices": [{"delta": {}, "message": {"content": "Hello world."}, "finish_reason": "stop"}]}),
        DONE,
    ),
    "empty data": said(b"data:\n\n", b"data: \n\n", ROLE, HELLO[0], b"data:\n\n", HELLO[1], *END),
    "comments": said(b": ping\n\n", HELLO[0], b": ping\n\n", HELLO[1], *END),
    "a mark of the byte order": said(b"\xef\xbb\xbf" + HELLO[0], HELLO[1], *END),
    "no objects": said(b"data: null\n\n", b"data: []\n\n", b'data: "ping"\n\n', *HELLO, b"data: 7\n\n", *END),
    "choices odd": said(data({"choices": None}), data({"choices": []}), data({"choices": [None]}), *HELLO, *END),
    "delta null": said(data({"choices": [{"index": 0, "delta": None}]}), *HELLO, *END),
    "other choices": said(HELLO[0], data({"choices": [{"index": 1, "delta": {"content": "Other"}}]}), HELLO[1], *END),
    "pings": said(b'event: ping\ndata: {"type": "ping"}\n\n', *HELLO, *END),
    "crlf": said(*(part.replace(b"\n", b"\r\n") for part in (*HELLO, *END))),
    "a raw tab": said(b'data: {"choices":[{"delta":{"content":"Hello\tworld."}}]}\n\n', *END, text="Hello\tworld."),
    "reasoning null beside": said(
        event({"reasoning_content": None, "reasoning": "I think", "content": ""}),
        event({"content": "Hello world.", "reasoning": None}),
        *END,
        reasoning="I think",
    ),
    "reasoning twice": said(
        event({"reasoning_content": "I think", "reasoning": "I think"}), *HELLO, *END, reasoning="I think"
    ),
    "reasoning details": said(
        event({"reasoning_details": [{"type": "reasoning.text", "text": "I think"}]}), *HELLO, *END, reasoning="I think"
    ),
    "reasoning and text at once": said(
        event({"reasoning_content": "I think", "content": "Hello"}), HELLO[1], *END, reasoning="I think"
    ),
    "blank after reasoning": said(
        event({"reasoning_content": "I think"}), *texts("\n\n", "Hello world."), *END, reasoning="I think"
    ),
    "usage as strings": said(
        ROLE,
        *HELLO,
        STOP,
        data({"choices": [], "usage": {"prompt_tokens": "30", "completion_tokens": "4"}}),
        DONE,
        usage=(30, 4),
    ),
    "usage as floats": said(
        ROLE,
        *HELLO,
        STOP,
        data({"choices": [], "usage": {"prompt_tokens": 30.0, "completion_tokens": 4.2}}),
        DONE,
        usage=(30, 4),
    ),
    "usage in between": said(
        ROLE,
        HELLO[0],
        data({"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 1}}),
        HELLO[1],
        STOP,
        USAGE,
        DONE,
        usage=(30, 4),
    ),
    "usage in each": said(
        *(
            event({"content": part}, usage={"prompt_tokens": 30, "completion_tokens": count})
            for count, part in enumerate(("Hello", " world."), 3)
        ),
        STOP,
        DONE,
        usage=(30, 4),
    ),
    "usage in halves": said(
        data({"choices": [], "usage": {"input_tokens": 30}}),
        *HELLO,
        STOP,
        data({"choices": [], "usage": {"output_tokens": 4}}),
        DONE,
        usage=(30, 4),
    ),
    "usage in the choice": said(
        *HELLO,
        data(
            {
                "choices": [
                    {"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 30, "completion_tokens": 4}}
                ]
            }
        ),
        DONE,
        usage=(30, 4),
    ),
    "usage odd": said(
        *HELLO, STOP, data({"choices": [], "usage": {"prompt_tokens": "many", "completion_tokens": None}}), DONE
    ),
    "usage a list": said(*HELLO, STOP, data({"choices": [], "usage": [1]}), DONE),
}

HALF = texts("The first half")
ENDS = {
    "null, done": said(*HELLO, DONE, finish="stop"),
    "null, closed": said(*HELLO, finish="stop"),
    "empty words": said(
        event({"content": "Hello"}, ""), event({"content": " world."}, ""), event({}, ""), DONE, finish="stop"
    ),
    "an unknown word": said(*HELLO, event({}, "eos"), DONE, finish="stop"),
    "upper case": said(*HELLO, event({}, "STOP"), DONE, finish="stop"),
    "not closed by a blank line": said(*HELLO, STOP.rstrip(), finish="stop"),
    "a call without": ran(calls(call(0, "a", "calculate", ONE)), end=(DONE,)),
    "a call with stop": ran(calls(call(0, "a", "calculate", ONE)), end=(STOP, DONE)),
    "a call, closed": ran(calls(call(0, "a", "calculate", ONE)), end=()),
    "error after the end": said(*HELLO, STOP, error(message="too late"), finish="stop"),
    **{
        f"filtered by {word}": said(*HALF, event({}, word), USAGE, DONE, text="The first half", finish="filtered")
        for word in ("content_filter", "SAFETY", "RECITATION", "sensitive")
    },
    **{
        f"length by {word}": said(*HALF, event({}, word), USAGE, DONE, text="The first half", finish="length")
        for word in ("length", "model_length", "MAX_TOKENS", "max_tokens", "max_output_tokens")
    },
    **{
        f"error by {word}": failed(
            ROLE, *HALF, event({}, word), USAGE, DONE, text="The first half", code="llm_unavailable", finish="cut"
        )
        for word in ("error", "abort", "ERROR", "insufficient_system_resource", "network_error")
    },
    "filtered before a word": said(
        event({}, "content_filter"), DONE, text="Cannot respond due to content filters.", finish="filtered"
    ),
}

ERRORS = {
    "key": failed(error(message="Invalid API key", type="authentication_error", code=401), DONE, code="llm_auth"),
    "key by its words": failed(error(message="Incorrect API key provided"), code="llm_auth"),
    "key, forbidden": failed(error(message="no access", code="403"), code="llm_auth"),
    "key without an error": failed(
        data({"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"}), code="llm_auth"
    ),
    "rate": failed(
        error(message="Rate limit exceeded", type="rate_limit_error", code=429), DONE, code="llm_rate_limited"
    ),
    "rate by its type": failed(error(message="Slow down", type="rate_limit_exceeded"), code="llm_rate_limited"),
    "rate as text": failed(data({"error": "Too many requests"}), code="llm_rate_limited"),
    "quota": failed(
        error(message="You exceeded your current quota", code="insufficient_quota"), code="llm_rate_limited"
    ),
    "length": failed(
        error(
            message="maximum context length is 4096 tokens",
            type="invalid_request_error",
            code="context_length_exceeded",
        ),
        DONE,
        code="limit_reached",
        says="shorter",
    ),
    "length by its words": failed(
        error(message="This model's maximum context length is 4096 tokens", code=400),
        code="limit_reached",
        says="shorter",
    ),
    "length by other words": failed(
        error(message="prompt is too long: 9000 tokens > 8000 maximum"), code="limit_reached"
    ),
    "no such model": failed(
        error(message="The model `gpt-9` does not exist", code="model_not_found"), code="llm_error", says="name"
    ),
    "no such model by its status": failed(error(message="not found", code=404), code="llm_error", says="name"),
    "no such model by its words": failed(
        data({"error": "model 'llama9' not found, try pulling it first"}), code="llm_error", says="name"
    ),
    "overloaded": failed(error(message="Overloaded", type="overloaded_error"), code="llm_unavailable"),
    "of vLLM": failed(
        data({"object": "error", "message": "EngineCore is dead", "type": "InternalServerError", "code": 500}),
        code="llm_unavailable",
    ),
    "detail": failed(data({"detail": "Unauthorized"}), code="llm_auth"),
    "by the event's name": failed(
        b'event: error\ndata: {"message": "Service unavailable", "code": 503}\n\n', code="llm_unavailable"
    ),
    "in the choice": failed(
        data(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {},
                        "error": {"code": 502, "message": "bad gateway"},
                        "finish_reason": "error",
                    }
                ]
            }
        ),
        code="llm_unavailable",
    ),
    "no stream": failed(
        json.dumps({"error": {"message": "Invalid API key", "code": 401}}).encode(),
        code="llm_auth",
        content_type="application/json",
    ),
    "later": failed(
        ROLE,
        *HALF,
        error(message="Overloaded", code=529),
        DONE,
        text="The first half",
        code="llm_unavailable",
        finish="cut",
    ),
    "rate later": failed(
        ROLE,
        *HALF,
        error(message="Rate limit exceeded", code=429),
        text="The first half",
        code="llm_rate_limited",
        finish="cut",
    ),
    "nothing at all": failed(DONE, code="llm_error"),
}

QUOTED = "DeepSeek wraps its thoughts in `<think>` and `</think>` tags; strip them."
THOUGHTS = {
    "unclosed": said(
        *texts("<think>", "I think it over and never stop"),
        event({}, "length"),
        USAGE,
        DONE,
        text="",
        reasoning="I think it over and never stop",
        finish="length",
    ),
    "unclosed, stopped": said(*texts("<think>", "I think it over"), *END, text="", reasoning="I think it over"),
    "only closed": said(
        *texts("I think it over.", "\n</think>\n\n", "Hello world."), *END, reasoning="I think it over."
    ),
    "only closed, one event": said(
        *texts("I think it over.</think>\n\nHello world."), *END, reasoning="I think it over."
    ),
    "only closed, nothing thought": said(*texts("\n</think>\n\n", "Hello world."), *END),
    "twice": said(*texts("<think>one</think>\n<think>two</think>\n", "Hello world."), *END, reasoning="one\n\ntwo"),
    "between texts": said(
        *texts("Hello\n", "<think>\n", "two\n", "</think>\n", "world."), *END, text="Hello\nworld.", reasoning="two"
    ),
    "split": said(*texts(*"<think>one</think>\n\nHello world."), *END, reasoning="one"),
    "split at the beginning": said(*texts("<th", "ink>one</th", "ink>Hello world."), *END, reasoning="one"),
    "empty": said(*texts("<think>\n\n</think>\n\nHello world."), *END),
    "blanks before": said(*texts("\n\n<think>one</think>Hello world."), *END, reasoning="one"),
    "other tags": said(*texts("<thinking>one</thinking>Hello world."), *END, reasoning="one"),
    "brackets": said(*texts("[THINK]one[/THINK]Hello world."), *END, reasoning="one"),
    "mentioned": said(*texts(QUOTED[:58], QUOTED[58:]), *END, text=QUOTED),
    "mentioned, split": said(*texts(*QUOTED), *END, text=QUOTED),
    "mentioned in a sentence": said(*texts("End it with </think> please."), *END, text="End it with </think> please."),
    "mentioned after a thought": said(
        *texts("<think>one</think>", "Close it with ", "`</think>` ", "please."),
        *END,
        text="Close it with `</think>` please.",
        reasoning="one",
    ),
    "mentioned in a thought": said(
        *texts("<think>The tag is `</think>`, so.</think>Hello world."), *END, reasoning="The tag is `</think>`, so."
    ),
    "in a fence": said(
        *texts("So:\n```\n<think>\none\n</think>\n```\nHello world."),
        *END,
        text="So:\n```\n<think>\none\n</think>\n```\nHello world.",
    ),
    "html": said(*texts("A <table><tr><th>", "x</th></tr></table>"), *END, text="A <table><tr><th>x</th></tr></table>"),
    "before a call": ran(*texts("<think>one</think>"), calls(call(0, "a", "calculate", ONE)), reasoning="one", text=""),
    "in a field, and a tag that closes": said(
        event({"reasoning_content": "one"}), *texts("</think>\n\nHello world."), *END, reasoning="one"
    ),
}

GROUPS = {
    "control": CONTROLS,
    "identity": IDENTITY,
    "arguments": ARGUMENTS,
    "text": TEXT,
    "end": ENDS,
    "error": ERRORS,
    "thought": THOUGHTS,
}
CASES = {f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()}
