"""The patterns of Langroid's applications, end to end: `docs/agents.md` has the table.

Each is asked, stopped in the middle, loaded again by another page, and asked once more with what was said before.
"""

from __future__ import annotations

import pytest

from tests.client import Client
from tests.patterns import Pattern, cards, root_messages, walk

ADA = "- **name**: Ada\n- **born**: 1815"
ROME = "- **country**: Italy\n- **city**: Rome"
OPEN, CLOSE = r"[\u005b", r"]\u005d"  # brackets of a directive inside of another


SLOW_JOB = '[[tool={} args={{"job":"' + OPEN + "tokens=200 tps=20" + CLOSE + '"}}]]'
LOOK = '[[tool=look args={{"kind":"{}"}}]]'

TASK = (
    '[[tool=task_tool args={{"system_message":"","prompt":"'
    + OPEN
    + "{}"
    + CLOSE
    + '","tools":["NONE"],"agent_name":"Sub"}} then.text="fine"]]'
)
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
    Pattern(
        "TaskTool",
        "native",
        TASK.format(r"json=1 tool=done_tool args={\"content\":\"7\"}"),
        "fine",
        ("done_tool complete", "task_tool complete"),
        1,
        TASK.format("tokens=200 tps=20"),
    ),
    Pattern("delegation down a chain", "chain", '[[text="__SEND__:Bob go"]]', "", ("done_tool complete",), 2),
    Pattern(
        "ForwardTool",
        "forwarding",
        '[[tool=forward_tool args={"agent":"Bob"} text="helped"]]',
        "",
        ("forward_tool complete",),
        1,
    ),
    Pattern(
        "SendTool to an agent",
        "forwarding",
        '[[tool=send_tool args={"to":"Bob","content":"go"}]]',
        "",
        ("send_tool complete",),
        1,
    ),
    Pattern(
        "RecipientTool to an agent",
        "forwarding",
        '[[tool=recipient_message args={"intended_recipient":"Bob","content":"go"}]]',
        "",
        ("recipient_message complete",),
        1,
    ),
    Pattern("PassTool", "forwarding", '[[tool=pass_tool then.text="passed"]]', "passed", ("pass_tool complete",)),
    Pattern(
        "DonePassTool",
        "passing",
        f'[[text="__SEND__:Bob keep {OPEN}tool=done_pass_tool{CLOSE}"]]',
        "",
        ("done_pass_tool complete",),
        1,
    ),
    Pattern(
        "RewindTool",
        "rewinding",
        '[[tool=rewind_tool args={"n":1,"content":"better"} then.text="fine"]]',
        "better",
        ("rewind_tool complete",),
    ),
    Pattern("turns=", "in_rounds", '[[text="begun"]]', "further"),
    Pattern("an agent that speaks first", "greeting", '[[text="a hat"]]', "a hat"),
    Pattern("structured output", "structured", r'[[text="{\"name\": \"Ada\", \"born\": 1815}"]]'),
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
async def test_a_pattern(server, stub, pattern):
    await walk(server, stub, pattern)


async def test_what_an_agent_says_first_is_in_its_history(server, stub):
    async with Client(server.ws_url, cookies=server.visitor(), agent="greeting") as client:
        stub.reset()
        await client.say("a hat")
        await client.idle()
        roles = [(message["role"], message["content"]) for message in stub.last()["messages"]]
        assert roles[1:] == [("assistant", "What shall it be?"), ("user", "a hat")]


async def test_what_a_tool_asks_at_a_terminal_is_asked_on_the_page(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="native") as client:
        await client.say('[[tool=ask then.text="thanks"]]')
        for number, (prompt, answer) in enumerate({"Which number? (7):": "8", "And which word?": "red"}.items()):
            await client.until(lambda number=number: len(client.of("input_request")) > number)
            question = client.of("input_request")[-1]
            assert question["prompt"] == prompt
            await client.send(type="answer", request_id=question["request_id"], message_id=prompt, content=answer)
        await client.idle()
        assert client.of("tool_result")[0]["result"] == "8, red"
        assert client.answer() == "thanks"


async def test_a_model_that_calls_what_there_is_not_is_told_so_eight_times(server, stub):
    async with Client(server.ws_url, cookies=server.visitor(), agent="letters") as client:
        stub.reset()
        await client.say('[[replay="arguments: no such tool" then.replay="arguments: no such tool"]]')
        await client.idle()
        assert cards(client) == ("frobnicate error",) * 9
        assert client.of("error")[-1]["error"] == "limit_reached"
        assert stub.stats().requests == 9
        await client.say("[[tokens=1]]")
        await client.idle()
        assert client.answer() == "a"


async def test_an_agent_that_never_ends_is_told_so(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="endless") as client:
        await client.say("go [[tokens=1]]")
        await client.idle(timeout=60)
        assert client.of("error")[-1]["error"] == "limit_reached"
        assert len(root_messages(client)) <= 12
