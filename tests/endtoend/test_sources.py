"""What an agent cites, through a real server, by the demo agent that shows everything."""

from __future__ import annotations

import pytest

from tests.client import Client


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from tests.servers import Server

    with Server(tmp_path_factory.mktemp("showcase"), CHAT_MOCK_MODEL="true") as server:
        yield server


async def test_sources_stand_with_the_answer_that_follows_and_with_no_other(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="showcase") as page:
        await page.say("Your sources, please")
        await page.idle()
        await page.say("hello")
        await page.idle()

        cited = [message["sources"] for message in page.messages() if message["sources"]]
        assert [[source["title"] for source in sources] for sources in cited] == [["The Moons of Saturn", "Langroid"]]
        assert cited[0][0]["quote"] == "Saturn has 274 known moons." and cited[0][0]["page"] == 12


@pytest.mark.parametrize("thing", ["table", "json", "diff"])
async def test_the_demo_shows_each_kind(server, thing):
    async with Client(server.ws_url, cookies=server.visitor(), agent="showcase") as page:
        await page.say(f"Show me a {thing}")
        await page.idle()

        assert [part["kind"] for message in page.messages() for part in message.get("parts", [])] == [thing]
        assert page.answer() == f"There you have it: {thing}."
