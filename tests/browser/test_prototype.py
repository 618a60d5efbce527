"""What a person sees on the prototype's page: a small page of our own does with its frames what that page does."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers import Server
from tests.stub_llm import StubServer

FOLDER = Path(__file__).parent / "prototype"
ANSWER_MS = 60_000  # the first answer waits for the agent library


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    """The page's own development server, on a port of its own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=FOLDER)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


class Prototype:
    """One open page, and what a person does on it and sees."""

    def __init__(
        self, page: Page, front: str, server: Server, agent: str = "plain", *, is_refused: bool = False
    ) -> None:
        self.page = page
        self.field = page.locator("#field")
        self.bubbles = page.locator("#bubbles > li")
        socket = server.ws_url.removesuffix("chat/").removesuffix("/")
        page.goto(f"{front}?{urlencode({'socket': socket, 'agent': agent})}")
        if not is_refused:
            self.is_open()

    def is_open(self) -> None:
        expect(self.page.locator("body")).to_have_attribute("data-link", "open", timeout=ANSWER_MS)

    def say(self, text: str) -> None:
        expect(self.field).to_be_enabled(timeout=ANSWER_MS)
        self.field.fill(text)
        self.field.press("Enter")

    def sees(self, *texts: str) -> None:
        """These bubbles, each beginning so and no others; and the person may type."""
        expect(self.bubbles).to_have_count(len(texts), timeout=ANSWER_MS)
        expect(self.bubbles).to_contain_text(list(texts), timeout=ANSWER_MS)
        expect(self.field).to_be_enabled(timeout=ANSWER_MS)


def test_a_chat(tab, front, server):
    chat = Prototype(tab, front, server)
    for number, text in enumerate(("The first answer.", "The second."), start=1):
        chat.say(f'[[text="{text}" tps=60]]')
        expect(chat.bubbles).to_have_count(2 * number, timeout=ANSWER_MS)
        expect(chat.bubbles.last).to_have_text(text, timeout=ANSWER_MS)


def test_a_tool_call_in_json_leaves_neither_a_bubble_nor_json(tab, front, server):
    chat = Prototype(tab, front, server, agent="json_tools")
    order = '[[tool=square args={"number":7} json=1 then.text="It is 49."]]'
    chat.say(order)
    chat.sees(order, "It is 49.")


def test_sub_agents_are_seen(tab, front, server):
    chat = Prototype(tab, front, server, agent="team")
    chat.say("hello")
    expect(chat.bubbles.nth(1)).not_to_be_empty(timeout=ANSWER_MS)
    expect(chat.field).to_be_enabled(timeout=ANSWER_MS)


def test_an_approval_is_read_answered_and_asked_again_when_it_is_not_understood(tab, front, server):
    chat = Prototype(tab, front, server, agent="tools")
    order = '[[tool=ask_user args={"question":"May I?","kind":"approval"} then.text="Done."]]'
    chat.say(order)
    chat.sees(order, "May I?")
    chat.say("perhaps")
    chat.sees(order, "May I?", "perhaps", "That was neither yes nor no.", "May I?")
    chat.say("Yes, please")
    chat.sees(order, "May I?", "perhaps", "That was neither yes nor no.", "May I?", "Yes, please", "Done.")


def test_an_error_is_read_and_the_next_message_is_answered(tab, front, server):
    chat = Prototype(tab, front, server)
    chat.say("[[error=401]]")
    expect(chat.bubbles).to_have_count(2, timeout=ANSWER_MS)
    expect(chat.bubbles.last).to_have_class("system")
    chat.say('[[text="Here again."]]')
    expect(chat.bubbles.last).to_have_text("Here again.", timeout=ANSWER_MS)


def test_a_reload_has_the_answers_so_far_and_the_text_that_is_being_written(tab, front, server):
    chat = Prototype(tab, front, server)
    chat.say('[[text="The first answer."]]')
    expect(chat.bubbles.last).to_have_text("The first answer.", timeout=ANSWER_MS)
    chat.say('[[text="One two three four five six seven eight nine ten eleven twelve." tps=2]]')
    expect(chat.bubbles.last).to_contain_text("One two", timeout=ANSWER_MS)
    tab.reload()
    chat.is_open()
    chat.sees("The first answer.", "One two three")
    expect(chat.bubbles.last).to_contain_text("eleven twelve.", timeout=ANSWER_MS)


def test_each_tab_is_a_chat_of_its_own_and_a_copied_tab_shows_the_same(tab, front, server):
    first = Prototype(tab, front, server)
    first.say('[[text="Of the first."]]')
    expect(first.bubbles.last).to_have_text("Of the first.", timeout=ANSWER_MS)
    other = Prototype(tab.context.new_page(), front, server)
    other.say('[[text="Of the other."]]')
    expect(other.bubbles).to_have_count(2, timeout=ANSWER_MS)
    expect(other.bubbles.last).to_have_text("Of the other.", timeout=ANSWER_MS)

    copied = tab.context.new_page()
    own = json.dumps(tab.evaluate("() => sessionStorage.getItem('browser_session_id')"))
    copied.add_init_script(f"sessionStorage.setItem('browser_session_id', {own})")
    copy = Prototype(copied, front, server)
    copy.sees("Of the first.")
    first.say('[[text="Of both."]]')
    expect(copy.bubbles.last).to_have_text("Of both.", timeout=ANSWER_MS)

    expect(other.bubbles).to_have_count(2)
    tab.evaluate("() => sessionStorage.clear()")  # as a closed tab does, when the page is opened anew
    anew = Prototype(tab, front, server)
    anew.say('[[text="Anew."]]')
    expect(anew.bubbles).to_have_count(2, timeout=ANSWER_MS)
    expect(anew.bubbles.last).to_have_text("Anew.", timeout=ANSWER_MS)


def test_a_german_reads_and_answers_in_german(chromium, front, server):
    context = chromium.new_context(locale="de-DE")
    chat = Prototype(context.new_page(), front, server, agent="tools")
    order = '[[tool=ask_user args={"question":"Darf ich?","kind":"approval"} then.text="Fertig."]]'
    chat.say(order)
    chat.sees(order, "Darf ich?")
    expect(chat.bubbles.last).to_contain_text("Bitte antworten Sie mit Ja oder Nein.")
    chat.say("vielleicht")
    chat.sees(order, "Darf ich?", "vielleicht", "Das war weder ja noch nein.", "Darf ich?")
    chat.say("Ja, gerne")
    expect(chat.bubbles.last).to_have_text("Fertig.", timeout=ANSWER_MS)
    context.close()


def test_an_agent_that_is_not_there_is_told(tab, front, server):
    chat = Prototype(tab, front, server, agent="nobody", is_refused=True)
    expect(chat.bubbles.last).to_have_class("system", timeout=ANSWER_MS)


def test_after_a_kill_a_reload_shows_what_was_written_and_goes_on(
    tab: Page, front: str, stub: StubServer, tmp_path: Path
):
    environment = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(tmp_path, **environment) as server:
        chat = Prototype(tab, front, server)
        chat.say("[[tokens=600 tps=20]]")
        expect(chat.bubbles.last).to_contain_text(" ", timeout=ANSWER_MS)
        tab.wait_for_function("() => document.querySelector('#bubbles > li:last-child').textContent.length > 300")
        server.kill()
        expect(tab.locator("body")).to_have_attribute("data-link", "closed", timeout=ANSWER_MS)
        server.start(migrate=False)
        tab.reload()
        chat.is_open()
        expect(chat.bubbles).to_have_count(1, timeout=ANSWER_MS)
        expect(chat.bubbles.first).not_to_be_empty()
        chat.say('[[text="Here again."]]')
        expect(chat.bubbles.last).to_have_text("Here again.", timeout=ANSWER_MS)
