"""The demo agents that give and take more than text: what they show, and what they do with files."""

from __future__ import annotations

import pytest
from django.conf import settings as project

from chat.models import Attachment, Conversation

PLANETS = b"Planet,Mass,Moons\nEarth,5.97,1\nMars,0.64,2\n"


@pytest.fixture
def showcase(chat_agent):
    return chat_agent("showcase")


@pytest.fixture
def analyst(chat_agent):
    return chat_agent("analyst", tz="Europe/Berlin")


def test_the_showcase_shows_each_kind_in_one_turn(showcase):
    reply = showcase.say("Show me everything.")

    assert reply.status == "complete" and reply.tools[0].error is None
    assert [part["kind"] for part in reply.parts] == ["table", "image", "pdf", "audio", "json", "diff", "file", "text"]
    assert all(part["name"] for part in reply.parts[:-1]) and reply.parts[1]["alt"]
    assert Attachment.objects.count() == 5


def test_the_showcase_tells_what_can_be_asked_for(showcase):
    told = showcase.say("hello").text
    assert all(f"**{thing}**" in told for thing in ("table", "sound", "steps", "sources", "error", "everything"))


def test_the_showcase_fails_on_purpose_and_goes_on(showcase):
    reply = showcase.say("An error, please.")
    assert reply.tools[0].status == "error" and reply.status == "complete"
    assert showcase.say("diff").parts[0]["kind"] == "diff"


def test_a_bar_goes_as_far_as_the_steps(showcase):
    assert showcase.say("Show me the steps").tools[0].status == "complete"
    shares = [
        event["fraction"]
        for event in showcase.events
        if event["type"] == "progress" and not event["is_over"] and event["fraction"] is not None
    ]
    assert shares and shares == sorted(shares)


def test_the_analyst_asks_for_the_table_and_keeps_to_it(analyst):
    assert analyst.say("Describe my table.").asked["kind"] == "file"
    described = analyst.answer(files={"planets.csv": PLANETS})
    assert [part["kind"] for part in described.parts] == ["table"]  # what the tool gave back, without a call
    assert described.parts[0]["columns"] == ["of the column", "Mass", "Moons"]

    (drawn,) = analyst.say("Draw it.").parts
    assert drawn["kind"] == "image" and "A bar for each of 2 rows" in drawn["alt"]
    (report,) = analyst.say("Write a report.").parts
    assert report["attachment"]["name"] == "report.txt"
    text = Attachment.objects.get(id=report["attachment"]["id"]).open().read().decode()
    assert text.startswith("For a visitor, ") and "CE" in text and "language: en" in text
    conversation = Conversation.objects.get(id=analyst.id)
    assert (conversation.title, conversation.folder) == ("Report of a table", "Reports")


def test_the_analyst_takes_the_newest_table_that_came_with_a_message(analyst):
    analyst.say("Describe this.", files={"old.csv": b"a,b\n1,2\n", "notes.txt": b"none"})
    (part,) = analyst.say("And this.", files={"new.csv": PLANETS}).parts
    assert part["columns"][1:] == ["Mass", "Moons"]


def test_each_agent_of_the_example_project_has_starters():
    assert all(entry["STARTERS"] for entry in project.CHAT_AGENTS.values())
