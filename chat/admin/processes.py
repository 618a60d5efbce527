"""The server processes, with their leases."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from django.contrib import admin
from django.db.models import BooleanField, Count, ExpressionWrapper, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.read_only import (
    LiveFilter,
    ReadOnlyAdmin,
    badge,
)
from chat.models import ChatSession, ServerProcess

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    Row = WithAnnotations[ServerProcess, "Counted"]


class Counted(TypedDict):
    """What `get_queryset` adds to a row."""

    has_lease: bool
    session_count: int


@admin.register(ServerProcess)
class ServerProcessAdmin(ReadOnlyAdmin):
    list_display = ("name", "status", "live_sessions", "started", "renewed", "ended")
    list_filter = (LiveFilter, "host", "started")
    search_fields = ("host", "pid")
    ordering = ("-started",)
    fields = ("host", "pid", "id", "status", "live_sessions", "started", "renewed", "ended")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServerProcess]:
        live = ChatSession.objects.filter(process=OuterRef("id"), ended=None).order_by().values("process")
        rows: QuerySet[ServerProcess] = super().get_queryset(request)
        return rows.annotate(
            has_lease=ExpressionWrapper(ServerProcess.alive(), output_field=BooleanField()),
            session_count=Coalesce(Subquery(live.annotate(n=Count("id")).values("n")), 0),
        )

    @admin.display(description=_("host and process id"), ordering="host")
    def name(self, row: ServerProcess) -> str:
        return str(row)

    @admin.display(description=_("status"), ordering="ended")
    def status(self, row: Row) -> SafeString:
        if row.has_lease:
            return badge("live", gettext("live"))
        return badge("past", gettext("ended")) if row.ended else badge("bad", gettext("died"))

    @admin.display(description=_("live sessions"), ordering="session_count")
    def live_sessions(self, row: Row) -> SafeString | int:
        if not (row.has_lease and row.session_count):
            return 0
        url = reverse("admin:chat_chatsession_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?process__id__exact={}&live=yes">{}</a>', url, row.id, row.session_count)
