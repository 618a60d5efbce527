"""What agents show beside their words, through a real server: where, in which order, kept, and for whom."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.client import Client
from tests.part_things import THINGS, picture
from tests.servers import Server
from tests.web import get


@pytest.fixture
async def page(server) -> AsyncIterator[Client]:
    async with Client(server.ws_url, cookies=server.visitor(), agent="shows") as client:
        yield client


def shown(client: Client) -> list[dict]:
    """The parts of all records, in order."""
    return [part for message in client.messages() for part in message.get("parts", [])]


def kinds(client: Client) -> list[str]:
    """What stands there from top to bottom: kinds of parts, "tool", "words"."""
    found = []
    for _, record in sorted(client.records.items()):
        if record["type"] == "tool_result":
            found.append("tool")
        elif record["message"]["sender"] == "assistant":
            found += [part["kind"] for part in record["message"].get("parts", [])] or ["words"]
    return found


def show(what: str, **args) -> str:
    return f'[[tool=show args={json.dumps({"what": what, **args})} then.text="There it is."]]'


KINDS = {
    "text": "text",
    "image": "image",
    "plot": "image",
    "jpeg": "image",
    "table": "table",
    "json": "json",
    "diff": "diff",
    "svg": "file",
    "pdf": "pdf",
    "audio": "audio",
    "zip": "file",
}


@pytest.mark.parametrize("what", KINDS)
async def test_each_kind_is_shown_in_its_place(server, page, what):
    await page.say(show(what))
    await page.idle()

    assert kinds(page) == [KINDS[what], "tool", "words"]
    (part,) = shown(page)
    assert part["alt"] in ("", "as it is") and part["kind"] == KINDS[what]
    if attachment := part.get("attachment"):
        content = get(server, page, attachment["url"])
        assert len(content) == attachment["size"]
        assert b"<script>" not in content or what == "svg"


@pytest.mark.parametrize("where", ["here", "thread", "coroutine", "sub-agent"])
async def test_it_is_shown_from_anywhere(page, where):
    await page.say(show("image", where=where))
    await page.idle()

    (part,) = shown(page)
    (message,) = [message for message in page.messages() if "parts" in message]
    (call, *_) = page.of("tool_call")
    assert part["attachment"]["type"] == "image/png"
    assert message["turn"] == call["turn"]
    assert message["depth"] == (1 if where == "sub-agent" else 0)
    if where in ("here", "coroutine"):
        assert message["parent_id"] == call["tool_call_id"]


async def test_a_factory_shows_in_the_turn_that_waits_for_it(server):
    async with Client(server.ws_url, cookies=server.visitor(), agent="shows_at_once") as client:
        await client.say("[[tokens=2]]")
        await client.idle()

        (message,) = [message for message in client.messages() if "parts" in message]
        assert message["parts"][0]["value"] == {"made": True}
        assert message["turn"] == client.messages("user")[0]["id"]


RESULTS = {"image": "image", "table": "table", "rows": "table", "pdf": "pdf", "files": "image"}


@pytest.mark.parametrize("what", RESULTS)
async def test_what_a_tool_gives_back_is_shown_by_itself_and_told_to_the_model_in_words(stub, page, what):
    stub.reset()
    await page.say(f'[[tool=give args={json.dumps({"what": what})} then.text="There."]]')
    await page.idle()

    assert kinds(page) == [RESULTS[what], "tool", "words"]
    (result,) = page.of("tool_result")
    assert result["error"] is None and 0 < len(result["result"]) < 2000
    told = [message for message in stub.requests()[-1]["messages"] if message["role"] == "tool"]
    assert 0 < len(json.dumps(told)) < 3000


async def test_the_model_hears_nothing_of_what_was_shown_in_the_next_turn(stub, page):
    await page.say(show("table"))
    await page.idle()
    await page.command("reset")
    stub.reset()
    await page.say("[[tokens=2]]")
    await page.idle()

    roles = [message["role"] for message in stub.requests()[-1]["messages"] if message["role"] != "system"]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert "Rome" not in json.dumps(stub.requests()[-1]["messages"])


async def test_a_long_table_has_its_first_rows_in_the_frame_and_all_as_csv(server, page):
    await page.say(show("long_table"))
    await page.idle()

    (part,) = shown(page)
    assert len(part["rows"]) == 200 and part["total"] == 5000
    assert get(server, page, part["attachment"]["url"]).count(b"\n") == 5001


async def test_another_page_and_one_that_comes_back_see_the_same(server, page):
    async with Client(server.ws_url, cookies=page.cookies, conversation=page.conversation) as refused:
        assert refused.of("error")
    await page.say("[[tokens=1]]")
    await page.idle()
    async with Client(server.ws_url, cookies=page.cookies, conversation=page.conversation) as other:
        await page.say(show("json"))
        await page.idle()
        await other.until(lambda: len(other.records) == len(page.records))
        assert shown(other) == shown(page) != []
    async with Client(server.ws_url, cookies=page.cookies, conversation=page.conversation) as later:
        await later.idle()
        assert shown(later) == shown(page) and kinds(later) == kinds(page)


async def test_a_branch_has_its_own(page):
    await page.say(show("json"))
    await page.idle()
    first = page.messages("user")[0]["id"]
    await page.command("regenerate", message_id=first)
    await page.idle()

    turns = [message["turn"] for message in page.messages() if "parts" in message]
    assert len(turns) == 2 and turns[0] == first != turns[1]


async def test_what_was_shown_survives_the_death_of_its_process(server, tmp_path, stub):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(tmp_path, CHAT_DEFAULT_AGENT="shows", **environment) as doomed:
        cookies = doomed.visitor()
        async with Client(doomed.ws_url, cookies=cookies) as client:
            await client.say("[[tool=show_and_die]]")
            await client.until(lambda: shown(client))
            doomed.kill()
        conversation = client.conversation
        with Server(tmp_path, port=doomed.port, CHAT_DEFAULT_AGENT="shows", **environment) as second:
            async with Client(second.ws_url, cookies=cookies, conversation=conversation) as client:
                await client.idle()
                (part,) = shown(client)
                content = get(second, client, part["attachment"]["url"])
                assert content.startswith(b"\x89PNG") and part["name"] == "last words.png"
                assert client.of("tool_result")[0]["status"] == "interrupted"


async def test_an_owner_without_room_is_told_so_and_the_turn_goes_on(tmp_path, stub):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    room = str(len(picture()) * 3 // 2)
    with Server(tmp_path, CHAT_DEFAULT_AGENT="shows", CHAT_MAX_OWNER_FILE_BYTES=room, **environment) as server:
        async with Client(server.ws_url, cookies=server.visitor()) as client:
            await client.say(show("image", times=2))
            await client.idle()

            assert len(shown(client)) == 1
            assert "no room for more files" in client.of("tool_result")[0]["error"]
            assert client.answer() == "There it is."
        assert len([path for path in (tmp_path / "attachments").rglob("*") if path.is_file()]) == 1


def test_all_things_have_their_test():
    assert set(KINDS) | set(RESULTS) | {"long_table"} == set(THINGS) | {"files"}
