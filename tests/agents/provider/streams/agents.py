# ruff: noqa: E402
"""The agent of the cases, and what its tools did."""

from __future__ import annotations

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ToolMessage


class Calculate(ToolMessage):
    request: str = "calculate"
    purpose: str = "To calculate an <expression>."
    expression: str

    def handle(self) -> str:
        return f"the value of {self.expression}"


class Now(ToolMessage):
    request: str = "now"
    purpose: str = "To tell the time."

    def handle(self) -> str:
        return "noon"


class SendLetter(ToolMessage):
    request: str = "send_letter"
    purpose: str = "To send a letter with a <text> <to> somebody."
    to: str
    text: str

    def handle(self) -> str:
        return f"sent to {self.to}"


TOOLS = [Calculate, Now, SendLetter]
