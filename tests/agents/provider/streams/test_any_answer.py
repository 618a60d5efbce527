"""Any answer, in any pieces, with any of the known oddities: the same text, thoughts and calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.agents.provider.answer import Answer
from chat.agents.provider.events import DONE, Cutter
from chat.agents.provider.failures import ServerError

TOOLS = ("calculate", "now", "send_letter")
Piece = dict[str, Any]


@dataclass(frozen=True)
class Meant:
    """What the model meant to say."""

    reasoning: str = ""
    text: str = ""
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)


words = st.text(alphabet=st.sampled_from('abc é漢\U0001f600 .,\n"\\{}'), max_size=40)
plain = words.map(lambda text: text.strip())
arguments = st.dictionaries(st.sampled_from(["expression", "to", "text"]), words, max_size=3)
meant = st.builds(Meant, plain, plain, st.lists(st.tuples(st.sampled_from(TOOLS), arguments), max_size=3))


class Server:
    """Writes an answer down, as a server with some habits does."""

    def __init__(self, draw: Any, meant: Meant) -> None:
        self._draw = draw
        self._meant = meant
        self.thoughts = draw(st.sampled_from(["reasoning_content", "reasoning", "<think>", "<thinking>", "parts"]))
        self.index = draw(st.sampled_from(["right", "none", "zero", "string"]))
        self.ids = draw(st.sampled_from(["right", "empty", "none", "same", "number"]))
        self.args = draw(st.sampled_from(["text", "object", "twice"]))
        self.names = draw(st.sampled_from(["plain", "functions."]))
        self.has_gaps = draw(st.booleans())
        self.crlf = draw(st.booleans())
        if any(call in meant.calls[:at] for at, call in enumerate(meant.calls)):
            self.ids = "right"  # nothing else would tell such a call from its repetition

    def cut(self, text: str) -> list[str]:
        """The text in pieces."""
        count = self._draw(st.integers(0, min(3, max(0, len(text) - 1))))
        places = sorted(self._draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=count)))
        return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True) if text[a:b]]

    def events(self) -> Iterator[Piece]:
        meant = self._meant
        yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
        if meant.reasoning:
            yield from self.thinking()
        for part in self.cut(meant.text):
            yield self.delta(content=part)
        for place, (name, args) in enumerate(meant.calls):
            yield from self.calling(place, name, args)
        finish = "tool_calls" if meant.calls else "stop"
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": self._draw(st.sampled_from([finish, "", None]))}]}

    def delta(self, **fields: Any) -> Piece:
        return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}

    def thinking(self) -> Iterator[Piece]:
        thought = self._meant.reasoning
        if self.thoughts.startswith("<"):
            tagged = f"{self.thoughts}\n{thought}\n{self.thoughts.replace('<', '</')}\n\n"
            yield from (self.delta(content=part) for part in self.cut(tagged))
        elif self.thoughts == "parts":
            for part in self.cut(thought):
                yield self.delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": part}]}])
        else:
            yield from (self.delta(**{self.thoughts: part}) for part in self.cut(thought))

    def calling(self, place: int, name: str, args: dict[str, str]) -> Iterator[Piece]:
        function: Piece = {"name": name if self.names == "plain" else f"functions.{name}"}
        head: Piece = {"function": function, "type": "function"}
        tail: Piece = {}
        if self.index == "right":
            head["index"] = tail["index"] = place
        elif self.index == "zero":
            head["index"] = tail["index"] = 0
        elif self.index == "string":
            head["index"] = tail["index"] = str(place)
        match self.ids:
            case "right":
                head["id"] = f"call_{place}"
            case "empty":
                head["id"] = tail["id"] = ""
            case "same":
                head["id"] = "call"
            case "number":
                head["id"] = place + 1
        if self.args == "object":
            function["arguments"] = args
            yield self.delta(tool_calls=[head])
            return
        text = json.dumps(args)
        first, *rest = self.cut(json.dumps(text) if self.args == "twice" else text)
        function["arguments"] = first
        yield self.delta(tool_calls=[head])
        for part in rest:
            yield self.delta(tool_calls=[{**tail, "function": {"arguments": part}}])

    def body(self) -> bytes:
        end = b"\r\n" if self.crlf else b"\n"
        parts = []
        for event in self.events():
            if self.has_gaps:
                parts.append(self._draw(st.sampled_from([b"", b": ping" + end * 2, b"data:" + end * 2])))
            parts.append(b"data: " + json.dumps(event).encode() + end * 2)
        ends = self._draw(st.sampled_from([b"data: [DONE]" + end * 2, b""]))
        return b"".join(parts) + ends


def read(body: bytes, cuts: list[int]) -> Answer:
    """Read a body that comes cut at these places."""
    cutter, answer = Cutter(), Answer(tools=TOOLS)
    places = sorted({place % (len(body) + 1) for place in cuts})
    parts = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]

    def events() -> Iterator[Any]:
        for found in (*map(cutter.feed, parts), cutter.end()):
            for raw in found:
                if (event := raw.read()) is DONE:
                    return
                yield event

    said = list(answer.read(events()))
    assert "".join(text for is_thought, text in said if not is_thought) == answer.text
    assert "".join(text for is_thought, text in said if is_thought) == answer.reasoning
    return answer


@settings(max_examples=300, deadline=None)
@given(st.data(), meant, st.lists(st.integers(0, 10_000), max_size=8))
def test_any_answer_in_any_pieces_is_what_was_meant(data, meant, cuts):
    body = Server(data.draw, meant).body()

    answer = read(body, cuts)

    assert answer.text.strip() == meant.text
    assert answer.reasoning == meant.reasoning
    calls = answer.calls()
    assert [(call.name, call.args, call.fault) for call in calls] == [(*call, None) for call in meant.calls]
    assert len({call.id for call in calls}) == len(calls)
    assert answer.finish == ("tool_calls" if meant.calls else "stop")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_no_bytes_do_more_than_fail(noise, cuts):
    with suppress(ValueError, ServerError):
        read(b"data: " + noise + b"\n\n", cuts)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices delta message content tool_calls function name arguments index id type text reasoning usage"
                " finish_reason thinking refusal prompt_tokens function_call".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(anything, max_size=5))
def test_no_event_harms_the_answer(events):
    answer = Answer(tools=TOOLS)
    for event in [*events, {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}]:
        with suppress(ServerError):  # it may say so
            answer.feed(event)
    answer.end()

    answer.for_langroid()
    answer.text.encode()
    answer.reasoning.encode()
