"""Take the pictures of the documentation: the example project with a scripted model, as a person sees it.

    python -m tests.pictures [FOLDER]      # docs/pictures by default; needs Chromium and requirements-dev.txt

The same conversations each time, so that what changes in a picture is what has changed in the page.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers import Server
from tests.stub_llm import StubServer

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
QUESTION = "How do I sum a list?"
WIDE, PHONE = (1280, 800), (390, 800)
ANSWER = """Two ways to sum a list, and what they cost.

```python
total = sum(numbers)

for number in numbers:
    total += number
```

| way | time |
|---|--:|
| `sum` | 12 ms |
| loop | 48 ms |

> [!TIP]
> For floats take `math.fsum`: it loses nothing.[^1]

$$\\sum_{i=1}^{n} x_i$$

[^1]: It keeps several partial sums.
"""
DELEGATE = r'[[tool=delegate args={"job":"Compare the ways to sum a list."}]]'
ASK = '[[tool=ask_user args={"question":"Write the file?","kind":"approval"}]]'


def main(folder: Path) -> None:
    """Take each picture, in light and dark where that matters."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, StubServer() as stub, sync_playwright() as playwright:
        model = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-none", "CHAT_MODEL": "gpt-4o-mini"}
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with Server(Path(directory), **model) as server:
            for name, (take, size, theme) in PICTURES.items():
                page = _page(browser, size, theme)
                take(page, server)
                page.wait_for_timeout(400)  # motions end, and the list of conversations has come
                _name(page)
                page.screenshot(path=folder / f"{name}.png")
                page.context.close()
        browser.close()


def _page(browser: Browser, size: tuple[int, int], theme: str) -> Page:
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    return page


def _open(page: Page, server: Server, agent: str = "") -> None:
    page.goto(server.url)
    expect(page.locator("#pill")).to_have_text("Connected", timeout=30_000)
    if agent:
        page.locator(f"input[name=agent][value={agent}]").check()
        expect(page.locator("#pill")).to_have_text("Connected")


def _say(page: Page, text: str) -> None:
    page.locator("#field").fill(text)
    page.locator("#field").press("Enter")


def _answered(page: Page) -> None:
    expect(page.locator(".reply").last.locator(".prose").last).to_be_visible(timeout=30_000)
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=30_000)


def _name(page: Page) -> None:
    """What is said to the scripted model is no question that a person has."""
    for place in (".bubble", ".chat-title", "#title"):
        page.locator(place).first.evaluate("(element, text) => { element.textContent = text; }", QUESTION)


def _answer(page: Page, server: Server) -> None:
    _open(page, server)
    _say(page, f"[[text={json.dumps(ANSWER)}]]")
    _answered(page)


def _sub_agent(page: Page, server: Server) -> None:
    _open(page, server, "tools")
    _say(page, DELEGATE)
    _answered(page)
    page.locator(".task summary").first.click()


def _trace(page: Page, server: Server) -> None:
    _sub_agent(page, server)
    page.locator(".steps-button").last.click()
    page.locator(".trace-row summary").first.click()


def _question(page: Page, server: Server) -> None:
    _open(page, server, "tools")
    _say(page, ASK)
    expect(page.locator(".ask")).to_be_visible(timeout=30_000)


PICTURES: dict[str, tuple[Callable[[Page, Server], None], tuple[int, int], str]] = {
    "answer": (_answer, WIDE, "light"),
    "answer-dark": (_answer, WIDE, "dark"),
    "answer-phone": (_answer, PHONE, "light"),
    "sub-agent": (_sub_agent, WIDE, "light"),
    "trace": (_trace, WIDE, "light"),
    "trace-dark-phone": (_trace, PHONE, "dark"),
    "question": (_question, WIDE, "light"),
}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
