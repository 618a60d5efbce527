"""The admin: what runs, what ran and what it cost, and, for those who may, what was said.

Nothing is added or changed by hand. No list, log or history entry holds a word of a conversation, its title included;
a transcript takes the permission `chat.view_content`, and each opening of one leaves a `ContentView`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.tables import FORMATS
from chat.admin.transcript import Transcript
from chat.cluster.process import here
from chat.conf import agents
from chat.live.claims import ask_to_end
from chat.models import ChatSession, ContentView, Conversation, Message, ServerProcess
from chat.owners import Owner

VISITOR_CHARS = 8  # of an anonymous visitor's hash, as a name


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the software writes and people look at."""

    show_full_result_count = False
    list_per_page = 50

    class Media:
        css = {"all": ["chat/admin.css"]}

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def may_read(request: HttpRequest) -> bool:
    """Whether this person may see what is said in conversations."""
    return bool(request.user.has_perm("chat.view_content"))


def owner_name(conversation: Conversation) -> str:
    if conversation.user is not None:
        return str(conversation.user.get_username())
    return f"visitor {conversation.visitor[:VISITOR_CHARS]}"


def agent_name(key: str) -> str:
    spec = agents().get(key)
    return spec.name if spec else key


def shortly(moment: datetime) -> str:
    """A moment that fits into a column, in the current time zone."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def badge(kind: str, text: str) -> SafeString:
    """A word with a colour that `admin.css` gives it: live, good, bad or past."""
    return format_html('<span class="chat-badge chat-{}">{}</span>', kind, text)


class AgentFilter(admin.SimpleListFilter):
    """By agent: the configured ones, and those of old rows."""

    title = "agent"
    parameter_name = "agent"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        used = model_admin.model._default_manager.order_by("agent_key").values_list("agent_key", flat=True).distinct()
        return [(key, agent_name(key)) for key in dict.fromkeys([*agents(), *used])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(agent_key=self.value()) if self.value() else queryset


class LiveFilter(admin.SimpleListFilter):
    """By whether a row is of something that runs now. The rows have `is_alive` and `ended`."""

    title = "live"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "Live"), ("no", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_live = Q(ended=None, is_alive=True)
        match self.value():
            case "yes":
                return queryset.filter(is_live)
            case "no":
                return queryset.exclude(is_live)
        return queryset


class OwnerFilter(admin.SimpleListFilter):
    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("user", "Signed-in users"), ("visitor", "Anonymous visitors")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "user":
                return queryset.exclude(user=None)
            case "visitor":
                return queryset.filter(user=None)
        return queryset


# -- conversations -------------------------------------------------------------------------------------------------


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    """Deleting is for ever, and ends the agent first."""

    change_form_template = "chat/admin/conversation.html"
    list_display = ("id", "owner", "agent", "shown_state", "records", "runs", "begun", "last_used")
    list_filter = (AgentFilter, OwnerFilter, "state", "updated")
    list_select_related = ("user",)
    date_hierarchy = "updated"
    ordering = ("-updated",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        alive = ServerProcess.objects.filter(ServerProcess.alive(), id=OuterRef("owner_process"))
        runs = ChatSession.objects.filter(conversation=OuterRef("id")).order_by().values("conversation")
        return (
            super()
            .get_queryset(request)
            .annotate(is_owned=Exists(alive), run_count=Coalesce(Subquery(runs.annotate(n=Count("id")).values("n")), 0))
        )

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        fields = [f"user__{get_user_model().USERNAME_FIELD}", "id", "visitor"]
        return [*fields, "title"] if may_read(request) else fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = [("owner", "agent", "shown_state"), ("records", "session_records"), ("created", "updated")]
        return ["title", *fields] if may_read(request) else fields

    @admin.display(description="owner", ordering="user")
    def owner(self, row: Conversation) -> str:
        return owner_name(row)

    @admin.display(description="agent", ordering="agent_key")
    def agent(self, row: Conversation) -> str:
        return agent_name(row.agent_key)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Conversation) -> SafeString:
        if row.state == Conversation.State.IDLE:
            return badge("past", "idle")
        return badge("live", row.get_state_display().lower()) if row.is_owned else badge("bad", "interrupted")

    @admin.display(description="created", ordering="created")
    def begun(self, row: Conversation) -> str:
        return shortly(row.created)

    @admin.display(description="updated", ordering="updated")
    def last_used(self, row: Conversation) -> str:
        return shortly(row.updated)

    @admin.display(description="records", ordering="newest_seq")
    def records(self, row: Conversation) -> int:
        return row.newest_seq

    @admin.display(description="runs", ordering="run_count")
    def runs(self, row: Conversation) -> int:
        return row.run_count

    @admin.display(description="session records")
    def session_records(self, row: Conversation) -> SafeString:
        url = reverse("admin:chat_chatsession_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?conversation__id__exact={}">{}</a>', url, row.id, row.run_count)

    # -- reading ----------------------------------------------------------------------------------------------------

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        conversation = self.get_object(request, unquote(object_id))
        context = {**(extra_context or {}), "may_read": may_read(request)}
        if conversation and context["may_read"] and self.has_view_permission(request, conversation):
            name = request.user.get_username()
            ContentView.objects.create(user=request.user, user_name=name, conversation_id=conversation.id)
            head, page = request.GET.get("head"), request.GET.get("page")
            context["transcript"] = Transcript(conversation, head=head, page=page)
        return super().change_view(request, object_id, form_url, context)

    # -- deleting ---------------------------------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how much goes, not each record: there may be thousands."""
        ids = [conversation.pk for conversation in objs]
        counts = {
            "conversations": len(ids),
            "records": Message.objects.filter(conversation__in=ids).count(),
            "session records": ChatSession.objects.filter(conversation__in=ids).count(),
        }
        return [f"Conversation {id}" for id in ids], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        """Delete once the admin's transaction is over: the work is done in another thread, which it would lock out."""
        owner = Owner(user_id=obj.user_id, visitor=obj.visitor)
        transaction.on_commit(partial(async_to_sync(here.delete), obj, owner))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        for conversation in queryset:
            self.delete_model(request, conversation)


# -- session records -----------------------------------------------------------------------------------------------

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


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    """One row per run of an agent. A row goes with its conversation; by itself it stays."""

    list_display = (
        "begun",
        "owner",
        "agent",
        "status",
        "duration",
        "turns",
        "tokens",
        "shown_cost",
        "shown_errors",
        "process",
        "conversation_link",
    )
    list_filter = (LiveFilter, AgentFilter, "end_reason", OwnerFilter, "started")
    list_select_related = ("process", "user", "conversation__user")
    date_hierarchy = "started"
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
        "duration",
        "turns",
        "prompt_tokens",
        "completion_tokens",
        "shown_cost",
        "errors",
        "last_error",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        lasted = ExpressionWrapper(Coalesce("ended", Now()) - F("started"), output_field=models.DurationField())
        return super().get_queryset(request).with_liveness().annotate(lasted=lasted)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        fields = [f"user__{get_user_model().USERNAME_FIELD}", "conversation__id", "id", "last_error"]
        return [*fields, "conversation__title"] if may_read(request) else fields

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Without the list of models at the side: the columns need the place."""
        return super().changelist_view(request, {**(extra_context or {}), "is_nav_sidebar_enabled": False})

    @admin.display(description="started", ordering="started")
    def begun(self, row: ChatSession) -> str:
        return shortly(row.started)

    @admin.display(description="owner", ordering="user")
    def owner(self, row: ChatSession) -> str:
        return owner_name(row.conversation)

    @admin.display(description="agent", ordering="agent_key")
    def agent(self, row: ChatSession) -> str:
        return agent_name(row.agent_key)

    @admin.display(description="status", ordering="end_reason")
    def status(self, row: ChatSession) -> SafeString:
        if row.ended:
            is_bad = row.end_reason in (ChatSession.EndReason.LOST, ChatSession.EndReason.FAILED)
            return badge("bad" if is_bad else "past", row.get_end_reason_display())
        if not row.is_alive:
            return badge("bad", ChatSession.EndReason.LOST.label)
        return badge("live", "ending" if row.end_reason else "live")

    @admin.display(description="duration", ordering="lasted")
    def duration(self, row: ChatSession) -> str:
        return in_words(row.lasted)

    @admin.display(description="tokens in / out", ordering="prompt_tokens")
    def tokens(self, row: ChatSession) -> str:
        return f"{row.prompt_tokens:,} / {row.completion_tokens:,}"

    @admin.display(description="cost, $", ordering="cost")
    def shown_cost(self, row: ChatSession) -> str:
        return f"{row.cost:.4f}"

    @admin.display(description="errors", ordering="errors")
    def shown_errors(self, row: ChatSession) -> Any:
        return badge("bad", str(row.errors)) if row.errors else 0

    @admin.display(description="conversation")
    def conversation_link(self, row: ChatSession) -> SafeString:
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, str(row.conversation_id)[:8])

    # -- stopping ---------------------------------------------------------------------------------------------------

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("chat.change_chatsession"))

    @admin.action(description="Stop live sessions", permissions=["stop"])
    def stop_live(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        """End the agents of the selected rows, wherever they run. What they have said so far is kept."""
        live = ChatSession.objects.filter(id__in=queryset.filter(ended=None).order_by().values("id"))
        rows = list(live)
        count = ask_to_end(live, ChatSession.EndReason.ADMIN)
        if not count:
            self.message_user(request, "None of the selected sessions is live.", messages.WARNING)
            return
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, "Stopped.")
        what = "1 session ends" if count == 1 else f"{count} sessions end"
        self.message_user(request, f"{what} within a second or two.", messages.SUCCESS)

    # -- exports ----------------------------------------------------------------------------------------------------

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> HttpResponse:
        return self._export(queryset, "csv")

    @admin.action(description="Export as JSON", permissions=["view"])
    def export_json(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> HttpResponse:
        return self._export(queryset, "json")

    @admin.action(description="Export as Markdown", permissions=["view"])
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


# -- processes and the record of reading ---------------------------------------------------------------------------


@admin.register(ServerProcess)
class ServerProcessAdmin(ReadOnlyAdmin):
    list_display = ("name", "status", "live_sessions", "started", "renewed", "ended")
    list_filter = (LiveFilter, "host", "started")
    search_fields = ("host", "pid")
    ordering = ("-started",)
    fields = ("host", "pid", "id", "status", "live_sessions", "started", "renewed", "ended")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServerProcess]:
        live = ChatSession.objects.filter(process=OuterRef("id"), ended=None).order_by().values("process")
        return (
            super()
            .get_queryset(request)
            .annotate(
                is_alive=ExpressionWrapper(ServerProcess.alive(), output_field=BooleanField()),
                session_count=Coalesce(Subquery(live.annotate(n=Count("id")).values("n")), 0),
            )
        )

    @admin.display(description="host and process id", ordering="host")
    def name(self, row: ServerProcess) -> str:
        return str(row)

    @admin.display(description="status", ordering="ended")
    def status(self, row: ServerProcess) -> SafeString:
        if row.is_alive:
            return badge("live", "live")
        return badge("past", "ended") if row.ended else badge("bad", "died")

    @admin.display(description="live sessions", ordering="session_count")
    def live_sessions(self, row: ServerProcess) -> SafeString | int:
        if not (row.is_alive and row.session_count):
            return 0
        url = reverse("admin:chat_chatsession_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?process__id__exact={}&live=yes">{}</a>', url, row.id, row.session_count)


@admin.register(ContentView)
class ContentViewAdmin(ReadOnlyAdmin):
    list_display = ("viewed", "user_name", "conversation_link")
    list_display_links = None
    list_filter = ("viewed",)
    search_fields = ("user_name", "conversation_id")
    date_hierarchy = "viewed"
    ordering = ("-viewed",)
    fields = ("viewed", "user_name", "conversation_id")

    @admin.display(description="conversation", ordering="conversation_id")
    def conversation_link(self, row: ContentView) -> SafeString:
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, row.conversation_id)
