"""What a model says in a test, step by step: one step for each time that it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One answer of a model."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()  # tools, with their arguments
    hangs: bool = False


Said = Step | str | Callable[[Sequence[Any]], "Step | str"]  # a callable gets the messages that the model was sent


def say(text: str = "", *calls: Step, reasoning: str = "", hangs: bool = False) -> Step:
    """The model says a text, and calls tools: `say("Let me see.", call("look", at="the sea"))`.

    With `hangs` it does not end after the text, until a stop ends it.
    """
    return Step(text, reasoning, tuple(made for step in calls for made in step.calls), hangs)


def call(tool: str, /, **args: Any) -> Step:
    """The model calls a tool, without a word."""
    return Step(calls=((tool, args),))


class ScriptEnded(AssertionError):
    """The model was asked once more than the script has steps."""


class Script:
    """Gives the steps out, one after the other. Any thread."""

    def __init__(self, said: Said | Iterable[Said] | Mapping[str, Iterable[Said]]) -> None:
        """`said`: the steps of whatever agent asks; or those of each agent, by its name."""
        self._lock = threading.Lock()
        self._by_agent = isinstance(said, Mapping)
        by_agent = said if isinstance(said, Mapping) else {"": said}
        self._steps = {name: _listed(each) for name, each in by_agent.items()}
        self._given: dict[str, int] = {}
        self.requests: list[list[dict[str, str]]] = []  # what the model was sent: role and content of each message
        self.overrun: ScriptEnded | None = None

    def next(self, agent: str, messages: Sequence[Any], shown: list[dict[str, str]]) -> Step:
        """The next step for this agent. Raises: ScriptEnded."""
        name = agent if self._by_agent else ""
        with self._lock:
            self.requests.append(shown)
            steps, at = self._steps.get(name, []), self._given.get(name, 0)
            self._given[name] = at + 1
            if callable(steps):
                step: Any = steps
            elif at < len(steps):
                step = steps[at]
            else:
                who = f"the model of {agent!r}" if self._by_agent else "the model"
                times = f"was asked {at + 1} times, and has {len(steps)} steps"
                self.overrun = ScriptEnded(f"{who} {times}; last: {shown[-1:]}")
                raise self.overrun
        said = step(messages) if callable(step) else step
        return Step(said) if isinstance(said, str) else said


def _listed(said: Any) -> Any:
    return said if callable(said) else [said] if isinstance(said, Step | str) else list(said)
