"""The pytest plugin: the fixture `chat_agent`, which makes an agent of `CHAT_AGENTS` with a scripted model.

def test_the_poet_sings(chat_agent):
    poet = chat_agent("poet", model=[say("The sea, the sea.")])
    assert poet.say("Sing of the sea").text == "The sea, the sea."
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SQLITE = "django.db.backends.sqlite3"
MEMORY = Path("/dev/shm")  # a file system in memory, where the system has one
TEST_SETTINGS = {
    "CHANNEL_LAYERS": {"default": {"BACKEND": "chat.layers.InMemoryLayer"}},
    "CHAT_TURNS_PER_MINUTE": 100_000,
    "CHAT_FRAMES_PER_SECOND": 100_000.0,
    "CHAT_FRAMES_BURST": 100_000,
}

_folder = pytest.StashKey[str]()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let SQLite's test database be a file: one in memory is locked for other threads, and agents have theirs."""
    from django.conf import settings

    if not settings.configured or "chat" not in settings.INSTALLED_APPS:
        return
    database = settings.DATABASES.get("default", {})
    if database.get("ENGINE") != SQLITE or database.get("TEST", {}).get("NAME"):
        return
    folder = config.stash[_folder] = tempfile.mkdtemp(prefix="chat-test-", dir=MEMORY if MEMORY.is_dir() else None)
    database.setdefault("TEST", {})["NAME"] = f"{folder}/test.sqlite3"


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_folder, None):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _chat_loop() -> Iterator[Any]:
    from chat.agents import registry  # noqa: F401  (Langroid takes seconds: not of the first test's)
    from chat.local import Loop

    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def chat_agent(_chat_loop: Any, transactional_db: None, settings: Any) -> Iterator[Callable[..., Any]]:
    """Make an agent of `CHAT_AGENTS` whose models all answer from a script: `chat_agent("poet", model=[say("…")])`.

    `model`: steps, one for each time that a model is asked; or the steps of each agent, by its name; or a callable that
    is given the messages. Without it the agent's own models answer. `user`: who talks to it; else a visitor.
    `options`: others of the socket's address, such as `tz`.
    """
    from chat.cluster.process import this_process
    from chat.owners import Owner
    from chat.testing.agent import AgentUnderTest
    from chat.testing.script import Script

    for name, value in TEST_SETTINGS.items():
        setattr(settings, name, value)
    this_process.is_draining = False
    made: list[AgentUnderTest] = []

    def make(key: str, *, model: Any = None, user: Any = None, **options: str) -> AgentUnderTest:
        who = {"visitor": secrets.token_hex(32)} if user is None else {"user_id": user.pk, "name": user.get_username()}
        owner = Owner(**who, is_vouched_for=True)
        made.append(AgentUnderTest(_chat_loop, owner, None if model is None else Script(model), agent=key, **options))
        return made[-1]

    yield make
    for agent in made:
        agent.close()
    _chat_loop.do(this_process.end())
