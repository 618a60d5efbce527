"""The admin: who sees what, what never shows, what its actions do."""

from __future__ import annotations

import csv
import http.cookiejar
import io
import json
import re
import time
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat.actions.rewrite import edit
from chat.actions.send import accept_message
from chat.admin import transcript
from chat.admin.sessions import in_words
from chat.cluster.process import this_process
from chat.models import (
    Attachment,
    ChatSession,
    ContentView,
    Conversation,
    Feedback,
    Message,
    ServerProcess,
    Share,
    ShareNote,
    TakenAlong,
)
from chat.owners import Owner
from tests.client import Client
from tests.servers import Server

pytestmark = pytest.mark.django_db(transaction=True)

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'></pre></textarea>{{ 7 }}[x](javascript:alert(3))"
SECRET = "the-word-that-nobody-may-see"
LISTS = ("conversation", "chatsession", "serverprocess", "contentview", "takenalong", "share", "sharenote", "feedback")
LISTS += ("attachment",)
VIEWS = tuple(f"view_{model}" for model in LISTS)


# -- people and rows -----------------------------------------------------------------------------------------------


def browser_of(name: str, *permissions: str, **fields: bool) -> Browser:
    user = get_user_model().objects.create_user(name, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Browser()
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def root() -> Browser:
    return browser_of("root", is_staff=True, is_superuser=True)


@pytest.fixture
def staff() -> Browser:
    """May see every list, and no content."""
    return browser_of("staff", *VIEWS, is_staff=True)


@pytest.fixture
def alice() -> Owner:
    return Owner(user_id=get_user_model().objects.create_user("alice").pk, name="alice")


@pytest.fixture
def process() -> ServerProcess:
    return ServerProcess.objects.create(host="web-1", pid=4711)


def say(owner: Owner, text: str, *answers: Message, id: uuid.UUID | None = None) -> Conversation:
    """A message and the records that the agent made of it."""
    accepted = accept_message(owner, id or uuid.uuid4(), content=text, client_id=None, new_agent="assistant")
    return reply(accepted, *answers)


def reply(accepted, *answers: Message) -> Conversation:
    with transaction.atomic():
        conversation = Conversation.objects.locked(accepted.conversation.id)
        for answer in answers:
            answer.turn = accepted.turn
        conversation.append(*answers)
        conversation.messages.filter(id=accepted.turn).update(begun=timezone.now(), ended=timezone.now())
    return conversation


def run_of(conversation: Conversation, process: ServerProcess | None, **fields) -> ChatSession:
    fields = {"fence": 1, "user_id": conversation.user_id, "agent_key": conversation.agent_key, **fields}
    return ChatSession.objects.create(conversation=conversation, process=process, **fields)


def page_of(browser: Browser, row, **query) -> str:
    response = browser.get(reverse(f"admin:chat_{row._meta.model_name}_change", args=[row.pk]), query)
    assert response.status_code == 200
    return response.content.decode()


def list_of(browser: Browser, model: str, **query) -> str:
    response = browser.get(reverse(f"admin:chat_{model}_changelist"), query)
    assert response.status_code == 200, response
    return response.content.decode()


def act(browser: Browser, action: str, *rows, **fields):
    """Do one of the list's actions on the rows."""
    url = reverse(f"admin:chat_{rows[0]._meta.model_name}_changelist")
    return browser.post(url, {"action": action, "_selected_action": [row.pk for row in rows], **fields})


class Tags(HTMLParser):
    """The elements of a page, as (name, attributes); its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


# -- who sees what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTS)
def test_people_who_are_no_staff_are_sent_to_sign_in(model):
    response = browser_of("mallory", "view_content", *VIEWS).get(reverse(f"admin:chat_{model}_changelist"))
    assert response.status_code == 302 and "/login/" in response["Location"]


def test_staff_without_the_permission_sees_that_it_exists_and_no_word_of_it(staff, alice, process):
    said = say(alice, SECRET, Message(kind="assistant", content=SECRET, reasoning=SECRET))
    run_of(said, process)
    said.question = {"prompt": SECRET}
    said.save()
    page = page_of(staff, said)
    assert "alice" in page and "permission" in page and SECRET not in page
    assert not ContentView.objects.exists()


def test_the_permission_alone_does_not_open_a_conversation(alice):
    said = say(alice, SECRET)
    response = browser_of("bob", "view_content", is_staff=True).get(
        reverse("admin:chat_conversation_change", args=[said.id])
    )
    assert response.status_code == 403
    assert not ContentView.objects.exists()


def test_each_opening_of_a_transcript_is_recorded(alice):
    said = say(alice, SECRET)
    reader = browser_of("reader", "view_content", "view_conversation", is_staff=True)
    assert SECRET in page_of(reader, said)
    page_of(reader, said)
    rows = ContentView.objects.values_list("user_name", "user__username", "conversation_id")
    assert list(rows) == [("reader", "reader", said.id)] * 2


def test_the_record_of_reading_outlives_reader_and_conversation(root, alice):
    id = uuid.uuid4()
    page_of(root, said := say(alice, "hello", id=id))
    said.delete()
    get_user_model().objects.get(username="root").delete()
    row = ContentView.objects.get()
    assert (row.user, row.user_name, row.conversation_id) == (None, "root", id)


def test_the_record_of_reading_is_only_added_to(root, alice):
    page_of(root, say(alice, "hello"))
    row = ContentView.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    with pytest.raises(TypeError):
        row.delete()
    for view in ("delete", "change"):
        assert root.post(reverse(f"admin:chat_contentview_{view}", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert ContentView.objects.count() == 1


@pytest.mark.parametrize("model", LISTS)
def test_lists_show_titles_to_those_who_may_read_and_no_word_to_others(root, staff, alice, process, model):
    said = say(alice, SECRET, Message(kind="assistant", content="answered"))
    run_of(said, process)
    page_of(root, said)
    assert SECRET in Conversation.objects.get().title
    assert (SECRET in list_of(root, model)) == (model in ("conversation", "chatsession"))
    assert SECRET not in list_of(staff, model)
    assert "answered" not in list_of(root, model)


def test_the_sessions_found_are_summed_up(staff, alice, process):
    for turns in (2, 3):
        run = run_of(say(alice, "hello"), process)
        ChatSession.objects.filter(pk=run.pk).update(turns=turns, prompt_tokens=1000 * turns, cost="0.5")
    assert "2 sessions · 5 turns · 5,000 / 0 tokens in / out · $1.0000 · 0 errors" in list_of(staff, "chatsession")
    assert "1 session · 2 turns" in list_of(staff, "chatsession", q=str(ChatSession.objects.get(turns=2).id))


@pytest.mark.parametrize("model", ["conversation", "chatsession"])
def test_titles_are_searched_by_those_who_may_read_alone(root, staff, alice, process, model):
    said = say(alice, SECRET)
    run_of(said, process)
    for query in ("alice", str(said.id), str(said.id)[:13]):
        assert str(said.id)[:8] in list_of(staff, model, q=query)
    link = f"/{said.id}/change/"
    assert link not in list_of(staff, model, q=SECRET) and link in list_of(root, model, q=SECRET)


@pytest.mark.parametrize("model", LISTS)
def test_nothing_is_added_or_changed_by_hand(root, alice, process, model):
    said = say(alice, "hello")
    rows = {"conversation": said, "chatsession": run_of(said, process), "serverprocess": process}
    page_of(root, said)
    rows["contentview"] = ContentView.objects.get()
    rows["takenalong"] = TakenAlong.objects.create(user_name="alice", conversation_id=said.id)
    rows["share"] = Share.objects.create(conversation=said, expires=said.created)
    rows["sharenote"] = ShareNote.objects.create(conversation_id=said.id, share_id=said.id, act="made")
    rows["feedback"] = Feedback.objects.create(conversation=said, message=said.messages.get(), value="up")
    rows["attachment"] = Attachment.objects.create(conversation=said, **alice.fields, name="a", size_bytes=1, path="a")
    row = rows[model]
    assert root.get(reverse(f"admin:chat_{model}_add")).status_code == 403
    assert root.post(reverse(f"admin:chat_{model}_change", args=[row.pk]), {"title": "other"}).status_code == 403


# -- the transcript ------------------------------------------------------------------------------------------------


def test_whatever_was_written_is_inert(root, alice):
    tool = {"tool_name": EVIL[:200], "tool_args": {EVIL: EVIL}, "content": EVIL, "error": {"details": EVIL}}
    task = {"id": "1", "name": EVIL, "parent_id": None}
    evil = {"content": EVIL, "reasoning": EVIL, "agent": EVIL[:200], "sources": [{"url": EVIL}], "attachments": [EVIL]}
    said = say(
        alice,
        EVIL,
        Message(kind="tool", **tool),
        Message(kind="assistant", depth=1, task=task, status="error", **evil),
        Message(kind="system", content=EVIL),
    )
    Conversation.objects.filter(id=said.id).update(title=EVIL, agent_key=EVIL[:100], question={"prompt": EVIL})
    process = ServerProcess.objects.create(host=EVIL[:200], pid=1)
    run = run_of(said, process, agent_key=EVIL[:100], last_error=EVIL[:200])
    pages = [page_of(root, row) for row in (said, run, process)]
    pages += [list_of(root, model) for model in LISTS]
    plain = [page_of(root, say(alice, "hello")), list_of(root, "contentview")]
    scripts = {tag["src"] for page in plain for name, tag in Tags(page).tags if name == "script"}
    for page in pages:
        for name, attributes in Tags(page).tags:
            assert (
                name != "script" or attributes.get("src") in scripts or attributes["src"].startswith("/static/admin/")
            )
            assert not [attribute for attribute in attributes if attribute.startswith("on") or attribute == "style"]
            assert not (attributes.get("href") or "").lower().startswith("javascript:")
            assert name != "img" or attributes["src"].startswith("/static/")
    assert "<script>alert(1)</script>" in Tags(pages[0]).text


def test_an_answer_is_rendered_and_everything_else_is_text(root, alice):
    said = say(alice, "is it **so**?", Message(kind="assistant", content="it **is**", agent="Ann"))
    page = page_of(root, said)
    assert "is it **so**?" in page and "<strong>is</strong>" in page


def test_a_tool_shows_arguments_result_and_place(root, alice):
    task = {"id": "1", "name": "Research", "parent_id": None}
    call = Message(
        kind="tool", tool_name="search", tool_args={"query": "bread"}, content="two hits", depth=2, task=task
    )
    call.error, call.status = {"details": "it failed"}, "error"
    page = page_of(root, say(alice, "hello", call))
    text = " ".join(Tags(page).text.split())
    assert "Tool search in Research depth 2 error" in text
    assert '{ "query": "bread" }' in text and "two hits" in text and "it failed" in text
    assert "chat-depth-2" in page


def test_cards_are_shown_as_what_they_are(root, alice):
    table = {"kind": "table", "name": "Sales", "columns": ["city"], "rows": [["Rome"]], "total": 1, "total_columns": 1}
    letter = {"kind": "html", "name": "letter", "html": f"<p>Dear <strong>Ann</strong></p>{EVIL}"}
    tool = Message(kind="tool", tool_name="write", content="written", parts=[letter])
    page = page_of(root, say(alice, "go", Message(kind="assistant", content="in words", parts=[table]), tool))
    assert '<td dir="auto">Rome</td>' in page and "in words" not in page and "<p>Dear <strong>Ann</strong></p>" in page
    assert "<script>alert" not in page and "onerror" not in page and "written" in page


def test_the_steps_of_a_turn_lead_to_their_records(root, alice):
    tool = Message(kind="tool", tool_name="look", duration_ms=5)
    page = page_of(root, say(alice, "hello", tool, Message(kind="assistant", content="found")))
    assert "2 steps" in page
    assert f'href="#record-{tool.id}"' in page and f'id="record-{tool.id}"' in page


def test_the_current_branch_is_shown_and_the_others_are_a_link_away(root, alice):
    said = say(alice, "first try", Message(kind="assistant", content="first answer"))
    first = said.head
    reply(edit(alice, said.id, turn=first, content="second try"), Message(kind="assistant", content="second answer"))
    page = page_of(root, said)
    assert "second answer" in page and "first answer" not in page and "version 2 of 2" in page
    assert f'href="?head={first}"' in page
    other = page_of(root, said, head=str(first))
    assert "first answer" in other and "second answer" not in other and "not the conversation's current" in other


def test_a_cleared_conversation_still_leads_to_what_was_said(root, alice):
    said = say(alice, "once said")
    turn = said.head
    with transaction.atomic():
        Conversation.objects.locked(said.id).set_head(None)
    page = page_of(root, said)
    assert "Nothing was said yet" in page and f'href="?head={turn}"' in page
    assert "once said" in page_of(root, said, head=str(turn)).split("Transcript")[-1]


@pytest.mark.parametrize("head", ["x", "00000000-0000-4000-8000-000000000000"])
def test_a_turn_that_does_not_exist_is_not_found(root, alice, head):
    url = reverse("admin:chat_conversation_change", args=[say(alice, "hello").id])
    assert root.get(url, {"head": head}).status_code == 404


def test_a_turn_of_another_conversation_is_not_found(root, alice):
    mine, other = say(alice, "mine"), say(alice, "other")
    url = reverse("admin:chat_conversation_change", args=[mine.id])
    assert root.get(url, {"head": str(other.head)}).status_code == 404


def test_what_is_in_progress_stands_at_the_end_of_its_turn(root, alice):
    said = say(alice, "hello", Message(kind="assistant", content="done"))
    Message.objects.create(conversation=said, kind="assistant", status="open", turn=said.head, content="so far")
    text = Tags(page_of(root, said)).text
    assert text.index("done") < text.index("in progress") < text.index("so far")


def test_a_long_transcript_has_pages(root, alice):
    answers = [Message(kind="assistant", content=f"word{n}.") for n in range(119)]
    said = say(alice, "hello", *answers)
    first, last = page_of(root, said), page_of(root, said, page="3")
    assert first.count('<li class="chat-record') == transcript.RECORDS_PER_PAGE and "word48." in first
    assert "word49." not in first and "word118." in last and last.count('<li class="chat-record') == 20
    assert 'href="?page=2"' in first and "120 records" in first


def test_a_long_text_is_cut(root, alice):
    long = "x" * (transcript.MAX_TEXT_CHARS + 5)
    table = "|a|b|\n|-|-|\n" + "|1|2|\n" * 15_000
    said = say(
        alice, "hello", Message(kind="tool", tool_name="t", content=long), Message(kind="assistant", content=table)
    )
    response = root.get(reverse("admin:chat_conversation_change", args=[said.id]))
    assert "5 more characters are not shown" in Tags(response.content.decode()).text.replace("\xa0", " ")
    assert len(response.content) < 500_000


# -- queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTS)
def test_a_list_takes_as_many_queries_for_30_rows_as_for_3(root, model):
    def fill(count):
        for _ in range(count):
            user = get_user_model().objects.create_user(uuid.uuid4().hex)
            process = ServerProcess.objects.create(host=uuid.uuid4().hex, pid=1)
            said = say(Owner(user_id=user.pk), "hello")
            run_of(said, process)
            for note in (ContentView, TakenAlong):
                note.objects.create(user=user, user_name=user.username, conversation_id=said.id)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            list_of(root, model)
        return len(captured)

    fill(3)
    list_of(root, model)  # fills the caches of the process
    few = queries()
    fill(27)
    assert queries() == few


def test_a_transcript_takes_as_many_queries_for_many_records_as_for_few(root, alice):
    def queries(said):
        with CaptureQueriesContext(connection) as captured:
            page_of(root, said)
        return len(captured)

    few = say(alice, "hello", Message(kind="assistant", content="hi"))
    many = say(alice, "hello", *[Message(kind="assistant", content=f"hi {n}", depth=1) for n in range(40)])
    page_of(root, few)  # fills the caches of the process
    assert queries(few) == queries(many)


# -- session records -----------------------------------------------------------------------------------------------


def test_live_is_what_runs_in_a_process_that_lives(root, alice, process):
    said = say(alice, "hello")
    dead = ServerProcess.objects.create(host="web-2", pid=1, renewed=timezone.now() - timedelta(minutes=1))
    live, lost = run_of(said, process), run_of(said, dead)
    over = run_of(said, process, ended=timezone.now(), end_reason="grace")

    def listed(**query):
        html = list_of(root, "chatsession", **query)
        return {run for run in (live, lost, over) if f"chatsession/{run.pk}/change" in html}

    assert listed(live="yes") == {live} and listed(live="no") == {lost, over} and listed() == {live, lost, over}
    assert listed(end_reason__exact="grace") == {over}
    assert listed(agent="assistant") == {live, lost, over} and listed(agent="other") == set()
    assert listed(process__id__exact=str(process.pk)) == {live, over}
    assert listed(conversation__id__exact=str(said.pk)) == {live, lost, over}


def test_runs_are_sorted_by_how_long_they_lasted_and_those_that_go_on_stand_beside_the_longest(root, alice, process):
    said, now = say(alice, "hello"), timezone.now()
    live = run_of(said, process, started=now)
    long, short = (run_of(said, process, started=now - timedelta(hours=hours)) for hours in (5, 2))
    long.end("grace")
    said.release("lost")  # the other way in which a run ends
    ChatSession.objects.filter(pk=live.pk).update(ended=None, duration=None)

    def order(sign: str) -> list[ChatSession]:
        html = list_of(root, "chatsession", o=f"{sign}5")
        return sorted((live, long, short), key=lambda run: html.index(f"chatsession/{run.pk}/change"))

    assert order("-") == [live, long, short] and order("") == [short, long, live]
    assert "5 h 0 min" in (html := list_of(root, "chatsession")) and "2 h 0 min" in html


def test_runs_are_found_by_their_month(root, alice, process):
    said = say(alice, "hello")
    begun = timezone.make_aware(datetime(2026, 3, 31, 23, 59))
    march, april = (run_of(said, process, started=begun + timedelta(minutes=minutes)) for minutes in (0, 2))
    html = list_of(root, "chatsession", month="2026-03")

    assert f"chatsession/{march.pk}/change" in html and f"chatsession/{april.pk}/change" not in html
    assert "?month=2026-04" in html
    for wrong in ("2026", "2026-13", "9999-12", "x"):
        assert root.get(reverse("admin:chat_chatsession_changelist"), {"month": wrong}).status_code == 302


def test_processes_show_whether_they_live(root, alice, process):
    ServerProcess.objects.create(host="dead-host", pid=1, renewed=timezone.now() - timedelta(minutes=1))
    run_of(say(alice, "hello"), process)
    assert "web-1:4711" in (live := list_of(root, "serverprocess", live="yes")) and "dead-host:1" not in live
    assert "dead-host:1" in list_of(root, "serverprocess", live="no")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (0, "0 s"), (4.9, "4 s"), (125, "2 min 5 s"), (3600, "1 h 0 min"), (275_000, "3 d 4 h")],
)
def test_durations_are_two_units(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


def test_the_stop_asks_the_process_and_is_in_the_history(root, alice, process):
    said = say(alice, SECRET)
    run, over = run_of(said, process), run_of(said, process, ended=timezone.now(), end_reason="grace")
    assert act(root, "stop_live", run, over).status_code == 302
    run.refresh_from_db()
    over.refresh_from_db()
    assert (run.ended, run.end_reason, over.end_reason) == (None, "admin", "grace")
    assert "ending" in Tags(list_of(root, "chatsession")).text
    entry = LogEntry.objects.get()
    assert entry.object_id == str(run.pk) and SECRET not in entry.object_repr + entry.change_message


def test_the_session_of_a_dead_process_is_closed_at_once(root, alice):
    dead = ServerProcess.objects.create(host="web-2", pid=1, renewed=timezone.now() - timedelta(minutes=1))
    said = say(alice, "hello")
    Conversation.objects.filter(id=said.id).update(owner_process=dead, fence=1, state="running")
    Message.objects.create(conversation=said, kind="assistant", status="open", turn=said.head, content="so far")
    run = run_of(said, dead)
    act(root, "stop_live", run)
    run.refresh_from_db()
    said.refresh_from_db()
    assert run.ended and run.end_reason == "lost" and said.state == "idle"
    assert said.messages.get(content="so far").status == "interrupted"


@pytest.mark.parametrize("model", ["chatsession"])
def test_staff_who_may_only_look_stops_nothing(staff, alice, process, model):
    run = run_of(say(alice, "hello"), process)
    act(staff, "stop_live", run)
    run.refresh_from_db()
    assert run.end_reason == "" and "Stop live sessions" not in list_of(staff, model)


def test_records_are_exported_without_content_or_formulas(staff, process):
    owner = Owner(user_id=get_user_model().objects.create_user("@SUM(A1)").pk)
    run = run_of(say(owner, SECRET), process, turns=3, cost="0.25", prompt_tokens=7)
    texts = {}
    for action in ("export_csv", "export_json", "export_markdown"):
        response = act(staff, action, run)
        assert "attachment" in response["Content-Disposition"]
        texts[action] = response.content.decode()
        assert SECRET not in texts[action]
    (row,) = csv.DictReader(io.StringIO(texts["export_csv"]))
    assert (row["user"], row["turns"], row["prompt_tokens"]) == ("'@SUM(A1)", "3", "7")
    (row,) = json.loads(texts["export_json"])
    assert (row["user"], row["turns"], row["process"], row["ended"]) == ("@SUM(A1)", 3, "web-1:4711", None)
    assert "| @SUM(A1) | assistant | web-1:4711 |" in texts["export_markdown"]


def test_a_session_record_is_not_deleted_by_itself(root, alice, process):
    run = run_of(say(alice, "hello"), process)
    assert root.post(reverse("admin:chat_chatsession_delete", args=[run.pk]), {"post": "yes"}).status_code == 403
    assert 'value="delete_selected"' not in list_of(root, "chatsession")
    assert "deletelink" not in page_of(root, run)


# -- deleting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["one", "selected"])
def test_deleting_a_conversation_leaves_nothing_of_it(root, alice, process, how):
    said, kept = say(alice, SECRET, Message(kind="assistant", content=SECRET)), say(alice, "other")
    run_of(said, None)
    if how == "one":
        url = reverse("admin:chat_conversation_delete", args=[said.id])
        question = root.get(url).content.decode()
        assert SECRET not in question and "Records: 2" in question
        root.post(url, {"post": "yes"})
    else:
        act(root, "delete_selected", said, post="yes")
    assert list(Conversation.objects.all()) == [kept]
    assert not Message.objects.filter(conversation_id=said.id).exists() and not ChatSession.objects.exists()
    assert SECRET not in "".join(entry.object_repr + entry.change_message for entry in LogEntry.objects.all())


def test_a_conversation_that_lives_elsewhere_is_deleted_too(root, alice, process):
    said = say(alice, "hello")
    Conversation.objects.filter(id=said.id).update(owner_process=process)
    assert this_process.record is None
    root.post(reverse("admin:chat_conversation_delete", args=[said.id]), {"post": "yes"})
    assert not Conversation.objects.exists()


def test_a_person_is_deleted_with_all_conversations(root, alice, process):
    run_of(say(alice, "hello"), process)
    url = reverse("admin:auth_user_delete", args=[alice.user_id])
    assert root.post(url, {"post": "yes"}).status_code == 302
    assert not Conversation.objects.exists() and not ChatSession.objects.exists()


def test_staff_who_may_only_look_deletes_nothing(staff, alice):
    said = say(alice, "hello")
    assert staff.post(reverse("admin:chat_conversation_delete", args=[said.id]), {"post": "yes"}).status_code == 403
    assert Conversation.objects.exists()


def test_what_is_read_is_not_logged(root, alice, caplog):
    with caplog.at_level("DEBUG", logger="chat"):
        page_of(root, say(alice, SECRET))
    assert SECRET not in caplog.text


# -- stopping real agents ------------------------------------------------------------------------------------------


class Admin:
    """A browser of a superuser at a real server."""

    def __init__(self, server: Server) -> None:
        self.url = f"{server.url}/admin/"
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        self.get("login/")
        self.post("login/", username="root", password="pw", next="/admin/")

    def get(self, path: str) -> str:
        return self._opener.open(self.url + path, timeout=60).read().decode()

    def post(self, path: str, **fields: str) -> str:
        token = next(cookie.value for cookie in self._jar if cookie.name == "csrftoken")
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        return self._opener.open(self.url + path, data, timeout=60).read().decode()

    def sessions(self, conversation: str) -> list[str]:
        return re.findall(
            r"chatsession/([0-9a-f-]{36})/change", self.get(f"chat/chatsession/?conversation__id__exact={conversation}")
        )

    def stop(self, session: str) -> str:
        return self.post("chat/chatsession/", action="stop_live", _selected_action=session)

    def ended(self, session: str) -> str:
        """How the session ended; waits for it."""
        deadline = time.monotonic() + 30
        while True:
            page = self.get(f"chat/chatsession/{session}/change/")
            status = re.search(r'chat-badge chat-past">([^<]*)<', page)
            if status:
                return status[1]
            assert time.monotonic() < deadline, "the session lives on"
            time.sleep(0.1)  # nothing tells an admin when a session ends


@pytest.fixture(scope="module")
def neighbour(server):
    """A second process of the same site, without Redis; and a superuser."""
    code = "from django.contrib.auth.models import User; User.objects.create_superuser('root', password='pw')"
    server.manage("shell", "-c", code)
    environment = {name: server.environment[name] for name in ("CHAT_API_BASE", "CHAT_API_KEY", "CHAT_MODEL")}
    with Server(server.data_dir, **environment) as neighbour:
        yield neighbour


@pytest.mark.parametrize("where", ["server", "neighbour"])
@pytest.mark.parametrize("text", ["[[tokens=400 tps=10]]", "[[tokens=3]]"], ids=["running", "idle"])
async def test_the_stop_ends_a_real_agent_wherever_it_lives(server, neighbour, where, text):
    admin = await sync_to_async(Admin, thread_sensitive=False)(server if where == "server" else neighbour)
    async with Client(server.ws_url, cookies=server.visitor(), agent="plain") as client:
        await client.say(text)
        if "400" in text:
            await client.event("stream_token")
        else:
            await client.idle()
        (session,) = await sync_to_async(admin.sessions)(client.conversation)
        assert "within a second or two" in await sync_to_async(admin.stop)(session)
        assert await sync_to_async(admin.ended)(session) == "stopped by an admin"
        await client.idle()
        (answer,) = client.messages()
        assert answer["status"] == ("stopped" if "400" in text else "complete") and answer["content"]
        await client.say("and again [[tokens=3]]")
        await client.idle()
        assert client.messages()[-1]["status"] == "complete"
        assert len(await sync_to_async(admin.sessions)(client.conversation)) == 2
