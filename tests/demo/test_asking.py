"""What an agent asks, what it may do only with leave, and what it keeps: the examples, by `chat.testing`."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from chat.models import Conversation
from chat.testing import call, say
from chat.testing.agent import Refused

LETTER = call("send_letter", to="a@b.c", text="Come!")


@pytest.fixture(autouse=True)
def agents(settings):
    settings.CHAT_AGENTS = {
        name: {"FACTORY": f"chat.demo.agents.{name}"} for name in ("postman", "receptionist", "counter")
    }
    settings.CHAT_AGENTS["postman"]["APPROVE"] = ["send_letter"]


# -- approvals by settings ---------------------------------------------------------------------------------------------


def test_a_tool_asks_first_without_code(chat_agent):
    postman = chat_agent("postman", model=[LETTER, say("Done.")])
    asked = postman.say("Invite a").asked
    assert (asked["kind"], asked["tool_name"], asked["tool_args"]["to"]) == ("approval", "send_letter", "a@b.c")
    assert sorted(asked["schema"]["properties"]) == asked["schema"]["required"][::-1] == ["text", "to"][::1]
    assert postman.approve().tools[0].result == "The letter to a@b.c was sent."


def test_what_was_edited_is_what_runs_and_what_is_stored(chat_agent):
    postman = chat_agent("postman", model=[LETTER, say("Done.")])
    postman.say("Invite a")
    (tool,) = postman.approve(to="b@b.c").tools
    assert (tool.args, tool.result) == ({"to": "b@b.c", "text": "Come!"}, "The letter to b@b.c was sent.")


def test_edited_arguments_that_do_not_fit_are_asked_again(chat_agent):
    postman = chat_agent("postman", model=[LETTER, say("Done.")])
    postman.say("Invite a")
    asked = postman.approve(text=7).asked
    assert "text:" in asked["prompt"] and asked["tool_args"]["text"] == 7
    assert postman.approve(text="Seven").tools[0].args["text"] == "Seven"


def test_a_rejected_tool_does_not_run_and_says_why(chat_agent):
    postman = chat_agent("postman", model=[LETTER, say("Well.")])
    postman.say("Invite a")
    reply = postman.reject("not him")
    assert [(tool.status, tool.error, tool.result) for tool in reply.tools] == [("rejected", "Rejected: not him", "")]
    assert reply.text == "Well."
    assert postman.model.requests[-1][-1]["content"] == "Rejected: not him"


def test_always_in_this_chat_is_kept_shown_and_taken_back(chat_agent):
    postman = chat_agent("postman", model=[LETTER, say("1"), LETTER, say("2"), LETTER, say("3")])
    postman.say("Invite a")
    postman.approve(always=True)
    assert postman.say("Again").asked is None
    postman.reset()
    postman.reload()
    assert postman.events[0]["allowed"] == ["send_letter"]
    postman.revoke("send_letter")
    assert postman.say("Again").asked["tool_name"] == "send_letter"


def test_always_is_of_this_chat_alone(chat_agent):
    first, second = (chat_agent("postman", model=[LETTER, say("Done.")]) for _ in range(2))
    first.say("Invite a")
    first.approve(always=True)
    assert second.say("Invite a").asked


def test_the_right_to_approve_takes_a_permission(chat_agent, settings, django_user_model):
    from django.contrib.auth.models import Permission

    settings.CHAT_AGENTS["postman"]["APPROVE"] = {"send_letter": "chat.view_content"}
    alice = django_user_model.objects.create_user("alice")
    postman = chat_agent("postman", model=[LETTER, say("Done.")], user=alice)
    assert postman.say("Invite a").asked["permission"] == "chat.view_content"
    with pytest.raises(Refused, match="forbidden"):
        postman.approve()
    alice.user_permissions.add(Permission.objects.get(codename="view_content"))
    assert postman.approve().tools[0].status == "complete"


def test_a_visitor_has_no_permission_but_may_reject(chat_agent, settings):
    settings.CHAT_AGENTS["postman"]["APPROVE"] = {"send_letter": "chat.view_content"}
    postman = chat_agent("postman", model=[LETTER, say("Done.")])
    postman.say("Invite a")
    with pytest.raises(Refused, match="forbidden"):
        postman.approve(always=True)
    assert postman.reject().tools[0].status == "rejected"


# -- questions ---------------------------------------------------------------------------------------------------------


def test_every_kind_of_question_has_its_answer(chat_agent):
    receptionist = chat_agent("receptionist", model=[call("check_in"), say("Welcome.")])
    assert receptionist.say("A room").asked["options"] == ["sea", "mountains"]
    asked = receptionist.choose("sea").asked
    assert (asked["kind"], asked["agent"]) == ("form", "Receptionist")
    assert {"name", "nights", "bed", "arrival", "companions", "invoice"} < set(asked["schema"]["properties"])
    asked = receptionist.answer(tool_args={"name": "Ines", "nights": 99}).asked
    assert asked["prompt"].startswith("nights:") and asked["tool_args"]["name"] == "Ines"
    assert receptionist.answer(tool_args={"name": "Ines", "nights": 2}).asked["kind"] == "approval"
    assert receptionist.approve().asked["kind"] == "text"
    reply = receptionist.answer("none")
    assert reply.tools[0].result == "Booked: Ines, 2 nights, double bed, sea view. Wishes: none"
    assert Conversation.objects.get(id=receptionist.id).title == "Stay of Ines"


def test_a_stop_ends_a_tool_that_asks(chat_agent):
    receptionist = chat_agent("receptionist", model=[call("check_in"), say("Yes?")])
    receptionist.say("A room")
    reply = receptionist.stop()
    assert [tool.status for tool in reply.tools] == ["stopped"]
    assert receptionist.say("Are you there?").text == "Yes?"


def test_a_page_that_is_loaded_again_is_told_the_time_that_is_left(chat_agent, settings):
    settings.CHAT_AGENTS = {"asking": {"FACTORY": "tests.demo.test_asking.asking"}}
    agent = chat_agent("asking", model=[call("ask"), say("Well.")])
    first = agent.say("Ask me").asked["timeout"]
    agent.reload()
    assert agent.asked["timeout"] < first == 60


def asking(context):
    import langroid as lr

    class AskTool(lr.ToolMessage):
        request: str = "ask"
        purpose: str = "To ask."

        def handle(self) -> str:
            return str(context.ask.text("Well?", timeout=60))

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message(AskTool)
    return agent


# -- state -------------------------------------------------------------------------------------------------------------


def added(number):
    return [call("add", number=number), lambda messages: messages[-1].content]


def test_the_state_goes_back_with_the_branch(chat_agent):
    counter = chat_agent("counter", model=[*added(10), *added(5), *added(5), *added(7)])
    counter.say("Add 10")
    first = counter.turn
    assert counter.say("Add 5").text == "The sum is 15."
    assert counter.regenerate().text == "The sum is 15."
    counter.branch(first)
    assert counter.say("Add 7").text == "The sum is 17."


@pytest.mark.parametrize("how", ["reset", "edit", "another agent's turn was stopped"])
def test_the_state_survives_whatever_ends_the_agent(chat_agent, how):
    counter = chat_agent("counter", model=[*added(10), say("Hm", hangs=True), *added(5)])
    counter.say("Add 10")
    counter.begin("Think")
    counter.wait_for("Hm")
    counter.stop()
    if how == "reset":
        counter.reset()
    reply = counter.edit("Add 5") if how == "edit" else counter.say("Add 5")
    assert reply.text == "The sum is 15."


def test_what_a_tool_has_done_is_kept_when_the_turn_is_abandoned(chat_agent, settings):
    settings.CHAT_STOP_SECONDS = 0.05
    settings.CHAT_AGENTS = {"stubborn": {"FACTORY": "tests.demo.test_asking.stubborn"}}
    agent = chat_agent("stubborn", model=[call("add", number=10), call("hang"), call("add", number=5), say("Done.")])
    agent.begin("Add 10 and hang")
    agent.wait_until(lambda: len(agent.reply.tools) == 1)
    agent.stop()
    RELEASE.set()
    assert agent.say("Add 5").tools[0].result == "15"


RELEASE = threading.Event()


def stubborn(context):
    import langroid as lr

    class Add(lr.ToolMessage):
        request: str = "add"
        purpose: str = "To add."
        number: int

        def handle(self) -> str:
            context.state["sum"] = context.state.get("sum", 0) + self.number
            return str(context.state["sum"])

    class Hang(lr.ToolMessage):
        request: str = "hang"
        purpose: str = "To hang."

        def handle(self) -> str:
            context.state["sum"] = 999  # of a tool that has not ended
            RELEASE.wait(20)
            return "late"

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message([Add, Hang])
    return agent


def test_the_state_takes_json_alone_and_has_a_size():
    from chat.agents.state import MAX_STATE_BYTES, State

    state = State()
    state.update(numbers=[1, 2], name="x")
    with pytest.raises(TypeError):
        state["when"] = object()
    with pytest.raises(TypeError):
        state[1] = 2
    with pytest.raises(ValueError, match="the most is"):
        state["long"] = "x" * MAX_STATE_BYTES
    assert dict(state) == {"numbers": [1, 2], "name": "x"}


def test_what_is_shared_is_made_once_and_others_wait():
    from chat.agents import AgentContext

    made, start, key = [], threading.Barrier(5), str(uuid4())

    def make() -> object:
        made.append(object())
        return made[-1]

    def get() -> None:
        start.wait(30)
        AgentContext(conversation_id="c").shared(key, make)

    threads = [threading.Thread(target=get) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 1


def test_an_agent_knows_language_and_time_zone(chat_agent, settings):
    settings.CHAT_AGENTS = {"local": {"FACTORY": "tests.demo.test_asking.local"}}
    agent = chat_agent("local", model=[lambda messages: messages[0].content], tz="Europe/Berlin")
    assert agent.say("Where am I?").text == "en Europe/Berlin"


def local(context):
    import langroid as lr

    where = f"{context.language} {context.time_zone}"
    return lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(), system_message=where))
