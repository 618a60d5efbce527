"""An agent that takes more than text: the user's files, or asks for one; it tells in whose language and time zone.

What it needs of the process (here: a table of units) is made once, for all conversations, and its making is seen.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import langroid as lr
import pandas as pd
from langroid.language_models.base import LLMMessage

from chat.agents import AgentContext
from chat.agents.mock_model import Reply, call
from chat.demo.scripts import is_after_tool
from chat.demo.things import chart
from chat.files.given import GivenFile

MAX_BARS = 12


def analyst(context: AgentContext) -> lr.ChatAgent:
    """Describes tables, draws them, and writes a report to take away."""
    units = context.shared("analyst.units", lambda: load_units(context))

    class Describe(lr.ToolMessage):
        request: str = "describe_table"
        purpose: str = "To describe the numbers of the user's newest CSV file. Asks for one where there is none."

        def handle(self) -> pd.DataFrame:
            return table_of(context).describe().rename_axis("of the column").reset_index()  # shown without a call

    class Draw(lr.ToolMessage):
        request: str = "draw_table"
        purpose: str = "To draw the first column of numbers in the user's newest CSV file."

        def handle(self) -> str:
            table = table_of(context)
            column = table.select_dtypes("number").columns[0]
            title = f"{column} ({units.get(str(column).lower(), 'no unit')})"
            first = table.head(MAX_BARS)
            context.show(
                chart(dict(zip(first.iloc[:, 0].astype(str), first[column], strict=True)), title),
                name=f"{column}.png",
                alt=f"A bar for each of {len(first)} rows, the longest has {first[column].max():g}",
            )
            return f"{column} is drawn."

    class Report(lr.ToolMessage):
        request: str = "write_report"
        purpose: str = "To write a report of the user's newest CSV file, as a file."

        def handle(self) -> str:
            table, now = table_of(context), datetime.now(ZoneInfo(context.time_zone) if context.time_zone else UTC)
            reader = context.user.get_username() if context.user else "a visitor"
            lines = [
                f"For {reader}, {now:%Y-%m-%d %H:%M %Z}, language: {context.language or 'unknown'}",
                f"{len(table)} rows, columns: {', '.join(map(str, table.columns))}",
            ]
            context.conversation.title, context.conversation.folder = "Report of a table", "Reports"
            context.show("\n".join(lines).encode(), name="report.txt")
            return "The report is written."

    agent = lr.ChatAgent(
        lr.ChatAgentConfig(
            llm=context.llm(mock=_script),
            system_message="You describe, draw and report the tables that the user gives you, with your tools.",
        )
    )
    agent.enable_message([Describe, Draw, Report])
    return agent


def table_of(context: AgentContext) -> pd.DataFrame:
    """The newest CSV file; the user is asked for one where there is none yet."""
    given = [file for file in context.files if file.type == "text/csv"]
    file: GivenFile = given[-1] if given else context.ask.file("Which table? A CSV file, please.")[0]
    return pd.read_csv(io.StringIO(file.text))


def load_units(context: AgentContext) -> dict[str, str]:
    """Stands for what takes long: a model, an index, a connection."""
    with context.step("Loading the units") as step:
        for done in range(1, 4):
            step(done, 3)
            time.sleep(0.2)
    return {"mass": "kg", "radius": "km", "moons": "number"}


def _script(messages: Sequence[LLMMessage]) -> Reply | str:
    """What the mock model says."""
    if is_after_tool(messages):
        told = messages[-1].content or ""
        return told if told.endswith(".") else "That is what your table says."
    said = (messages[-1].content or "").lower()
    if "draw" in said:
        return call("draw_table")
    if "report" in said:
        return call("write_report")
    return call("describe_table")
