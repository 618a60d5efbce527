# ruff: noqa: E402
"""Fixtures that tests of more than one file use."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "tests.client", "tests.faults", "tests.recorder", "tests.patterns"
)  # what fails there says why

from tests import programs
from tests.servers import COMMANDS, Server
from tests.stub_llm import StubServer

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell has it for what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what the tests start is to heed Ctrl-C


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", action="store_true", help="also what a push does not wait for: docs/projects.md")
    parser.addoption("--server", default="daphne", choices=sorted(COMMANDS), help="what serves the end-to-end tests")


LONG = ["faults", "browser", "hosts", "endtoend", "project"]  # folders whose files take longest, in this order


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for, and have the long files first, or the last of them runs alone."""
    folders = [*LONG, *(item.path.parent.name for item in items)]
    items.sort(key=lambda item: min(folders.index(item.path.parent.name), len(LONG)))
    if not config.getoption("--matrix"):
        left = [item for item in items if item.get_closest_marker("matrix")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Make SQLite's test database a file, one per worker: a database in memory is locked for other threads."""
    from django.db import connections

    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def _no_files(tmp_path, monkeypatch):
    """Attachments of each test lie in a folder of its own."""
    from django.conf import settings
    from django.core.files.storage import storages

    monkeypatch.setitem(settings.STORAGES["chat"]["OPTIONS"], "location", tmp_path / "attachments")
    monkeypatch.setattr(storages, "_storages", {})


@pytest.fixture(autouse=True)
def _no_strangers():
    """No test pays for the visitors of another."""
    from chat.connection.strangers import strangers

    strangers.forget()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Address of a Redis of this worker's own."""
    with programs.redis_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a database in a PostgreSQL cluster of this worker's own."""
    with programs.postgres_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def stub() -> Iterator[StubServer]:
    """A model's server. Its counters and requests belong to whoever resets it: tests of one worker run one by one."""
    with StubServer() as server:
        yield server


@pytest.fixture
def fresh_stub(stub: StubServer) -> StubServer:
    """The same, with nothing open and all counters at zero."""
    stub.wait(open=0)
    stub.reset()
    return stub


@pytest.fixture(scope="module")
def server(stub: StubServer, tmp_path_factory: pytest.TempPathFactory, pytestconfig) -> Iterator[Server]:
    """A real server, whose agents talk to the stub."""
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    kind = pytestconfig.getoption("--server")
    with Server(tmp_path_factory.mktemp("server"), kind=kind, **environment) as server:
        yield server
