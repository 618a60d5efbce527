"""What a factory and its tools know of the session that they work for.

Imports no Langroid: importing this, or `chat.agents`, costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chat.observer import Answer, Part, Question, QuestionKind

if TYPE_CHECKING:
    from langroid.language_models.base import LLMConfig

    from chat.files.given import GivenFile
    from chat.models import Message

Asker = Callable[[Question], Answer | None]
Shower = Callable[[Part], None]


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """What a factory and its tools know of the session that they work for."""

    conversation_id: str
    user: Any = None  # Django's user; None: an anonymous visitor
    history: Sequence[Message] = ()  # the transcript so far; given to the agent by itself
    settings: Mapping[str, Any] = field(default_factory=dict)  # the agent's OPTIONS
    resources: dict[str, Any] = field(default_factory=dict)  # yours to fill: lives with the conversation's session here
    agent: str = ""  # the agent's name, as people see it
    asker: Asker | None = None  # `Observer.ask` of the session
    shower: Shower | None = None  # `Observer.show` of the session, at the place of the calling thread
    giver: Callable[[], Sequence[GivenFile]] | None = None  # the session's

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

    def ask(
        self,
        prompt: str,
        *,
        kind: QuestionKind = "text",
        options: Sequence[Any] = (),
        tool_name: str | None = None,
        tool_args: dict[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer | None:
        """Ask the user, from a tool, and block until the answer.

        `options` are those of a choice. With `tool_name` and `tool_args` the page shows what is to be approved.
        Return None when there is no answer: the user has stopped the turn or gone, or the time is over.
        """
        if self.asker is None:
            return None
        question = Question(
            prompt=prompt,
            agent=self.agent,
            kind=kind,
            options=tuple(options),
            tool_name=tool_name,
            tool_args=tool_args,
            timeout_seconds=timeout_seconds,
        )
        return self.asker(question)
