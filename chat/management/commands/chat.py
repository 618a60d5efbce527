"""`manage.py chat [agent]`: talk to an agent in the terminal, over the session that a page gets."""

from __future__ import annotations

import argparse
import contextlib
import logging
import secrets
import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from chat.actions.delete import erase
from chat.conf import agents, default_agent


class Command(BaseCommand):
    help = "Talk to an agent of CHAT_AGENTS in the terminal. Ctrl-C stops an answer, Ctrl-D leaves."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("agent", nargs="?", help="a key of CHAT_AGENTS (default: the default agent)")
        parser.add_argument("--user", help="name of the user who talks (default: a visitor of its own)")
        parser.add_argument("--conversation", help="id of a conversation of this user, to go on with")
        parser.add_argument("--log", action="store_true", help="show the log, too")

    def handle(self, *, agent: str | None, user: str | None, conversation: str | None, log: bool, **_: Any) -> None:
        if agent is not None and agent not in agents():
            raise CommandError(f"There is no agent {agent!r}. There are: {', '.join(agents())}.")
        from rich.console import Console

        from chat.owners import Owner
        from chat.terminal import Terminal

        if not log:
            logging.disable(logging.CRITICAL)
        owner = Owner(**_who(user), is_vouched_for=True)
        options = {"conversation": conversation} if conversation else {"agent": agent or default_agent().key}
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  (lets lines be edited)
        id = Terminal(Console(highlight=False), owner, options).run()
        if id and user:
            self.stdout.write(f"The conversation is {id}.")
        elif id:
            erase(uuid.UUID(id))  # its visitor will not come back


def _who(name: str | None) -> dict[str, Any]:
    if name is None:
        return {"visitor": secrets.token_hex(32)}
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}.")
    return {"user_id": user.pk, "name": name}
