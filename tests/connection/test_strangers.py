"""Visitors by their address: what the database counts for all processes, and what this one does while it is away."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest
from django.db import OperationalError

from chat.actions.delete import erase
from chat.actions.rewrite import clear
from chat.actions.send import accept_message
from chat.cluster.process import this_process
from chat.connection import strangers as module
from chat.connection.strangers import Strangers, _PerMinute
from chat.exceptions import Busy, RateLimited
from chat.keeping import erasure
from chat.models import Conversation, Message, Presence, ServerProcess, Tally
from chat.owners import Owner

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "203.0.113.5"


def ask(address: str | None = HERE, id: uuid.UUID | None = None, *, visitor: str = "f") -> Conversation:
    """A visitor asks, and an agent takes it."""
    owner = Owner(visitor=visitor * 64, address=address)
    said = accept_message(owner, id or uuid.uuid4(), content="hello", client_id=None, new_agent="assistant")
    return said.conversation


def end_turns(conversation: Conversation) -> None:
    for turn in conversation.open_turns:
        turn.end()


def test_few_turns_of_one_address_run_and_one_that_ended_makes_room(settings):
    settings.CHAT_MAX_RUNNING_VISITOR_TURNS = 2
    first = ask(visitor="a")
    ask(visitor="b")
    with pytest.raises(Busy):
        ask(visitor="c")
    ask("203.0.113.6", visitor="c")
    ask(id=first.id, visitor="a")  # its own conversation has a limit of its own

    end_turns(first)
    ask(visitor="c")


def test_turns_of_a_minute_are_counted_whatever_becomes_of_them(settings):
    settings.CHAT_VISITOR_TURNS_PER_MINUTE = 3
    first = ask(visitor="a")
    with erasure.postponed():
        erase(first.id)
    second = ask(visitor="b")
    end_turns(second)
    clear(Owner(visitor="b" * 64, address=HERE), second.id)
    for again in (lambda: ask(visitor="c"), lambda: clear(Owner(visitor="b" * 64, address=HERE), second.id)):
        with pytest.raises(RateLimited):
            again()
    assert Message.objects.filter(kind="user").count() == 1  # what was refused is not stored
    Tally.objects.update(created=Tally.objects.earliest("created").created - timedelta(minutes=1))
    ask(visitor="c")


def test_tallies_are_let_go_of_when_they_count_no_more(settings):
    settings.CHAT_MAX_RUNNING_VISITOR_TURNS = 1
    running, ended = ask(visitor="a"), ask("203.0.113.6", visitor="b")
    end_turns(ended)
    assert not Tally.over().exists()
    Tally.objects.update(created=Tally.objects.earliest("created").created - timedelta(minutes=1))
    Tally.over().delete()
    assert [tally.conversation for tally in Tally.objects.all()] == [running.id]
    assert HERE not in Tally.objects.get().key
    with pytest.raises(Busy):
        ask(visitor="c")


def test_an_address_that_nobody_knows_is_not_counted(settings):
    settings.CHAT_MAX_RUNNING_VISITOR_TURNS = settings.CHAT_VISITOR_TURNS_PER_MINUTE = 1
    for visitor in "abc":
        ask(None, visitor=visitor)
    assert not Tally.objects.exists()


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "SWEEP_ABOVE", 10)
    monkeypatch.setattr(module, "MINUTE_SECONDS", 0.0)
    counted = _PerMinute()
    for number in range(1000):
        assert counted.takes(f"2001:db8:{number:x}::", 5)

    assert len(counted._times) <= 11


def test_new_visitors_are_counted_for_all_processes(settings):
    settings.CHAT_VISITORS_PER_MINUTE = 3
    one, other = Strangers(), Strangers()
    for process in (one, other, one):
        process.check_new(HERE)
    for process in (one, other):
        with pytest.raises(RateLimited):
            process.check_new(HERE)
    other.check_new("203.0.113.6")


async def processes(monkeypatch, *strangers: Strangers):
    """The records of as many processes; which of them is `this_process` is said by a call."""
    records = [await ServerProcess.objects.acreate(host="here", pid=pid) for pid, _ in enumerate(strangers)]
    monkeypatch.setattr(this_process, "_loop", asyncio.get_running_loop(), raising=False)
    return records, lambda number: monkeypatch.setattr(this_process, "record", records[number])


async def work_done() -> None:
    while this_process._work:
        await asyncio.gather(*this_process._work)


async def test_the_sockets_of_one_address_are_counted_for_all_processes(settings, monkeypatch):
    settings.CHAT_MAX_SOCKETS_PER_IP = 3
    one, other = Strangers(), Strangers()
    records, become = await processes(monkeypatch, one, other)
    become(0)
    places = [await one.sockets.take(HERE) for _ in range(2)]
    become(1)
    await other.sockets.take(HERE)
    with pytest.raises(RateLimited):
        await other.sockets.take(HERE)
    await other.sockets.take("203.0.113.6")

    become(0)
    places[0].give()
    places[0].give()  # once is enough
    await work_done()
    become(1)
    await other.sockets.take(HERE)
    with pytest.raises(RateLimited):
        await other.sockets.take(HERE)
    await ServerProcess.objects.filter(id=records[0].id).aupdate(ended=records[0].started)
    await other.sockets.take(HERE)  # what a dead process had is nobody's


async def test_a_process_counts_alone_while_the_database_is_away(settings, monkeypatch):
    def away(*_: object) -> None:
        raise OperationalError

    settings.CHAT_MAX_SOCKETS_PER_IP = settings.CHAT_VISITORS_PER_MINUTE = 1
    here = Strangers()
    _, become = await processes(monkeypatch, here)
    become(0)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(module, "count_sockets", away)
        patched.setattr(module, "count_visitor", away)
        place = await here.sockets.take(HERE)
        here.check_new(HERE)
        with pytest.raises(RateLimited):
            await here.sockets.take(HERE)
        with pytest.raises(RateLimited):
            here.check_new(HERE)
        place.give()
        await here.sockets.take(HERE)
    await work_done()  # it is told what it has missed
    assert (await Presence.objects.aget()).sockets == 1
