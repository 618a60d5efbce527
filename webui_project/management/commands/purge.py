"""`purge`: the chat's, and what sign-ins have left behind."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.db.models import QuerySet
from django.db.models.functions import Now

from chat.management.commands.purge import Command as ChatCommand
from chat.management.commands.purge import days


class Command(ChatCommand):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--sign-in-days", type=days, default=30, help="records of sign-ins, failed ones too (default: %(default)s)"
        )

    def count(self, **options: Any) -> dict[str, int]:
        rows = _sign_ins(options["sign_in_days"])
        return super().count(**options) | {"sign-ins": sum(of_kind.count() for of_kind in rows)}

    def delete(self, **options: Any) -> dict[str, int]:
        rows = _sign_ins(options["sign_in_days"])
        return super().delete(**options) | {"sign-ins": sum(of_kind.delete()[0] for of_kind in rows)}


def _sign_ins(days: int) -> Iterator[QuerySet[Any]]:
    """What django-axes keeps for ever by itself: names, addresses, browsers."""
    for model in (AccessAttempt, AccessLog):
        yield model.objects.filter(attempt_time__lt=Now() - timedelta(days=days))
