"""A chat in the terminal: what a page shows of a conversation, as lines, and what a person types as frames.

    Terminal(console, owner, {"agent": "poet"}).run()

The session is the one that a page gets. The main thread reads and prints; the session's event loop has its own.
"""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from chat.exceptions import ChatError
from chat.local import LocalSocket, Loop
from chat.owners import Owner
from chat.terminal_files import TerminalFiles
from chat.wire.values import visible

Event = dict[str, Any]
SHOWN_CHARS = 500  # of a tool's result
FILE = "/file "  # begins a line that names a file for the next message


class Terminal:
    """One conversation, from the first line to the end of the input."""

    def __init__(self, console: Console, owner: Owner, options: dict[str, str]) -> None:
        """`options`: `agent`, `conversation` of the socket's address."""
        self._console = console
        self._owner, self._options = owner, options
        self._files = TerminalFiles(owner)
        self._given: list[str] = []  # ids of files that wait for the next message
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._loop = Loop()
        self._streams: dict[str, str] = {}  # open messages: what was printed of them
        self._question: Event | None = None
        self._is_line_open = self._is_thinking = False

    def run(self) -> str:
        """Chat until the input ends; return the conversation's id. In the main thread, whose signals it takes."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
        self._loop.do(self._open())
        try:
            greeting = self._until("connection")
            name = greeting["agent"]["name"]
            self._say(f"{name}. /file PATH adds a file, Ctrl-C stops an answer, Ctrl-D leaves.", style="dim")
            self._until("status")
            if greeting.get("opens"):
                self._let_open()
            while (text := self._ask("> ")) is not None:
                if text.startswith(FILE):
                    self._given += self._take(text.removeprefix(FILE))
                elif text.strip():
                    files, self._given = self._given, []
                    self._send(type="message", content=text, attachments=files)
            return str(greeting["session_id"])
        except Closed:
            return ""
        finally:
            self._loop.do(self._close())
            self._loop.close()

    # -- the socket ---------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        self._socket = LocalSocket(self._owner, **self._options)
        await self._socket.__aenter__()
        self._reading = asyncio.create_task(self._pass_on())

    async def _pass_on(self) -> None:
        async for event in self._socket:
            self._events.put(event)
        self._events.put(None)

    async def _close(self) -> None:
        from chat.cluster.process import this_process

        await self._socket.__aexit__()
        await self._reading
        await this_process.end()

    def _send(self, **frame: Any) -> None:
        """Send what begins a turn, or goes on with it, and show what comes until the agent waits."""
        id = str(uuid.uuid4())
        with self._stoppable():
            self._loop.do(self._socket.send(message_id=id, **frame))
            told = self._until("accepted", "error")
            if told["type"] == "accepted":
                self._until_quiet()
        while self._question is not None:
            self._answer(self._question)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """For the time of the block Ctrl-C stops the turn. No exception: it may come in the middle of a line."""
        before = signal.signal(signal.SIGINT, lambda *_: self._stop())
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _stop(self) -> None:
        self._loop.do(self._socket.send(type="command", command="stop"))

    def _let_open(self) -> None:
        """Let the agent speak first."""
        with self._stoppable():
            self._loop.do(self._socket.send(type="command", command="open"))
            if self._until("message", "error")["type"] == "message":
                self._until_quiet()
        while self._question is not None:
            self._answer(self._question)

    def _until(self, *types: str) -> Event:
        """Show what comes, up to an event of these types."""
        while True:
            event = self._next()
            self._show(event)
            if event["type"] in types:
                return event

    def _until_quiet(self) -> None:
        """Show what comes until the agent waits for its user."""
        self._question = None
        while True:
            event = self._next()
            self._show(event)
            if event["type"] == "input_request":
                self._question = event
                return
            if event["type"] == "status" and event["state"] == "idle":
                return

    def _next(self) -> Event:
        event = self._events.get()
        if event is None:
            raise Closed
        return event

    # -- what people read ---------------------------------------------------------------------------------------------

    def _show(self, event: Event) -> None:
        match event["type"]:
            case "stream_start":
                self._streams[event["message_id"]] = ""
                self._end_line()
                if event["depth"]:
                    self._say(f"{'  ' * event['depth']}{event['agent']}:", style="dim")
                self._stream(event["message_id"], event["content"])
            case "stream_token":
                self._stream(event["message_id"], event["token"])
            case "stream_reasoning":
                self._print(event["token"], style="dim italic")
                self._is_thinking = True
            case "message":
                self._record(event["message"])
            case "tool_call":
                args = ", ".join(f"{name}={json.dumps(value)}" for name, value in event["tool_args"].items())
                self._say(f"{event['tool_name']}({args})", style="cyan")
            case "tool_result":
                self._result(event)
            case "error" if "message_id" not in event:
                self._say(event["details"], style="red")

    def _record(self, message: Event) -> None:
        """A message that was not streamed; and how one has ended that was."""
        was_streamed = self._streams.pop(message["id"], None) is not None
        if message["sender"] == "user":
            return
        if not was_streamed and message["content"]:
            self._say(message["content"])
        self._end_line()
        for part in message.get("parts", ()):
            self._file_of(part)
        for at, source in enumerate(message["sources"], start=1):
            self._source(source, at)
        if message["error"]:
            self._say(message["error"]["details"], style="red")
        elif message["status"] != "complete":
            self._say(f"({message['status']})", style="dim")

    def _source(self, source: Event, at: int) -> None:
        """What an answer stands on: under the number of its mark, then where it is, and the passage."""
        title, document, page, url, quote = (source.get(key) for key in ("title", "document", "page", "url", "quote"))
        names = list(dict.fromkeys(filter(None, (title, document, f"page {page}" if page else "", url))))
        self._say(f"  [{source.get('number', at)}] {', '.join(names)}", style="dim")
        if quote:
            self._say(f"      “{' '.join(str(quote).split())}”", style="dim")
        self._file_of(source)

    def _file_of(self, thing: Event) -> None:
        """Where a copy of its file lies."""
        if "attachment" in thing and (path := self._files.copy(thing["attachment"]["id"])):
            self._say(f"  {path}", style="dim")

    def _result(self, event: Event) -> None:
        text = event["error"] or event["result"]
        shown = text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
        says_so = shown.lower().startswith(event["status"])  # "Rejected: …"
        self._say(
            f"  {shown}" if says_so else f"  {event['status']}: {shown}",
            style="red" if event["status"] == "error" else "dim",
        )

    def _stream(self, id: str, text: str) -> None:
        if self._is_thinking and text:
            self._end_line()
            self._is_thinking = False
        self._streams[id] += text
        self._print(text)

    def _print(self, text: str, style: str = "") -> None:
        if text:
            self._console.print(Text(visible(text), style), end="", soft_wrap=True)
            self._is_line_open = not text.endswith("\n")

    def _say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self._end_line()
        self._console.print(Text(visible(text), style), soft_wrap=True)

    def _end_line(self) -> None:
        if self._is_line_open:
            self._console.print()
            self._is_line_open = False

    def _take(self, path: str) -> list[str]:
        """The id of a file that is given by its path; none where it cannot be taken, and why."""
        try:
            row = self._files.take(path)
        except OSError as error:
            self._say(f"  {error.strerror or error}", style="red")
        except ChatError as error:
            self._say(f"  {error.details}", style="red")
        else:
            self._say(f"  {row.name}: {row.media_type}, {row.size_bytes} bytes", style="dim")
            return [str(row.id)]
        return []

    # -- what people type ---------------------------------------------------------------------------------------------

    def _ask(self, prompt: str) -> str | None:
        """A line of the user's; None at the end of the input."""
        try:
            return input(prompt)
        except (EOFError, KeyboardInterrupt):
            self._console.print()
            return None

    def _answer(self, question: Event) -> None:
        """Answer what the agent asks; without an answer the turn is stopped."""
        self._say(f"{question['agent']} asks: {question['prompt']}", style="bold")
        answer = self._answer_to(question)
        if answer is None:
            self._stop()
            return self._until_quiet()
        self._send(type="answer", request_id=question["request_id"], **answer)

    def _answer_to(self, question: Event) -> Event | None:
        match question["kind"]:
            case "choice":
                return self._choice(question["options"])
            case "approval":
                return self._approval(question.get("tool_args"))
            case "file":
                return self._file()
            case "form":
                return self._form(question.get("schema") or {})
        text = self._ask("? ")
        return None if text is None else {"content": text}

    def _choice(self, options: list[Any]) -> Event | None:
        for number, option in enumerate(options, start=1):
            label = option.get("label", option.get("value")) if isinstance(option, dict) else option
            self._say(f"  {number}  {label}")
        while (text := self._ask("number? ")) is not None:
            if text.strip().isdecimal() and 0 < int(text) <= len(options):
                option = options[int(text) - 1]
                return {"choice": option.get("value", option) if isinstance(option, dict) else option}
        return None

    def _file(self) -> Event | None:
        while (path := self._ask("path? ")) is not None:
            if ids := self._take(path):
                return {"attachments": ids}
        return None

    def _form(self, schema: Event) -> Event | None:
        values: Event = {}
        for name, field in schema.get("properties", {}).items():
            default = f" [{field['default']}]" if "default" in field else ""
            if (text := self._ask(f"{field.get('title', name)}{default}: ")) is None:
                return None
            if text.strip():
                values[name] = _value_of(text.strip())
        return {"tool_args": values}

    def _approval(self, args: Event | None) -> Event | None:
        if args is not None:
            self._say(json.dumps(args, indent=2, ensure_ascii=False))
        while (text := self._ask("[y]es, [n]o, [a]lways here, [e]dit? ")) is not None:
            match text.strip().lower()[:1]:
                case "y":
                    return {"approved": True}
                case "a":
                    return {"approved": True, "always": True}
                case "n":
                    reason = self._ask("why not? ") or ""
                    return {"approved": False, **({"content": reason} if reason.strip() else {})}
                case "e":
                    edited = self._ask("arguments as JSON: ")
                    if (value := _object_of(edited or "")) is not None:
                        return {"approved": True, "tool_args": value}
        return None


class Closed(Exception):
    """The server has closed the connection."""


def _value_of(text: str) -> Any:
    """A list or an object where it is written as JSON; all else is a text, and what it is the agent's class knows."""
    try:
        return json.loads(text) if text[0] in "[{" else text
    except ValueError:
        return text


def _object_of(text: str) -> Event | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
