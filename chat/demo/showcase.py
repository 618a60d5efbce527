"""An agent that gives and takes more than text: a table, JSON, a diff, files, steps, sources. No key, no network."""

from __future__ import annotations

import time
from collections.abc import Sequence

import langroid as lr
from langroid.language_models.base import LLMMessage, Role

from chat.agents import AgentContext
from chat.agents.mock_model import Reply, call, last_said

PLANETS = [
    {"Planet": "Mercury", "Moons": 0, "Radius in km": 2440},
    {"Planet": "Venus", "Moons": 0, "Radius in km": 6052},
    {"Planet": "Earth", "Moons": 1, "Radius in km": 6371},
    {"Planet": "Mars", "Moons": 2, "Radius in km": 3390},
    {"Planet": "Saturn", "Moons": 274, "Radius in km": 58232},
]
DIFF = "--- a/poem.txt\n+++ b/poem.txt\n@@ -1,2 +1,2 @@\n-The grey see lifts\n+The grey sea lifts\n its shoulder.\n"
HELP = "Say **table**, **JSON**, **diff**, **steps** or **sources**, or attach files and say **files**."


def showcase(context: AgentContext) -> lr.ChatAgent:
    """Shows what `context` can show, and reads what it is given."""

    class Show(lr.ToolMessage):
        request: str = "show_things"
        purpose: str = "To show a <thing>: table, json, diff, steps, sources or files."
        thing: str

        def handle(self) -> str:
            match self.thing:
                case "table":
                    context.show(PLANETS, name="Planets")
                case "json":
                    context.show({"planets": PLANETS, "source": {"year": 2026, "checked": True}}, name="Planets")
                case "diff":
                    context.show(DIFF, name="poem.diff")
                case "steps":
                    with context.step("Reading 8 files") as step:
                        for done in range(1, 9):
                            step(done, 8)
                            time.sleep(0.3)
                case "sources":
                    context.sources(
                        [
                            {"title": "The Moons of Saturn", "page": 12, "quote": "Saturn has 274 known moons."},
                            {"title": "Langroid", "url": "https://langroid.github.io/langroid/"},
                        ]
                    )
                case "files":
                    return "\n".join(f"{file.name}: {file.type}, {file.size_bytes} bytes" for file in context.files)
            return f"There you have it: {self.thing}."

    config = lr.ChatAgentConfig(
        llm=context.llm(mock=_script),
        system_message="Show things with your tool: tables, JSON, a diff, steps, sources, or the user's files.",
    )
    agent = lr.ChatAgent(config)
    agent.enable_message(Show)
    return agent


def _script(messages: Sequence[LLMMessage]) -> Reply | str:
    """What the mock model says: it calls the tool for the word that it hears."""
    if len(messages) > 1 and messages[-2].role == Role.ASSISTANT and '"request"' in (messages[-2].content or ""):
        return messages[-1].content or "Nothing was attached."
    said = last_said(messages).lower()
    things = ("table", "json", "diff", "steps", "sources", "files")
    thing = next((thing for thing in things if thing in said), "files" if "[attached:" in said else "")
    return call("show_things", thing=thing) if thing else HELP
