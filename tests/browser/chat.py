"""An open chat page, and what a person does on it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

ANSWER_MS = 60_000  # the first answer waits for the agent library


class Chat:
    """One open page and what a person does on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.field = page.locator("#field")
        self.replies = page.locator(".reply")
        self.stop = page.get_by_role("button", name="Stop")
        self.stop_button = page.locator("#stop")  # in any language

    def open(self, path: str = "/") -> Chat:
        self.page.goto(self.url + path)
        self.connected()
        return self

    def connected(self) -> None:
        expect(self.page.locator("#pill")).to_have_text("Connected", timeout=ANSWER_MS)

    def say(self, text: str) -> None:
        self.field.fill(text)
        self.field.press("Enter")

    def answered(self, count: int = 1) -> None:
        """Wait until so many replies stand there and nothing is written any more."""
        expect(self.replies).to_have_count(count, timeout=ANSWER_MS)
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0, timeout=ANSWER_MS)
        expect(self.stop).to_be_hidden()

    def writing(self) -> None:
        expect(self.replies.last.locator(".prose")).to_contain_text(re.compile(r"\w{3}"), timeout=ANSWER_MS)

    def html(self) -> str:
        return self.replies.last.locator(".prose").evaluate("(prose) => prose.innerHTML")
