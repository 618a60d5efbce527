"""What a test does with an agent: it is a page of the agent's conversation, with the model scripted."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chat.local import LocalSocket, Loop
from chat.owners import Owner
from chat.testing.script import Script

Event = dict[str, Any]

SECONDS = 20.0  # longest wait for what is to come


class Refused(AssertionError):
    """The server has refused what the test asked for."""


@dataclass(frozen=True)
class Tool:
    """One run of a tool, at whatever depth."""

    name: str
    args: dict[str, Any]
    result: str
    error: str | None
    status: str
    agent: str
    depth: int


@dataclass(frozen=True)
class Reply:
    """What a turn has come to: at its end, or when the agent asked."""

    records: list[Event] = field(repr=False)  # events of the protocol: `message`, `tool_result`
    asked: Event | None = None  # the open question: `prompt`, `kind`, `options`, `tool_name`, `tool_args`, …

    @property
    def messages(self) -> list[Event]:
        """The agents' messages, at whatever depth."""
        found = [record["message"] for record in self.records if record["type"] == "message"]
        return [message for message in found if message["sender"] != "user"]

    @property
    def texts(self) -> list[str]:
        """What the root agent said, message by message."""
        return [each["content"].strip() for each in self.messages if each["depth"] == 0 and each["content"].strip()]

    @property
    def text(self) -> str:
        """The last that the root agent said; empty when it said nothing."""
        return self.texts[-1] if self.texts else ""

    @property
    def reasoning(self) -> str:
        return "".join(each["reasoning"] for each in self.messages if each["depth"] == 0)

    @property
    def tools(self) -> list[Tool]:
        """The tools that ran, in the order in which they ended."""
        return [
            Tool(
                record["tool_name"],
                record["tool_args"],
                record["result"],
                record["error"],
                record["status"],
                record["agent"],
                record["depth"],
            )
            for record in self.records
            if record["type"] == "tool_result"
        ]

    @property
    def parts(self) -> list[Any]:
        """What the turn shows beside texts."""
        return [part for record in self.records for part in record.get("message", record).get("parts", ())]

    @property
    def sources(self) -> list[Any]:
        return [source for message in self.messages for source in message["sources"]]

    @property
    def status(self) -> str:
        """How the last message ended: complete, stopped, error, interrupted."""
        return self.messages[-1]["status"] if self.messages else ""

    @property
    def error(self) -> Event | None:
        """What went wrong: `code`, `details`, `incident`."""
        return next((each["error"] for each in self.messages if each["error"]), None)


class AgentUnderTest:
    """One conversation with an agent. Each method waits until the agent waits for its user."""

    def __init__(self, loop: Loop, owner: Owner, script: Script | None, **options: str) -> None:
        """`options`: `agent` and others of the socket's address."""
        self.model = script
        self._do = loop.do
        self._owner = owner
        self._turn: str | None = None
        self._do(self._open(**options))
        if script is not None:
            from chat.agents import mock_model  # imports Langroid

            mock_model.stand_ins[self.id] = _as_script(script)

    # -- what a user does ---------------------------------------------------------------------------------------------

    def say(self, text: str, **fields: Any) -> Reply:
        """Send a message, and wait until the agent has answered or asks something. Raises: Refused.

        `files`: contents by name, that the user gives with it.
        """
        self.begin(text, **fields)
        return self.rest()

    def open(self) -> Reply:
        """Let the agent speak first, as its `OPENING` has it, and wait until it has. Raises: Refused."""
        self._do(self._opened())
        return self.rest()

    def begin(self, text: str, **fields: Any) -> None:
        """Send a message, and go on as soon as it is accepted. Raises: Refused."""
        self._do(self._send(type="message", content=text, **self._given(fields)))

    def rest(self) -> Reply:
        """Wait until the turn that was begun has ended, or asks something."""
        self._do(self._settled())
        if self.model and self.model.overrun:
            raise self.model.overrun
        return self.reply

    def wait_for(self, text: str) -> None:
        """Wait until the agent has said this, in a message that may not have ended."""
        self.wait_until(lambda: text in self._text_so_far)

    def wait_until(self, holds: Callable[[], Any]) -> None:
        """Wait until this holds, looked at with each event."""
        self._do(self._until(holds))

    def answer(self, content: str = "", **fields: Any) -> Reply:
        """Answer the open question: with a text, or with `choice`, `approved`, `tool_args`, `always`, `files`."""
        assert self.asked, "the agent asks nothing"
        id = self.asked["request_id"]
        said = {"content": content} if content else {}
        self._do(self._send(type="answer", request_id=id, **said, **self._given(fields)))
        return self.rest()

    def choose(self, choice: Any) -> Reply:
        """Take one of the options of the open question."""
        return self.answer(choice=choice)

    def approve(self, *, always: bool = False, **changes: Any) -> Reply:
        """Approve what the agent wants to do; `changes`: arguments that are to be others."""
        assert self.asked, "the agent asks nothing"
        fields: dict[str, Any] = {"always": True} if always else {}
        if changes:
            fields["tool_args"] = {**(self.asked.get("tool_args") or {}), **changes}
        return self.answer(approved=True, **fields)

    def reject(self, reason: str = "") -> Reply:
        """Do not approve what the agent wants to do."""
        return self.answer(reason, approved=False)

    def stop(self) -> Reply:
        """Stop the turn."""
        self._do(self._command("stop"))
        self._do(self._until(lambda: self._state == "idle"))
        return self.reply

    def regenerate(self) -> Reply:
        """Have the last message answered once more."""
        return self._rewrite("regenerate", message_id=self._turn)

    def edit(self, text: str) -> Reply:
        """Replace the last message, and have it answered."""
        return self._rewrite("edit", message_id=self._turn, content=text)

    def branch(self, turn: str) -> None:
        """Go back to another turn: the transcript ends with it."""
        self._do(self._moved("branch", turn=turn))
        self._turn = turn

    def reset(self) -> None:
        """End the agent; the next message gets one that is made anew, with the same transcript."""
        self._do(self._command("reset"))
        self._do(self._gone())

    def revoke(self, tool_name: str) -> None:
        """Let a tool ask again that was always allowed."""
        self._do(self._command("revoke", tool_name=tool_name))
        self._do(self._until(lambda: any(each["type"] == "conversation" for each in self._events[self._asked_at :])))

    def reload(self) -> None:
        """Load the page again."""
        self._do(self._close())
        self._do(self._open(conversation=self.id))

    def close(self) -> None:
        """Leave the conversation."""
        self._do(self._close())
        if self.model is not None:
            from chat.agents import mock_model

            mock_model.stand_ins.pop(self.id, None)

    # -- what there is ------------------------------------------------------------------------------------------------

    @property
    def reply(self) -> Reply:
        """What the last turn has come to so far."""
        return Reply([record for record in self.records if _turn_of(record) == self._turn], self.asked)

    @property
    def turn(self) -> str | None:
        """The id of the last turn."""
        return self._turn

    @property
    def records(self) -> list[Event]:
        """All records of the conversation, in order, as events of the protocol."""
        return [record for _, record in sorted(self._records.items())]

    @property
    def events(self) -> list[Event]:
        """All that the page was sent since it was loaded."""
        return list(self._events)

    @property
    def asked(self) -> Event | None:
        """The open question, if there is one."""
        return self._question if self._state == "waiting" else None

    def _given(self, fields: Event) -> Event:
        """The fields of a frame; `files` are uploaded, as a page does it before."""
        files: Mapping[str, bytes] = fields.pop("files", {})
        if not files:
            return fields
        from chat.actions.attach import accept_file

        rows = [accept_file(self._owner, io.BytesIO(content), name=name) for name, content in files.items()]
        return {**fields, "attachments": [str(row.id) for row in rows]}

    # -- the page, on the loop ----------------------------------------------------------------------------------------

    async def _open(self, **options: str) -> None:
        self._events: list[Event] = []
        self._records: dict[int, Event] = {}
        self._streams: dict[str, str] = {}
        self._state = "idle"
        self._question: Event | None = None
        self._news = asyncio.Condition()
        self._socket = LocalSocket(self._owner, **options)
        await self._socket.__aenter__()
        self._reading = asyncio.create_task(self._read())
        await self._until(lambda: any(event["type"] == "status" for event in self._events))
        await self._until(lambda: self._state != "waiting" or self._question)
        self.id: str = self._events[0]["session_id"]

    async def _close(self) -> None:
        await self._socket.__aexit__()
        await self._reading

    async def _read(self) -> None:
        async for event in self._socket:
            async with self._news:
                self._events.append(event)
                self._note(event)
                self._news.notify_all()

    def _note(self, event: Event) -> None:
        match event["type"]:
            case "message" | "tool_result" | "head":
                self._records[event["seq"]] = event
            case "status":
                self._state = event["state"]
            case "input_request":
                self._question = event
            case "stream_start":
                self._streams[event["message_id"]] = event["content"]
            case "stream_token":
                self._streams[event["message_id"]] += event["token"]

    @property
    def _text_so_far(self) -> str:
        return "\n".join([*self._streams.values(), *(message["content"] for message in self.reply.messages)])

    async def _until(self, holds: Callable[[], Any]) -> None:
        """Wait until this holds, asked at each event."""
        try:
            async with asyncio.timeout(SECONDS), self._news:
                await self._news.wait_for(lambda: self._socket.close_code is not None or holds())
        except TimeoutError:
            raise AssertionError(f"not in {SECONDS:g} s; the last events were {self._events[-5:]}") from None
        if not holds():
            raise Refused(f"the connection was closed with {self._socket.close_code}: {self._events[-1:]}")

    async def _send(self, **frame: Any) -> None:
        """Send what is accepted, and wait until it is. Raises: Refused."""
        self._asked_at, id = len(self._events), str(uuid.uuid4())
        await self._socket.send(message_id=id, **frame)

        def reply() -> Event | None:
            replies = (each for each in self._events[self._asked_at :] if each["type"] in ("accepted", "error"))
            return next((each for each in replies if each.get("client_id") == id), None)

        await self._until(reply)
        told = reply()
        assert told is not None
        if told["type"] == "error":
            raise Refused(f"{told['error']}: {told['details']}")
        self._asked_at, self._turn = self._events.index(told), told["turn"]

    async def _opened(self) -> None:
        """Let the agent speak first. Raises: Refused."""
        await self._command("open")

        def told() -> Event | None:
            news = self._events[self._asked_at :]
            return next((each for each in news if each["type"] == "error" or _is_opening(each)), None)

        await self._until(told)
        event = told()
        assert event is not None
        if event["type"] == "error":
            raise Refused(f"{event['error']}: {event['details']}")
        self._asked_at, self._turn = self._events.index(event), event["message"]["turn"]

    async def _settled(self) -> None:
        """Wait until the agent, that has been told something, waits for its user."""

        def waits() -> bool:
            news = self._events[self._asked_at :]
            is_done = any(event["type"] == "status" and event["state"] == "idle" for event in news)
            return is_done or any(event["type"] == "input_request" for event in news)

        await self._until(waits)

    async def _command(self, command: str, **fields: Any) -> None:
        self._asked_at = len(self._events)
        await self._socket.send(type="command", command=command, **fields)

    async def _moved(self, command: str, **fields: Any) -> None:
        """Give a command that moves the head. Raises: Refused."""
        await self._command(command, **fields)

        def moved() -> Event | None:
            return next((each for each in self._events[self._asked_at :] if each["type"] in ("head", "error")), None)

        await self._until(moved)
        told = moved()
        assert told is not None
        if told["type"] == "error":
            raise Refused(f"{told['error']}: {told['details']}")
        self._asked_at, self._turn = self._events.index(told), told["turn"]

    def _rewrite(self, command: str, **fields: Any) -> Reply:
        self._do(self._moved(command, **fields))
        return self.rest()

    async def _gone(self) -> None:
        """Wait until the conversation has no agent here."""
        from chat.cluster.process import this_process

        async with asyncio.timeout(SECONDS):
            while uuid.UUID(self.id) in this_process.sessions:
                await asyncio.sleep(0.005)  # nothing tells when a thread has left


def _turn_of(record: Event) -> str | None:
    turn: str | None = record.get("message", record).get("turn")
    return turn if record["type"] != "head" else None


def _as_script(script: Script) -> Callable[[Any], Any]:
    """The script as the mock model takes it."""
    from chat.agents.langroid.scope import current
    from chat.agents.mock_model import Reply as Said

    def answer(messages: Any) -> Said:
        now = current.get()
        shown = [{"role": message.role.value, "content": message.content or ""} for message in messages]
        step = script.next(now.span.agent.config.name if now else "", messages, shown)
        return Said(step.text, step.reasoning, step.calls, step.hangs)

    return answer


def _is_opening(event: Event) -> bool:
    return event["type"] == "message" and bool(event["message"].get("opening"))
