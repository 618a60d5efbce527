"""What a factory and its tools know of the session that they work for.

Imports no Langroid: importing this, or `chat.agents`, costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from chat.agents.asking import Ask, Asker
from chat.agents.state import State, shared
from chat.agents.steps import Step, part_of
from chat.observer import Answer, Part, StepReport

if TYPE_CHECKING:
    from langroid.language_models.base import LLMConfig

    from chat.files.given import GivenFile
    from chat.models import Message

T = TypeVar("T")
Shower = Callable[[Part], None]
Reporter = Callable[[StepReport], None]


@dataclass(kw_only=True)
class About:
    """The conversation as the lists of its owner's pages show it, now. What an agent sets, the pages show at once.

    Each asks the database. Setting one raises TypeError for what is no text.
    """

    id: str = ""
    read: Callable[[str], str] | None = None  # the session's, with the name of a column
    change: Callable[[str, str], None] | None = None

    @property
    def title(self) -> str:
        """Its name, of 200 characters at most."""
        return self._read("title")

    @title.setter
    def title(self, title: str) -> None:
        self._change("title", title)

    @property
    def folder(self) -> str:
        """The folder in which it lies, of 60 characters at most; empty: in none. A conversation has this one tag."""
        return self._read("folder")

    @folder.setter
    def folder(self, folder: str) -> None:
        self._change("folder", folder)

    def _read(self, column: str) -> str:
        return self.read(column) if self.read is not None else ""

    def _change(self, column: str, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"the {column} of a conversation is a text, not {type(text).__name__}")
        if self.change is not None:
            self.change(column, text)


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """What a factory and its tools know of the session that they work for."""

    conversation_id: str
    user: Any = None  # Django's user; None: an anonymous visitor
    language: str = ""  # of the page in which the conversation began, one of the project's: "de"
    time_zone: str = ""  # of its browser: "Europe/Berlin"; empty: unknown
    conversation: About = field(default_factory=About)
    history: Sequence[Message] = ()  # the transcript so far; given to the agent by itself
    settings: Mapping[str, Any] = field(default_factory=dict)  # the agent's OPTIONS
    state: State = field(default_factory=State)  # JSON values of yours: stored with each turn, restored with its branch
    resources: dict[str, Any] = field(default_factory=dict)  # yours to fill: lives with the conversation's session here
    agent: str = ""  # the agent's name, as people see it
    suggestions: list[str] = field(default_factory=list)  # what `suggest` was given in this turn
    asker: Asker | None = None  # `Observer.ask` of the session
    halts: Callable[[], bool] = bool  # whether the turn is being stopped
    shower: Shower | None = None  # `Observer.show` of the session, at the place of the calling thread
    citer: Callable[[Sequence[Mapping[str, Any]]], None] | None = None  # `Observer.cite` of the session
    reporter: Reporter | None = None  # `Observer.progress` of the session, at the place of the calling thread
    giver: Callable[[], Sequence[GivenFile]] | None = None  # the session's

    @property
    def request_user(self) -> Any:
        """The user whose conversation it is, and who has sent the message; None: an anonymous visitor."""
        return self.user

    @property
    def files(self) -> Sequence[GivenFile]:
        """The files that the user has given up to now, the oldest first; those of this turn are `is_new`.

        Each has `name`, `type`, `size_bytes`, `bytes`, `text`, and a `path` as long as you keep it. Asks the database.
        """
        return self.giver() if self.giver is not None else ()

    def files_of(self, answer: Answer) -> Sequence[GivenFile]:
        """The files that came with the answer to a question."""
        ids = {item["id"] for item in answer.attachments}
        return [file for file in self.files if file.id in ids]

    def suggest(self, *texts: str) -> None:
        """Offer texts that the user may say next, below the answer of this turn."""
        self.suggestions[:] = texts

    def shared(self, key: str, make: Callable[[], T], *, close: Callable[[T], object] | None = None) -> T:
        """What all agents of this process share under a key: made once, by the first that asks for it; others wait.

        `close` is called with it when the process ends. For vector stores, models, connections of MCP.
        """
        return shared(key, make, close)

    def llm(self, **changes: Any) -> LLMConfig:
        """Return the configuration of this site's model, see `llm_config`.

        The agent's option MOCK_TOKENS_PER_SECOND sets the pace of the mock model; 0: no waiting.
        """
        from chat.agents.llm import llm_config  # imports Langroid
        from chat.agents.mock_model import MockConfig

        config = llm_config(**changes)
        if isinstance(config, MockConfig) and config.tokens_per_second and "MOCK_TOKENS_PER_SECOND" in self.settings:
            config.tokens_per_second = self.settings["MOCK_TOKENS_PER_SECOND"]
        return config

    def show(self, thing: Any, *, name: str = "", alt: str = "") -> None:
        """Show something in the chat, in order with what is said. From any tool, sub-agent, thread or coroutine.

        A text is Markdown, or a diff; a DataFrame or a list of rows is a table; bytes, or a `Path`, are an image
        (PNG, JPEG, GIF, WebP), audio, a PDF, or a file to be saved; a figure of Matplotlib or Plotly is an image;
        all other values of JSON can be unfolded. `alt` says what an image shows. It is kept with the conversation.

        Raises: TypeError for what cannot be shown; TooLarge, LimitReached; FileNotFoundError and its like of a path.
        """
        from chat.parts.things import part_of  # imports Pillow

        part = part_of(thing, name=name, alt=alt)
        if self.shower is not None:
            self.shower(part)

    def sources(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Name what the next answer stands on, from a tool or anywhere else.

        Each has as much as is known of `title`, `document`, `page`, `url`, `quote` and `file`: a `Path`, bytes, or one
        of `context.files`. The answer refers to the first as `[^1]`, or to whichever says `number`.

        Raises: TypeError for what is no source; TooLarge, LimitReached; FileNotFoundError and its like of a path.
        """
        if self.citer is not None:
            self.citer(sources)

    def progress(self, label: str, fraction: float | None = None) -> None:
        """Show how far a tool, or the factory, has come, from 0 to 1; without a number that it works.

        A bar on the tool's card, else in the answer's place, until the tool or the turn is over. Call it as often as
        you like, from any thread: pages are told four times a second.
        """
        if self.reporter is not None:
            self.reporter(StepReport(label=label, fraction=part_of(fraction)))

    def step(self, label: str) -> Step:
        """The same for a piece of work, which takes the bar away at its end.

        with context.step("Reading 12 files") as step:
            step(3, 12)
        """
        return Step(label, self.reporter)

    @property
    def ask(self) -> Ask:
        """Asks the user, from a tool, and blocks until the answer: `context.ask.text("Which city?")`."""
        return Ask(agent=self.agent, asker=self.asker, halts=self.halts, files_of=self.files_of)
