"""Files from users to agents, through a real server: to the model, to the agent's code, in answer to a question."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from tests.client import Client
from tests.part_things import picture
from tests.servers import Server
from tests.web import give, headers_of, upload


@pytest.fixture
async def page(server) -> AsyncIterator[Client]:
    async with Client(server.ws_url, cookies=server.visitor(), agent="reads") as client:
        yield client


async def test_a_model_that_sees_is_sent_the_image(server, stub, page):
    stub.reset()
    await give(server, page, "[[tokens=2]] What is it?", photo_png=picture())

    content = stub.last()["messages"][-1]["content"]
    assert content[0]["text"].startswith("[[tokens=2]] What is it?")
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,")
    (message,) = page.messages("user")
    assert [item["name"] for item in message["attachments"]] == ["photo.png"] and message["attachments"][0]["url"]


async def test_a_text_is_told_in_words_and_what_no_model_reads_by_its_name(server, stub, page):
    await give(server, page, "[[tokens=2]]", poem_txt=b"the sea", data_zip=b"PK\x05\x06" + bytes(18))

    content = stub.last()["messages"][-1]["content"]
    assert content.startswith("[[tokens=2]]\n\n[Attached: poem.txt (text/plain, 7 bytes)]\n```\nthe sea\n```")
    assert content.endswith("[Attached: data.zip (application/zip, 22 bytes). Its content is not shown here.]")


async def test_a_long_text_is_told_up_to_a_limit(server, stub, page):
    await give(server, page, "[[tokens=2]]", long_txt=b"sea " * 20_000)

    content = stub.last()["messages"][-1]["content"]
    assert len(content) < 21_000 and "60000 characters, is left out here" in content


async def test_a_restarted_agent_is_told_the_same(server, stub, page):
    await give(server, page, "[[tokens=2]]", photo_png=picture(), poem_txt=b"the sea")
    before = stub.last()["messages"][-1]
    await page.command("reset")
    await page.say("[[tokens=3]]")
    await page.idle()

    assert before in stub.last()["messages"]


async def test_only_the_newest_files_are_sent_again(server, stub, page):
    for _ in range(4):
        await give(server, page, "[[tokens=1]]", a_png=picture("red"), b_png=picture("blue"))

    told = [message["content"] for message in stub.last()["messages"] if message["role"] == "user"]
    sent = [isinstance(content, list) for content in told]
    assert sent == [False, True, True, True] and "[Attached: a.png" in told[0]
    await page.command("reset")
    await page.say("[[tokens=1]]")
    await page.idle()
    told = [message["content"] for message in stub.last()["messages"] if message["role"] == "user"]
    assert [isinstance(content, list) for content in told] == [*sent, False]


async def test_an_agent_s_code_reads_them(server, page):
    await give(server, page, "[[tokens=1]]", old_txt=b"old")
    await give(server, page, '[[tool=read then.text="Read."]]', poem_txt="the säa".encode(), photo_png=picture())

    (result,) = page.of("tool_result")
    assert json.loads(result["result"]) == [
        {"name": "old.txt", "new": False, "text": "old", "bytes": 3, "path": "old.txt"},
        {"name": "poem.txt", "new": True, "text": "the säa", "bytes": 8, "path": "poem.txt"},
        {"name": "photo.png", "new": True, "text": None, "bytes": len(picture()), "path": "photo.png"},
    ]


async def test_another_branch_has_the_files_of_its_own_turns(server, page):
    await give(server, page, "[[tokens=1]]", first_txt=b"1")
    await give(server, page, "[[tokens=1]]", second_txt=b"2")
    _, second = page.messages("user")
    await page.command("edit", message_id=second["id"], content="[[tool=read]]")
    await page.idle()

    names = [file["name"] for file in json.loads(page.of("tool_result")[0]["result"])]
    assert names == ["first.txt", "second.txt"]
    assert [item["name"] for item in page.messages("user")[-1]["attachments"]] == ["second.txt"]


async def test_a_question_for_a_file_is_answered_with_one(server, page):
    await page.say('[[tool=ask_file then.text="Thanks."]]')
    question = await page.event("input_request")
    assert question["kind"] == "file"
    given = upload(server, page, b"the sea", "poem.txt")
    await page.send(type="answer", request_id=question["request_id"], attachments=[given["id"]])
    await page.idle()

    assert page.of("tool_result")[0]["result"] == "poem.txt: the sea"
    answer = page.messages("user")[-1]
    assert answer["request_id"] == question["request_id"] and answer["attachments"][0]["name"] == "poem.txt"


async def test_an_upload_that_breaks_off_leaves_nothing(server, page):
    headers = headers_of(server, page)
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as half:
        lines = [f"{name}: {value}" for name, value in {**headers, "Host": address.netloc}.items()]
        head = "\r\n".join(["POST /api/attachments?name=a.bin HTTP/1.1", *lines, "Content-Length: 3000000", "", ""])
        half.sendall(head.encode() + bytes(1_000_000))
    await give(server, page, '[[tool=read then.text="Read."]]', after_txt=b"1")

    assert [file["name"] for file in json.loads(page.of("tool_result")[0]["result"])] == ["after.txt"]
    assert "Traceback" not in server.log


async def test_a_sent_file_survives_the_death_of_the_process(tmp_path, stub):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(tmp_path, CHAT_DEFAULT_AGENT="reads", **environment) as doomed:
        async with Client(doomed.ws_url, cookies=doomed.visitor()) as client:
            waiting = upload(doomed, client, b"waits", "waiting.txt")
            given = upload(doomed, client, b"the sea", "poem.txt")
            await client.say("[[tokens=400 tps=20]]", attachments=[given["id"]])
            await client.event("stream_start")
            doomed.kill()
        with Server(tmp_path, port=doomed.port, CHAT_DEFAULT_AGENT="reads", **environment) as second:
            async with Client(
                second.ws_url, cookies=client.cookies, conversation=client.conversation, agent="reads"
            ) as client:
                await client.idle()
                await client.say('[[tool=read then.text="Read."]]', attachments=[waiting["id"]])
                await client.idle()
                files = json.loads(client.of("tool_result")[0]["result"])
                assert [(file["name"], file["text"]) for file in files] == [
                    ("poem.txt", "the sea"),
                    ("waiting.txt", "waits"),
                ]


async def test_a_body_over_the_limit_is_refused_before_it_is_read(server, page):
    url = f"{server.url}/api/attachments?name=big"
    request = urllib.request.Request(url, bytes(100_000_000), headers_of(server, page), method="POST")
    with pytest.raises((urllib.error.HTTPError, OSError)) as refusal:
        urllib.request.urlopen(request)
    assert not isinstance(refusal.value, urllib.error.HTTPError) or refusal.value.code == 413
