"""One pattern of Langroid's applications on a real server, the way people use it: `walk`."""

from __future__ import annotations

from dataclasses import dataclass

from tests.client import Client, Event
from tests.servers import Server
from tests.stub_llm import StubServer

SLOW = "[[tokens=200 tps=20]]"


@dataclass(frozen=True)
class Pattern:
    name: str
    agent: str
    order: str
    answer: str = ""  # the last message of the root agent
    cards: tuple[str, ...] = ()  # tool name and status of each call, in the order of their ends
    tasks: int = 0  # sub-tasks
    slow: str = SLOW
    last: str = "[[tokens=2]]"
    hidden: tuple[str, ...] = ("DONE", "TO[", "DO-NOT-KNOW", "__")


def cards(client: Client) -> tuple[str, ...]:
    return tuple(f"{result['tool_name']} {result['status']}" for result in client.of("tool_result"))


def root_messages(client: Client) -> list[str]:
    return [message["content"] for message in client.messages() if not message.get("depth")]


def in_order(events: list[Event]) -> bool:
    """Whether all of a task comes after its start and before its end, also where several run at once."""
    begun: set[str] = set()
    ended: set[str] = set()
    for event in events:
        record = event.get("message")
        task = (record if isinstance(record, dict) else event).get("task")
        if event["type"] == "task_start":
            begun.add(event["task_id"])
        elif event["type"] == "task_end":
            ended.add(event["task_id"])
        elif task and (task["id"] not in begun or task["id"] in ended):
            return False
    return ended == begun


async def walk(server: Server, stub: StubServer, pattern: Pattern) -> None:
    """Ask, stop in the middle, load again, ask once more."""
    cookies = server.visitor()
    async with Client(server.ws_url, cookies=cookies, agent=pattern.agent) as client:
        await client.say(f"first {pattern.order}")
        await client.idle()
        assert not client.of("error"), client.of("error")
        if pattern.answer:
            assert root_messages(client)[-1] == pattern.answer
        assert root_messages(client)
        assert cards(client) == pattern.cards
        assert len(client.of("task_start")) == len(client.of("task_end")) == pattern.tasks
        assert in_order(client.events), client.types()
        shown = "\n".join(message["content"] for message in client.messages())
        assert not [signal for signal in pattern.hidden if signal in shown]

        await client.say(f"slow {pattern.slow}")
        await client.event("stream_token", "tool_call")
        await client.command("stop")
        await client.idle()
        ended = [client.messages()[-1]["status"], *(result["status"] for result in client.of("tool_result")[-1:])]
        assert "stopped" in ended, client.events[-8:]

    async with Client(server.ws_url, cookies=cookies, conversation=client.conversation) as page:
        await page.until(lambda: len(page.records) == len(client.records))
        assert root_messages(page) == root_messages(client)
        stub.reset()
        await page.say(f"last {pattern.last}")
        await page.idle()
        sent = [message for request in stub.requests() for message in request["messages"]]
        assert any("first" in str(message.get("content")) for message in sent)
        assert root_messages(page)[-1], [(m["content"], m["status"], m.get("error")) for m in page.messages()]
