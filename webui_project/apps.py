"""The example project as an app: its command, and its checks."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks


class ProjectConfig(AppConfig):
    name = "webui_project"

    def ready(self) -> None:
        checks.register(check_mends, "chat")


def check_mends(**_: Any) -> list[checks.CheckMessage]:
    """The packages that the project mends are as it needs them."""
    from chat.checks import broken_mends
    from webui_project.mends import MENDS

    return broken_mends(MENDS)
