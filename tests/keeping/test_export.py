"""A conversation as a file: whose, complete, and without meaning where it had none."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from markdown_it import MarkdownIt

from chat.actions.rewrite import edit
from chat.keeping.export import to_json, to_markdown
from chat.models import Conversation, Message
from chat.owners import Owner

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),  # the client is synchronous
]
viewer = MarkdownIt("commonmark", {"html": True})  # a reader that runs HTML, unlike the page


@pytest.fixture
def alice(client) -> User:
    user = User.objects.create_user("alice")
    client.force_login(user)
    return user


@pytest.fixture
def conversation(alice) -> Conversation:
    return Conversation.objects.create(user=alice, agent_key="assistant", title="Sums *of* <b>squares</b>")


def add_turn(conversation: Conversation, text: str, *records: Message) -> Message:
    """Store a turn as an agent that has worked on it leaves it."""
    turn = conversation.add_turn(text, follows=conversation.head, ended=conversation.created)
    for record in records:
        record.turn = turn.id
    conversation.append(*records)
    return turn


def square(**fields) -> Message:
    fields = {"tool_name": "square", "tool_args": {"number": 7}, "content": "49", "agent": "Toolbox"} | fields
    return Message(kind="tool", **fields)


def answer(text: str, **fields) -> Message:
    return Message(kind="assistant", content=text, agent="Toolbox", **fields)


def export(client: Client, conversation: Conversation, format: str = "json"):
    return client.get(f"/api/conversations/{conversation.id}/export?format={format}")


def text_of(response) -> str:
    return b"".join(response).decode()


def json_of(client: Client, conversation: Conversation) -> dict:
    return json.loads(text_of(export(client, conversation)))


def markdown_of(client: Client, conversation: Conversation) -> str:
    return text_of(export(client, conversation, "markdown"))


def test_json_has_every_record_of_every_branch_in_order(client, alice, conversation):
    first = add_turn(conversation, "7 squared?", square(), answer("It is 49."))
    edit(Owner(user_id=alice.pk), conversation.id, turn=first.id, content="8 squared?")
    conversation.refresh_from_db()

    file = json_of(client, conversation)

    assert [record["seq"] for record in file["records"]] == [1, 2, 3, 4, 5]
    assert [record["type"] for record in file["records"]] == ["message", "tool_result", "message", "message", "head"]
    assert file["records"][1]["tool_args"] == {"number": 7} and file["records"][1]["result"] == "49"
    assert file["head"] == str(conversation.head) != str(first.id)
    assert file["title"] == conversation.title


def test_json_has_the_whole_of_a_text_that_no_frame_holds(client, conversation):
    text = "a long line\n" * 50_000
    add_turn(conversation, "tell me all", answer(text))

    record = json_of(client, conversation)["records"][1]

    assert record["message"]["content"] == text
    assert "truncated" not in record["message"]


def test_what_is_in_progress_is_not_part_of_the_file(client, conversation):
    add_turn(conversation, "go on")
    Message.objects.create(conversation=conversation, kind="assistant", status="open", content="half a")

    assert "half a" not in text_of(export(client, conversation)) + markdown_of(client, conversation)


def test_markdown_has_the_current_transcript_with_its_tool_calls(client, conversation):
    add_turn(conversation, "7 squared?", square(), answer("It is **49**."))

    text = markdown_of(client, conversation)

    assert re.findall(r"^#+ .*", text, re.M)[1:] == ["## User", "### Tool: square", "## Toolbox"]
    assert '```json\n{\n  "number": 7\n}\n```\n\n```\n49\n```' in text
    assert "It is **49**." in text
    assert "<h1>Sums *of* &lt;b&gt;squares&lt;/b&gt;</h1>" in viewer.render(text)


def test_markdown_has_the_cards_and_the_order_of_the_page(client, conversation):
    table = {"kind": "table", "name": "Rows", "columns": ["n"], "rows": [[49]], "total": 1, "total_columns": 1}
    add_turn(conversation, "7 squared?")
    before = timezone.now() - timedelta(seconds=1)  # finer than the clock of SQLite, by which the answer comes
    asked = square(turn=conversation.head, parts=[table], created=before)
    reply = Message(kind="user", content="yes, do", turn=conversation.head, request_id=uuid4())
    letter = {"kind": "diff", "name": "a.diff", "text": "--- a\n+++ b"}
    conversation.append(reply, asked, answer("in words", turn=conversation.head, parts=[letter]))

    text = markdown_of(client, conversation)

    assert text.index("### Tool: square") < text.index("| 49 |") < text.index("yes, do") < text.index("```diff\n---")
    assert "in words" not in text
    assert json_of(client, conversation)["records"][2]["parts"] == [table]


def test_markdown_says_what_did_not_end_well(client, conversation):
    broken = answer("half a", status="error", error={"code": "llm_error", "details": "The model failed."})
    add_turn(conversation, "7 squared?", square(status="stopped"), broken)

    text = markdown_of(client, conversation)

    assert "### Tool: square (stopped)" in text
    assert "## Toolbox (error)" in text and "*The model failed.*" in text


def test_a_block_of_code_that_was_cut_does_not_swallow_what_follows(client, conversation):
    add_turn(conversation, "write code", answer("Here:\n\n````python\nprint(1)\n```\n", status="stopped"))
    add_turn(conversation, "thanks", answer("Welcome."))

    assert viewer.render(markdown_of(client, conversation)).count("<h2>") == 4


def test_a_tool_s_result_with_fences_stays_in_its_block(client, conversation):
    add_turn(conversation, "read it", square(content="```\n<script>x()</script>\n````\n# no heading"), answer("Done."))

    html = viewer.render(markdown_of(client, conversation))

    assert "<script>" not in html and html.count("<h1>") == 1


@pytest.mark.parametrize("format", ["json", "markdown"])
def test_the_file_is_saved_and_never_run(client, conversation, format):
    response = export(client, conversation, format)

    assert response["Content-Disposition"].startswith(f'attachment; filename="conversation-{conversation.id}.')
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("format", ["json", "markdown"])
def test_the_conversation_of_someone_else_answers_like_none(client, conversation, format):
    mallory = Client()
    mallory.force_login(User.objects.create_user("mallory"))

    theirs = export(mallory, conversation, format)
    nobodys = mallory.get(f"/api/conversations/{uuid4()}/export?format={format}")

    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content) == (404, nobodys.content)


def test_a_stranger_is_asked_to_sign_in(conversation, settings):
    settings.CHAT_ALLOW_ANONYMOUS = False

    assert export(Client(), conversation).status_code == 401


def test_an_unknown_format_is_refused(client, conversation):
    response = export(client, conversation, "pdf")

    assert response.status_code == 400 and "markdown" in json.loads(response.content)["details"]


# -- nobody else waits ------------------------------------------------------------------------------------------------


def test_an_owner_has_one_export_at_a_time(client, alice, conversation):
    add_turn(conversation, "7 squared?", answer("49"))
    first = export(client, conversation)

    refused = export(client, conversation)

    assert refused.status_code == 429 and refused.json()["error"] == "busy"
    assert "49" in text_of(first)
    assert "49" in markdown_of(client, conversation)


def test_others_are_not_held_up_by_an_export(client, conversation):
    bob = User.objects.create_user("bob")
    his = Conversation.objects.create(user=bob, agent_key="assistant", title="His own")
    bobs = Client()
    bobs.force_login(bob)

    export(client, conversation)

    assert json_of(bobs, his)["title"] == "His own"


def test_an_export_that_nobody_reads_is_given_up(client, conversation, monkeypatch):
    export(client, conversation)
    monkeypatch.setattr("chat.views.downloads.ABANDONED_SECONDS", 0.0)

    assert json_of(client, conversation)["records"] == []


@pytest.mark.parametrize("write", [to_json, to_markdown])
def test_a_file_is_written_a_few_records_at_a_time(conversation, write, django_assert_max_num_queries):
    for number in range(30):
        add_turn(conversation, f"question {number}", answer(f"answer {number}"))
    pieces = write(conversation)

    with django_assert_max_num_queries(5):
        first = [next(pieces) for _ in range(10)]

    text = "".join([*first, *pieces])
    assert all(f"answer {number}" in text for number in range(30))
    assert max(map(len, first)) < 1_000


def test_the_worst_that_people_can_type_is_exported_in_no_time(client, conversation):
    for _ in range(15):
        add_turn(conversation, "\n " * 8_000)
    began = time.process_time()

    markdown_of(client, conversation)

    assert time.process_time() - began < 5  # a minute, where it grew with the square
