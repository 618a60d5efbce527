"""A model's server for tests: speaks OpenAI's chat completions, and does what the last user message tells it to.

    python -m tests.stub_llm --port 0 [--default "tokens=40 tps=50"]     # prints one line: its address

    with StubServer() as stub:                                            # a process of its own
        OpenAIGPTConfig(chat_model="gpt-4o", api_base=stub.url, api_key="x")

Directives stand in the last user message as `[[tokens=40 tps=50]]`, in the model's name as `stub:tokens=40,tps=50`, or
in the defaults; this is also their precedence. A value with blanks is quoted: `text="two words"`.

    tokens=N          this many words (default 12; 0: an empty answer)
    tps=N             tokens per second (default: as fast as possible)
    text="…"          this text          echo=1   the user's text
    piece=N           a text= in pieces of N characters instead of words; times=N  so often
    chars=N           a text of this many characters, in pieces of 4096
    think=N           N thoughts first, as `reasoning_content`; with inline=1 as <think>…</think> in the content
    tool=NAME         a native call of this tool, if the request offers it; args={"n":7}, or a list: one call for each
    tools=N           N parallel calls   json=1   the calls as JSON in the text, as Langroid's own tools are
    say="…"           text before the tool calls
    then.KEY=VALUE    KEY=VALUE for the request that brings the tool's result (default: an ordinary text)
    finish=length     the finish_reason  usage=0  no usage
    error=CODE        an HTTP error; errors=K only for the first K requests since the last reset; retry_after=S
    drop=1            close the connection before the headers
    hang=S            wait S seconds before the headers
    stall=N:S         wait S seconds after N tokens of any kind
    cut=N             close the connection after N tokens of any kind
    malformed=N       send an event that is not JSON after N tokens
    replay="NAME"     the body of this case of `tests/agents/provider/streams/cases.py`, one event at a time

`GET /_stats`: the counters of `Stats`. `GET /_requests`: the bodies of the last requests. `POST /_reset`.
A request counts as `aborted` as soon as its client has closed the connection, also while the stub waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.agents.provider.streams.cases import Case
from tests.agents.provider.streams.servers import CASES

KEPT_REQUESTS = 100
MAX_BODY_BYTES = 2**26
WORDS = ("a", "small", "stub", "answers", "every", "question", "with", "the", "same", "few", "plain", "words")
DIRECTIVE = re.compile(r"\[\[(.*?)\]\](?!\])", re.S)
OPTION = re.compile(
    r"""([\w.]+) = ( "(?:[^"\\]|\\.)*" | [\[{].*?[\]}](?=\s|,\w|$) | [^\s,]* )""",
    re.S | re.X,
)

Options = dict[str, str]
Body = dict[str, Any]


@dataclass
class Stats:
    """Counters of the requests for completions since the last reset. `open`: those without a complete answer so far."""

    connections: int = 0
    requests: int = 0
    open: int = 0
    max_open: int = 0
    completed: int = 0
    aborted: int = 0  # the client closed the connection before the answer was complete
    failed: int = 0  # errors and broken answers that were ordered
    tokens: int = 0


class Cut(Exception):
    """Close the connection now."""


def read_options(text: str) -> Options:
    return {name: json.loads(value) if value[:1] == '"' else value for name, value in OPTION.findall(text)}


def text_of(message: Body) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def options_of(body: Body, defaults: Options) -> Options:
    """What this request is to be answered with."""
    options = dict(defaults) | read_options(body.get("model", "").partition(":")[2])
    messages = body.get("messages", [])
    if not messages:
        return options
    if messages[-1]["role"] == "user" and (found := DIRECTIVE.search(text_of(messages[-1]))):
        return options | read_options(found[1])
    if not brings_result(messages):
        return options
    asked = next((DIRECTIVE.search(text_of(m)) for m in reversed(messages[:-1]) if m["role"] == "user"), None)
    directives = options | read_options(asked[1] if asked else "")
    return {name.removeprefix("then."): value for name, value in directives.items() if name.startswith("then.")}


def brings_result(messages: list[Body]) -> bool:
    """True when the last message is the result of a tool: by its role, or as the answer to a call written as JSON."""
    if messages[-1]["role"] in ("tool", "function"):
        return True
    return len(messages) > 1 and messages[-2]["role"] == "assistant" and '"request"' in text_of(messages[-2])


def words(text: str) -> list[str]:
    """Split a text into tokens which join to it."""
    return re.findall(r"\s*\S+|\s+$", text)


class Answer:
    """What one request gets: reasoning, text and tool calls, as tokens."""

    def __init__(self, body: Body, options: Options) -> None:
        self.options = options
        self.id = "chatcmpl-" + uuid.uuid4().hex[:12]
        self.model = body.get("model", "stub")
        self.thoughts = words(" ".join(f"thought {i}" for i in range(1, self.number("think") + 1)))
        offered = {tool["function"]["name"] for tool in body.get("tools") or []}
        calls = self.tool_calls(as_json="json" in options, offered=offered)
        self.calls = [] if "json" in options else calls
        written = [self.written(call) for call in calls] if "json" in options else []
        self.text = self.content(body, has_calls=bool(calls), written=written)
        self.finish = options.get("finish") or ("tool_calls" if self.calls else "stop")
        prompt = sum(len(words(text_of(message))) + 3 for message in body.get("messages", []))
        completion = len(self.thoughts) + len(self.text) + 8 * len(self.calls)
        total = prompt + completion
        self.usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}

    def number(self, name: str, default: float = 0) -> int:
        return int(self.options.get(name) or default)

    def content(self, body: Body, *, has_calls: bool, written: list[str]) -> list[str]:
        options = self.options
        if has_calls:
            return words("\n".join(filter(None, [options.get("say", ""), *written])))
        if "text" in options:
            text, size = options["text"] * self.number("times", 1), self.number("piece")
            return list(pieces(text, len(text), size)) if size else words(text)
        if "echo" in options:
            asked = [text_of(message) for message in body["messages"] if message["role"] == "user"]
            return words(DIRECTIVE.sub("", asked[-1] if asked else "").strip())
        if "chars" in options:
            return list(pieces("lorem ipsum " * (self.number("chars") // 12 + 1), self.number("chars"), 4096))
        return [" " * (i > 0) + WORDS[i % len(WORDS)] for i in range(self.number("tokens", 12))] if self.speaks else []

    @property
    def speaks(self) -> bool:
        return self.options.get("tokens") != "0"

    def tool_calls(self, *, as_json: bool, offered: set[str]) -> list[Body]:
        name = self.options.get("tool")
        if not name or not (as_json or name in offered):
            return []
        args = self.options.get("args", "{}")
        if args.startswith("["):
            all_args = [json.dumps(item) for item in json.loads(args)]
        else:
            all_args = [args] * self.number("tools", 1)
        return [
            {
                "id": "call_" + uuid.uuid4().hex[:16],
                "type": "function",
                "function": {"name": name, "arguments": text},
            }
            for text in all_args
        ]

    def written(self, call: Body) -> str:
        function = call["function"]
        return json.dumps({"request": function["name"], **json.loads(function["arguments"])})

    def deltas(self) -> Iterator[tuple[Body, bool]]:
        """The answer's events: a delta, and whether it counts as a token."""
        is_inline = "inline" in self.options
        yield {"role": "assistant", "content": None if self.calls and not self.text else ""}, False
        if self.thoughts and is_inline:
            yield {"content": "<think>"}, False
        for thought in self.thoughts:
            yield {"content" if is_inline else "reasoning_content": thought}, True
        if self.thoughts and is_inline:
            yield {"content": "</think>"}, False
        for token in self.text:
            yield {"content": token}, True
        for index, call in enumerate(self.calls):
            function = call["function"]
            head = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
            yield {"tool_calls": [head]}, False
            for part in pieces(function["arguments"], len(function["arguments"]), 5):
                part_of_call = {"index": index, "function": {"arguments": part}}
                yield {"tool_calls": [part_of_call]}, True

    def message(self) -> Body:
        """The answer as one message, for a request without streaming."""
        thoughts, text = "".join(self.thoughts), "".join(self.text)
        message: Body = {"role": "assistant", "content": text if text or not self.calls else None}
        if thoughts and "inline" in self.options:
            message["content"] = f"<think>{thoughts}</think>{text}"
        elif thoughts:
            message["reasoning_content"] = thoughts
        if self.calls:
            message["tool_calls"] = self.calls
        return message

    def event(self, delta: Body | None, finish: str | None = None) -> Body:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return self.envelope("chat.completion.chunk") | {"choices": choices}

    def envelope(self, kind: str) -> Body:
        return {"id": self.id, "object": kind, "created": int(time.time()), "model": self.model}


def pieces(text: str, length: int, size: int) -> Iterator[str]:
    for start in range(0, length, size):
        yield text[start : min(start + size, length)]


class Stub:
    """The server. One event loop, HTTP/1.1 with kept-alive connections."""

    def __init__(self, defaults: Options) -> None:
        self.defaults = defaults
        self.stats = Stats()
        self.bodies: deque[Body] = deque(maxlen=KEPT_REQUESTS)
        self.errors: Counter[str] = Counter()

    def reset(self) -> None:
        self.stats = Stats(open=self.stats.open)
        self.bodies.clear()
        self.errors.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        is_counted = False
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?im)^content-length:\s*(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                path = head.split(" ", 2)[1]
                if path.endswith("/chat/completions"):
                    self.stats.connections += not is_counted
                    is_counted = True
                    await self.watched(json.loads(body), reader, writer)
                else:
                    await self.respond(writer, 200, self.about(path))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, Cut):
            pass
        finally:
            writer.transport.abort()

    def about(self, path: str) -> Any:
        if path == "/_stats":
            return asdict(self.stats)
        if path == "/_requests":
            return list(self.bodies)
        if path == "/_reset":
            return self.reset()
        return {"object": "list", "data": [{"id": "stub", "object": "model"}]}

    async def watched(self, body: Body, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and notice at once when its client goes away."""
        self.bodies.append(body)
        self.stats.requests += 1
        self.stats.open += 1
        self.stats.max_open = max(self.stats.max_open, self.stats.open)
        answer = asyncio.create_task(self.complete(body, writer))
        gone = asyncio.create_task(reader.read(1))  # no client sends the next request before it has the answer
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self.stats.aborted += 1
                raise Cut
            if isinstance(answer.exception(), ConnectionError):
                self.stats.aborted += 1
            answer.result()
        finally:
            self.stats.open -= 1
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)

    async def complete(self, body: Body, writer: asyncio.StreamWriter) -> None:
        options = options_of(body, self.defaults)
        if "hang" in options:
            await asyncio.sleep(float(options["hang"]))
        if "drop" in options:
            self.stats.failed += 1
            raise Cut
        if code := self.error_of(options):
            self.stats.failed += 1
            error = {"message": f"ordered error {code}", "type": "stub", "param": None, "code": code}
            more = {"retry-after": options["retry_after"]} if "retry_after" in options else {}
            return await self.respond(writer, int(code), {"error": error}, **more)
        if "replay" in options:
            return await self.replay(writer, CASES[options["replay"]])
        answer = Answer(body, options)
        if body.get("stream"):
            wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            await self.stream(writer, answer, with_usage=wants_usage and options.get("usage") != "0")
        else:
            async for _ in self.paced(answer):
                pass
            choice = {"index": 0, "message": answer.message(), "finish_reason": answer.finish}
            usage = {} if options.get("usage") == "0" else {"usage": answer.usage}
            await self.respond(writer, 200, answer.envelope("chat.completion") | {"choices": [choice]} | usage)
        self.stats.completed += 1

    def error_of(self, options: Options) -> str | None:
        code = options.get("error")
        if not code:
            return None
        self.errors[code] += 1
        return code if self.errors[code] <= int(options.get("errors", 2**31)) else None

    async def paced(self, answer: Answer) -> AsyncIterator[Body | None]:
        """The answer's deltas in their time. None stands for an event that is not JSON."""
        options, start, count = answer.options, time.monotonic(), 0
        tps = float(options.get("tps") or 0)
        stall_at, _, stall_seconds = options.get("stall", "").partition(":")
        for delta, is_token in answer.deltas():
            if is_token:
                if options.get("cut") == str(count):
                    self.stats.failed += 1
                    raise Cut
                if options.get("malformed") == str(count):
                    self.stats.failed += 1
                    yield None
                if stall_at == str(count):
                    await asyncio.sleep(float(stall_seconds))
                    start += float(stall_seconds)
                count += 1
                self.stats.tokens += 1
                await asyncio.sleep(max(0.0, start + count / tps - time.monotonic()) if tps else 0)
            yield delta

    async def stream(self, writer: asyncio.StreamWriter, answer: Answer, *, with_usage: bool) -> None:
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        async for delta in self.paced(answer):
            await self.send(writer, '{"choices": [{"delta": {' if delta is None else json.dumps(answer.event(delta)))
        await self.send(writer, json.dumps(answer.event({}, answer.finish)))
        if with_usage:
            await self.send(writer, json.dumps(answer.event(None) | {"usage": answer.usage}))
        await self.send(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def send(self, writer: asyncio.StreamWriter, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        await writer.drain()

    async def replay(self, writer: asyncio.StreamWriter, case: Case) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {case.content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        for part in case.body:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        self.stats.completed += 1

    async def respond(self, writer: asyncio.StreamWriter, status: int, value: Any, **headers: str) -> None:
        body = json.dumps(value).encode()
        fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status} Stub", *(f"{name.replace('_', '-')}: {text}" for name, text in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


class StubServer:
    """The stub in a process of its own: `with StubServer("tokens=5") as stub`."""

    def __init__(self, default: str = "") -> None:
        self._command = [sys.executable, "-m", "tests.stub_llm", "--port", "0", "--default", default]
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    @property
    def url(self) -> str:
        """What goes into `api_base`."""
        return self.address + "/v1"

    def __enter__(self) -> StubServer:
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(self._command, cwd=root, stdout=subprocess.PIPE, text=True)
        self.address = self._process.stdout.readline().strip()
        assert self.address.startswith("http"), "the stub did not start"
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(30)
        self._process.stdout.close()

    def stats(self) -> Stats:
        return Stats(**self._call("/_stats"))

    def requests(self) -> list[Body]:
        """The bodies of the requests since the last reset, oldest first."""
        return self._call("/_requests")

    def last(self) -> Body:
        """The body of the newest request."""
        return self.requests()[-1]

    def reset(self) -> None:
        self._call("/_reset", b"")

    def wait(self, timeout: float = 5, **expected: int) -> Stats:
        """Wait until the named counters have these values; return all of them.

        Raises: AssertionError, with the counters, when they do not in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            stats = self.stats()
            if all(getattr(stats, name) == value for name, value in expected.items()):
                return stats
            assert time.monotonic() < deadline, f"{stats} is not {expected}"
            time.sleep(0.01)

    def _call(self, path: str, data: bytes | None = None) -> Any:
        with urllib.request.urlopen(self.address + path, data, timeout=30) as response:
            return json.load(response)


async def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server for tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--default", default="", help='directives for requests without any: "tokens=40 tps=50"')
    arguments = parser.parse_args()
    stub = Stub(read_options(arguments.default))
    server = await asyncio.start_server(stub.serve, arguments.host, arguments.port, limit=MAX_BODY_BYTES, backlog=1024)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
