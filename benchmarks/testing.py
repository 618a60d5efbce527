"""What a turn costs in a test with `chat.testing`: a real session, a scripted model.

python -m benchmarks.testing '{"count": 50}'        # prints JSON: seconds of each turn, the first apart
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest


class _Measured:
    """A plugin: hands the test its length, and takes its figures."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.seconds: list[float] = []

    @pytest.fixture
    def measured(self) -> _Measured:
        return self


def test_turns(chat_agent: Callable[..., Any], measured: _Measured, settings: Any) -> None:
    settings.CHAT_AGENTS = {"assistant": {"FACTORY": "chat.demo.agents.assistant"}}
    assistant = chat_agent("assistant", model=lambda messages: "Two and two is four.")
    for _ in range(measured.count + 1):
        started = time.perf_counter()
        assistant.say("What is two and two?")
        measured.seconds.append(time.perf_counter() - started)


def measure(count: int) -> dict[str, Any]:
    plugin = _Measured(count)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "chat.testing.plugin", __file__], plugins=[plugin])
    assert code == 0, printed.getvalue()
    return {"first_seconds": plugin.seconds[0], "seconds": plugin.seconds[1:]}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
