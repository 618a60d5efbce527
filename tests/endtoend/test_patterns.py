"""The patterns of Langroid's applications, end to end: `docs/agents.md` has the table.

Each is asked, stopped in the middle, loaded again by another page, and asked once more with what was said before.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.client import Client

ADA = "- **name**: Ada\n- **born**: 1815"
ROME = "- **country**: Italy\n- **city**: Rome"
SLOW = "[[tokens=200 tps=20]]"
OPEN, CLOSE = r"[\u005b", r"]\u005d"  # brackets of a directive inside of another


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


SLOW_JOB = '[[tool={} args={{"job":"' + OPEN + "tokens=200 tps=20" + CLOSE + '"}}]]'
LOOK = '[[tool=look args={{"kind":"{}"}}]]'

RECIPIENT = '[[tool=recipient_message args={"intended_recipient":"User","content":"here"}]]'

PATTERNS = [
    Pattern("plain", "plain", '[[text="hello there"]]', "hello there"),
    Pattern("reasoning", "plain", '[[think=3 text="so it is"]]', "so it is"),
    Pattern("native tool", "native", '[[tool=square then.text="nine"]]', "nine", ("square complete",)),
    Pattern(
        "two native tools",
        "native",
        '[[tool=square args=[{"number":2},{"number":3}] then.text="both"]]',
        "both",
        ("square complete", "square complete"),
    ),
    Pattern("JSON tool", "json", '[[json=1 tool=square then.text="nine"]]', "nine", ("square complete",)),
    Pattern(
        "XML tool",
        "xml",
        '[[text="<tool><request>xml_square</request><number>3</number></tool>" then.text="nine"]]',
        cards=("xml_square complete",),
    ),
    Pattern("handler method", "handler", '[[tool=cube then.text="27"]]', "27", ("cube complete",)),
    Pattern("tool that raises", "native", '[[tool=fail then.text="sorry"]]', "sorry", ("fail error",)),
    Pattern("tool without a result", "native", '[[tool=note then.text="noted"]]', "noted", ("note complete",)),
    Pattern(
        "asynchronous tool",
        "native",
        '[[tool=later then.text="it came"]]',
        "it came",
        ("later complete",),
        slow='[[tool=later args={"seconds":60}]]',
    ),
    Pattern("asynchronous factory", "later", '[[tool=later then.text="it came"]]', "it came", ("later complete",)),
    Pattern("DoneTool", "native", '[[tool=done_tool args={"content":"42"}]]', "42", ("done_tool complete",)),
    Pattern(
        "DoneTool as JSON", "json", '[[json=1 tool=done_tool args={"content":"42"}]]', "42", ("done_tool complete",)
    ),
    Pattern(
        "DoneTool of a task by itself",
        "by_itself",
        '[[tool=done_tool args={"content":"42"}]]',
        "42",
        ("done_tool complete",),
        last='[[text="DONE 5"]]',
    ),
    Pattern("interactive=False, DONE", "by_itself", '[[text="thinking"]]', "it is 5", last='[[text="DONE 5"]]'),
    Pattern("FinalResultTool", "results", LOOK.format("final"), ADA, ("look complete",)),
    Pattern("ResultTool", "results", LOOK.format("result"), ADA, ("look complete",)),
    Pattern("AgentDoneTool", "results", LOOK.format("done"), ADA, ("look complete",)),
    Pattern("result of a sub-task", "results_of_sub_task", '[[text="Ada?"]]', ADA, ("look complete",), tasks=1),
    Pattern("done_if_tool", "done_if_tool", "[[tool=capital]]", ROME, ("capital complete",)),
    Pattern("Task[T]", "typed", "[[tool=capital]]", ROME, ("capital complete",)),
    Pattern("done_sequences", "done_sequence", "[[tool=square]]", "9", ("square complete",)),
    Pattern("single_round", "single_round", '[[text="one round"]]', "one round"),
    Pattern("done_if_response", "done_if_response", "[[tool=square]]", "9", ("square complete",)),
    Pattern("a tool for another agent", "pair", "[[json=1 tool=square]]", "", ("square complete",), tasks=1),
    Pattern("three agents", "trio", '[[text="__SEND__:Bob go"]]', "", tasks=1),
    Pattern(
        "an agent in a tool",
        "native",
        '[[tool=delegate then.text="fine"]]',
        "fine",
        ("delegate complete",),
        1,
        SLOW_JOB.format("delegate"),
    ),
    Pattern("depth 3", "deep", '[[tool=middle then.text="fine"]]', "fine", ("delegate complete", "middle complete"), 2),
    Pattern(
        "a batch in a tool",
        "native",
        '[[tool=crowd then.text="fine"]]',
        "fine",
        ("crowd complete",),
        3,
        SLOW_JOB.format("crowd"),
    ),
    Pattern(
        "SendTool to the user",
        "addressing",
        '[[tool=send_tool args={"to":"User","content":"here"}]]',
        "here",
        ("send_tool complete",),
    ),
    Pattern(
        "RecipientTool to the user",
        "recipient",
        RECIPIENT,
        "here",
        ("recipient_message complete",),
        last=RECIPIENT,
    ),
    Pattern("structured output", "structured", r'[[text="{\"name\": \"Ada\", \"born\": 1815}"]]'),
]


def cards(client: Client) -> tuple[str, ...]:
    return tuple(f"{result['tool_name']} {result['status']}" for result in client.of("tool_result"))


def root_messages(client: Client) -> list[str]:
    return [message["content"] for message in client.messages() if not message.get("depth")]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
async def test_a_pattern(server, stub, pattern):
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
        sent = stub.requests()[0]["messages"]
        assert any("first" in str(message.get("content")) for message in sent)
        assert root_messages(page)[-1], [(m["content"], m["status"], m.get("error")) for m in page.messages()]


async def test_an_agent_that_never_ends_is_told_so(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="endless") as client:
        await client.say("go [[tokens=1]]")
        await client.idle(timeout=60)
        assert client.of("error")[-1]["error"] == "limit_reached"
        assert len(root_messages(client)) <= 12
