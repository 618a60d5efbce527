"""How long a search takes in a database of many messages, and what it costs to keep the index.

python -m benchmarks.search '{"messages": 100000}'        # prints JSON; DATABASE_URL says which database
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from functools import partial
from itertools import accumulate
from typing import Any

WORDS, WORDS_PER_MESSAGE, RECORDS_PER_CONVERSATION = 20_000, 80, 20
ROUNDS = 5


def measure(messages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.server_settings", "SECRET_KEY": "benchmark"}
        os.environ |= {"DATA_DIR": directory}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        return _measure(messages)


def _measure(messages: int) -> dict[str, Any]:
    from django.db import connection

    from chat.owners import Owner
    from chat.search.find import catch_up, find

    owner, other = Owner(visitor="a" * 64), Owner(visitor="b" * 64)
    words = fill(owner, messages) and fill(other, messages // 10)
    started = time.perf_counter()
    while not (catch_up(owner, seconds=60) and catch_up(other, seconds=60)):
        pass
    indexed = time.perf_counter() - started
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    common, rare = words[0], words[WORDS // 2]
    queries = {
        "a word of nearly every message": common,
        "two letters": common[:2],
        "two words that are everywhere": f"{common} {words[1]}",
        "a phrase": f'"{common} {words[1]}"',
        "a rare word": rare,
        "three letters of it": rare[:3],
        "a rare and a common one": f"{rare} {common}",
        "nothing": "qqqqqqqqqq",
    }
    seconds = {name: _timed(partial(find, owner, text)) for name, text in queries.items()}
    return {
        "vendor": connection.vendor,
        "messages": messages,
        "index_us_per_message": indexed / (messages * 1.1) * 1e6,
        "queries": {
            name: {"median_ms": times[ROUNDS // 2] * 1000, "worst_ms": times[-1] * 1000}
            for name, times in seconds.items()
        },
    }


def _timed(work: Any) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return sorted(times)


def fill(owner: Any, messages: int) -> list[str]:
    """Store conversations of made-up words, of which a few are common; return the words, the most common first."""
    from chat.models import Conversation, Message

    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randint(3, 10))) for _ in range(WORDS)]
    weights = list(accumulate(1 / (at + 1) for at in range(WORDS)))
    for _ in range(messages // RECORDS_PER_CONVERSATION):
        title = " ".join(chance.choices(words, k=5))
        fields = {"agent_key": "assistant", "title": title, "newest_seq": RECORDS_PER_CONVERSATION}
        conversation = Conversation.objects.create(**fields, **owner.fields)
        Message.objects.bulk_create(
            Message(
                conversation=conversation,
                seq=seq,
                kind="assistant" if seq % 2 else "user",
                content=" ".join(chance.choices(words, cum_weights=weights, k=WORDS_PER_MESSAGE)),
            )
            for seq in range(1, RECORDS_PER_CONVERSATION + 1)
        )
    return words


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
