"""`runserver`: Daphne's, with the limits of a production server, a clean end and `--migrate`."""

from __future__ import annotations

import socket
import sys
from functools import partial
from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from daphne.server import Server
from django.core.management import CommandError, CommandParser, call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import autoreload

from webui_project import reloader
from webui_project.mends import RELOADER, RUNSERVER

LIMITS = {
    "websocket_timeout": 43_200,  # seconds; the others too
    "websocket_connect_timeout": 20,
    "ping_interval": 10,
    "ping_timeout": 15,
    "application_close_timeout": 10,
    "server_name": "",
}


class Command(DaphneCommand):  # type: ignore[misc]  # Daphne has no types
    """Serve the project with Daphne in the main thread."""

    if RUNSERVER.holds:
        server_cls = partial(Server, **LIMITS)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        # WhiteNoise serves the static files, here as in production.
        parser.set_defaults(http_timeout=60, websocket_handshake_timeout=20, use_static_handler=False)
        parser.add_argument(reloader.MIGRATE, action="store_true", help="Apply missing migrations first.")

    def run(self, **options: Any) -> None:
        if not (options["use_reloader"] and RELOADER.holds):
            self.prepare(**options)
            self.inner_run(None, **options | {"use_reloader": False})
            reloader.end_process(0)
        if not reloader.is_child():
            sys.exit(reloader.supervise(autoreload.get_child_arguments()))
        self.prepare(**options)
        reloader.serve_watched(partial(self.inner_run, None, **options | {"use_reloader": False}))

    def prepare(self, *, migrate: bool, **_options: Any) -> None:
        """Do what has to succeed before the server starts.

        Raises:
            CommandError: the port is taken. Daphne itself would end without an error (daphne/server.py:181, 4.2.3).
        """
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.addr, int(self.port)))
            except OSError as error:
                raise CommandError(f"Cannot listen on {self.addr}:{self.port}: {error.strerror}.") from error
        if migrate:
            self.migrate()

    def migrate(self) -> None:
        """Apply missing migrations; print nothing when there are none."""
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, stdout=self.stdout)
