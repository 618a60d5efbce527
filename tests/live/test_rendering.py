"""HTML is made in order, and nobody waits for it but the pages that it is for."""

from __future__ import annotations

import json
import threading
import time

import pytest

from chat.live.rendering import RENDERERS, End, Rendering, Text, with_html
from chat.markdown.colours import Patience
from chat.markdown.stream import MarkdownStream, render
from tests.client import patch_blocks

ID = "m1"
WAIT_SECONDS = 60
STATUS = '{"type": "status"}'


class Woken:
    """A rendering whose frames another thread makes, and what it has told."""

    def __init__(self):
        self.told = threading.Event()
        self.rendering = Rendering(wake=self.told.set)

    def add(self, *parts):
        self.rendering.add(parts)

    def take(self, now=0.0):
        """What is ready at once."""
        return [json.loads(frame) for frame in self.rendering.take(now, 0.04)]

    def all(self, now=0.0):
        """What is ready when all is rendered."""
        frames = self.take(now)
        while self.rendering._is_elsewhere:
            assert self.told.wait(WAIT_SECONDS)
            self.told.clear()
        return frames + self.take(now)


@pytest.fixture
def pages():
    return Woken()


@pytest.fixture
def slow(monkeypatch):
    """A text with a bracket is not rendered before the event is set; another event says that somebody tries."""
    feed, go_on, tried = MarkdownStream.feed, threading.Event(), threading.Event()

    def wait(self, text):
        if "[" in text:
            tried.set()
            assert go_on.wait(WAIT_SECONDS)
        return feed(self, text)

    monkeypatch.setattr(MarkdownStream, "feed", wait)
    yield go_on, tried
    go_on.set()


def answer(text):
    return {"type": "message", "seq": 1, "message": {"sender": "assistant", "content": text}}


def kinds(events):
    return [event["type"] for event in events]


def test_patches_of_one_message_keep_their_distance(pages):
    pages.add(Text(ID, "one"))
    assert kinds(pages.take(now=1.0)) == ["stream_html"]

    pages.add(Text(ID, " two"))
    assert pages.take(now=1.01) == [] and pages.rendering.waits
    assert kinds(pages.take(now=9.0)) == ["stream_html"]
    assert not pages.rendering.waits


def test_the_end_and_the_record_come_after_the_text_whoever_renders_it(pages):
    text = "# A title\n\n**bold**"
    pages.add(Text(ID, text[:12]), Text(ID, text[12:]), End(ID), answer(text), STATUS)

    *patches, end, record, status = pages.all()
    blocks = []
    for patch in patches:
        patch_blocks(blocks, patch)
    assert "".join(blocks) == render(text)
    assert (end["type"], record, status["type"]) == ("stream_end", with_html(answer(text), Patience()), "status")
    assert not pages.rendering.waits


def test_who_takes_never_waits_for_a_text_that_takes_long(pages, slow):
    go_on, tried = slow
    pages.add(Text(ID, "["), End(ID))

    assert pages.take() == []  # in another thread now
    assert tried.wait(WAIT_SECONDS)
    pages.add(STATUS)
    assert pages.take() == [] and not pages.rendering.waits
    go_on.set()
    assert kinds(pages.all()) == ["stream_html", "stream_end", "status"]


def test_only_what_takes_moments_is_rendered_by_who_takes(pages, monkeypatch):
    feed, here = MarkdownStream.feed, []

    def noted(self, text):
        here.append(threading.current_thread() is threading.main_thread())
        patches = feed(self, text)
        self.last_seconds = 1.0 if "slow" in text else 0.0
        return patches

    monkeypatch.setattr(MarkdownStream, "feed", noted)
    for text in ("short", "x" * 10_000, "slow", "short", "short"):
        pages.add(Text(ID, text))
        pages.all(now=float("inf"))
    assert here == [True, False, True, False, True]


def test_few_threads_render_what_is_heavy(slow):
    go_on, tried = slow
    busy = [Woken() for _ in range(RENDERERS + 1)]
    for each in busy[:-1]:
        each.add(Text(ID, "[" * 9_000))
        each.take()
        assert tried.wait(WAIT_SECONDS)
        tried.clear()
    busy[-1].add(Text(ID, "[" * 9_000))
    busy[-1].take()
    light = Woken()
    light.add(Text(ID, "light"), End(ID))
    assert kinds(light.all()) == ["stream_html", "stream_end"]
    assert not tried.is_set()
    go_on.set()
    assert kinds(busy[-1].all()) == ["stream_html"]


def test_a_page_that_joins_gets_what_there_is_and_the_number_of_what_comes(pages):
    pages.add(Text(ID, "one *two"))
    [(n, blocks)] = pages.rendering.blocks().values()
    blocks = list(blocks)

    pages.add(Text(ID, "* three"))
    later = [event for event in pages.all(now=time.monotonic() + 99) if event["n"] >= n]
    for patch in later:
        patch_blocks(blocks, patch)
    assert later and "".join(blocks) == render("one *two* three")


def test_a_rendering_that_fails_ends_nothing(pages, monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setattr(MarkdownStream, "end", fail)
    pages.add(End(ID))
    assert pages.all() == []
    pages.add(STATUS)
    assert kinds(pages.all()) == ["status"]
