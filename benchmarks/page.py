"""A browser's first visit, and one with a long conversation: how soon it stands there, and how long the page is busy
without a pause.

    python -m benchmarks.page '{"url": …, "data_dir": …, …}'        # see `Plan`; prints a JSON object

A task of the page that takes more than 50 ms is one that people feel: the browser counts them (`longtask`). With
`trace` the five longest are printed with what they were spent on, by the processor's time: on a machine that does other
things beside it a task of 15 ms may last 200.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.servers import Server

READY_MS = 60_000
TRACED = "devtools.timeline,disabled-by-default-devtools.timeline,toplevel"
PARTS = {"FunctionCall", "Layout", "UpdateLayoutTree", "Paint", "PrePaint", "Layerize", "Commit", "ParseHTML"}

# For `manage.py shell`: a conversation of so many turns; prints its id.
STORE = """
import json, uuid
from django.conf import settings
from chat.clock import Now
from chat.models import Conversation, Message
from chat.owners import owner_of_cookies

owner = owner_of_cookies(json.loads((settings.DATA_DIR / "visitor.json").read_text()))
answer = (settings.DATA_DIR / "answer.md").read_text()
turns = [uuid.uuid4() for _ in range({turns})]
newest = 2 * len(turns)
conversation = Conversation.objects.create(
    **owner.fields, agent_key="assistant", title="A long one", newest_seq=newest, read_seq=newest, head=turns[-1]
)
messages = []
for at, turn in enumerate(turns):
    common = {{"conversation": conversation, "turn": turn, "created": Now()}}
    asked = {{"kind": "user", "content": f"Question {{at + 1}}", "follows": turns[at - 1] if at else None}}
    messages.append(Message(id=turn, seq=2 * at + 1, begun=Now(), ended=Now(), **asked, **common))
    messages.append(Message(seq=2 * at + 2, kind="assistant", content=answer, agent="Assistant", **common))
Message.objects.bulk_create(messages, batch_size=500)
print(conversation.id)
"""

ANSWER = """A first sentence, and **another** one with `code` in it, as they are written day after day by models.

- one thing that is said in a line that is long enough to be broken where the window is narrow
- another thing
- and a third one, with a [link](https://example.com/)

```python
def double(number: int) -> int:
    return number * 2
```

| name | value |
|---|---|
| one | 1 |
| two | 2 |

That is all there is to say about it.
"""

# How far what stands there is moved about without a wish of the user's, as browsers count it: 0.1 and more is felt.
SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifted += value;
    }).observe({ type: "layout-shift", buffered: true });
"""

STOP = "(isHidden) => document.querySelector('#stop').hidden === isHidden"
MORE = "(count) => document.querySelectorAll('#turns > .turn').length > count"
WATCH = """() => {
    window.longTasks = [];
    new PerformanceObserver((list) => {
        for (const { startTime, duration } of list.getEntries()) window.longTasks.push([startTime, duration]);
    }).observe({ type: "longtask" });
}"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do."""

    url: str
    conversation: str
    cookies: dict[str, str]
    loaded: int = 300  # turns that are on the page while the answer comes
    tokens: int = 1000
    tps: int = 100
    trace: bool = False


def store(server: Server, turns: int, answer: str = ANSWER) -> tuple[str, dict[str, str]]:
    """Give a new visitor a conversation of so many turns; return its id and the cookies."""
    cookies = server.visitor()
    (server.data_dir / "visitor.json").write_text(json.dumps(cookies))
    (server.data_dir / "answer.md").write_text(answer)
    printed = server.manage("shell", "--verbosity", "0", "-c", STORE.format(turns=turns))
    return printed.split()[-1], cookies


def bundle(server: Server) -> None:
    """Have it serve the page as in production."""
    server.manage("collectstatic", "--noinput", "--verbosity", "0")
    server.stop()
    server.start(migrate=False)  # it looks for static files once


def first_visit(browser: Browser, url: str) -> dict[str, Any]:
    """What a new browser loads until it is connected, and how soon after the HTML the page can be used."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sizes: dict[str, int] = {}
    page.on("requestfinished", lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}))
    page.add_init_script(
        """(() => {
            const look = () =>
                document.querySelector("#app")?.dataset.ready
                    ? (window.usableAt = performance.now())
                    : requestAnimationFrame(look);
            requestAnimationFrame(look);
        })()"""
    )
    page.add_init_script(SHIFTS)
    page.goto(url)
    page.wait_for_function("() => document.querySelector('#pill')?.dataset.state === 'ok'", timeout=READY_MS)
    ms = page.evaluate("() => window.usableAt - performance.getEntriesByType('navigation')[0].responseEnd")
    page.wait_for_load_state("networkidle")
    shifted = page.evaluate("() => window.shifted")
    context.close()
    code = {url: size for url, size in sizes.items() if "/static/" in url}
    later = sum(size for url, size in code.items() if "_later" in url)
    return {
        "usable_ms": ms,
        "requests": len(sizes),
        "code_bytes": sum(code.values()) - later,
        "later_bytes": later,
        "shifted": shifted,
    }


def measure(browser: Browser, plan: Plan) -> dict[str, Any]:
    """Open the conversation, load so many turns, ask, and watch the answer."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": name, "value": value, "url": plan.url} for name, value in plan.cookies.items()])
    visits = [first_visit(browser, plan.url) for _ in range(3)]
    found: dict[str, Any] = {"first_visit": min(visits, key=lambda visit: visit["usable_ms"])}
    found |= {"open_seconds": min(_opened(context.new_page(), plan) for _ in range(3))}
    page = context.new_page()
    page.add_init_script(SHIFTS)
    _opened(page, plan)
    page.wait_for_timeout(500)
    found["open_shifted"] = page.evaluate("() => window.shifted")
    found["turns"] = _load(page, plan.loaded)
    found["nodes"] = page.evaluate("() => document.querySelectorAll('*').length")
    page.evaluate(WATCH)
    page.evaluate("() => (window.shifted = 0)")
    cdp = context.new_cdp_session(page)
    events = _traced(cdp) if plan.trace else []
    began = time.monotonic()
    page.evaluate("() => document.querySelector('#field').focus()")  # a locator walks through all elements, for 80 ms
    page.keyboard.insert_text(f"[[tokens={plan.tokens} tps={plan.tps}]]")
    page.keyboard.press("Enter")
    for is_hidden in (False, True):
        page.wait_for_function(STOP, arg=is_hidden, timeout=READY_MS)
    found["answer_seconds"] = time.monotonic() - began
    found["shifted"] = page.evaluate("() => window.shifted")
    found["ideal_seconds"] = plan.tokens / plan.tps
    if plan.trace:
        found["longest"] = _longest(cdp, events, page)
    found["long_tasks"] = [round(duration) for _, duration in page.evaluate("() => window.longTasks")]
    context.close()
    return found


def _opened(page: Page, plan: Plan) -> float:
    """Seconds until the last answer of the conversation is drawn."""
    page.add_init_script(
        """(() => {
            const look = () => {
                const replies = document.querySelectorAll(".reply .prose");
                if (replies.length > 20 && document.querySelector("#pill")?.dataset.state === "ok")
                    requestAnimationFrame(() => (window.openedAt = performance.now()));
                else requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        })()"""
    )
    page.goto(f"{plan.url}/c/{plan.conversation}/")
    page.wait_for_function("() => window.openedAt", timeout=READY_MS)
    return float(page.evaluate("() => window.openedAt")) / 1000


def _load(page: Page, turns: int) -> int:
    """Scroll up until so many turns are there, and back to the end."""
    shown = page.locator("#turns > .turn")
    while (count := shown.count()) < turns and page.locator("#earlier").is_visible():
        page.evaluate("() => document.querySelector('#scroller').scrollTo(0, 0)")
        page.wait_for_function(MORE, arg=count, timeout=READY_MS)
    page.evaluate("() => { const s = document.querySelector('#scroller'); s.scrollTo(0, s.scrollHeight); }")
    page.wait_for_timeout(1000)
    return shown.count()


def _traced(cdp: CDPSession) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cdp.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    cdp.send("Tracing.start", {"traceConfig": {"includedCategories": TRACED.split(",")}})
    return events


def _longest(cdp: CDPSession, events: list[dict[str, Any]], page: Page) -> list[dict[str, Any]]:
    """The longest tasks of the page's main thread, and the milliseconds of the processor for their parts."""
    done: list[Any] = []
    cdp.on("Tracing.tracingComplete", lambda data: done.append(data))
    cdp.send("Tracing.end")
    while not done:
        page.wait_for_timeout(50)
    scripts = Counter((event["pid"], event["tid"]) for event in events if event["name"] == "FunctionCall")
    main = scripts.most_common(1)[0][0]
    own = [event for event in events if (event["pid"], event["tid"]) == main and event["ph"] == "X"]
    tasks = [event for event in own if event["name"] == "ThreadControllerImpl::RunTask"]
    tasks = sorted(tasks, key=lambda task: -task.get("tdur", 0))[:5]
    return [{"cpu_ms": task.get("tdur", 0) / 1000, "ms": task["dur"] / 1000, **_parts(task, own)} for task in tasks]


def _parts(task: dict[str, Any], own: list[dict[str, Any]]) -> dict[str, Any]:
    inside = [e for e in own if task["ts"] <= e["ts"] and e["ts"] + e["dur"] <= task["ts"] + task["dur"]]
    spent: Counter[str] = Counter()
    for event in inside:
        if event["name"] in PARTS:
            spent[event["name"]] += event.get("tdur", 0) / 1000
    layouts = [e["args"]["beginData"] for e in inside if e["name"] == "Layout"]
    return {
        "parts": {name: round(ms, 1) for name, ms in spent.most_common()},
        "layouts": [
            [each.get("dirtyObjects"), each.get("totalObjects"), each.get("partialLayout")] for each in layouts
        ],
    }


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        print(json.dumps(measure(browser, plan)))
        browser.close()


if __name__ == "__main__":
    main()
