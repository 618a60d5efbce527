"""Agents that show things beside their words, for end-to-end tests. Their model is `tests/stub_llm.py`."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import langroid as lr
from langroid.agent.chat_document import ChatDocMetaData, ChatDocument
from langroid.mytypes import Entity
from langroid.parsing.file_attachment import FileAttachment
from pydantic import BaseModel

from chat.agents import AgentContext
from chat.agents.llm import llm_config
from tests.part_things import THINGS


class Poem(BaseModel):
    title: str
    lines: int = 4


def shows(context: AgentContext) -> lr.ChatAgent:
    """Tools that show: `show` from where it is told to, `give` as its result."""

    class Show(lr.ToolMessage):
        request: str = "show"
        purpose: str = "To show <what> from <where>."
        what: str = "image"
        where: str = "here"
        times: int = 1

        def handle(self) -> str:
            def show() -> None:
                for _ in range(self.times):
                    context.show(THINGS[self.what], name=f"a {self.what}", alt="as it is")

            async def show_later() -> None:
                await asyncio.sleep(0)
                show()

            if self.where == "thread":
                thread = threading.Thread(target=show)
                thread.start()
                thread.join()
            elif self.where == "coroutine":
                asyncio.run(show_later())
            elif self.where == "sub-agent":
                helper = lr.ChatAgent(lr.ChatAgentConfig(name="Helper", **config))
                helper.enable_message(Show)
                order = f'[[tool=show args={{"what":"{self.what}"}} then.text="DONE"]]'
                lr.Task(helper, interactive=False, name="Helper").run(order, turns=4)
            else:
                show()
            return "shown"

    class Plot(lr.ToolMessage):
        request: str = "plot"
        purpose: str = "To draw <points> points, each time others."
        points: int = 200

        def handle(self) -> str:
            from matplotlib.figure import Figure

            figure = Figure(figsize=(4, 3))
            figure.subplots().plot([random.random() for _ in range(self.points)])
            context.show(figure, name="noise.png", alt="noise")
            return "drawn"

    class Give(lr.ToolMessage):
        request: str = "give"
        purpose: str = "To give back <what>."
        what: str = "table"

        def handle(self) -> Any:
            if self.what == "files":
                file = FileAttachment(content=THINGS["image"], filename="seen.png", mime_type="image/png")
                metadata = ChatDocMetaData(sender=Entity.AGENT)
                return ChatDocument(content="one file", files=[file], metadata=metadata)
            return THINGS[self.what]

    class Die(lr.ToolMessage):
        request: str = "show_and_die"
        purpose: str = "To show something and end the process."

        def handle(self) -> str:
            context.show(THINGS["image"], name="last words.png")
            Path(os.environ["DATA_DIR"], "shown").touch()
            threading.Event().wait(30)
            return "never"

    class AskForm(lr.ToolMessage):
        request: str = "ask_form"
        purpose: str = "To ask for a poem's fields."

        def handle(self) -> str:
            poem = context.ask.form(Poem, "Which poem?")
            return "no answer" if poem is None else f"{poem.title}, {poem.lines} lines"

    config: dict[str, Any] = {"llm": llm_config(), "use_functions_api": True, "use_tools": False}
    agent = lr.ChatAgent(lr.ChatAgentConfig(name="Shows", **config))
    agent.enable_message([Show, Plot, Give, Die, AskForm])
    return agent


def shows_at_once(context: AgentContext) -> lr.ChatAgent:
    """Shows something while it is made."""
    context.show({"made": True}, name="the factory")
    return lr.ChatAgent(lr.ChatAgentConfig(name="At once", llm=llm_config()))


def reads(context: AgentContext) -> lr.ChatAgent:
    """Tools that read what the user has given, and ask for it."""

    class Read(lr.ToolMessage):
        request: str = "read"
        purpose: str = "To read all files."

        def handle(self) -> str:
            found = [
                {
                    "name": file.name,
                    "new": file.is_new,
                    "text": file.text if file.is_text else None,
                    "bytes": len(file.path.read_bytes()),
                    "path": file.path.name,
                }
                for file in context.files
            ]
            return json.dumps(found)

    class AskFile(lr.ToolMessage):
        request: str = "ask_file"
        purpose: str = "To ask for a file."

        def handle(self) -> str:
            (file,) = context.ask.file("Which poem?")
            return f"{file.name}: {file.text}"

    agent = lr.ChatAgent(lr.ChatAgentConfig(name="Reads", llm=llm_config(), use_functions_api=True, use_tools=False))
    agent.enable_message([Read, AskFile])
    return agent


def steps(context: AgentContext) -> lr.ChatAgent:
    """Tells how far it is: while it is made, and in its tool."""
    if context.settings.get("SLOW"):
        with context.step("Reading 4 files") as step:
            for done in range(1, 5):
                step(done, 4)
                time.sleep(0.6)

    class Ingest(lr.ToolMessage):
        request: str = "ingest"
        purpose: str = "To ingest <many> documents, with a pause of <seconds> after each."
        many: int = 4
        seconds: float = 0

        def handle(self) -> str:
            for at in range(self.many):
                context.progress("Ingesting", at / self.many)
                time.sleep(self.seconds)
            context.progress("Ingesting", 1.0)
            if self.seconds:
                time.sleep(2)
            return "done"

    agent = lr.ChatAgent(lr.ChatAgentConfig(name="Steps", llm=llm_config(), use_functions_api=True, use_tools=False))
    agent.enable_message([Ingest])
    return agent
