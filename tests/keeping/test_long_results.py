"""Long results of tools: the beginning in the database, all of it in a file that its owner alone reads."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from chat.files import storage
from chat.keeping.export import to_json, to_markdown
from chat.live.claims import claim
from chat.live.threads import start_thread
from chat.models import Attachment, Conversation, Message, ServerProcess
from chat.observer import AgentGone, ToolOutcome
from chat.owners import Owner
from chat.wire.frames import encode, fits
from tests.live.test_session import TOOL, session  # noqa: F401  # a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),  # the client is synchronous
]
LONG = 'one "line"\tä😀\r\n' * 800_000  # 10 MB


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "attachments"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def stored(owner: User | None = None) -> Message:
    """A conversation's record of a long result, as a session stores it."""
    whose = Owner(user_id=owner.pk) if owner else Owner(visitor="f" * 64)
    conversation = Conversation.objects.create(agent_key="a", **whose.fields)
    whole = Attachment.objects.store(io.BytesIO(LONG.encode()), owner=whose, name="find.txt", conversation=conversation)
    turn = conversation.add_turn("find it", follows=None)
    row = Message(kind="tool", turn=turn.id, tool_name="find", content=LONG[:200_000], whole_id=whole.id)
    row.whole_chars, row.model_chars = len(LONG), 30_000
    conversation.append(row)
    return row


async def test_the_beginning_is_stored_and_all_of_it_is_a_file(session, folder):  # noqa: F811
    outcome = ToolOutcome(result=LONG, model_chars=30_000)
    await start_thread(lambda: session.tool_ended(TOOL, outcome), name="agent-test")

    row = await Message.objects.aget(id=TOOL)
    assert (len(row.content), row.whole_chars, row.model_chars) == (200_000, len(LONG), 30_000)
    (file,) = files_in(folder)
    assert file.read_bytes() == LONG.encode()
    event = row.event()
    assert fits(encode(event)) and event["truncated"] and event["url"] == f"/api/attachments/{row.whole_id}"
    assert (event["whole_chars"], event["model_chars"]) == (len(LONG), 30_000)


async def test_where_no_file_can_be_kept_the_turn_goes_on(session, settings, folder):  # noqa: F811
    settings.CHAT_MAX_ATTACHMENT_BYTES = 1_000_000
    await start_thread(lambda: session.tool_ended(TOOL, ToolOutcome(result=LONG)), name="agent-test")

    row = await Message.objects.aget(id=TOOL)
    assert (len(row.content), row.whole_chars, row.whole_id) == (200_000, len(LONG), None)
    assert "url" not in row.event() and not files_in(folder)


async def test_whoever_has_lost_the_conversation_leaves_no_file(session, folder):  # noqa: F811
    other = await asyncio.to_thread(ServerProcess.objects.create, host="two", pid=2)
    await asyncio.to_thread(claim, session.conversation_id, other)

    def end() -> None:
        with pytest.raises(AgentGone):
            session.tool_ended(TOOL, ToolOutcome(result=LONG))

    await start_thread(end, name="agent-test")
    assert not files_in(folder) and not await Attachment.objects.aexists()


def test_the_whole_is_downloaded_by_its_owner_alone(client):
    row = stored(User.objects.create_user("alice"))
    url = f"{row.event()['url']}?download=1"

    client.force_login(User.objects.create_user("mallory"))
    assert client.get(url).status_code == 404
    client.force_login(row.conversation.user)
    answer = client.get(url)

    assert b"".join(answer) == LONG.encode()
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer["Content-Security-Policy"]


def test_opening_the_conversation_reads_only_the_beginning(client, monkeypatch):
    row = stored(User.objects.create_user("alice"))
    client.force_login(row.conversation.user)
    monkeypatch.setattr(storage, "storage", lambda: pytest.fail("the file is read"))
    assert len(row.content) == 200_000

    page = client.get(f"/api/conversations/{row.conversation_id}/records", {"before": 3})

    assert len(page.content) < 512 * 1024  # escaped


def test_the_exports_have_all_of_it_or_say_that_there_is_more():
    row = stored()
    conversation = Conversation.objects.get()
    (record,) = [found for found in json.loads("".join(to_json(conversation)))["records"] if "result" in found]
    assert record["result"] == LONG and "truncated" not in record
    assert f"the first 200000 of {len(LONG)} characters" in "".join(to_markdown(conversation))
    assert row.conversation.size_bytes > len(LONG), "it counts against its owner's quota"


def test_the_file_goes_with_its_conversation(folder):
    row, other = stored(User.objects.create_user("alice")), stored()
    assert len(files_in(folder)) == 2
    row.conversation.user.delete()
    assert [str(path.relative_to(folder)) for path in files_in(folder)] == [Attachment.objects.get().path]
    assert Attachment.objects.get().id == other.whole_id
