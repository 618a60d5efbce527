"""Conversations, and, for those who may, what was said: each opening leaves a `ContentView`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.read_only import (
    AgentFilter,
    ModelAdmin,
    ReadOnlyAdmin,
    agent_name,
    badge,
    may_read,
    owner_name,
    shortly,
)
from chat.admin.transcript import Transcript
from chat.cluster.process import this_process
from chat.models import ChatSession, ContentView, Conversation, Message, ServerProcess
from chat.owners import Owner
from chat.wire.values import visible

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    Row = WithAnnotations[Conversation, "Counted"]


class Counted(TypedDict):
    """What `get_queryset` adds to a row."""

    is_owned: bool
    run_count: int


class OwnerFilter(admin.SimpleListFilter):
    title = _("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("user", gettext("Signed-in users")), ("visitor", gettext("Anonymous visitors"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "user":
                return queryset.exclude(user=None)
            case "visitor":
                return queryset.filter(user=None)
        return queryset


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
        count = Coalesce(Subquery(runs.annotate(n=Count("id")).values("n")), 0)
        rows: QuerySet[Conversation] = super().get_queryset(request)
        return rows.annotate(is_owned=Exists(alive), run_count=count)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Those who may read conversations see their titles."""
        return [*self.list_display[:1], *(["shown_title"] if may_read(request) else []), *self.list_display[1:]]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        fields = [f"user__{get_user_model().USERNAME_FIELD}", "id", "visitor"]
        return [*fields, "title"] if may_read(request) else fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = [("owner", "agent", "shown_state"), ("records", "session_records"), ("created", "updated")]
        return ["shown_title", *fields] if may_read(request) else fields

    @admin.display(description=_("title"))
    def shown_title(self, row: Conversation) -> str:
        return visible(row.title)

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, row: Conversation) -> str:
        return owner_name(row)

    @admin.display(description=_("agent"), ordering="agent_key")
    def agent(self, row: Conversation) -> str:
        return agent_name(row.agent_key)

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, row: Row) -> SafeString:
        if row.state == Conversation.State.IDLE:
            return badge("past", row.get_state_display())
        return badge("live", row.get_state_display()) if row.is_owned else badge("bad", gettext("interrupted"))

    @admin.display(description=_("created"), ordering="created")
    def begun(self, row: Conversation) -> str:
        return shortly(row.created)

    @admin.display(description=_("updated"), ordering="updated")
    def last_used(self, row: Conversation) -> str:
        return shortly(row.updated)

    @admin.display(description=_("records"), ordering="newest_seq")
    def records(self, row: Conversation) -> int:
        return row.newest_seq

    @admin.display(description=_("runs"), ordering="run_count")
    def runs(self, row: Row) -> int:
        return row.run_count

    @admin.display(description=_("session records"))
    def session_records(self, row: Row) -> SafeString:
        url = reverse("admin:chat_chatsession_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?conversation__id__exact={}">{}</a>', url, row.id, row.run_count)

    # -- reading ----------------------------------------------------------------------------------------------------

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        conversation = self.get_object(request, unquote(object_id))
        context = {**(extra_context or {}), "may_read": may_read(request)}
        if conversation and context["may_read"] and self.has_view_permission(request, conversation):
            name = request.user.get_username()
            ContentView.objects.create(user_id=request.user.pk, user_name=name, conversation_id=conversation.id)
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
            gettext("conversations"): len(ids),
            gettext("records"): Message.objects.filter(conversation__in=ids).count(),
            gettext("session records"): ChatSession.objects.filter(conversation__in=ids).count(),
        }
        return [gettext("Conversation {id}").format(id=id) for id in ids], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        """Delete once the admin's transaction is over: the work is done in another thread, which it would lock out."""
        owner = Owner(user_id=obj.user_id, visitor=obj.visitor)
        transaction.on_commit(partial(async_to_sync(this_process.delete), obj, owner))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        for conversation in queryset:
            self.delete_model(request, conversation)
