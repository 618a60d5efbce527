#!/usr/bin/env python
"""Django's command line for the example project."""

from __future__ import annotations

import os
import sys

from webui_project import reloader


def main() -> int:
    """Run the command of `sys.argv` and return the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui_project.settings")
    if wants_supervisor(sys.argv[1:]) and not reloader.is_child():
        return reloader.supervise([sys.executable, *(f"-W{option}" for option in sys.warnoptions), *sys.argv])
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:  # before there was a server to end
        return 130
    return 0


def wants_supervisor(arguments: list[str]) -> bool:
    """Say whether the command is `runserver` with its reloader."""
    return arguments[:1] == ["runserver"] and not {"--noreload", "--help", "-h"}.intersection(arguments)


if __name__ == "__main__":
    sys.exit(main())
