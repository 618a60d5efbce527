"""Examples to copy. Name one in `CHAT_AGENTS`: {"toolbox": {"FACTORY": "chat.demo.agents.toolbox"}}.

Each uses the configured model. The `mock` script speaks in its place where there is none, and is not needed otherwise.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from datetime import date, datetime
from typing import Literal

import langroid as lr
from langroid.agent.tools.orchestration import SendTool
from pydantic import BaseModel, Field

from chat.agents import AgentContext
from chat.conf import conf
from chat.demo import scripts

SYSTEM_MESSAGE = "You are a helpful assistant. Use Markdown where it makes an answer easier to read."


def assistant(context: AgentContext) -> lr.ChatAgent:
    """A chat with the model, nothing else."""
    config = lr.ChatAgentConfig(
        llm=context.llm(mock=scripts.small_talk),
        system_message=conf.SYSTEM_MESSAGE or SYSTEM_MESSAGE,
        enable_orchestration_tool_handling=False,  # without tools of its own an agent is made in half of the time
    )
    return lr.ChatAgent(config)


# -- tools -------------------------------------------------------------------------------------------------------------


class Calculate(lr.ToolMessage):
    request: str = "calculate"
    purpose: str = "To get the value of an arithmetic <expression>, such as (17 + 4) * 2."
    expression: str

    def handle(self) -> str:
        try:
            return f"{self.expression} = {evaluate(self.expression):g}"
        except (ValueError, SyntaxError, ArithmeticError) as error:
            return f"This cannot be calculated: {error}"


class CurrentTime(lr.ToolMessage):
    request: str = "current_time"
    purpose: str = "To get the current date and time."

    def handle(self) -> str:
        return datetime.now().astimezone().strftime("%A, %d %B %Y, %H:%M %Z")


def toolbox(context: AgentContext) -> lr.ChatAgent:
    """An agent with two tools. The page shows each call and its result."""
    config = lr.ChatAgentConfig(
        llm=context.llm(mock=scripts.toolbox),
        system_message="Calculate with the tool, never in your head. For the date and the time use the other tool.",
    )
    agent = lr.ChatAgent(config)
    agent.enable_message([Calculate, CurrentTime])
    return agent


OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
MAX_EXPRESSION_CHARS = 200


def evaluate(expression: str) -> float:
    """Return the value of an arithmetic expression; nothing but numbers and operators is evaluated.

    Raises: ValueError, SyntaxError, ArithmeticError.
    """
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ValueError("the expression is too long")
    return _value(ast.parse(expression.strip(), mode="eval").body)


def _value(node: ast.AST) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(operand))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left), _value(right))
    raise ValueError("only numbers, brackets and + - * / // % ** are allowed")


def _power(base: float, exponent: float) -> float:
    result: float | complex = base**exponent
    if isinstance(result, complex):
        raise ValueError("the root of a negative number")
    return result


# -- sub-agents --------------------------------------------------------------------------------------------------------


def writing_team(context: AgentContext) -> lr.Task:
    """A writer who talks to the user, and a critic whom the writer asks. The page shows the critic as a sub-task."""
    writer = lr.ChatAgent(
        lr.ChatAgentConfig(
            name="Writer",
            llm=context.llm(mock=scripts.writer),
            system_message=(
                "You write short poems. Send each first draft to the critic, with the tool `send_tool`. When you "
                "have the critic's answer, show the user the improved poem."
            ),
        )
    )
    writer.enable_message(SendTool)
    critic = lr.ChatAgent(
        lr.ChatAgentConfig(
            name="Critic",
            llm=context.llm(mock=scripts.critic),
            system_message="You are a critic of poems. Answer in two sentences. Begin with CRITIC: and be concrete.",
        )
    )
    task = lr.Task(writer, name="Writer", interactive=True)
    task.add_sub_task(lr.Task(critic, name="Critic", interactive=False, single_round=True))
    return task


# -- questions to the user ---------------------------------------------------------------------------------------------


class SendLetter(lr.ToolMessage):
    """Asks nobody by itself: `APPROVE` of the agent's entry has its user agree first."""

    request: str = "send_letter"
    purpose: str = "To send a letter with a <text> <to> an address. The user is asked for approval by itself."
    to: str
    text: str

    def handle(self) -> str:
        return f"The letter to {self.to} was sent."  # a real tool would send it here


def postman(context: AgentContext) -> lr.ChatAgent:
    """An agent whose tool asks for approval: "APPROVE": ["send_letter"] in its entry."""
    config = lr.ChatAgentConfig(
        llm=context.llm(mock=scripts.postman),
        system_message="You send letters. Write what the user wants to say, politely, and use the tool.",
    )
    agent = lr.ChatAgent(config)
    agent.enable_message(SendLetter)
    return agent


class Invoice(BaseModel):
    """Who pays."""

    company: str = Field(default="", title="Company")
    email: str = Field(default="", title="E-mail", pattern=r"^$|^[^@\s]+@[^@\s]+$")


class Guest(BaseModel):
    """What a hotel asks its guests."""

    name: str = Field(min_length=1, title="Your name")
    nights: int = Field(default=1, ge=1, le=30, title="Nights")
    breakfast: bool = Field(default=True, title="With breakfast")
    bed: Literal["single", "double"] = Field(default="double", title="Bed")
    arrival: date | None = Field(default=None, title="Arrival")
    companions: list[str] = Field(default=[], title="Who comes with you")
    invoice: Invoice = Field(default=Invoice(), title="Invoice")


def receptionist(context: AgentContext) -> lr.ChatAgent:
    """An agent that asks in every way: a choice, a form, an approval, a text."""

    class CheckIn(lr.ToolMessage):
        request: str = "check_in"
        purpose: str = "To check a guest in. The guest is asked for all that is needed."

        def handle(self) -> str:
            view = context.ask.choice("Which view?", ["sea", "mountains"])
            guest = context.ask.form(Guest, "Please fill this in.")
            if guest is None or not context.ask.approval(f"{guest.nights} nights for {guest.name}, at 80 a night?"):
                return "Nothing was booked."
            wish = context.ask.text("Any wishes?")
            context.conversation.title = f"Stay of {guest.name}"
            more = [f"from {guest.arrival:%d %B}"] if guest.arrival else []
            more += [f"with {name}" for name in guest.companions]
            more += [f"paid by {guest.invoice.company}"] if guest.invoice.company else []
            booked = ", ".join([guest.name, f"{guest.nights} nights", f"{guest.bed} bed", f"{view} view", *more])
            return f"Booked: {booked}. Wishes: {wish}"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(mock=scripts.receptionist)))
    agent.enable_message(CheckIn)
    return agent


# -- state -------------------------------------------------------------------------------------------------------------


class Counting(BaseModel):
    """What the user may set in a conversation with the counter."""

    name: str = Field(default="sum", title="What is counted", max_length=40)
    factor: int = Field(default=1, ge=1, le=10, title="Factor", description="Each number is taken so many times.")


def next_numbers(question: str, answer: str) -> list[str]:
    """What the user may say next."""
    return ["Add 1.", "Add 100."]


def counter(context: AgentContext) -> lr.ChatAgent:
    """An agent that keeps a number: it is what it was where the branch goes on, whatever became of the agent."""

    class Add(lr.ToolMessage):
        request: str = "add"
        purpose: str = "To add a <number> to the sum."
        number: int

        def handle(self) -> str:
            number = self.number * context.settings.get("factor", 1)
            context.state["sum"] = context.state.get("sum", 0) + number
            return f"The {context.settings.get('name', 'sum')} is {context.state['sum']}."

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(mock=scripts.counter)))
    agent.enable_message(Add)
    return agent
