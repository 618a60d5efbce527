"""Agents as Langroid's own users write them, one for each pattern of the table in `docs/agents.md`."""

from __future__ import annotations

import asyncio

import langroid as lr
from langroid.agent.batch import run_batch_tasks
from langroid.agent.tools.orchestration import (
    AgentDoneTool,
    DonePassTool,
    DoneTool,
    FinalResultTool,
    ForwardTool,
    PassTool,
    ResultTool,
    SendTool,
)
from langroid.agent.tools.recipient_tool import RecipientTool
from langroid.agent.tools.rewind_tool import RewindTool
from langroid.agent.tools.task_tool import TaskTool
from langroid.agent.xml_tool_message import XMLToolMessage
from langroid.mytypes import Entity
from pydantic import BaseModel
from rich.prompt import Prompt

from chat.agents import AgentContext
from chat.agents.llm import llm_config
from tests.server_agents import Delegate, Fail, Square


def agent(name: str = "Agent", *tools: type[lr.ToolMessage], native: bool = True, **config: object) -> lr.ChatAgent:
    config = {"use_functions_api": native, "use_tools": not native} | config
    made = lr.ChatAgent(lr.ChatAgentConfig(name=name, llm=llm_config(), **config))
    if tools:
        made.enable_message(list(tools))
    return made


def alone(made: lr.ChatAgent, **options: object) -> lr.Task:
    return lr.Task(made, interactive=False, **options)


class Person(BaseModel):
    name: str
    born: int


class XmlSquare(XMLToolMessage):
    request: str = "xml_square"
    purpose: str = "To square a <number>."
    number: int = 3

    def handle(self) -> str:
        return str(self.number**2)


class Cube(lr.ToolMessage):
    """Its handler is the agent's."""

    request: str = "cube"
    purpose: str = "To cube a <number>."
    number: int = 3


class Cubing(lr.ChatAgent):
    def cube(self, tool: Cube) -> str:
        return str(tool.number**3)


class Later(lr.ToolMessage):
    """Asynchronous only."""

    request: str = "later"
    purpose: str = "To wait for <seconds>."
    seconds: float = 0

    async def handle_async(self) -> str:
        await asyncio.sleep(self.seconds)
        return "later"


class Note(lr.ToolMessage):
    request: str = "note"
    purpose: str = "To note."

    def handle(self) -> None:
        return None


class Look(lr.ToolMessage):
    request: str = "look"
    purpose: str = "To look somebody up, the result as a <kind>."
    kind: str = "final"

    def handle(self) -> lr.ToolMessage:
        kinds = {"final": FinalResultTool, "result": ResultTool}
        if self.kind in kinds:
            return kinds[self.kind](name="Ada", born=1815)
        return AgentDoneTool(content=Person(name="Ada", born=1815))


class Capital(lr.ToolMessage):
    request: str = "capital"
    purpose: str = "To give the <city> of a <country>."
    country: str = "Italy"
    city: str = "Rome"


class Crowd(lr.ToolMessage):
    request: str = "crowd"
    purpose: str = "To give a <job> to a crowd."
    job: str = "[[tokens=2]]"

    def handle(self) -> str:
        helper = alone(agent("Helper"), single_round=True)
        return " + ".join(answer.content for answer in run_batch_tasks(helper, [self.job] * 3))


class Ask(lr.ToolMessage):
    """As scripts ask, at a terminal."""

    request: str = "ask"
    purpose: str = "To ask the user."

    def handle(self) -> str:
        return f"{Prompt.ask('[blue]Which number?', default='7')}, {input('And which word? ')}"


def native(context: AgentContext) -> lr.ChatAgent:
    return agent("Agent", Square, Fail, Note, Later, Crowd, Delegate, TaskTool, DoneTool, Ask)


def json(context: AgentContext) -> lr.ChatAgent:
    return agent("Agent", Square, Fail, Later, DoneTool, native=False)


def xml(context: AgentContext) -> lr.ChatAgent:
    return agent("Agent", XmlSquare, native=False)


def handler(context: AgentContext) -> lr.ChatAgent:
    made = Cubing(lr.ChatAgentConfig(name="Agent", llm=llm_config(), use_functions_api=True, use_tools=False))
    made.enable_message(Cube)
    return made


async def later(context: AgentContext) -> lr.ChatAgent:
    await asyncio.sleep(0)
    return agent("Agent", Later)


def by_itself(context: AgentContext) -> lr.Task:
    reminder = 'Go on, and say DONE when you have it. [[text="DONE: it is 5"]]'
    return alone(agent("Agent", Square, DoneTool, handle_llm_no_tool=reminder))


def endless(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", Square, handle_llm_no_tool="Go on. [[tokens=1]]"))


def results(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", Look))


def results_of_sub_task(context: AgentContext) -> lr.Task:
    root = alone(agent("Agent"))
    root.add_sub_task(alone(agent("Looker", Look, handle_llm_no_tool="Look. [[tool=look]]")))
    return root


def done_if_tool(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", Capital), config=lr.TaskConfig(done_if_tool=True))


def typed(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", Capital), config=lr.TaskConfig(done_if_tool=True))[Capital]


def done_sequence(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", Square), config=lr.TaskConfig(done_sequences=["T, A"]))


def single_round(context: AgentContext) -> lr.Task:
    return alone(agent("Agent"), single_round=True)


def done_if_response(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", Square), done_if_response=[Entity.AGENT])


def pair(context: AgentContext) -> lr.Task:
    """The root's tool is another agent's to run."""
    root, helper = agent("Agent", native=False), lr.ChatAgent(lr.ChatAgentConfig(name="Helper", llm=None))
    root.enable_message(Square, use=True, handle=False)
    helper.enable_message(Square, use=False, handle=True)
    task = lr.Task(root, interactive=True)
    task.add_sub_task(alone(helper, done_if_response=[Entity.AGENT]))
    return task


def trio(context: AgentContext) -> lr.Task:
    """A root that addresses two others."""
    task = lr.Task(agent("Agent"), interactive=True)
    for name in ("Bob", "Eve"):
        task.add_sub_task(alone(agent(name, DoneTool), single_round=True, name=name))
    return task


class Bob(lr.ChatAgent):
    """Addresses Eve when it has spoken, and is done when it has spoken again."""

    spoken = 0

    def handle_message_fallback(self, msg: object) -> str:
        self.spoken += 1
        return '[[text="__SEND__:Eve go"]]' if self.spoken == 1 else '[[tool=done_tool args={"content":"ready"}]]'


def chain(context: AgentContext) -> lr.Task:
    """A root that addresses Bob, who addresses Eve."""
    bob = Bob(lr.ChatAgentConfig(name="Bob", llm=llm_config(), use_functions_api=True, use_tools=False))
    bob.enable_message(DoneTool)
    middle = alone(bob, name="Bob")
    middle.add_sub_task(alone(agent("Eve"), single_round=True, name="Eve"))
    task = lr.Task(agent("Agent"), interactive=True)
    task.add_sub_task(middle)
    return task


def forwarding(context: AgentContext) -> lr.Task:
    """A root that hands messages on as they are, by tools."""
    task = lr.Task(agent("Agent", ForwardTool, PassTool, SendTool, RecipientTool), interactive=True)
    task.add_sub_task(alone(agent("Bob"), single_round=True, name="Bob"))
    return task


def passing(context: AgentContext) -> lr.Task:
    """Its sub-task ends with what it was given."""
    task = lr.Task(agent("Agent"), interactive=True)
    task.add_sub_task(alone(agent("Bob", DonePassTool), name="Bob"))
    return task


def in_rounds(context: AgentContext) -> lr.Task:
    """Never done by itself: `TURNS` of its entry ends it."""
    return alone(agent("Agent", handle_llm_no_tool='Go on. [[text="further"]]'))


def greeting(context: AgentContext) -> lr.ChatAgent:
    """Speaks first, by the greeting of its entry."""
    return agent("Agent")


def deep(context: AgentContext) -> lr.ChatAgent:
    class Middle(lr.ToolMessage):
        request: str = "middle"
        purpose: str = "To have a <job> done."
        job: str = "[[tool=delegate then.tokens=2]]"

        def handle(self) -> str:
            answer = alone(agent("Middle", Delegate)).run(self.job, turns=3)
            return answer.content if answer else "nothing"

    return agent("Agent", Middle)


def addressing(context: AgentContext) -> lr.Task:
    return alone(agent("Agent", SendTool, ForwardTool, DonePassTool))


def recipient(context: AgentContext) -> lr.Task:
    """It is told to name a recipient until it does."""
    return alone(agent("Agent", RecipientTool))


def rewinding(context: AgentContext) -> lr.ChatAgent:
    return agent("Agent", RewindTool)


def structured(context: AgentContext) -> lr.ChatAgent:
    return agent("Agent", output_format=Person)
