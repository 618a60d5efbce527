"""The runs of agents: who, where, what each cost, and a stop that reaches every process."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from chat.admin.conversations import OwnerFilter
from chat.admin.read_only import (
    AgentFilter,
    LiveFilter,
    ReadOnlyAdmin,
    agent_name,
    badge,
    may_read,
    months_of,
    number,
    owner_name,
    shortly,
)
from chat.admin.tables import FORMATS
from chat.clock import Now
from chat.live.claims import ask_to_end
from chat.models import ChatSession
from chat.wire.values import visible

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    Row = WithAnnotations[ChatSession, "Timed"]

EXPORTED = {
    "id": "id",
    "conversation": "conversation_id",
    "user": "user_name",
    "agent": "agent_key",
    "process": "process_name",
    "started": "started",
    "ended": "ended",
    "end_reason": "end_reason",
    "turns": "turns",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "cost": "cost",
    "errors": "errors",
    "last_error": "last_error",
}


class Timed(TypedDict):
    """What `get_queryset` adds to a row."""

    has_lease: bool
    so_far: timedelta  # how long it has run


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    """One row per run of an agent. A row goes with its conversation; by itself it stays."""

    change_list_template = "chat/admin/sessions.html"
    list_display = (
        "begun",
        "owner",
        "agent",
        "status",
        "lasted",
        "turns",
        "tokens",
        "shown_cost",
        "shown_errors",
        "process",
        "conversation_link",
    )
    list_filter = (LiveFilter, AgentFilter, "end_reason", OwnerFilter, "started", months_of("started"))
    list_select_related = ("process", "user", "conversation__user")
    linked_lookups = ("conversation__id__exact", "process__id__exact")
    ordering = ("-started",)
    actions = ("stop_live", "export_csv", "export_json", "export_markdown")
    fields = (
        "conversation_link",
        "owner",
        "agent",
        "process",
        "status",
        "started",
        "ended",
        "lasted",
        "turns",
        "prompt_tokens",
        "completion_tokens",
        "shown_cost",
        "errors",
        "last_error",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        so_far = Coalesce("duration", Coalesce("ended", Now()) - F("started"), output_field=models.DurationField())
        rows: QuerySet[ChatSession] = super().get_queryset(request)
        return rows.annotate(has_lease=ChatSession.alive(), so_far=so_far)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        fields = [f"user__{get_user_model().USERNAME_FIELD}", "conversation__id", "id", "last_error"]
        return [*fields, "conversation__title"] if may_read(request) else fields

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Without the list of models at the side: the columns need the place. With totals."""
        response = super().changelist_view(request, {**(extra_context or {}), "is_nav_sidebar_enabled": False})
        context = getattr(response, "context_data", None) or {}  # an answer to an action has none
        if "cl" in context:
            context["totals"] = totals_of(context["cl"].queryset)
        return response

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Those who may read conversations see their titles."""
        names = {"conversation_link": "titled_link"} if may_read(request) else {}
        return [names.get(name, name) for name in self.list_display]

    @admin.display(description=_("started"), ordering="started")
    def begun(self, row: ChatSession) -> str:
        return shortly(row.started)

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, row: ChatSession) -> str:
        return owner_name(row.conversation)

    @admin.display(description=_("agent"), ordering="agent_key")
    def agent(self, row: ChatSession) -> str:
        return agent_name(row.agent_key)

    @admin.display(description=_("status"), ordering="end_reason")
    def status(self, row: Row) -> SafeString:
        if row.ended:
            is_bad = row.end_reason in (ChatSession.EndReason.LOST, ChatSession.EndReason.FAILED)
            return badge("bad" if is_bad else "past", row.get_end_reason_display())
        if not row.has_lease:
            return badge("bad", str(ChatSession.EndReason.LOST.label))
        return badge("live", gettext("ending") if row.end_reason else gettext("live"))

    @admin.display(description=_("duration"), ordering=F("duration").asc(nulls_last=True))
    def lasted(self, row: Row) -> str:
        """Those that run still stand beside the longest."""
        return in_words(row.so_far)

    @admin.display(description=_("tokens in / out"), ordering="prompt_tokens")
    def tokens(self, row: ChatSession) -> str:
        return f"{number(row.prompt_tokens)} / {number(row.completion_tokens)}"

    @admin.display(description=_("cost, $"), ordering="cost")
    def shown_cost(self, row: ChatSession) -> str:
        return number(row.cost, 4)

    @admin.display(description=_("errors"), ordering="errors")
    def shown_errors(self, row: ChatSession) -> Any:
        return badge("bad", number(row.errors)) if row.errors else 0

    @admin.display(description=_("conversation"))
    def conversation_link(self, row: ChatSession) -> SafeString:
        return self._link(row, str(row.conversation_id)[:8])

    @admin.display(description=_("conversation"), ordering="conversation__title")
    def titled_link(self, row: ChatSession) -> SafeString:
        return self._link(row, visible(row.conversation.title) or str(row.conversation_id)[:8])

    def _link(self, row: ChatSession, text: str) -> SafeString:
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, text)

    # -- stopping ---------------------------------------------------------------------------------------------------

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("chat.change_chatsession"))

    @admin.action(description=_("Stop live sessions"), permissions=["stop"])
    def stop_live(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        """End the agents of the selected rows, wherever they run. What they have said so far is kept."""
        live = ChatSession.objects.filter(id__in=queryset.filter(ended=None).order_by().values("id"))
        rows = list(live)
        count = ask_to_end(live, ChatSession.EndReason.ADMIN)
        if not count:
            self.message_user(request, gettext("None of the selected sessions is live."), messages.WARNING)
            return
        assert request.user.is_authenticated  # who is not does not get here
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, gettext("Stopped."))
        what = ngettext("{n} session ends within a second or two.", "{n} sessions end within a second or two.", count)
        self.message_user(request, what.format(n=count), messages.SUCCESS)

    # -- exports ----------------------------------------------------------------------------------------------------

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> HttpResponse:
        return self._export(queryset, "csv")

    @admin.action(description=_("Export as JSON"), permissions=["view"])
    def export_json(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> HttpResponse:
        return self._export(queryset, "json")

    @admin.action(description=_("Export as Markdown"), permissions=["view"])
    def export_markdown(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> HttpResponse:
        return self._export(queryset, "md")

    def _export(self, queryset: QuerySet[ChatSession], ending: str) -> HttpResponse:
        mime, write = FORMATS[ending]
        sessions = queryset.select_related("process", "conversation__user")
        rows = [{column: _exported(session, name) for column, name in EXPORTED.items()} for session in sessions]
        response = HttpResponse(write(rows, list(EXPORTED)), content_type=f"{mime}; charset=utf-8")
        name = f"session-records-{timezone.now():%Y-%m-%d}.{ending}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    # -- deleting ---------------------------------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of a row together with its conversation or user; Django asks for each row of the cascade."""
        return obj is not None and admin.ModelAdmin.has_delete_permission(self, request, obj)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        context = {**(extra_context or {}), "show_delete": False}
        return super().change_view(request, object_id, form_url, context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        raise PermissionDenied


def totals_of(rows: QuerySet[ChatSession]) -> dict[str, Any]:
    """The sums of what is listed, as texts."""
    names = ("turns", "prompt_tokens", "completion_tokens", "cost", "errors")
    found = rows.order_by().aggregate(count=Count("id"), **{name: Sum(name) for name in names})
    shown = {name: number(found[name] or 0) for name in names if name != "cost"}
    counts = {f"{name}_count": found[name] or 0 for name in ("turns", "errors")}
    return {"count": found["count"], **counts, "cost": number(found["cost"] or 0, 4), **shown}


def _exported(session: ChatSession, name: str) -> Any:
    match name:
        case "user_name":
            return owner_name(session.conversation)
        case "process_name":
            return str(session.process or "")
        case "started" | "ended":
            moment = getattr(session, name)
            return moment.isoformat(timespec="seconds") if moment else None
    return getattr(session, name)


def in_words(duration: timedelta) -> str:
    """The two largest units: 4 s, 2 min 5 s, 1 h 12 min, 3 d 4 h."""
    seconds = max(0, int(duration.total_seconds()))
    units = (("d", seconds // 86400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60))
    largest = next((place for place, (_, n) in enumerate(units) if n), len(units) - 1)
    return " ".join(f"{n} {unit}" for unit, n in units[largest : largest + 2])
