"""Turns of visitors that run, by address."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest

from chat.cluster.process import this_process
from chat.connection.strangers import _PerMinute, strangers
from chat.exceptions import Busy
from chat.owners import Owner

VISITOR = Owner(visitor="f" * 64)


@dataclass
class Session:
    is_idle: bool


@pytest.fixture
def sessions(monkeypatch):
    monkeypatch.setattr(this_process, "sessions", {})
    return this_process.sessions


def ask(sessions, address: str, *, is_idle: bool = False) -> uuid.UUID:
    """A visitor asks, and an agent takes it."""
    id = uuid.uuid4()
    strangers.check_turn(VISITOR, address, id)
    sessions[id] = Session(is_idle)
    return id


def test_few_turns_of_one_address_run_and_one_that_ended_makes_room(sessions, settings):
    settings.CHAT_MAX_RUNNING_VISITOR_TURNS = 2
    first = ask(sessions, "203.0.113.5")
    ask(sessions, "203.0.113.5")
    with pytest.raises(Busy):
        ask(sessions, "203.0.113.5")
    ask(sessions, "203.0.113.6")
    strangers.check_turn(VISITOR, "203.0.113.5", first)  # its own conversation has a limit of its own

    sessions[first].is_idle = True
    ask(sessions, "203.0.113.5")


def test_an_address_that_nobody_knows_is_not_counted(sessions, settings):
    settings.CHAT_MAX_RUNNING_VISITOR_TURNS = settings.CHAT_VISITOR_TURNS_PER_MINUTE = 1
    for _ in range(3):
        strangers.check_turn(VISITOR, None, uuid.uuid4())


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr("chat.connection.strangers.SWEEP_ABOVE", 10)
    monkeypatch.setattr("chat.connection.strangers.MINUTE_SECONDS", 0.0)
    counted = _PerMinute()
    for number in range(1000):
        assert counted.takes(f"2001:db8:{number:x}::", 5)

    assert len(counted._times) <= 11
