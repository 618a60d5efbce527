"""What an agent can ask its user inside a turn: one question, by a method for each kind of answer.

    city = context.ask.text("Which city?")
    if context.ask.approval("Delete all of it?"):
        ...

Each blocks until the answer. A stop raises `Stopped`, which unwinds the turn. Imports no Langroid.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from chat.observer import Answer, Question, QuestionKind, Stopped
from chat.wire.values import problem_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from chat.files.given import GivenFile

    Form = TypeVar("Form", bound=BaseModel)

Asker = Callable[[Question], Answer | None]


@dataclass(frozen=True)
class Approval:
    """Whether the user agrees. True in a condition if so."""

    approved: bool
    args: dict[str, Any]  # as the user has left them
    reason: str = ""  # why not

    def __bool__(self) -> bool:
        return self.approved


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Asks the user. From any tool, sub-agent or thread; one question at a time, the others wait."""

    agent: str
    asker: Asker | None
    halts: Callable[[], bool]
    files_of: Callable[[Answer], Sequence[GivenFile]]

    def text(self, prompt: str, *, timeout: float | None = None) -> str | None:
        """Ask for a text; None when there was none in so many seconds. Raises: Stopped."""
        answer = self._answer(Question(prompt=prompt, agent=self.agent, timeout_seconds=timeout))
        return None if answer is None else answer.content

    def choice(self, prompt: str, options: Sequence[Any], *, timeout: float | None = None) -> Any:
        """Ask for one of the options: texts, or dicts with "label" and "value". None: none in time. Raises: Stopped."""
        question = Question(
            prompt=prompt, agent=self.agent, kind="choice", options=tuple(options), timeout_seconds=timeout
        )
        answer = self._answer(question)
        return None if answer is None else answer.choice

    def approval(
        self,
        prompt: str,
        *,
        tool: str | None = None,
        args: dict[str, Any] | None = None,
        schema: type[BaseModel] | None = None,
        timeout: float | None = None,
    ) -> Approval:
        """Ask for leave. `tool` and `args` are shown and can be edited, against the schema. Raises: Stopped."""
        question = Question(
            prompt=prompt,
            agent=self.agent,
            kind="approval",
            tool_name=tool,
            tool_args=args,
            schema=None if schema is None else schema.model_json_schema(),
            timeout_seconds=timeout,
        )
        answer = self._answer(question)
        if answer is None or not answer.approved:
            return Approval(False, args or {}, "" if answer is None else answer.content)
        return Approval(True, answer.tool_args or args or {})

    def file(self, prompt: str, *, timeout: float | None = None) -> Sequence[GivenFile]:
        """Ask for files; none when there were none in time. Raises: Stopped."""
        answer = self._answer(Question(prompt=prompt, agent=self.agent, kind="file", timeout_seconds=timeout))
        return () if answer is None else self.files_of(answer)

    def form(
        self, schema: type[Form], prompt: str = "", *, values: Form | None = None, timeout: float | None = None
    ) -> Form | None:
        """Ask for the fields of a pydantic class, until they fit it; None: not in time. Raises: Stopped."""
        from pydantic import ValidationError

        filled = None if values is None else values.model_dump(mode="json")
        problem = ""
        while True:
            question = Question(
                prompt=problem or prompt,
                agent=self.agent,
                kind="form",
                schema=schema.model_json_schema(),
                tool_args=filled,
                timeout_seconds=timeout,
            )
            answer = self._answer(question)
            if answer is None:
                return None
            filled = answer.tool_args or {}
            try:
                return schema.model_validate_json(json.dumps(filled))  # a strict class takes a day from JSON alone
            except ValidationError as error:
                problem = problem_of(error)

    def __call__(
        self,
        prompt: str,
        *,
        kind: QuestionKind = "text",
        options: Sequence[Any] = (),
        tool_name: str | None = None,
        tool_args: dict[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer | None:
        """Ask whatever kind; None when there is no answer: stopped, gone, or the time is over."""
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

    def _answer(self, question: Question) -> Answer | None:
        answer = None if self.asker is None else self.asker(question)
        if answer is None and self.halts():
            raise Stopped
        return answer
