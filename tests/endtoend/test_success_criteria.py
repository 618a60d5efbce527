"""What the whole must do, a test for each: real servers, with the built-in model and with a model's server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.client import Client
from tests.servers import ROOT, Server


async def test_websocket_connections_establish_properly(server):
    cookies = server.visitor()
    clients = [Client(server.ws_url, cookies=cookies) for _ in range(5)]
    greetings = await asyncio.gather(*(client.connect() for client in clients))
    assert [greeting["status"] for greeting in greetings] == ["connected"] * 5
    assert len({greeting["session_id"] for greeting in greetings}) == 5
    for client in clients:
        await client.event("status", after=0)
        await client.send(type="ping")
        await client.event("pong", after=0)
        await client.close()
        assert client.close_code == 1000


async def test_messages_flow_bidirectionally(server):
    texts = ["hello", "Grüße, 世界 🙂", "line one\nline two", "x" * 16_000]
    async with Client(server.ws_url, agent="mock") as client:
        for text in texts:
            await client.say(text)
            await client.idle()
        assert [message["content"] for message in client.messages("user")] == texts
        assert [message["content"] for message in client.messages()] == [f"You said: {text}" for text in texts]


async def test_the_agent_can_speak_first_and_the_user_answer_inside_a_turn(server):
    async with Client(server.ws_url, agent="tools") as client:
        await client.say('[[tool=ask_user args={"question":"Which?","kind":"text"}]]')
        question = await client.event("input_request", after=0)
        assert (await client.say("this one"))["type"] == "accepted"
        await client.idle()
        assert client.messages("user")[-1]["request_id"] == question["request_id"]
        assert client.of("tool_result")[0]["result"].startswith("this one|")


async def test_task_loop_persists_across_messages(server):
    """One `Task.run` in one thread serves every message, also of a page that was away; only a reset makes another."""
    async with Client(server.ws_url, cookies=server.visitor(), agent="loop") as client:
        for _ in range(3):
            await client.say("go on")
            await client.idle()
        client.cut()
        await client.reconnect()
        await client.say("go on")
        await client.idle()
        told = [json.loads(message["content"]) for message in client.messages()]
        assert [(each["runs"], each["messages"]) for each in told] == [(1, 1), (1, 2), (1, 3), (1, 4)]
        assert len({(each["task"], each["thread"]) for each in told}) == 1

        await client.command("reset")
        await client.say("go on")
        await client.idle()
        afterwards = json.loads(client.answer())
        assert afterwards["task"] != told[0]["task"]
        assert (afterwards["runs"], afterwards["messages"]) == (1, 5)


async def test_context_maintained_in_conversations(server, stub):
    """What the model is told: every message and answer of this conversation, and nothing of the other one."""
    cookies = server.visitor()
    async with Client(server.ws_url, cookies=cookies) as one, Client(server.ws_url, cookies=cookies) as two:
        for number in range(3):
            for client, name in ((one, "one"), (two, "two")):
                await client.say(f'{name} {number} [[text="answer to {name} {number}"]]')
                await client.idle()
        for client, name in ((one, "one"), (two, "two")):
            await client.say(f"{name} last")
            await client.idle()
            heard = [message["content"] for message in stub.last()["messages"] if message["role"] != "system"]
            told = [
                text
                for number in range(3)
                for text in (f'{name} {number} [[text="answer to {name} {number}"]]', f"answer to {name} {number}")
            ]
            assert heard == [*told, f"{name} last"]


# -- a quiet log -------------------------------------------------------------------------------------------------------

QUIET = re.compile(
    r"""
    [-\d]{10}\ [:,\d]{12}\ (DEBUG|INFO)\ (django|chat|webui_project)[\w.]*:\ .*      # our loggers
    | 127\.0\.0\.1:\d+\ -\ -\ \[.*                                                   # daphne's access log
    | Performing\ system\ checks\.\.\. | System\ check\ identified\ no\ issues.*     # runserver's greeting
    | \w+\ \d+,\ \d{4}\ -\ .* | Django\ version\ .* | Starting\ ASGI/Daphne\ .* | Quit\ the\ server\ .* |
    """,
    re.X,
)


@pytest.mark.parametrize("model", ["mock", "stub"])
@pytest.mark.parametrize("kind", ["runserver", "daphne"])
async def test_no_errors_or_warnings_in_logs(kind, model, stub, tmp_path):
    """Each line of a server's whole life is one that we know; the agent library prints nothing and writes no file."""
    before = set(ROOT.iterdir())
    keys = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    server = Server(tmp_path, kind=kind, settings="webui_project.settings", **(keys if model == "stub" else {}))
    with server:
        await talk(server, "assistant", "Show me some Markdown", "and again")
        await talk(server, "toolbox", '[[tool=calculate args={"expression":"6*7"}]]', "What is (17 + 4) * 2?")
        await talk(server, "writing_team", "Write a poem about the sea")
    assert "agent ended" in server.log
    assert [line for line in server.log.splitlines() if not QUIET.fullmatch(line)] == []
    made = {path.name for path in set(ROOT.iterdir()) - before} | {path.name for path in tmp_path.rglob("*")}
    assert not [name for name in made if re.search(r"^logs$|\.html$|^[^.].*cache", name)]


async def talk(server: Server, agent: str, *texts: str) -> None:
    async with Client(server.ws_url, cookies=server.visitor(), agent=agent, html="1") as client:
        for text in texts:
            assert (await client.say(text))["type"] == "accepted"
            await client.idle(timeout=60)
        assert {message["status"] for message in client.messages()} == {"complete"}


# -- the page of the earlier prototype ---------------------------------------------------------------------------------


class PrototypePage:
    """What the earlier prototype's page does with each frame. It knows neither `accepted` nor records nor `ack`."""

    def __init__(self, server: Server) -> None:
        self.url = f"{server.ws_url.removesuffix('chat/').removesuffix('/')}?browser_session_id=browser-1"
        self.bubbles: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.sentences: list[str] = []  # of the system
        self.tools: list[tuple[str, str]] = []
        self.session_id = ""
        self.is_locked = False  # "loading": it shows dots, and takes no input
        self.complete = 0
        self._writing: str | None = None

    async def __aenter__(self) -> PrototypePage:
        self._socket = await connect(self.url, additional_headers={"Origin": "http://localhost:5173"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def turn(self, text: str, *, until: Callable[[], bool]) -> None:
        """Send a message as the page does; read until what is wanted is there, and the person may type again."""
        self.is_locked = True
        await self._socket.send(json.dumps({"type": "message", "content": text, "sessionId": self.session_id}))
        async with asyncio.timeout(60):
            while self.is_locked or self._writing or not until():
                self.take(json.loads(await self._socket.recv()))

    def has(self, *texts: str) -> Callable[[], bool]:
        """True when these bubbles stand there, each complete."""
        return lambda: self.texts == list(texts) and self.complete == len(texts)

    async def nothing_more(self) -> None:
        """Read what may still be on its way."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    self.take(json.loads(await self._socket.recv()))

    def take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "connection":
                self.session_id = frame["session_id"]
            case "message":
                if frame["message"]["sender"] == "system":
                    self.sentences.append(frame["message"]["content"])
                else:
                    self.add(frame["message"]["id"], frame["message"]["content"])
                    self.complete += 1
                self.is_locked = False
            case "delete_message":
                self.bubbles = [bubble for bubble in self.bubbles if bubble["id"] != frame["message_id"]]
            case "stream_start":
                self.add(frame["message_id"], "")
                self._writing = frame["message_id"]
                self.is_locked = False
            case "stream_token":
                next(b for b in self.bubbles if b["id"] == frame["message_id"])["text"] += frame["token"]
            case "stream_end":
                assert self._writing == frame["message_id"]
                self._writing = None
            case "input_request":
                self.is_locked = False
            case "tool_result":
                self.tools.append((frame["tool_name"], frame["result"]))
            case "error":
                self.errors.append(frame["error"])

    def add(self, id: str, text: str) -> None:
        if all(bubble["id"] != id for bubble in self.bubbles):
            self.bubbles.append({"id": id, "text": text})

    @property
    def texts(self) -> list[str]:
        return [bubble["text"] for bubble in self.bubbles]


@pytest.fixture(scope="module")
def open_server(stub, tmp_path_factory):
    """A server that lets the page's own development server in, and starts with an agent of native tools."""
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o-mini"}
    environment |= {"CHAT_ALLOWED_ORIGINS": "http://localhost:5173", "CHAT_DEFAULT_AGENT": "tools"}
    with Server(tmp_path_factory.mktemp("open"), **environment) as server:
        yield server


async def test_frontend_works_without_modifications(open_server):
    shown = ["the first answer, word by word"]
    async with PrototypePage(open_server) as page:
        await page.turn(f'first [[text="{shown[0]}" tps=60]]', until=page.has(*shown))
        shown += ["Let me see.", "It is 49."]
        order = '[[tool=square args={"number":7} say="Let me see." then.text="It is 49."]]'
        await page.turn(order, until=page.has(*shown))
        assert page.tools == [("square", "49")]
        for _ in range(2):
            shown += ["the same"]  # told apart by their ids, never by their texts
            await page.turn('[[text="the same"]]', until=page.has(*shown))
        for number, text in enumerate(("[[tokens=0]]", "[[error=401]]", "   "), start=1):
            await page.turn(text, until=lambda number=number: len(page.errors) == number)
        assert page.errors == ["llm_error", "llm_auth", "bad_frame"]
        assert len(page.sentences) == 3 and page.sentences[-1] == "The message is empty."
        shown += ["still here"]
        await page.turn('[[text="still here"]]', until=page.has(*shown))
        await page.nothing_more()
        assert page.texts == shown and not page.is_locked


async def test_the_frontend_s_answers_to_an_agent_s_question_arrive(open_server):
    async with PrototypePage(open_server) as page:
        await page.turn(
            '[[tool=ask_user args={"question":"Name?","kind":"text"} then.text="Hi."]]', until=page.has("Name?")
        )
        await page.turn("Ada", until=page.has("Name?", "Hi."))
        await page.nothing_more()
        assert page.tools == [("ask_user", "Ada|None|None")] and page.texts == ["Name?", "Hi."]


async def test_each_frontend_connection_is_a_conversation_of_its_own(open_server, stub):
    async with PrototypePage(open_server) as page:
        await page.turn('a pelican [[text="yes"]]', until=page.has("yes"))
    async with PrototypePage(open_server) as page:
        await page.turn('what did I say? [[text="no"]]', until=page.has("no"))
    assert "what did I say" in json.dumps(stub.last()) and "pelican" not in json.dumps(stub.last())
