"""What answers stand on: told by DocChatAgent without a word of its author, or by `context.sources`."""

# ruff: noqa: E402
from __future__ import annotations

import asyncio

import pytest
from django.urls import reverse

from chat.agents.langroid import setup

setup.import_langroid()  # first of all

import langroid as lr
from langroid.agent.special.doc_chat_agent import DocChatAgent, DocChatAgentConfig
from langroid.mytypes import DocMetaData, Document

from chat.actions.share import share as shared
from chat.keeping.export import to_markdown
from chat.markdown.notes import numbers_in
from chat.markdown.stream import MarkdownStream, render
from chat.models import Conversation
from chat.testing import call, say

PASSAGES = [
    Document(content="Saturn has 274 moons.", metadata=DocMetaData(source="/srv/docs/moons.pdf page 12")),
    Document(content="Rings are ice.", metadata=DocMetaData(source="https://example.org/rings", title="Rings")),
    Document(content="Not cited.", metadata=DocMetaData(source="c:\\docs\\other.txt")),
]
MOONS = {"number": 1, "title": "moons.pdf", "page": "12", "quote": "Saturn has 274 moons."}
RINGS = {"number": 2, "title": "Rings", "url": "https://example.org/rings", "quote": "Rings are ice."}


class Documents(DocChatAgent):
    """Finds the same passages for whatever it is asked."""

    def answer_from_docs(self, query):
        return self.get_summary_answer(query, PASSAGES)


def documents(context):
    return Documents(DocChatAgentConfig(llm=context.llm(), vecdb=None, conversation_mode=True))


def librarian(context):
    """Asks the other one, by a tool, and passes on what it says."""

    class Look(lr.ToolMessage):
        request: str = "look_up"
        purpose: str = "To look something up."

        def handle(self):
            return lr.Task(documents(context), interactive=False, single_round=True).run("moons?").content

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(Look)
    return agent


def citing(context):
    class Cite(lr.ToolMessage):
        request: str = "cite"
        purpose: str = "To cite."

        def handle(self):
            context.sources(
                [
                    {"title": "Moons", "file": b"%PDF-1.7 moons", "page": 3, "quote": "x" * 5000, "secret": "no"},
                    {"title": "Given", "file": context.files[0], "number": 1},
                ]
            )
            with pytest.raises(TypeError):
                context.sources(["Moons"])
            with pytest.raises(TypeError):
                context.sources([{"title": "Moons", "file": "/etc/passwd"}])
            return "cited"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(Cite)
    return agent


@pytest.fixture(autouse=True)
def agents(settings):
    names = ("documents", "librarian", "citing")
    settings.CHAT_AGENTS = {name: {"FACTORY": f"tests.agents.test_sources.{name}"} for name in names}


def test_what_an_agent_for_documents_cites_comes_with_its_answer(chat_agent):
    agent = chat_agent("documents", model=[say("Saturn has 274 [^1], in rings [^2].")])
    reply = agent.say("How many moons?")
    assert reply.sources == [MOONS, RINGS]
    agent.reload()
    assert agent.reply.sources == [MOONS, RINGS]


def test_a_mark_without_a_passage_and_an_answer_without_a_mark_have_none(chat_agent):
    agent = chat_agent("documents", model=[say("Many [^9]."), say("Many.")])
    assert agent.say("How many?").sources == [] and agent.say("Sure?").sources == []


def test_an_answer_that_passes_on_marks_has_their_sources(chat_agent):
    agent = chat_agent(
        "librarian", model=[call("look_up"), say("274 [^1]."), say("It has 274 [^1]."), say("Yes [^1].")]
    )
    reply = agent.say("How many?")
    assert [message["sources"] for message in reply.messages if message["content"]] == [[MOONS], [MOONS]]
    assert agent.say("Sure?").sources == []  # a turn of its own


@pytest.fixture
def cited(chat_agent, client, django_user_model, tmp_path, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "chat": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}},
    }
    alice = django_user_model.objects.create_user("alice")
    client.force_login(alice)
    given = client.post("/api/attachments?name=given.txt", b"hello", content_type="text/plain").json()
    agent = chat_agent("citing", model=[call("cite"), say("Many [^2], `[^2]` given [^1].")], user=alice)
    agent.say("How many?", attachments=[given["id"]])
    return agent


def content_of(response):
    async def read():
        return b"".join([part async for part in response.streaming_content])

    return asyncio.run(read()) if response.is_async else b"".join(response.streaming_content)


def test_an_author_s_sources_have_files_numbers_and_no_more_than_a_page_can_show(cited, client):
    given, moons = cited.reply.sources
    assert (given["number"], given["attachment"]["name"]) == (1, "given.txt")
    assert (moons["number"], moons["page"], len(moons["quote"]), "secret" in moons) == (2, 3, 1000, False)
    for source, content in ((moons, b"%PDF-1.7 moons"), (given, b"hello")):
        assert content_of(client.get(source["attachment"]["url"])) == content


def test_sources_leave_the_house_with_the_answer(cited, client):
    conversation = Conversation.objects.get()
    text = "".join(to_markdown(conversation))
    seq = conversation.messages.exclude(sources=[]).get().seq
    assert f"Many [^{seq}-2], `[^2]` given [^{seq}-1]." in text
    assert f"[^{seq}-1]: Given\n" in text and f"[^{seq}-2]: Moons, page 3: “xxx" in text
    share = shared(conversation.owner, conversation.id, follows=True, with_tools=False, days=1)
    page = client.get(reverse("chat:shared", args=[share.token])).content.decode()
    assert "Moons" in page and ", page 3" in page and '<sup class="footnote-mark">2</sup>' in page


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a[^1] b[^12]", [1, 12]),
        ("[^3, 1]", [1, 3]),
        ("[^1, ^2; 4]", [1, 2, 4]),
        ("[^2-4]", [2, 3, 4]),
        ("[^a] [1]", []),
    ],
)
def test_marks_are_never_shown_as_they_are_written(text, numbers):
    assert numbers_in(text) == numbers
    html = render(text)
    assert ("[^" in html) == ("[^a]" in text)
    assert [int(each) for each in html.replace("</sup>", '">').split('">') if each.isdecimal()] == (
        [3, 1] if text == "[^3, 1]" else numbers
    )
    stream = MarkdownStream()
    for mark in text if "a]" not in text else "":
        stream.feed(mark)
        assert "[^" not in "".join(stream.blocks)
