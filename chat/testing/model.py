"""The scripted model as a server: OpenAI's chat completions, for tests of a whole site.

    python -m chat.testing.model script.yaml [--port 8008] [--repeat]     # prints its address, for CHAT_API_BASE

The script is a list of steps, one for each request:

    - say: Let me see.                 # a text
      reasoning: It is a sum.          # thoughts ahead of it
      calls: [{name: calculate, args: {expression: 1+1}}]
    - call: calculate                  # one tool call, without a word
      args: {expression: 1+1}
    - say: It is two.
    - error: 429                       # an HTTP error

Calls are native where the request offers tools, else JSON in the text. Beyond its end, unless it repeats, each request
gets the status 500. It keeps nothing and asks for no key: for this machine alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from chat.testing.script import Step

Body = dict[str, Any]


def read_script(text: str) -> list[Step | int]:
    """The steps of a script; a number is an HTTP error. Raises: ValueError."""
    steps = yaml.safe_load(text)
    if not isinstance(steps, list):
        raise ValueError("a script is a list of steps")
    return [_step(at, step) for at, step in enumerate(steps, start=1)]


def _step(at: int, step: Any) -> Step | int:
    if isinstance(step, str):
        return Step(step)
    keys = step.keys() if isinstance(step, dict) else set()
    if keys == {"error"}:
        return int(step["error"])
    if "call" in keys and keys <= {"call", "args"}:
        return Step(calls=((step["call"], step.get("args") or {}),))
    if "say" in keys and keys <= {"say", "reasoning", "calls"}:
        calls = tuple((each["name"], each.get("args") or {}) for each in step.get("calls", ()))
        return Step(step["say"], step.get("reasoning", ""), calls)
    raise ValueError(f"step {at} has neither say, call nor error, or something beside it: {step!r}")


class ScriptedModel(ThreadingHTTPServer):
    """Answers the n-th request with the n-th step."""

    daemon_threads = True

    def __init__(self, steps: list[Step | int], *, port: int = 0, repeats: bool = False) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._steps: Iterator[Step | int] = itertools.cycle(steps) if repeats and steps else iter(steps)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next(self) -> Step | int:
        with self._lock:
            return next(self._steps, 500)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedModel

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._reply(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        step = self.server.next()
        if isinstance(step, int):
            return self._reply(step, {"error": {"message": f"the script says {step}", "code": step}})
        answer = _Answer(step, body)
        if not body.get("stream"):
            return self._reply(200, answer.whole())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in answer.events():
            self._chunk(f"data: {json.dumps(event)}\n\n")
        self._chunk("data: [DONE]\n\n")
        self._chunk("")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _reply(self, status: int, value: Body) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Answer:
    """A step as an answer to one request."""

    def __init__(self, step: Step, body: Body) -> None:
        is_native = bool(body.get("tools"))
        written = [] if is_native else [json.dumps({"request": name, **args}) for name, args in step.calls]
        self._text = "\n".join(filter(None, [step.text, *written]))
        self._thoughts = step.reasoning
        self._calls = [_call(*call) for call in step.calls] if is_native else []
        self._finish = "tool_calls" if self._calls else "stop"
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.get("model", "")}
        prompt, completion = len(json.dumps(body.get("messages", []))) // 4, len(self._text.split())
        self._usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def whole(self) -> Body:
        message: Body = {"role": "assistant", "content": self._text or None}
        if self._thoughts:
            message["reasoning_content"] = self._thoughts
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": self._finish}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}

    def events(self) -> Iterator[Body]:
        """The same as events of a stream."""
        yield self._event({"role": "assistant", "content": ""})
        for word in re.findall(r"\s*\S+|\s+$", self._thoughts):
            yield self._event({"reasoning_content": word})
        for word in re.findall(r"\s*\S+|\s+$", self._text):
            yield self._event({"content": word})
        for index, call in enumerate(self._calls):
            yield self._event({"tool_calls": [{"index": index, **call}]})
        yield self._event({}, self._finish)
        yield {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage}

    def _event(self, delta: Body, finish: str | None = None) -> Body:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def _call(name: str, args: Body) -> Body:
    function = {"name": name, "arguments": json.dumps(args)}
    return {"id": f"call_{uuid.uuid4().hex[:16]}", "type": "function", "function": function}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chat.testing.model", description="A model that follows a script.")
    parser.add_argument("script", type=Path, help="a list of steps, in YAML or JSON")
    parser.add_argument("--port", type=int, default=0, help="0, the default: any that is free")
    parser.add_argument("--repeat", action="store_true", help="begin again at the end of the script")
    options = parser.parse_args()
    try:
        steps = read_script(options.script.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        parser.error(str(error))
    server = ScriptedModel(steps, port=options.port, repeats=options.repeat)
    print(server.url, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 130
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
