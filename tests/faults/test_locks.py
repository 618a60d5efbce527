"""Other programs hold locks of the database while turns run: a sample of `python -m tests.faults.locks`."""

from __future__ import annotations

import os

import pytest

from tests.faults.locks import POSTGRES, SQLITE, Locking

SECONDS = float(os.environ.get("FAULTS_LOCK_SECONDS", "6"))  # longer than a lease


@pytest.mark.parametrize("lock", ["another writer", "a reader, and VACUUM INTO"])
async def test_who_locks_sqlite_interrupts_nobody(start, lock):
    assert lock in SQLITE
    locking = Locking(start(), address="", seconds=SECONDS, seed=1)
    await locking.run(lock, "tool")


@pytest.mark.parametrize("lock", ["the rows of its messages", "CREATE INDEX"])
async def test_who_locks_postgresql_interrupts_nobody(start, postgres_url, lock):
    assert lock in POSTGRES
    locking = Locking(start(DATABASE_URL=postgres_url), address=postgres_url, seconds=SECONDS, seed=2)
    await locking.run(lock, "tool")
