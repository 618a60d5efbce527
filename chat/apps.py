"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chat import checks
        from chat.keeping import erasure, files
        from chat.search import index
        from chat.views import sign_in

        checks.register()
        erasure.install()
        files.install()
        index.install()
        sign_in.install()
