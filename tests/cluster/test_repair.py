"""The tick: it finds what was lost, and costs next to nothing where nothing was."""

from __future__ import annotations

import pytest

from chat.cluster.process import this_process
from chat.live.threads import in_thread
from tests.test_consumers import Page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def consumer(settings):
    """The consumer of an open page."""
    settings.CHAT_ALLOW_ANONYMOUS = True
    page = Page()
    await page.open()
    await page.next_of("status")
    [consumer] = this_process.connections
    yield consumer
    await page.disconnect()
    await this_process.end()


@pytest.fixture
def spawned(monkeypatch):
    """What is begun in the background."""
    begun = []

    def spawn(work):
        begun.append(work.__qualname__)
        work.close()

    monkeypatch.setattr(this_process, "spawn", spawn)
    return begun


async def test_a_page_that_lacks_nothing_is_given_no_time(consumer, spawned):
    this_process._repair.act_on([])
    assert spawned == []


@pytest.mark.parametrize("what", ["behind", "not reading", "without a group"])
async def test_a_page_that_lacks_something_is_given_time(consumer, spawned, what):
    if what == "behind":
        consumer.feed.fall_behind()
    elif what == "not reading":
        for _ in range(consumer.feed._flow.FRAMES):
            consumer.feed._flow.add(1, 0.0)
    else:
        consumer.groups_left.add("group")
    this_process._repair.act_on([])
    assert spawned == ["ChatConsumer.repair"]


async def test_a_page_that_the_database_knows_more_for_is_behind(consumer, spawned):
    consumer.compare(1, "idle")
    assert consumer.feed.is_behind


async def test_a_look_that_the_end_overtakes_finds_nothing(consumer):
    await this_process.end()
    assert await in_thread(this_process._repair.look) == []
