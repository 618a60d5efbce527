"""The colours of code come from processes of their own, in bounded time, and take nobody with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chat.markdown import colours
from chat.markdown.colours import Colours, Patience
from chat.markdown.stream import MarkdownStream, _cache, render
from tests.pace import assert_within
from tests.programs import children_of, wait_until

SLOW = '"' + "\\" * 60  # as scala it takes Pygments' lexer longer than the universe has
FROZEN = f"```scala\n{SLOW}\n```\n"


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    """Children, and a memory, of the test's own."""
    pool = colours._Pool()
    monkeypatch.setattr(colours, "pool", pool)
    colours._kept.clear()
    colours._slow.clear()
    _cache.clear()
    yield pool
    _cache.clear()


def children() -> set[int]:
    """The processes that colour for this one."""
    return children_of(os.getpid())


def environment_of(process: int) -> bytes | None:
    """None, if it has just ended."""
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return None


def coloured(code: str, language: str = "python", seconds: float = 30) -> str | None:
    return Colours(Patience(seconds)).of(code, language)


def test_a_lexer_without_end_is_ended_and_its_text_shown_plain():
    began = time.monotonic()

    shown = render(FROZEN)

    assert_within(2.0, since=began)
    assert "<span" not in shown and SLOW in shown
    assert '<span class="n">x</span>' in render("```python\nx\n```")


def test_a_stream_goes_on_beside_a_lexer_without_end():
    stream = MarkdownStream()
    began = time.monotonic()

    stream.feed(FROZEN + "\nmore\n\n")
    stream.feed("and ever more")

    assert_within(0.2, since=began)
    assert "".join(stream.blocks).endswith('<p dir="auto">and ever more</p>')


def test_a_text_that_was_too_slow_is_not_tried_again(pool, monkeypatch):
    assert coloured(SLOW, "scala") is None
    monkeypatch.setattr(pool, "ask", lambda *args: pytest.fail("asked again"))

    later = Colours(Patience())

    assert later.of(SLOW, "scala") is None and not later.are_late


def test_a_message_full_of_slow_texts_costs_no_more_than_one(pool, monkeypatch):
    jobs = []

    def ask(*args, original=pool.ask):
        jobs.append(original(*args))
        return jobs[-1]

    monkeypatch.setattr(pool, "ask", ask)
    of_message = Colours(Patience(30))

    assert [of_message.of(SLOW + str(number), "scala") for number in range(50)] == [None] * 50

    assert [job.is_slow for job in jobs] == [True] and not of_message.are_late


def test_a_message_that_nobody_waits_for_asks_for_a_few_colours_at_once(pool):
    of_message = Colours(Patience(0))

    assert [of_message.of(SLOW + str(number), "scala") for number in range(50)] == [None] * 50

    assert len(pool._jobs) <= colours.MAX_ASKED and of_message.are_late


def test_whoever_reads_waits_no_longer_than_patience(pool):
    began = time.monotonic()

    hurried = Colours(Patience(0.1))

    assert hurried.of(SLOW, "scala") is None
    assert hurried.are_late
    assert_within(0.3, since=began)


def test_what_came_too_late_is_there_the_next_time():
    hurried = Colours(Patience(0))
    assert hurried.of("x = 1", "python") is None
    wait_until(lambda: hurried.have_come)

    assert '<span class="n">x</span>' in Colours(Patience(0)).of("x = 1", "python")


def test_the_children_are_few_and_none_is_started_before_it_is_needed(pool):
    before = children()
    render("no code")
    assert children() == before

    asked = [pool.ask(str(number).encode(), f"x = {number}", "python") for number in range(50)]

    for job in asked:
        assert job.done.wait(30)
    assert 1 <= len(children() - before) <= colours.PROCESSES


def test_a_child_without_work_ends(monkeypatch):
    monkeypatch.setattr(colours, "IDLE_SECONDS", 0.05)
    before = children()

    assert coloured("x = 1")

    wait_until(lambda: children() <= before)
    assert coloured("y = 1")


def test_a_child_that_dies_is_replaced(monkeypatch):
    monkeypatch.setattr(colours, "BROKEN_SECONDS", 0.0)
    before = children()
    assert coloured("x = 1")
    for pid in children() - before:
        os.kill(pid, signal.SIGKILL)

    assert coloured("y = 1") is None

    assert coloured("z = 1")


def test_without_children_code_is_shown_plain_at_once(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert coloured("x = 1") is None

    began = time.monotonic()
    texts = [coloured(f"x = {number}") for number in range(100)]

    assert set(texts) == {None}
    assert_within(0.2, since=began)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_children_end_with_their_server(ending):
    code = (
        "import time; from chat.markdown.colours import *\n"
        "assert Colours(Patience(30)).of('x = 1', 'python'); print('ready', flush=True); time.sleep(60)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout.readline() == "ready\n"
    (child,) = children_of(server.pid)

    server.send_signal(ending)
    server.wait(30)

    wait_until(lambda: not os.path.exists(f"/proc/{child}"))
    server.stdout.close()


def test_a_child_knows_nothing_of_the_server(monkeypatch):
    monkeypatch.setenv("CHAT_API_KEY", "sk-secret")
    before = children()
    assert coloured("x = 1")
    made = children() - before  # two, where the machine was too busy for the first

    known = [environment for child in made if (environment := environment_of(child)) is not None]
    assert known
    assert not [environment for environment in known if b"sk-secret" in environment]


def test_a_lexer_that_fails_leaves_the_code_without_colours(tmp_path, monkeypatch):
    (tmp_path / "pygments").mkdir()
    (tmp_path / "pygments" / "__init__.py").write_text("def highlight(*args): raise RuntimeError")
    (tmp_path / "pygments" / "formatters.py").write_text("class HtmlFormatter:\n def __init__(self, **options): pass")
    (tmp_path / "pygments" / "lexers.py").write_text("def get_lexer_by_name(*args, **options): pass")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert "<code>x = 1\n</code>" in render("```python\nx = 1\n```")


def test_after_a_fork_nobody_waits_for_the_parent_s_children():
    code = """
import os
from chat.markdown.colours import *
assert Colours(Patience(30)).of("x = 1", "python")
if pid := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
assert Colours(Patience(30)).of("y = 1", "python")
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
