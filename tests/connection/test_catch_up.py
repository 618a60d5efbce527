"""What a connection reads of a conversation, however much is stored in it."""

from __future__ import annotations

import tracemalloc

import pytest

from chat.connection.catch_up import Lack, read
from chat.models import Conversation, Message
from chat.wire.codes import MAX_FRAME_BYTES
from chat.wire.frames import encode

pytestmark = pytest.mark.django_db


def test_results_from_before_there_was_a_bound_are_read_as_far_as_a_frame_holds_them():
    conversation = Conversation.objects.create(visitor="f" * 64, agent_key="assistant")
    text = "ä" * 2_000_000
    records = [Message(kind=Message.Kind.TOOL, tool_name="old", content=text) for _ in range(5)]
    conversation.append(*records, Message(kind=Message.Kind.ASSISTANT, content="", reasoning=text))
    lack = Lack(conversation_id=conversation.id, seq=0, greets=True, after=None)
    read(lack)  # makes the statements
    del records, text
    tracemalloc.start()
    events = read(lack).records
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(events) == 6 and peak < 8_000_000, peak
    for event in events:
        body = event.get("message", event)
        assert body["truncated"] and body["url"] and len(encode(event)) <= MAX_FRAME_BYTES
        assert len(body.get("result") or body["reasoning"]) > 50_000
