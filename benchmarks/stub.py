"""A fast, paced model's server: answers each request with the same words, from bytes that are made once.

    python -m benchmarks.stub --tokens 200 --tps 50        # prints its address; ends with its standard input

The first token comes at once, the others `tps` a second (0: as fast as the client reads). The last user message may
say otherwise, as `[[tokens=20 tps=0]]`. Each token is an event and a write of its own, as with a real server.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import re
import sys
from typing import Any

WORDS = ("one ", "two ", "three ", "four, ", "five ", "six. ", "seven ", "**eight** ", "nine ", "`ten` ", "end.\n\n")
DIRECTIVE = re.compile(rb"\[\[tokens=(\d+) tps=(\d+)\]\]")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def answer_of(tokens: int) -> str:
    """The whole text of an answer of so many tokens."""
    return "".join(WORDS[i % len(WORDS)] for i in range(tokens))


@functools.cache
def event(text: str | None, finish: str | None = None, completion_tokens: int | None = None) -> bytes:
    """One event of the stream, with the fields that OpenAI sends, as a chunk of HTTP/1.1."""
    value: dict[str, Any] = {
        "id": "chatcmpl-benchmark0123456789",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o-mini",
        "service_tier": "default",
        "system_fingerprint": "fp_benchmark",
        "choices": [],
        "usage": None,
    }
    if completion_tokens is None:
        delta = {} if text is None else {"content": text}
        value["choices"] = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    else:
        total = {"prompt_tokens": 50, "completion_tokens": completion_tokens, "total_tokens": 50 + completion_tokens}
        value["usage"] = total
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection(asyncio.Protocol):
    """One connection, kept alive over requests."""

    def __init__(self, tokens: int, tps: int) -> None:
        self._default = tokens, tps
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        body, self._received = rest[:size], rest[size:]
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        directives = DIRECTIVE.findall(body)
        self._tokens, self._tps = map(int, directives[-1]) if directives else self._default
        self._sent, self._started = 0, self._loop.time()
        self._transport.write(HEAD + event(""))
        self._send_due()

    def _send_due(self) -> None:
        due = 1 + int((self._loop.time() - self._started) * self._tps + 1e-6) if self._tps else self._tokens
        while self._sent < min(due, self._tokens):
            self._transport.write(event(WORDS[self._sent % len(WORDS)]))
            self._sent += 1
        if self._sent == self._tokens:
            usage = event(None, None, self._tokens)
            self._transport.write(event(None, "stop") + usage + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        else:
            self._timer = self._loop.call_at(self._started + self._sent / self._tps, self._send_due)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A model's server for benchmarks.")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--tps", type=int, default=50)
    arguments = parser.parse_args()
    loop = asyncio.get_running_loop()
    make = functools.partial(Connection, arguments.tokens, arguments.tps)
    server = await loop.create_server(make, "127.0.0.1", 0, backlog=4096)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}/v1", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until whoever started this is gone


if __name__ == "__main__":
    asyncio.run(main())
