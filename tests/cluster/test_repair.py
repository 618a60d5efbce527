"""The tick: it finds what was lost, and costs next to nothing where nothing was."""

from __future__ import annotations

import pytest

from chat.cluster.process import this_process
from chat.cluster.repair import Repair
from chat.live.threads import in_thread
from chat.wire.flow import Window
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


class Home:
    """What is repaired: a process with this one's pages, which only notes what is begun in the background."""

    is_draining = False

    def __init__(self):
        self.record = this_process.record
        self.sessions = {}
        self.connections = this_process.connections
        self.begun = []

    def spawn(self, work):
        self.begun.append(work)

    def end_unwatched(self): ...

    def end_overdue(self): ...


@pytest.fixture
def home(consumer):
    home = Home()
    yield home
    for work in home.begun:
        work.close()


async def test_a_page_that_lacks_nothing_is_given_no_time(home):
    Repair(home).act_on([])
    assert not home.begun


@pytest.mark.parametrize("what", ["behind", "without a group"])
async def test_a_page_that_lacks_something_is_repaired(consumer, home, what):
    if what == "behind":
        consumer.feed.fall_behind()
    else:
        consumer.groups_left.add("group")
    Repair(home).act_on([])
    [work] = home.begun
    await work
    assert not consumer.needs_repair


async def test_a_page_that_does_not_read_is_looked_at(consumer, home):
    for _ in range(Window.FRAMES):
        await consumer.feed.send_frame("{}")
    Repair(home).act_on([])
    assert len(home.begun) == 1


async def test_a_page_that_the_database_knows_more_for_is_behind(consumer):
    consumer.compare(1, "idle")
    assert consumer.feed.is_behind


async def test_a_look_that_the_end_overtakes_finds_nothing(home):
    home.record = None
    assert await in_thread(Repair(home).look) == []
