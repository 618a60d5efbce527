"""What is not seen is shown where it could make something look like something else."""

from __future__ import annotations

import json

import pytest

from chat.wire.values import json_text, visible


@pytest.mark.parametrize(
    "unseen", "\u202e \u202d \u2066 \u2069 \u200e \u200f \u061c \u200b \u2060 \ufeff \u00ad \U000e0041".split()
)
def test_what_turns_or_hides_text_is_shown(unseen):
    assert visible(f"pay{unseen}pal") == f"pay‹U+{ord(unseen):04X}›pal"
    assert unseen not in json_text({f"to{unseen}": [f"a{unseen}b"]})
    assert json.loads(json_text({"to": f"a{unseen}b"})) == {"to": f"a{unseen}b"}


@pytest.mark.parametrize(
    "text", ["plain", "👩\u200d🚀", "❤\ufe0f\u200d🔥", "می\u200cخواهم", "क\u094d\u200dष", "שלום", "a\nb\tc", "é 中文"]
)
def test_what_scripts_and_emoji_are_written_with_stays(text):
    assert visible(text) == text
    assert json.loads(json_text(text)) == text


def test_a_joiner_that_joins_nothing_is_shown():
    assert visible("pay\u200dpal") == "pay‹U+200D›pal"
