"""The command line: run the measurements, print tables, write JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import load, processes
from tests import programs
from tests.servers import Server

BASELINES = ("httpx", "sdk", "agent", "task")
HISTORY_WINDOWS = ((1, 1), (6, 25), (91, 110), (486, 505))  # of turns; the kernel counts in 10 ms

Result = dict[str, Any]


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


# -- streaming ---------------------------------------------------------------------------------------------------------


def stream(arguments: argparse.Namespace) -> Result:
    """N sessions at the same time, beside the bare parts."""
    shape = {"turns": arguments.turns, "tokens": arguments.tokens, "tps": arguments.tps}
    shape |= {"sessions": arguments.sessions, "spread_seconds": arguments.spread}
    switches = dict(pair.split("=", 1) for pair in arguments.setting)
    measured: Result = {}
    with processes.stub(arguments.tokens, arguments.tps) as api_base:
        for round in range(arguments.repeat):
            for kind in arguments.baseline:
                seen = processes.run("baseline", kind=kind, api_base=api_base, **shape)
                measured.setdefault(kind, []).append(summary(seen, arguments))
            with processes.chat_server(arguments.server, api_base, **switches) as server:
                plan = {"url": server.ws_url, "pid": server.process.pid, "html": arguments.html, **shape}
                seen = processes.run("load", **plan)
                measured.setdefault("chat", []).append(summary(seen, arguments))
            print(f"round {round + 1} of {arguments.repeat} done", file=sys.stderr)
    best = {kind: min(runs, key=lambda run: run["cpu_per_1000"]) for kind, runs in measured.items()}
    _print_stream(best, arguments)
    return {"best": best, "all": measured, "lost": sum(run["lost"] for run in measured["chat"])}


def summary(seen: Result, arguments: argparse.Namespace) -> Result:
    ideal = (arguments.tokens - 1) / arguments.tps if arguments.tps else 0.0
    last = seen["last_seconds"]
    found = {
        "cpu_per_1000": seen["cpu_seconds"] / seen["tokens"] * 1000,
        "cpu_share": seen["cpu_seconds"] / seen["wall_seconds"],
        "tokens_per_second": seen["tokens"] / seen["wall_seconds"],
        "lost": seen["lost"],
        "first_p50": quantile(seen["first_seconds"], 0.5),
        "first_p99": quantile(seen["first_seconds"], 0.99),
        "gap_p50": quantile(seen["gap_seconds"], 0.5),
        "gap_p99": quantile(seen["gap_seconds"], 0.99),
        "last_p50": statistics.median(last),
        "last_max": max(last),
        "last_over_ideal": max(last) / ideal if ideal else 0.0,
    }
    if "rss_bytes" in seen:
        found["kb_per_session"] = (seen["rss_bytes"] - seen["rss_bytes_before"]) / seen["sessions"] / 1024
        found["rss_mb"] = seen["rss_bytes"] / 2**20
        found["client_cpu_share"] = seen["client_cpu_share"]
        found["caught_up"] = seen["caught_up"]
    return found


def _print_stream(best: Result, arguments: argparse.Namespace) -> None:
    pace = f"{arguments.tps} tokens/s" if arguments.tps else "unpaced"
    mode = "html=1" if arguments.html else "raw"
    head = f"{arguments.sessions} sessions, {arguments.turns} x {arguments.tokens} tokens, {pace}"
    print(f"{head}, {mode}, {arguments.server}")
    rows: list[Sequence[str]] = [
        ("", "CPU s/1000", "x task", "first ms p50/p99", "gap ms p50/p99", "last/ideal", "lost", "kB/session")
    ]
    task = best.get("task", {}).get("cpu_per_1000")
    for kind, run in best.items():
        rows.append(
            (
                kind,
                f"{run['cpu_per_1000']:.3f}",
                f"{run['cpu_per_1000'] / task:.2f}" if task else "-",
                f"{run['first_p50'] * 1000:.0f}/{run['first_p99'] * 1000:.0f}",
                f"{run['gap_p50'] * 1000:.0f}/{run['gap_p99'] * 1000:.0f}",
                f"{run['last_over_ideal']:.2f}",
                str(run["lost"]),
                f"{run['kb_per_session']:.0f}" if "kb_per_session" in run else "-",
            )
        )
    table(rows)


# -- newcomers ---------------------------------------------------------------------------------------------------------


def newcomers(arguments: argparse.Namespace) -> Result:
    """N new conversations begin at the same time, and then go on: what a first turn costs beside a later one."""
    arguments.turns = 1
    shape = {"turns": 1, "tokens": arguments.tokens, "tps": arguments.tps}
    shape |= {"sessions": arguments.sessions, "spread_seconds": arguments.spread}
    switches = dict(pair.split("=", 1) for pair in arguments.setting)
    rounds: list[Result] = []
    with processes.stub(arguments.tokens, arguments.tps) as api_base:
        for round in range(arguments.repeat):
            floor = processes.run("baseline", kind="httpx", api_base=api_base, **shape)
            with processes.chat_server(arguments.server, api_base, **switches) as server:
                plan = {"url": server.ws_url, "pid": server.process.pid, "html": arguments.html, **shape}
                seen = processes.run("load", newcomers=True, **plan)
            runs = {"httpx": floor, "first turns": seen["first"], "later turns": seen["later"]}
            rounds.append({name: summary(run, arguments) for name, run in runs.items()})
            _print_newcomers(rounds[-1])
            print(f"round {round + 1} of {arguments.repeat} done", file=sys.stderr)
    return {"all": rounds, "lost": sum(run["lost"] for runs in rounds for run in runs.values())}


def _print_newcomers(runs: Result) -> None:
    rows: list[Sequence[str]] = [("", "CPU s/1000", "x httpx", "first ms p50/p99", "gap ms p99", "last/ideal", "lost")]
    floor = runs["httpx"]["cpu_per_1000"]
    for name, run in runs.items():
        figures = (f"{run['cpu_per_1000']:.3f}", f"{run['cpu_per_1000'] / floor:.2f}")
        first = f"{run['first_p50'] * 1000:.0f}/{run['first_p99'] * 1000:.0f}"
        rows.append(
            (name, *figures, first, f"{run['gap_p99'] * 1000:.0f}", f"{run['last_over_ideal']:.2f}", str(run["lost"]))
        )
    table(rows)
    new, old = runs["first turns"], runs["later turns"]
    ratios = (
        f"{what} {new[key] / old[key]:.2f}"
        for what, key in (("CPU", "cpu_per_1000"), ("first token p50", "first_p50"), ("p99", "first_p99"))
    )
    print(f"first over later: {', '.join(ratios)}")


# -- the knee ----------------------------------------------------------------------------------------------------------


def knee(arguments: argparse.Namespace) -> Result:
    """How many sessions hold the pace on one process: more and more of them, until their answers come late."""
    arguments.turns = 1
    runs: list[Result] = []
    with processes.stub(arguments.tokens, arguments.tps) as api_base:
        for sessions in arguments.sessions:
            shape = {"turns": 1, "tokens": arguments.tokens, "tps": arguments.tps, "sessions": sessions}
            shape["spread_seconds"] = arguments.tokens / arguments.tps  # as a server sees it that is always busy
            with processes.chat_server(arguments.server, api_base) as server:
                seen = processes.run("load", url=server.ws_url, pid=server.process.pid, html=arguments.html, **shape)
            runs.append(summary(seen, arguments) | {"sessions": sessions})
            if not holds_pace(runs[-1]):
                break
    rows: list[Sequence[str]] = [
        ("sessions", "last/ideal", "gap ms p99", "first ms p99", "CPU s/1000", "of a core", "holds the pace")
    ]
    for run in runs:
        figures = (run["last_over_ideal"], run["gap_p99"] * 1000, run["first_p99"] * 1000, run["cpu_per_1000"])
        shown = [f"{value:.{digits}f}" for value, digits in zip(figures, (2, 0, 0, 3), strict=True)]
        rows.append((str(run["sessions"]), *shown, f"{run['cpu_share']:.2f}", "yes" if holds_pace(run) else "no"))
    table(rows)
    held = max((run["sessions"] for run in runs if holds_pace(run)), default=0)
    print(f"{held} sessions at {arguments.tps} tokens/s hold the pace")
    return {"held": held, "all": runs, "lost": sum(run["lost"] for run in runs)}


def holds_pace(run: Result) -> bool:
    """True if every last token came in time, and no page stood still."""
    return bool(run["last_over_ideal"] <= 1.1 and run["gap_p99"] <= 0.25)


# -- connections -------------------------------------------------------------------------------------------------------


def connections(arguments: argparse.Namespace) -> Result:
    """N connections that say nothing: how fast they open, and what they cost while idle."""
    with processes.stub(5, 0) as api_base, processes.chat_server(arguments.server, api_base) as server:
        plan = {"url": server.ws_url, "pid": server.process.pid, "sessions": arguments.sessions, "turns": 0}
        seen = processes.run("load", **plan, idle_seconds=arguments.idle, html=arguments.html)
    count = seen["sessions"]
    found = {
        "connections": count,
        "per_second": count / seen["connect_wall_seconds"],
        "cpu_ms_per_connect": seen["connect_cpu_seconds"] / count * 1000,
        "connect_p50": quantile(seen["connect_seconds"], 0.5),
        "connect_p99": quantile(seen["connect_seconds"], 0.99),
        "kb_per_connection": (seen["rss_bytes"] - seen["rss_bytes_before"]) / count / 1024,
        "idle_cpu_share": seen["idle_cpu_share"],
    }
    table([("", "value"), *((name, f"{value:.3f}") for name, value in found.items())])
    return found


# -- starting ----------------------------------------------------------------------------------------------------------


def cold(arguments: argparse.Namespace) -> Result:
    """From the start of the process to the first page, and to the first and last word of the mock model's answer."""
    runs = [_cold_once() for _ in range(arguments.repeat)]
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    table([("", "best", "worst"), *((n, f"{v:.2f}", f"{max(r[n] for r in runs):.2f}") for n, v in best.items())])
    return {"best": best, "all": runs}


def _cold_once() -> Result:
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory), kind="runserver", settings="webui_project.settings")
        server.manage("migrate", "--verbosity", "0")
        started = time.monotonic()
        try:
            server.start(migrate=False)
            urllib.request.urlopen(f"{server.url}/", timeout=30).read()
            page = time.monotonic() - started
            page_cpu = processes.cpu_seconds(server.process.pid)
            first = asyncio.run(_first_answer(server)) - started
            cpu = processes.cpu_seconds(server.process.pid)
            rss = processes.rss_bytes(server.process.pid) / 2**20
        finally:
            server.stop()
    return {
        "first_page_seconds": page,
        "first_page_cpu_seconds": page_cpu,
        "first_answer_seconds": first,
        "first_answer_cpu_seconds": cpu,
        "rss_mb": rss,
    }


async def _first_answer(server: Server) -> float:
    page = load.Page(load.Plan(url=server.ws_url, pid=0))
    await page.open()
    first = await page.first_word("hello")
    await page.close()
    return first


def creation(arguments: argparse.Namespace) -> Result:
    """An agent for a new session, with its client."""
    seen = processes.run("creation", count=arguments.count)
    found = {
        "first_ms": seen["first_seconds"] * 1000,
        "median_ms": statistics.median(seen["seconds"]) * 1000,
        "worst_ms": max(seen["seconds"]) * 1000,
    }
    table([("agent creation, CPU", ""), *((name, f"{value:.1f}") for name, value in found.items())])
    return found


def testing(arguments: argparse.Namespace) -> Result:
    """A turn in a test with `chat.testing`."""
    seen = processes.run("testing", count=arguments.count)
    found = {
        "first_ms": seen["first_seconds"] * 1000,
        "median_ms": statistics.median(seen["seconds"]) * 1000,
        "worst_ms": max(seen["seconds"]) * 1000,
    }
    table([("a turn in a test", ""), *((name, f"{value:.1f}") for name, value in found.items())])
    return found


# -- growth ------------------------------------------------------------------------------------------------------------


def history(arguments: argparse.Namespace) -> Result:
    """CPU per turn as one conversation grows, beside the bare Langroid agent, whose history nobody cuts."""
    windows = [window for window in HISTORY_WINDOWS if window[0] <= arguments.turns]
    shape = {"tokens": arguments.tokens, "tps": 0, "question_words": arguments.question_words, "windows": windows}
    switches = dict(pair.split("=", 1) for pair in arguments.setting)
    with processes.stub(arguments.tokens, 0) as api_base:
        with processes.chat_server(arguments.server, api_base, **switches) as server:
            chat = processes.run("load", url=server.ws_url, pid=server.process.pid, html=arguments.html, **shape)
        bare: Result = {"windows": []}
        if arguments.baseline:
            options = {"kind": "task", "sessions": 1, "turns": 1, "spread_seconds": 0}
            bare = processes.run("baseline", api_base=api_base, **options, **shape)
    rows = [("turns", "chat CPU ms/turn", "bare Langroid")]
    for at, window in enumerate(chat["windows"]):
        other = f"{bare['windows'][at]['cpu_per_turn'] * 1000:.1f}" if bare["windows"] else "-"
        rows.append(("{}-{}".format(*window["turns"]), f"{window['cpu_per_turn'] * 1000:.1f}", other))
    table(rows)
    by_first = {window["turns"][0]: window["cpu_per_turn"] for window in chat["windows"]}
    found: Result = {"chat": chat["windows"], "bare": bare["windows"]}
    if 486 in by_first:
        found["growth"] = by_first[486] / by_first[6]
        print(f"500 turns over 10: {found['growth']:.2f}")
    return found


# -- the page ----------------------------------------------------------------------------------------------------------


def page(arguments: argparse.Namespace) -> Result:
    """A browser's first visit; then a long conversation: until it is seen, and long tasks while an answer comes."""
    from benchmarks import page as browser  # needs Playwright

    shape = {"loaded": arguments.loaded, "tokens": arguments.tokens, "tps": arguments.tps, "trace": arguments.trace}
    with ExitStack() as stack:
        api_base = stack.enter_context(processes.stub(arguments.tokens, arguments.tps))
        server = stack.enter_context(processes.chat_server(arguments.server, api_base))
        conversation, cookies = browser.store(server, arguments.turns)
        browser.bundle(server)
        found: Result = processes.run("page", url=server.url, conversation=conversation, cookies=cookies, **shape)
    first = found["first_visit"]
    rows = [("", "value"), ("first visit, usable after the HTML", f"{first['usable_ms']:.0f} ms")]
    rows += [("requests of it", str(first["requests"]))]
    rows += [("own code, and later", f"{first['code_bytes'] / 1000:.1f} + {first['later_bytes'] / 1000:.1f} kB")]
    rows += [("opened after", f"{found['open_seconds']:.2f} s")]
    rows += [("turns on the page", str(found["turns"])), ("elements", str(found["nodes"]))]
    rows += [("answer / ideal", f"{found['answer_seconds'] / found['ideal_seconds']:.2f}")]
    shifts = (first["shifted"], found["open_shifted"], found["shifted"])
    rows += [("layout shift: first visit, opened, answer", " / ".join(f"{each:.3f}" for each in shifts))]
    rows += [("tasks over 50 ms", f"{len(found['long_tasks'])}, longest {max(found['long_tasks'], default=0)} ms")]
    table(rows)
    for task in found.get("longest", []):
        print(task)
    return found


# -- the search --------------------------------------------------------------------------------------------------------


def search(arguments: argparse.Namespace) -> Result:
    """How long a search takes among many messages: SQLite, and PostgreSQL where it is installed."""
    found = in_databases(arguments.database, "search", messages=arguments.messages)
    for database, seen in found.items():
        print(f"{database}, {seen['messages']} messages; indexing {seen['index_us_per_message']:.0f} us a message")
        table([TIMES, *times_of(seen["queries"])])
    return found


def sessions(arguments: argparse.Namespace) -> Result:
    """How long the admin takes for its pages of many session records: SQLite, and PostgreSQL where it is installed."""
    found = in_databases(arguments.database, "sessions", rows=arguments.rows)
    for database, seen in found.items():
        print(f"{database}, {seen['rows']} session records")
        table([TIMES, *times_of(seen["pages"])])
    return found


TIMES = ("", "median ms", "worst ms")


def in_databases(names: Sequence[str], module: str, **plan: int) -> Result:
    """What a measurement gives in each of these databases."""
    found: Result = {}
    for name in names:
        with ExitStack() as servers:
            if name == "postgresql":
                os.environ["DATABASE_URL"] = servers.enter_context(programs.postgres_server()).url
            else:
                os.environ.pop("DATABASE_URL", None)
            found[name] = processes.run(module, **plan)
    return found


def times_of(measured: dict[str, dict[str, float]]) -> list[Sequence[str]]:
    return [(name, f"{t['median_ms']:.1f}", f"{t['worst_ms']:.1f}") for name, t in measured.items()]


# -- the command -------------------------------------------------------------------------------------------------------


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--server", default="daphne", choices=("daphne", "uvicorn"), help="default: daphne")
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("stream", help=stream.__doc__)
    command.set_defaults(run=stream)
    command.add_argument("--sessions", type=int, default=50)
    command.add_argument("--turns", type=int, default=1, help="of each session")
    command.add_argument("--tokens", type=int, default=200, help="of each answer")
    command.add_argument("--tps", type=int, default=50, help="tokens per second of each answer; 0: unpaced")
    command.add_argument("--spread", type=float, default=1.0, help="sessions start within so many seconds")
    command.add_argument("--html", action="store_true", help="the page's mode: answers arrive rendered")
    command.add_argument("--repeat", type=int, default=1, help="rounds; the one with the least CPU is shown")
    command.add_argument("--baseline", nargs="*", default=BASELINES, choices=BASELINES)
    command.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the environment")

    command = commands.add_parser("newcomers", help=newcomers.__doc__)
    command.set_defaults(run=newcomers)
    command.add_argument("--sessions", type=int, default=50)
    command.add_argument("--tokens", type=int, default=200, help="of each answer")
    command.add_argument("--tps", type=int, default=50, help="tokens per second of each answer; 0: unpaced")
    command.add_argument("--spread", type=float, default=1.0, help="sessions start within so many seconds")
    command.add_argument("--html", action="store_true", help="the page's mode: answers arrive rendered")
    command.add_argument("--repeat", type=int, default=1, help="rounds, each with a server of its own")
    command.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the environment")

    command = commands.add_parser("knee", help=knee.__doc__)
    command.set_defaults(run=knee)
    command.add_argument("--sessions", type=int, nargs="+", default=(50, 75, 100, 125, 150, 200, 250, 300))
    command.add_argument("--tokens", type=int, default=200, help="of each answer")
    command.add_argument("--tps", type=int, default=50, help="tokens per second of each answer")
    command.add_argument("--html", action="store_true", help="the page's mode: answers arrive rendered")

    command = commands.add_parser("connections", help=connections.__doc__)
    command.set_defaults(run=connections)
    command.add_argument("--sessions", type=int, default=1000)
    command.add_argument("--idle", type=float, default=5.0, help="seconds to watch")
    command.add_argument("--html", action="store_true")

    command = commands.add_parser("cold", help=cold.__doc__)
    command.set_defaults(run=cold)
    command.add_argument("--repeat", type=int, default=3)

    command = commands.add_parser("creation", help=creation.__doc__)
    command.set_defaults(run=creation)
    command.add_argument("--count", type=int, default=20)

    command = commands.add_parser("testing", help=testing.__doc__)
    command.set_defaults(run=testing)
    command.add_argument("--count", type=int, default=20)

    command = commands.add_parser("history", help=history.__doc__)
    command.set_defaults(run=history)
    command.add_argument("--turns", type=int, default=500, choices=(10, 100, 500))
    command.add_argument("--tokens", type=int, default=100)
    command.add_argument("--question-words", type=int, default=50)
    command.add_argument("--html", action="store_true")
    command.add_argument("--baseline", action="store_true", help="the bare Langroid task as well")
    command.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE")

    command = commands.add_parser("page", help=page.__doc__)
    command.set_defaults(run=page)
    command.add_argument("--turns", type=int, default=2000, help="of the conversation")
    command.add_argument("--loaded", type=int, default=300, help="of those on the page while the answer comes")
    command.add_argument("--tokens", type=int, default=1000, help="of the answer")
    command.add_argument("--tps", type=int, default=100, help="tokens per second")
    command.add_argument("--trace", action="store_true", help="what the longest tasks were spent on")

    command = commands.add_parser("search", help=search.__doc__)
    command.set_defaults(run=search)
    command.add_argument("--messages", type=int, default=100_000)
    command.add_argument("--database", nargs="+", default=("sqlite", "postgresql"), choices=("sqlite", "postgresql"))

    command = commands.add_parser("sessions", help=sessions.__doc__)
    command.set_defaults(run=sessions)
    command.add_argument("--rows", type=int, default=100_000)
    command.add_argument("--database", nargs="+", default=("sqlite", "postgresql"), choices=("sqlite", "postgresql"))
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run one measurement; 1 when text was lost or repeated."""
    arguments = parse(words)
    result = arguments.run(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
    return 1 if result.get("lost") else 0


if __name__ == "__main__":
    sys.exit(main())
