"""The benchmark runs and counts what it should. Nothing here depends on how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import processes
from benchmarks.baseline import httpx_client
from benchmarks.load import Turn
from benchmarks.stub import answer_of
from tests.servers import ROOT


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)


@pytest.mark.parametrize("mode", [["--html"], []], ids=["html", "raw"])
def test_a_small_run_loses_nothing_and_writes_its_figures(mode, tmp_path):
    done = bench(
        *("--json", str(tmp_path / "figures.json"), "stream", "--sessions", "2", "--turns", "2", "--tokens", "30"),
        *("--tps", "0", "--baseline", "httpx", "--spread", "0", *mode),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    best = json.loads((tmp_path / "figures.json").read_text())["best"]
    assert set(best) == {"httpx", "chat"}
    assert best["chat"]["lost"] == 0
    assert all(run["cpu_per_1000"] > 0 for run in best.values())


def test_first_turns_are_measured_beside_later_ones(tmp_path):
    done = bench(
        *("--json", str(tmp_path / "figures.json"), "newcomers", "--sessions", "2", "--tokens", "30"),
        *("--tps", "0", "--spread", "0"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (runs,) = json.loads((tmp_path / "figures.json").read_text())["all"]
    assert set(runs) == {"httpx", "first turns", "later turns"}
    assert "first over later: CPU" in done.stdout


def test_the_search_is_measured(tmp_path):
    done = bench("--json", str(tmp_path / "figures.json"), "search", "--messages", "400", "--database", "sqlite")

    assert done.returncode == 0, done.stdout + done.stderr
    queries = json.loads((tmp_path / "figures.json").read_text())["sqlite"]["queries"]
    assert len(queries) >= 5 and all(times["worst_ms"] > 0 for times in queries.values())


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_admin_s_lists_are_measured_and_no_page_sorts_all_session_records(database, tmp_path):
    done = bench("--json", str(tmp_path / "figures.json"), "sessions", "--rows", "3000", "--database", database)

    assert done.returncode == 0, done.stdout + done.stderr
    pages = json.loads((tmp_path / "figures.json").read_text())[database]["pages"]
    assert all(page["worst_ms"] > 0 for page in pages.values())
    assert "chat_sessions_by_start" in pages["the list"]["indexes"]
    for name in ("by duration", "the longest"):
        assert "chat_sessions_by_duration" in pages[name]["indexes"], pages[name]


def test_the_knee_is_where_answers_begin_to_come_late(monkeypatch, capsys):
    late = {20: 1.0, 40: 1.1, 80: 1.3}
    run = {"gap_p99": 0.2, "first_p99": 0.1, "cpu_per_1000": 0.2, "cpu_share": 0.5, "lost": 0}
    server = SimpleNamespace(ws_url="", process=SimpleNamespace(pid=0))
    monkeypatch.setattr(command.processes, "stub", lambda *_: nullcontext(""))
    monkeypatch.setattr(command.processes, "chat_server", lambda *_: nullcontext(server))
    monkeypatch.setattr(command.processes, "run", lambda module, **plan: plan["sessions"])
    monkeypatch.setattr(command, "summary", lambda seen, arguments: run | {"last_over_ideal": late[seen]})

    assert command.main(["knee", "--sessions", "20", "40", "80", "160"]) == 0
    assert "40 sessions at 50 tokens/s hold the pace" in capsys.readouterr().out


def test_a_page_that_stands_still_does_not_hold_the_pace():
    assert command.holds_pace({"last_over_ideal": 1.0, "gap_p99": 0.25})
    assert not command.holds_pace({"last_over_ideal": 1.0, "gap_p99": 0.26})


def test_lost_text_is_an_error(monkeypatch):
    monkeypatch.setattr(command, "stream", lambda arguments: {"lost": 1})

    assert command.main(["stream", "--sessions", "1"]) == 1


def test_a_page_notices_a_repeated_token_and_a_hole():
    turn = Turn(asked=0.0)

    for n in (0, 1, 1, 2, 4):
        turn.take(n)

    assert turn.lost == 2


def test_the_stub_says_what_the_pages_expect():
    with processes.stub(25, 0) as api_base:
        ask = httpx_client(api_base, marks := [])

        assert ask("hello") == answer_of(25)
        assert ask("hello [[tokens=3 tps=100]]") == answer_of(3)
    assert len(marks) == 28
