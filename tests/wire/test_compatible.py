"""The compatible profile, event by event: what a page of the prototype is told, and what is made of what it says."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chat.exceptions import NotUnderstood
from chat.wire.compatible import Compatible
from chat.words import translator

ID = str(uuid.uuid4())
MESSAGE = {"id": ID, "content": "hi", "sender": "assistant", "timestamp": "t", "turn": ID, "status": "complete"}
UNLOCK = {"type": "input_request", "prompt": ""}
IDLE = {"type": "status", "state": "idle"}


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "message", "seq": 2, "message": {**MESSAGE, **fields}}


def start(content: str = "") -> dict[str, Any]:
    return {"type": "stream_start", "message_id": ID, "sender": "assistant", "timestamp": "t", "content": content}


def token(text: str) -> dict[str, Any]:
    return {"type": "stream_token", "message_id": ID, "n": 0, "token": text}


END = {"type": "stream_end", "message_id": ID}
DELETE = {"type": "delete_message", "message_id": ID}


def question(kind: str, **fields: Any) -> dict[str, Any]:
    base = {"type": "input_request", "request_id": ID, "prompt": "May I?", "kind": kind, "options": [], "timeout": None}
    return {**base, "agent": "Postman", **fields}


def told(profile: Compatible, *events: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for event in events for each in profile.tell(event)]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def sentences(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"]["content"] for event in events if event["type"] == "message"]


@pytest.mark.parametrize(
    "event",
    [
        IDLE,
        {"type": "head", "seq": 3, "turn": ID},
        {"type": "stream_reasoning", "message_id": ID, "n": 0, "token": "hm"},
        {"type": "task_start", "task_id": ID},
        {"type": "task_end", "task_id": ID},
        {"type": "accepted", "message_id": ID, "turn": ID},
        {"type": "conversation", "id": ID},
        {"type": "bye", "reason": "restart"},
        record(sender="user"),
    ],
    ids=lambda event: event["type"],
)
def test_the_page_is_not_told_what_it_does_not_know(event):
    assert Compatible().tell(event) == []


def test_a_streamed_answer():
    events = told(Compatible(), start(), token("h"), token("i"), END, record())

    assert types(events) == ["stream_start", "stream_token", "stream_token", "stream_end", "message"]
    assert set(events[1]) == {"type", "message_id", "token"}


def test_what_protocol_1_says_again_is_told_once():
    """A page that was slow, or comes back: the text so far is sent anew, longer or (from a checkpoint) shorter."""
    profile = Compatible()
    events = told(profile, start(), token("one"), start("one two"), start("on"), token("e two three"), token(" four"))

    assert types(events).count("stream_start") == 1
    assert "".join(event["token"] for event in events[1:]) == "one two three four"


def test_the_rest_of_a_stream_whose_end_was_lost_comes_with_its_record():
    events = told(Compatible(), start(), token("h"), record())

    assert events[2:4] == [{"type": "stream_token", "message_id": ID, "token": "i"}, END]
    assert DELETE not in events and sentences(events) == ["hi"]


def test_a_bubble_that_ends_empty_is_taken_away():
    assert told(Compatible(), start(), END, record(content=""))[1:] == [END, DELETE]


def test_text_that_turned_out_to_be_a_call_is_taken_back():
    events = told(Compatible(), start(), token('{"request": "add"}'), END, record(content=""))

    assert events[-1] == DELETE


def test_what_is_left_beside_a_call_takes_the_place_of_what_was_streamed():
    events = told(Compatible(), start(), token('Let me see. {"request'), END, record(content="Let me see."))

    assert DELETE in events and sentences(events) == ["Let me see."]


def test_the_input_is_unlocked_once_and_only_when_the_turn_is_over():
    profile = Compatible()
    profile.understand({"type": "message", "content": "hello"})

    assert told(profile, IDLE, {"type": "accepted", "turn": ID}, IDLE) == []  # of the turn before
    assert told(profile, {"type": "status", "state": "running", "turn": ID}, record(content="")) == []
    assert told(profile, IDLE) == [UNLOCK]
    assert told(profile, IDLE) == []


def test_an_answer_that_was_shown_needs_no_unlocking():
    profile = Compatible()
    profile.understand({"type": "message", "content": "hello"})

    assert UNLOCK not in told(profile, record(), IDLE)


def test_an_error_is_read_as_a_message_of_the_system_and_unlocks_once():
    profile = Compatible()
    profile.understand({"type": "message", "content": "hello"})
    events = told(profile, {"type": "error", "error": "busy", "details": "Wait."}, IDLE)

    assert types(events) == ["message", "error", "input_request"]
    assert events[0]["message"]["sender"] == "system" and events[0]["message"]["content"] == "Wait."
    assert events[2] == UNLOCK


def test_a_model_s_failure_is_told_once():
    failed = record(content="", status="error", error={"code": "llm_auth", "details": "The key is refused."})
    error = {"type": "error", "error": "llm_auth", "details": "The key is refused.", "message_id": ID}

    assert sentences(told(Compatible(), failed, error, IDLE)) == ["The key is refused."]
    assert sentences(told(Compatible(), error, failed, IDLE)) == ["The key is refused."]


@pytest.mark.parametrize("status", ["stopped", "interrupted"])
def test_an_answer_that_ended_before_its_first_word_says_so(status):
    (sentence,) = sentences(told(Compatible(), record(content="", status=status)))

    assert status in sentence


def test_a_question_is_read_as_a_message_with_what_is_to_be_approved():
    events = told(Compatible(), question("approval", tool_name="send_letter", tool_args={"to": "alice"}))

    assert types(events) == ["message", "input_request"]
    for part in ("May I?", "send_letter", '"to": "alice"', "yes or no"):
        assert part in events[0]["message"]["content"]


@pytest.mark.parametrize(
    ("said", "language", "approved"),
    [
        *[(said, "en-us", True) for said in ("yes", "OK!", "Yes, please", "go ahead", "yes please.")],
        *[(said, "en", False) for said in ("no", "No, thanks.", "don’t")],
        *[(said, "en", None) for said in ("maybe", "yes and no", "yes, no", "please", "")],
        *[("Ja", "de", True), ("Ja, gerne", "de", True), ("gerne", "de", True), ("nein.", "de", False)],
        *[("yes", "de", True), ("はい", "ja", True), ("ja", "en", None)],
        *[("ja", "en-us de", True), ("nein", "fr de-at", False), ("oui", "fr de-at", True)],
    ],
)
def test_an_approval_in_words(said, language, approved):
    profile = Compatible(*language.split())
    told(profile, question("approval"))

    if approved is None:
        with pytest.raises(NotUnderstood):
            profile.understand({"type": "message", "content": said})
    else:
        answer = profile.understand({"type": "message", "content": said})
        assert answer == {"type": "answer", "request_id": ID, "content": said, "approved": approved}


def test_a_person_reads_in_the_language_that_is_spoken():
    profile = Compatible("en-us", "de", translate=translator("de"))
    [asked] = sentences(told(profile, question("approval")))
    again = sentences(told(profile, {"type": "error", "details": "That was neither yes nor no."}))
    end = sentences(told(Compatible("de"), record(content="", status="stopped")))

    assert asked == "May I?\n\nBitte antworten Sie mit Ja oder Nein."
    assert again == ["Das war weder ja noch nein.", asked] and end == ["Die Antwort wurde angehalten."]


@pytest.mark.parametrize("said", ["2", "2.", "blue", "Blue"])
def test_a_choice_by_number_or_text(said):
    profile = Compatible()
    events = told(profile, question("choice", options=["Red", "Blue"]))

    assert "1. Red\n2. Blue" in events[0]["message"]["content"]
    assert profile.understand({"type": "message", "content": said})["choice"] == "Blue"


@pytest.mark.parametrize("said", ["3", "0", "Green", ""])
def test_what_is_no_option_is_asked_again(said):
    profile = Compatible()
    told(profile, question("choice", options=["Red", "Blue"]))
    with pytest.raises(NotUnderstood) as refused:
        profile.understand({"type": "message", "content": said})

    again = told(profile, {"type": "error", "error": "bad_frame", "details": refused.value.details})

    assert types(again) == ["message", "error", "message", "input_request"]
    assert "1. Red" in again[2]["message"]["content"] and again[3]["request_id"] == ID
    assert profile.understand({"type": "message", "content": "1"})["choice"] == "Red"


def test_a_question_is_asked_once_and_closed_with_its_turn():
    profile = Compatible()
    told(profile, question("approval"))

    assert told(profile, question("approval"), {"type": "status", "state": "running"}) == []
    assert profile.understand({"type": "message", "content": "maybe"})["type"] == "message"


def test_the_greeting_comes_on_connecting_and_not_again_with_its_record():
    profile = Compatible()
    profile.greeting = "Welcome."
    connection = {"type": "connection", "status": "connected", "session_id": ID, "message": "m", "seq": 0}

    events = told(profile, connection, record(content="Welcome.", turn=None), connection)

    assert types(events) == ["connection", "message"]
    assert set(events[0]) == {"type", "status", "session_id", "message"}
    assert sentences(events) == ["Welcome."]


def test_a_failed_tool_says_so_in_its_result():
    result = {"type": "tool_result", "tool_call_id": "c", "message_id": None, "tool_name": "t", "result": ""}
    (event,) = told(Compatible(), {**result, "error": "No such file.", "status": "error"})

    assert "No such file." in event["result"] and event["message_id"] == "c"


def test_a_cut_record_says_where_all_of_it_is():
    (event,) = told(Compatible(), record(truncated=True, url="/api/x"))

    assert event["message"]["truncated"] is True and event["message"]["url"] == "/api/x"


def test_a_ping_is_answered_and_user_input_is_a_message():
    assert Compatible().tell({"type": "pong"}) == [{"type": "pong"}]
    assert Compatible().understand({"type": "user_input", "content": "a"}) == {"type": "message", "content": "a"}


FORM = {"properties": {"city": {"type": "string", "title": "City"}, "nights": {"type": "integer"}}}


@pytest.mark.parametrize("said", ["city: Rome\nnights: 3", " City : Rome \n\n NIGHTS: 3"])
def test_a_form_is_read_with_its_fields_and_answered_in_lines(said):
    profile = Compatible()
    [text] = sentences(profile.tell(question("form", schema=FORM)))
    assert "city: City" in text and "nights: integer" in text

    answer = profile.understand({"type": "message", "content": said})

    assert answer["tool_args"] == {"city": "Rome", "nights": "3"}


def test_a_form_of_one_field_needs_no_name_and_one_that_is_not_understood_is_asked_again():
    profile = Compatible()
    profile.tell(question("form", schema={"properties": {"city": {}}}))
    assert profile.understand({"type": "message", "content": "Rome"})["tool_args"] == {"city": "Rome"}

    profile = Compatible()
    profile.tell(question("form", schema=FORM))
    with pytest.raises(NotUnderstood):
        profile.understand({"type": "message", "content": "Rome, please"})


@pytest.mark.parametrize("said", ["2", "with cream"])
def test_an_option_with_a_label_is_read_by_it_and_chosen_by_its_value(said):
    profile = Compatible()
    options = [{"label": "Black", "value": 1}, {"label": "With cream", "value": 2}]
    [text] = sentences(profile.tell(question("choice", options=options)))
    assert "2. With cream" in text

    assert profile.understand({"type": "message", "content": said})["choice"] == 2


def test_who_is_asked_for_a_file_hears_where_and_goes_on_without():
    profile = Compatible()
    [text] = sentences(profile.tell(question("file")))
    assert "own page" in text

    answer = profile.understand({"type": "message", "content": "I have none"})

    assert (answer["type"], answer["content"]) == ("answer", "I have none")


def test_what_a_message_has_attached_is_named():
    events = Compatible().tell(record(content="", attachments=[{"id": ID, "name": "chart.png"}]))

    assert sentences(events) == ["Attached: chart.png"]
