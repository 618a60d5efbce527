"""How long the admin takes for its pages of many session records.

python -m benchmarks.sessions '{"rows": 100000}'        # prints JSON; DATABASE_URL says which database
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

ROUNDS = 3
PER_CONVERSATION = 10
PAGES = {
    "the list": {},
    "by duration": {"o": "5"},
    "the longest": {"o": "-5"},
    "by cost": {"o": "-8"},
    "the live ones": {"live": "yes"},
    "how they ended": {"end_reason__exact": "grace"},
    "of visitors": {"owner": "visitor"},
    "a page of the middle": {"p": "middle"},
    "a search": {"q": "llm_timeout"},
}


def measure(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.server_settings", "SECRET_KEY": "benchmark"}
        os.environ |= {"DATA_DIR": directory}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        return _measure(rows)


def _measure(rows: int) -> dict[str, Any]:
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import override_settings
    from django.urls import reverse

    fill(rows)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("root"))
    address = reverse("admin:chat_chatsession_changelist")
    pages: dict[str, Any] = {}
    with override_settings(ALLOWED_HOSTS=["*"], SECURE_SSL_REDIRECT=False):
        for name, query in PAGES.items():
            query = query | ({"p": str(max(1, rows // 100))} if "p" in query else {})
            times = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                answer = browser.get(address, query)
                times.append((time.perf_counter() - started) * 1000)
                assert answer.status_code == 200, (name, answer.status_code)
            indexes = indexes_of(partial(browser.get, address, query))
            pages[name] = {"median_ms": sorted(times)[ROUNDS // 2], "worst_ms": max(times), "indexes": indexes}
    return {"vendor": connection.vendor, "rows": rows, "pages": pages}


def indexes_of(work: Callable[[], object]) -> list[str]:
    """The indexes of session records that the queries of `work` are answered by, as the database plans them."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        work()
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    found: set[str] = set()
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(explain + query["sql"])
                found |= set(re.findall(r"chat_sessions_by_\w+", str(cursor.fetchall())))
    return sorted(found)


def fill(rows: int) -> None:
    """Store the records of agents that have ended, over a year, of conversations of a hundred visitors."""
    from django.utils import timezone

    from chat.models import ChatSession, Conversation, ServerProcess

    chance = random.Random(1)
    process = ServerProcess.objects.create(host="web-1", pid=1)
    count = max(1, rows // PER_CONVERSATION)
    conversations = [Conversation(agent_key="assistant", visitor=f"{number % 100:064x}") for number in range(count)]
    Conversation.objects.bulk_create(conversations, batch_size=1000)
    now, reasons = timezone.now(), ("grace", "grace", "grace", "evicted", "shutdown", "lost", "failed")

    def record(number: int) -> ChatSession:
        started = now - timedelta(seconds=chance.randrange(365 * 86400))
        duration = timedelta(seconds=chance.randrange(1, 3600))
        return ChatSession(
            conversation=conversations[number % count],
            agent_key=f"agent-{number % 5}",
            process=process,
            fence=number,
            started=started,
            ended=started + duration,
            duration=duration,
            end_reason=chance.choice(reasons),
            turns=chance.randrange(20),
            prompt_tokens=chance.randrange(100_000),
            cost=chance.randrange(1000) / 1000,
            last_error="llm_timeout 12ab" if number % 1000 == 0 else "",
        )

    for at in range(0, rows, 1000):
        ChatSession.objects.bulk_create(record(number) for number in range(at, min(at + 1000, rows)))


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
