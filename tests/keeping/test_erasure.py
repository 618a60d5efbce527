"""What is deleted is gone: from the database's files, the disk around them, Redis and the logs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models, transaction

from chat.keeping import erasure
from chat.models import ChatSession, Conversation, Message
from chat.owners import Owner
from tests import programs
from tests.client import Client
from tests.pace import SLACK, assert_within
from tests.servers import Server

SENTINEL = "xyzzy-7f3a"
VISITOR = Owner(visitor="f" * 64)


@pytest.fixture(autouse=True)
def _settled(transactional_db):
    """No thread of one test cleans in the next."""
    yield
    programs.wait_until(lambda: not is_cleaning())


def is_cleaning() -> bool:
    return any(thread.name == "chat-erasure" for thread in threading.enumerate())


# -- what belongs to a conversation -----------------------------------------------------------------------------------


def relations() -> Iterator[models.ForeignKey]:
    """Every foreign key of the app that leads to a conversation, at once or through another model."""
    reached: set[type[models.Model]] = {Conversation}
    for _ in range(5):
        for model in apps.get_app_config("chat").get_models():
            for field in model._meta.get_fields():
                if isinstance(field, models.ForeignKey) and field.related_model in reached:
                    reached.add(model)
                    yield field


def test_whatever_belongs_to_a_conversation_goes_with_it():
    kept = {str(field): field for field in relations() if field.remote_field.on_delete is not models.CASCADE}

    assert {field.model for field in relations()} >= {Message, ChatSession}
    assert not kept, "these rows, or their link, would outlive the conversation"


def test_no_model_keeps_files_that_nothing_deletes():
    files = [
        field
        for model in apps.get_app_config("chat").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.FileField)
    ]

    assert not files, "delete the file with its conversation, and search the media folder in the tests below"


# -- the file of the database -----------------------------------------------------------------------------------------


def sqlite_file() -> Path:
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite's files")
    return Path(connection.settings_dict["NAME"])


def bytes_of(folder: Path) -> bytes:
    """Everything that is in the files of a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def is_gone(folder: Path) -> bool:
    """Whether the text leaves the files within the seconds in which the process's thread sees to it."""
    deadline = time.monotonic() + 4 * SLACK
    while SENTINEL.encode() in bytes_of(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def fill(*, seed: int, rounds: int) -> list[Conversation]:
    """Make conversations whose rows grow and move between pages, as checkpoints do; half are to be deleted."""
    chance = random.Random(seed)
    conversations = [Conversation.objects.create(visitor=VISITOR.visitor, agent_key="a") for _ in range(8)]
    for number in range(rounds):
        conversation = chance.choice(conversations)
        mark = SENTINEL if conversation in conversations[:4] else "kept"
        row = Message(conversation=conversation, kind="assistant", seq=number, content=f"{mark} ")
        row.save(force_insert=True)
        for _ in range(3):
            grown = chance.choice([20, 300, 3000]) * f"{mark} "
            Message.objects.filter(seq=chance.randint(0, number), content__startswith=mark).update(content=grown)
    return conversations[:4]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_no_piece_of_a_deleted_text_is_left_in_the_file(seed):
    folder = sqlite_file().parent
    for conversation in fill(seed=seed, rounds=300):
        assert SENTINEL.encode() in bytes_of(folder)
        conversation.delete()

    assert is_gone(folder)
    assert b"kept" in bytes_of(folder)


@pytest.mark.django_db(transaction=True)
def test_the_file_that_is_too_large_is_overwritten_at_once_and_written_anew_by_purge(monkeypatch):
    folder = sqlite_file().parent
    monkeypatch.setattr(erasure, "MAX_BYTES", 0)
    doomed = fill(seed=1, rounds=200)
    before = bytes_of(folder).count(SENTINEL.encode())
    for conversation in doomed:
        conversation.delete()
    programs.wait_until(lambda: not is_cleaning())
    left = bytes_of(folder).count(SENTINEL.encode())
    call_command("purge")

    assert left < before / 100
    assert SENTINEL.encode() not in bytes_of(folder)


@pytest.mark.django_db(transaction=True)
def test_conversations_of_a_deleted_account_leave_no_text_either():
    folder = sqlite_file().parent
    alice = User.objects.create_user("alice")
    conversation = Conversation.objects.create(user=alice, agent_key="a", title=SENTINEL)
    conversation.add_turn(SENTINEL * 500, follows=None)

    alice.delete()

    assert is_gone(folder)


@pytest.mark.django_db(transaction=True)
def test_many_deletions_are_cleaned_up_after_once(monkeypatch):
    sqlite_file()
    cleaned = []
    monkeypatch.setattr(erasure, "_clean_patiently", lambda cleaning: cleaned.append(cleaning) or True)
    for _ in range(200):
        Conversation.objects.create(visitor=VISITOR.visitor, agent_key="a").delete()

    programs.wait_until(lambda: not is_cleaning())
    assert 1 <= len(cleaned) <= 5


@contextlib.contextmanager
def reader_of(file: Path) -> Iterator[None]:
    """Somebody who reads for long: a backup, a shell."""
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chat_message").fetchone()
    try:
        yield
    finally:
        reader.close()


@pytest.mark.django_db(transaction=True)
def test_a_reader_in_the_way_delays_neither_a_deletion_nor_others_and_the_file_is_cleaned_after_it():
    file = sqlite_file()
    doomed = fill(seed=2, rounds=50)
    with reader_of(file):
        for conversation in doomed:
            began = time.monotonic()
            conversation.delete()
            assert_within(0.3, since=began)
        until = time.monotonic() + 3
        while time.monotonic() < until:  # the thread tries meanwhile
            began = time.monotonic()
            Conversation.objects.create(visitor=VISITOR.visitor, agent_key="a")
            assert_within(0.3, since=began)
        assert SENTINEL.encode() in bytes_of(file.parent)

    assert is_gone(file.parent)


@pytest.mark.django_db(transaction=True)
def test_purge_shuts_nobody_out_while_it_waits_for_a_reader_and_says_that_it_gave_up(monkeypatch):
    file = sqlite_file()
    monkeypatch.setattr(erasure, "PURGE_SECONDS", 1.5)
    err = StringIO()
    with reader_of(file):

        def purge() -> None:
            call_command("purge", stderr=err, stdout=StringIO())
            connection.close()  # this thread's own

        purging = threading.Thread(target=purge)
        purging.start()
        while purging.is_alive():
            began = time.monotonic()
            Conversation.objects.create(visitor=VISITOR.visitor, agent_key="a")
            assert_within(0.3, since=began)

    assert "in use" in err.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_deletion_inside_of_a_request_s_transaction_waits_for_no_cleaning():
    file = sqlite_file()
    conversation = fill(seed=3, rounds=20)[0]
    with reader_of(file):
        began = time.monotonic()
        with transaction.atomic():
            conversation.delete()
        assert_within(0.3, since=began)


# -- a whole server --------------------------------------------------------------------------------------------------


async def test_a_deleted_conversation_is_nowhere(stub, tmp_path):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "LOG_LEVEL": "DEBUG"}
    with programs.redis_server() as layer, Server(tmp_path, REDIS_URL=layer.url, **environment) as server:
        cookies = server.visitor()
        async with Client(server.ws_url, cookies=cookies, agent="tools") as page:
            await page.say(f'{SENTINEL} [[tool=delegate args={{"job":"{SENTINEL} [\\u005btokens=5]\\u005d"}}]]')
            await page.idle()
            await page.say(f'[[text="{SENTINEL} {SENTINEL}" tokens=2]]')
            await page.idle()
            await page.say(f'{SENTINEL} [[text="{f"{SENTINEL} " * 500}" tps=50]]')
            await page.event("stream_token")
            assert SENTINEL.encode() in bytes_of(tmp_path)

            assert await asyncio.to_thread(server.delete, page.conversation, cookies) == 204  # while it answers
            assert await page.closed() == 4404
            await asyncio.to_thread(stub.wait, open=0)  # the model's request is over too

            redis_client = redis.Redis.from_url(layer.url)
            found = {key: redis_client.dump(key) for key in redis_client.scan_iter()}
            redis_client.close()
            assert SENTINEL not in str(found)
            assert await asyncio.to_thread(is_gone, tmp_path)  # database, log of the server, whatever it writes
        server.stop()
        assert SENTINEL.encode() not in bytes_of(tmp_path)


async def test_an_agent_of_another_process_stops_for_a_deletion(stub, redis_url, tmp_path):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-test-key", "REDIS_URL": redis_url}
    with Server(tmp_path, **environment) as first, Server(tmp_path, **environment) as second:
        cookies = first.visitor()
        async with Client(first.ws_url, cookies=cookies) as page:
            await page.say(f'{SENTINEL} [[text="{f"{SENTINEL} " * 500}" tps=50]]')
            await page.event("stream_token")

            assert await asyncio.to_thread(second.delete, page.conversation, cookies) == 204
            assert await page.closed() == 4404
            await asyncio.to_thread(stub.wait, open=0)  # the model's request is over too
        first.stop()
        second.stop()
        assert SENTINEL.encode() not in bytes_of(tmp_path)
        assert "Traceback" not in first.log + second.log
