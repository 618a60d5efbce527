"""What an agent's code asks at a terminal, by `input()` or rich's prompts, is asked on the page.

There is nobody at the server's terminal: it would hang there, or end at once. Elsewhere in the process all is as ever.
"""

# ruff: noqa: E402
from __future__ import annotations

import builtins
from typing import Any

from chat.agents.langroid import setup

setup.import_langroid()

from rich.console import Console
from rich.text import Text

from chat.agents.langroid import loops, mends
from chat.agents.langroid.scope import Scope, current, override
from chat.agents.langroid.turns import NO_ANSWER, ask_user

NOBODY = "nobody can be asked while an agent is made: ask in a tool, or in the conversation"

_at_the_terminal = builtins.input


def _input(prompt: object = "", /) -> str:
    now = current.get()
    if now is not None:
        return _ask(now, str(prompt))
    if loops.is_kept():
        raise EOFError(NOBODY)
    return _at_the_terminal(prompt)


def _ask(now: Scope, prompt: str) -> str:
    """Raises: TurnStopped, EOFError without an answer."""
    answer = ask_user(now, now.span.agent, prompt.strip())
    if answer == NO_ANSWER:
        raise EOFError(answer)
    return answer


@override(Console, "input", mend=mends.TERMINAL)
def _console_input(original: Any, now: Scope, console: Console, prompt: str | Text = "", **options: Any) -> str:
    return _ask(now, Text.from_markup(prompt).plain if isinstance(prompt, str) else prompt.plain)


if mends.TERMINAL.holds:
    builtins.input = _input
