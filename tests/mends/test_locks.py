"""Transactions of the chat on a connection of a project that gives SQLite no options."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing

import pytest
from django.db import connection, connections

from chat.mends import sqlite
from chat.mends.locks import brief_transaction
from chat.mends.sqlite import lent_connection
from chat.models import ServerProcess

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="others lock rows"),
]


@pytest.fixture
def plain(monkeypatch) -> Iterator[None]:
    """Django's connection as such a project has it; none is kept yet."""
    monkeypatch.setattr(sqlite, "_kept", sqlite._Kept())
    own, made = connections["default"], connections["default"].copy()
    made.settings_dict = {**own.settings_dict, "OPTIONS": {}}
    connections["default"] = made
    yield
    for each in (made, *sqlite._kept._idle):
        each.close()
    connections["default"] = own


def write_elsewhere() -> None:
    """Another program writes, or is refused."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0)) as other, other:
        other.execute("DELETE FROM django_session")


OWN: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "the request's": brief_transaction,
    "lent": lent_connection,
}


@pytest.mark.parametrize("kind", OWN)
def test_what_reads_first_and_writes_then_is_never_refused_for_what_was_written_in_between(plain, kind):
    with OWN[kind](), brief_transaction():
        assert ServerProcess.objects.count() == 0
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_elsewhere()
        ServerProcess.objects.create(host="here", pid=1)
    assert ServerProcess.objects.count() == 1


def test_the_project_s_own_transactions_begin_as_before(plain):
    with brief_transaction():
        pass
    assert connections["default"].transaction_mode is None
