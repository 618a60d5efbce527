"""What the chat asks of the browser around it: to be installed, to tell of answers, to hear and to speak."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ANSWER_MS, Chat
from tests.browser.looks import look_at

NOTIFICATIONS = """
window.told = [];
window.Notification = class extends EventTarget {
    static permission = "default";
    static requestPermission() { return Promise.resolve((Notification.permission = window.answerOfTheUser)); }
    constructor(title, options) { super(); window.told.push([title, options.body]); }
    close() {}
};
window.answerOfTheUser = "granted";
window.isAway = false;
Object.defineProperty(document, "hidden", { get: () => window.isAway });
"""
SPEECH = """
window.spoken = [];
class Voices extends EventTarget {
    getVoices() { return [{ name: "one" }]; }
    speak(utterance) { window.spoken.push(utterance.text); }
    cancel() { window.spoken.push("cancelled"); }
}
Object.defineProperty(window, "speechSynthesis", { value: new Voices() });
window.webkitSpeechRecognition = window.SpeechRecognition = class {
    start() { window.recognition = this; }
    stop() { this.onend(); }
};
"""
NO_SPEECH = """
for (const name of ["speechSynthesis", "webkitSpeechRecognition", "SpeechRecognition"])
    Object.defineProperty(window, name, { value: undefined });
"""


def test_the_browser_finds_a_manifest_with_icons(chat):
    page = chat.page
    manifest = page.request.get(page.locator("link[rel=manifest]").evaluate("(link) => link.href"))
    assert manifest.headers["content-type"].startswith("application/manifest+json")
    values = json.loads(manifest.text())
    assert (values["display"], values["start_url"], values["scope"]) == ("standalone", "/", "/")
    assert {icon["purpose"] for icon in values["icons"]} == {"any", "maskable"}
    touch = page.locator("link[rel=apple-touch-icon]").evaluate("(link) => link.href")
    for address in [*(page.url + icon["src"] for icon in values["icons"]), touch]:
        assert page.request.get(address.replace("//static", "/static")).headers["content-type"] == "image/png"
    cdp = page.context.new_cdp_session(page)
    assert cdp.send("Page.getAppManifest")["errors"] == []
    assert page.locator("meta[name=theme-color]").count() == 2


def away(page: Page, is_away: bool) -> None:
    page.evaluate("(isAway) => { window.isAway = isAway; }", is_away)


def test_an_answer_and_a_question_are_told_of_to_who_looks_elsewhere_and_wants_that(page, server):
    page.add_init_script(NOTIFICATIONS)
    chat = Chat(page, server.url).open()
    page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    page.locator("#menu-open").click()
    box = page.get_by_label("Notify me")
    box.check()
    look_at(page, "the menu with notifications")
    page.keyboard.press("Escape")
    chat.say("[[text=here]]")
    chat.answered()
    assert page.evaluate("() => window.told") == []
    away(page, True)
    chat.say("[[text=there]]")
    page.wait_for_function("() => window.told.length === 1", timeout=ANSWER_MS)
    chat.say('[[tool=ask_user args={"question":"May I?","kind":"approval"}]]')
    page.wait_for_function("() => window.told.length === 2", timeout=ANSWER_MS)
    titles = [title for title, _ in page.evaluate("() => window.told")]
    assert titles == ["Tools has answered", "Tools asks"]
    away(page, False)


def test_who_does_not_allow_it_is_told_nothing(page, server):
    page.add_init_script(NOTIFICATIONS + "window.answerOfTheUser = 'denied';")
    chat = Chat(page, server.url).open()
    page.locator("#menu-open").click()
    page.get_by_label("Notify me").click()
    expect(page.get_by_label("Notify me")).not_to_be_checked()
    expect(page.locator(".toast")).to_contain_text("does not allow notifications")
    away(page, True)
    chat.say("[[text=there]]")
    chat.answered()
    assert page.evaluate("() => window.told") == []


def test_what_is_dictated_stands_in_the_field(page, server):
    page.add_init_script(SPEECH)
    chat = Chat(page, server.url).open()
    chat.field.fill("Dear")
    button = page.get_by_role("button", name="Dictate")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    look_at(page, "dictation")
    page.evaluate(
        "() => window.recognition.onresult({ results: [[{ transcript: 'Sir or ' }], [{ transcript: 'Madam' }]] })"
    )
    expect(chat.field).to_have_value("Dear Sir or Madam")
    page.evaluate("() => window.recognition.onerror({ error: 'not-allowed' })")
    expect(page.locator(".toast")).to_contain_text("microphone")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(chat.field).to_be_focused()


def test_an_answer_is_read_aloud_without_its_code_until_it_is_enough(page, server):
    page.add_init_script(SPEECH)
    chat = Chat(page, server.url).open()
    chat.say("[[text=" + json.dumps("Hello **there**.\n\n```\ncode\n```\n") + "]]")
    chat.answered()
    button = page.get_by_role("button", name="Read aloud")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    look_at(page, "an answer that is read aloud")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("() => window.spoken") == ["Hello there.", "cancelled"]


@pytest.mark.parametrize("width", [1280, 320])
def test_nothing_of_it_is_there_where_the_browser_cannot(page, server, width):
    page.set_viewport_size({"width": width, "height": 700})
    page.add_init_script(NO_SPEECH)
    chat = Chat(page, server.url).open()
    chat.say("[[text=hello]]")
    chat.answered()
    for name in ("Dictate", "Read aloud"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
