"""`manage.py purge`: remove what is kept no longer. For a nightly timer; prints numbers, never a text or a name."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from chat.keeping import erasure, files, retention


def days(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("not negative")
    return number


class Command(BaseCommand):
    help = (
        "Delete conversations of visitors that nobody has used for a while, for ever; with --days also those of users,"
        " and the records of sessions. Expired HTTP sessions are the task of clearsessions."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--anonymous-days", type=days, default=30, help="unused conversations of visitors (default: %(default)s)"
        )
        parser.add_argument(
            "--days", type=days, help="unused conversations of users, and ended session records (default: kept)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        with erasure.postponed():
            found = self.count(**options) if dry_run else self.delete(**options)
        for name, number in found.items():
            self.stdout.write(f"{name}: {number}")
        if not dry_run and not erasure.clean(DEFAULT_DB_ALIAS):
            self.stderr.write("The database file is in use: the next run overwrites what was deleted.")

    def count(self, *, anonymous_days: int, days: int | None, **options: Any) -> dict[str, int]:
        """Return how much of each kind would go."""
        visitors, users = retention.OF_VISITORS, retention.OF_USERS
        found = {"conversations of visitors": retention.unused_conversations(visitors, anonymous_days).count()}
        if days is not None:
            found["conversations of users"] = retention.unused_conversations(users, days).count()
            found["session records"] = retention.ended_sessions(days).count()
        return found | {
            "temporary conversations": retention.unused_conversations(
                retention.TEMPORARY, retention.TEMPORARY_DAYS
            ).count(),
            "interrupted conversations": retention.orphans().count(),
            "dead processes": retention.dead_processes().count(),
            "uploads never sent": files.not_sent().count(),
            "stray files": len(files.strays()),
        }

    def delete(self, *, anonymous_days: int, days: int | None, **options: Any) -> dict[str, int]:
        """Remove it; return how much of each kind went."""
        visitors, users = retention.OF_VISITORS, retention.OF_USERS
        found = {"conversations of visitors": retention.delete_conversations(visitors, anonymous_days)}
        if days is not None:
            found["conversations of users"] = retention.delete_conversations(users, days)
            found["session records"] = retention.delete_sessions(days)
        return found | {
            "temporary conversations": retention.delete_conversations(retention.TEMPORARY, retention.TEMPORARY_DAYS),
            "interrupted conversations": retention.close_orphans(),
            "dead processes": retention.delete_processes(),
            "uploads never sent": files.delete_not_sent(),
            "stray files": files.delete_strays(),
        }
