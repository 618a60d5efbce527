"""Agents whose tools have cards, whose answers have sources, and one that speaks first. No model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import langroid as lr
from langroid.language_models.base import LLMMessage
from pydantic import BaseModel, Field

from chat.agents import AgentContext
from chat.agents.mock_model import Reply, call, last_said

SELECT = "SELECT name, born\nFROM people\nWHERE born < 1900 -- long ago\nORDER BY born"
CODE = 'def moons(planet: str) -> int:\n    """How many it has."""\n    return {"Saturn": 274}.get(planet, 0)\n'
PEOPLE = [{"name": "Ada", "born": 1815}, {"name": "Alan", "born": 1912}, {"name": "Grace", "born": 1906}]
HITS = [
    {"title": "The moons of Saturn", "url": "https://example.org/moons", "snippet": "Saturn has 274 known moons."},
    {
        "title": "A page with a very long address",
        "url": "https://example.org/" + "long" * 30,
        "snippet": "Rings. " * 30,
    },
    {"title": "A bad link", "url": "javascript:alert(1)", "snippet": "It is none."},
]
CALLS = {
    "sql": call("run_query", query=SELECT),
    "code": call("run_code", code=CODE),
    "search": call("find", query="moons"),
    "json": call("look_up", planet="Saturn"),
    "letter": call("write_letter", to="Ada <b>Lovelace</b>"),
    "sources": call("cite"),
}
CITED = (
    "Saturn has 274 known moons [^1], and its rings are mostly ice [^2, 3].\n\n- Jupiter has 97 [^1][^4].\n\n"
    "`[^1]` in code stays."
)


def cards(context: AgentContext) -> lr.ChatAgent:
    def tool(name: str, gives: object) -> type[lr.ToolMessage]:
        class Made(lr.ToolMessage):
            request: str = name
            purpose: str = "To do it."
            query: str = ""
            code: str = ""
            planet: str = ""
            to: str = ""

            def handle(self) -> object:
                if name == "run_code" and not _may_run(context):
                    return "no"
                if name == "cite":
                    context.sources(SOURCES)
                return gives

        return Made

    gives = {
        "run_query": PEOPLE,
        "run_code": "274",
        "find": HITS,
        "look_up": json.dumps({"planet": "Saturn", "moons": {"count": 274, "named": ["Titan", "Rhea"]}}),
        "write_letter": {"text": "Come to lunch & bring the engine."},
        "cite": "cited",
    }
    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(mock=_script)))
    agent.enable_message([tool(name, result) for name, result in gives.items()])
    return agent


def _may_run(context: AgentContext) -> bool:
    """Without a schema, so what is edited is JSON; and with a time."""
    return context.ask.approval("Run this code?", args={"seconds": 5}, timeout=900).approved


SOURCES = [
    {
        "title": "The Moons of Saturn",
        "document": "moons.pdf",
        "page": 12,
        "quote": "Saturn has 274 known moons.\nAll icy.",
    },
    {"title": "rings.example", "url": "https://example.org/rings"},
    {"title": "Notes", "file": b"a note", "quote": "mostly ice"},
    {"title": "A source with a title that is so long that it does not fit into a chip of the page, however wide"},
]


def _script(messages: Sequence[LLMMessage]) -> Reply | str:
    """The user's word is a call; whatever a tool gives back ends the turn."""
    said = last_said(messages).strip().lower()
    return CITED if said == "cited" else CALLS.get(said, "There you have it.")


class Stay(BaseModel):
    """Your stay"""

    name: str = "guest"
    bed: Literal["single", "double"] = "single"
    nights: int = Field(1, ge=1, le=14)


def host(context: AgentContext) -> lr.ChatAgent:
    stay = f"{context.settings['name']}, {context.settings['nights']} nights"
    return lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(mock=lambda messages: f"Welcome, {stay}.")))
