"""Attachments in a bucket, of a local server that speaks as S3 does: given, shown, served to their owner, deleted."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests import programs
from tests.client import Client
from tests.endtoend.test_parts import show, shown
from tests.servers import Server
from tests.web import get, give, request

AWS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

LIST = """
from chat.files import storage; from datetime import timedelta
print(len(list(storage.strays(set(), older_than=timedelta(days=-1)))), "files")
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[object]:
    port = programs.free_port()
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    moto.start()
    s3 = boto3.resource(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    yield s3.create_bucket(Bucket="chat")
    moto.stop()


@pytest.fixture(scope="module")
def server(bucket, stub, tmp_path_factory) -> Iterator[Server]:
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "CHAT_MODEL": "gpt-4o-mini"}
    environment |= {**AWS, "AWS_ENDPOINT_URL_S3": bucket.meta.client.meta.endpoint_url, "ATTACHMENTS_BUCKET": "chat"}
    with Server(tmp_path_factory.mktemp("bucket"), **environment) as server:
        yield server


def sizes(bucket) -> list[int]:
    return sorted(each.size for each in bucket.objects.all())


async def test_files_live_in_a_bucket_and_go_with_their_conversation(server, bucket):
    cookies = server.visitor()
    async with Client(server.ws_url, cookies=cookies, agent="reads") as reader:
        await give(server, reader, '[[tool=read then.text="Read."]]', poem_txt=b"the sea")
        assert json.loads(reader.of("tool_result")[0]["result"])[0]["text"] == "the sea"
    async with Client(server.ws_url, cookies=cookies, agent="shows") as shower:
        await shower.say(show("image"))
        await shower.idle()
        (part,) = shown(shower)
    assert sizes(bucket) == sorted([len(b"the sea"), part["attachment"]["size"]])

    assert get(server, shower, part["attachment"]["url"]).startswith(b"\x89PNG")
    mallory = Client(server.ws_url, cookies=server.visitor())
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, mallory, part["attachment"]["url"])
    assert part["attachment"]["id"] not in str([each.key for each in bucket.objects.all()])

    assert "2 files" in server.manage("shell", "-c", LIST)  # as the purge looks for strays
    for page in (reader, shower):
        request(server, page, "DELETE", f"/api/conversations/{page.conversation}")
    assert sizes(bucket) == []
    assert "Traceback" not in server.log
