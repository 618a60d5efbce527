"""An agent that gives more than text: whatever can be shown, steps, sources. No key, no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import langroid as lr
from langroid.language_models.base import LLMMessage

from chat.agents import AgentContext
from chat.agents.mock_model import Reply, call, last_said
from chat.demo import things
from chat.demo.scripts import is_after_tool

# What `context.show` is given: the page makes a table, a picture, a player or a download of it by its content.
SHOWN: dict[str, Callable[[], dict[str, Any]]] = {
    "table": lambda: {"thing": things.PLANETS, "name": "Planets"},
    "chart": lambda: {"thing": things.radii(), "name": "Radii.png", "alt": "Bars: Saturn is by far the largest."},
    "pdf": lambda: {"thing": things.pdf(), "name": "Radii.pdf"},
    "sound": lambda: {"thing": things.tone(), "name": "The A above middle C.wav"},
    "json": lambda: {
        "thing": {"planets": things.PLANETS, "source": {"year": 2026, "checked": True}},
        "name": "Planets",
    },
    "diff": lambda: {"thing": things.DIFF, "name": "poem.diff"},
    "file": lambda: {"thing": b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "name": "concert.ics"},
    "note": lambda: {"thing": "A **note** in its place, as Markdown: $r_{Saturn} = 9.1\\,r_{Earth}$."},
}
OTHERS = ("steps", "sources", "error")
HELP = "Say one of these: " + ", ".join(f"**{thing}**" for thing in (*SHOWN, *OTHERS)) + ". Or: **everything**."


def showcase(context: AgentContext) -> lr.ChatAgent:
    """Shows what `context` can show."""

    class Show(lr.ToolMessage):
        request: str = "show_things"
        purpose: str = f"To show <things>, some of: {', '.join((*SHOWN, *OTHERS))}."
        things: list[str]

        def handle(self) -> str:
            for thing in self.things:
                match thing:
                    case "steps":
                        read_files(context)
                    case "sources":
                        context.sources(things.SOURCES)
                    case "error":
                        raise RuntimeError("This tool fails on purpose.")
                    case _:
                        context.show(**SHOWN[thing]())
            return f"There you have it: {', '.join(self.things)}."

    config = lr.ChatAgentConfig(llm=context.llm(mock=_script), system_message="Show things with your tool.")
    agent = lr.ChatAgent(config)
    agent.enable_message(Show)
    return agent


def read_files(context: AgentContext) -> None:
    """A bar on the tool's card, as far as the work has come."""
    with context.step("Reading 8 files") as step:
        for done in range(1, 9):
            step(done, 8)
            time.sleep(0.3)


def _script(messages: Sequence[LLMMessage]) -> Reply | str:
    """What the mock model says: it calls the tool for the words that it hears."""
    if is_after_tool(messages):
        return messages[-1].content or ""
    said = last_said(messages).lower()
    wanted = list(SHOWN) if "everything" in said else [thing for thing in (*SHOWN, *OTHERS) if thing in said]
    return call("show_things", things=wanted) if wanted else HELP
