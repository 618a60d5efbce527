"""Fixtures of the fault tests: servers of each test's own, since the tests end them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers import Server
from tests.stub_llm import StubServer

Start = Callable[..., Server]


@pytest.fixture
def start(stub: StubServer, tmp_path: Path) -> Iterator[Start]:
    """Start a server whose agents talk to the stub: `start(kind="uvicorn", CHAT_DRAIN_SECONDS="1")`."""
    stub.reset()
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    with ExitStack() as stack:

        def start(**options: str) -> Server:
            return stack.enter_context(Server(tmp_path, **{**environment, **options}))

        yield start
