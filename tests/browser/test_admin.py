"""The admin in a real browser: under the site's policy, in both colour schemes, on a narrow screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.looks import look_at

SEED = """
import uuid
from django.contrib.auth.models import User
from django.db import transaction
from chat.actions.send import accept_message
from chat.models import ChatSession, Conversation, Feedback, Message, ServerProcess
from chat.owners import Owner
admin = User.objects.create_superuser("root", password="pw")
text = "# Title\\n\\n```python\\nx = 1\\n```\\n\\n|a|b|\\n|-|-|\\n|1|2|\\n\\n"
text += "$x^2$ <script>alert(1)</script>\\n\\n" + "word" * 200
for _ in range(2):
    said = accept_message(Owner(user_id=admin.pk), uuid.uuid4(), content=text, client_id=None, new_agent="plain")
    with transaction.atomic():
        conversation = Conversation.objects.locked(said.conversation.id)
        tool = Message(kind="tool", tool_name="t", tool_args={"a": text}, content=text, depth=4, turn=said.turn)
        answer = Message(kind="assistant", content=text, turn=said.turn)
        conversation.append(tool, answer)
    Feedback.objects.create(message=answer, conversation=conversation, agent_key="plain", value="down")
    process = ServerProcess.objects.create(host="web", pid=1)
    ChatSession.objects.create(conversation=conversation, process=process, fence=1, agent_key="plain")
print("conversation", conversation.id)
"""


@pytest.fixture(scope="module")
def conversation(server) -> str:
    return server.manage("shell", "-c", SEED).split()[-1]


@pytest.fixture
def admin(server, conversation, page: Page) -> Page:
    page.goto(f"{server.url}/admin/")
    page.fill("#id_username", "root")
    page.fill("#id_password", "pw")
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
    return page


def style(page: Page, selector: str, name: str) -> str:
    return page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_keeps_to_the_policy(server, conversation, admin, scheme):
    admin.emulate_media(color_scheme=scheme)
    lists = [f"chat/{model}/" for model in ("conversation", "chatsession", "serverprocess", "contentview")]
    for path in ("", *lists, f"chat/conversation/{conversation}/change/"):
        assert admin.goto(f"{server.url}/admin/{path}").ok  # the fixture fails on a message of the policy
    assert style(admin, ".chat-tool", "marginInlineStart") == "112px"
    text, ground = (style(admin, "body", name) for name in ("color", "backgroundColor"))
    assert (_light(text) < _light(ground)) == (scheme == "light")


def test_our_pages_are_accessible_and_fit(server, conversation, admin):
    admin.goto(f"{server.url}/admin/chat/conversation/{conversation}/change/")
    admin.locator(".chat-waterfall summary").first.click()
    look_at(admin, "chat/templates/chat/admin/conversation.html")
    admin.goto(f"{server.url}/admin/chat/chatsession/")
    look_at(admin, "chat/templates/chat/admin/sessions.html")
    admin.goto(f"{server.url}/admin/chat/feedback/")
    look_at(admin, "chat/templates/chat/admin/feedback.html")


def test_the_columns_of_the_session_records_fit(server, admin):
    admin.goto(f"{server.url}/admin/chat/chatsession/")
    assert admin.locator("#changelist .results").evaluate("element => element.scrollWidth - element.clientWidth") <= 0


def test_the_session_records_fit_a_phone(server, admin):
    admin.set_viewport_size({"width": 320, "height": 700})
    admin.goto(f"{server.url}/admin/chat/chatsession/")
    assert admin.evaluate("document.documentElement.scrollWidth") <= 320
    assert admin.locator("#result_list").evaluate("list => list.getBoundingClientRect().right") <= 320
    assert admin.locator("#changelist .results").evaluate("list => list.scrollWidth - list.clientWidth") <= 0
    # The values of a record stand in pairs, none in the place of another.
    edges = "(cells) => cells.map((cell) => cell.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    cells = admin.locator("#result_list tbody tr").first.locator("th, td").evaluate_all(edges)
    assert len({round(left) for left, _ in cells}) == 3
    words = admin.locator(".field-begun a").first.evaluate("(link) => link.getBoundingClientRect().right")
    assert words <= admin.locator(".field-owner").first.evaluate("(cell) => cell.getBoundingClientRect().left")


def _light(colour: str) -> int:
    """Sum of the channels of `rgb(r, g, b)`."""
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3])
