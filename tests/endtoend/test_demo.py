"""The agents of the example project through its own settings, by a real server: each of their starters is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as project

from tests.client import Client, Event
from tests.servers import Server
from tests.web import upload

TABLE = b"Planet,Mass\nEarth,5.97\nMars,0.64\n"
# What must be seen beside words: kinds of parts, of questions.
SEEN = {
    "showcase": {"table", "image", "pdf", "audio", "json", "diff", "file", "text"},
    "analyst": {"ask file", "table", "image", "file"},
    "receptionist": {"ask choice", "ask form", "ask approval", "ask text"},
    "postman": {"ask approval"},
}
LONG = "Tell me a long story"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    limits = {"CHAT_TURNS_PER_MINUTE": "10000", "CHAT_VISITOR_TURNS_PER_MINUTE": "0", "CHAT_VISITORS_PER_MINUTE": "0"}
    environment = {"CHAT_MOCK_MODEL": "true", "SECRET_KEY": "x" * 50, **limits}
    with Server(tmp_path_factory.mktemp("demo"), settings="webui_project.settings", **environment) as server:
        yield server


def answer_to(server: Server, page: Client, question: Event) -> Event:
    match question["kind"]:
        case "choice":
            return {"choice": question["options"][0]}
        case "approval":
            return {"approved": True}
        case "form":
            return {"tool_args": {"name": "Ada"}}
        case "file":
            return {"attachments": [upload(server, page, TABLE, "planets.csv")["id"]]}
    return {"content": "none"}


async def ask(server: Server, page: Client, text: str) -> set[str]:
    """Say this, answer whatever is asked, and return what was seen."""
    seen: set[str] = set()
    mark = len(page.events)
    await page.say(text)
    while True:
        event = await page.wait(_waits, after=mark, timeout=60)
        if event["type"] == "status":
            break
        seen.add(f"ask {event['kind']}")
        mark = page.events.index(event) + 1
        await page.send(type="answer", request_id=event["request_id"], **answer_to(server, page, event))
    last = page.messages()[-1]
    assert last["status"] == "complete" and (last["content"] or last.get("parts")), last
    return seen


def _waits(event: Event) -> bool:
    return event["type"] == "input_request" or (event["type"] == "status" and event["state"] == "idle")


@pytest.mark.parametrize("agent", project.CHAT_AGENTS)
async def test_each_starter_of_a_demo_agent_is_answered(server, agent):
    seen: set[str] = set()
    async with Client(server.ws_url, cookies=server.visitor(), agent=agent) as page:
        for starter in project.CHAT_AGENTS[agent]["STARTERS"]:
            if starter != LONG:
                seen |= await ask(server, page, starter)
        seen |= {part["kind"] for message in page.messages() for part in message.get("parts", ())}
        assert [record["error"] for record in page.of("tool_result") if record["error"]] == []
    assert seen >= SEEN.get(agent, set())
    assert "Traceback" not in server.log
