"""What people think of answers, by agent and date. A comment is what somebody has said: it takes the permission."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.admin.read_only import AgentFilter, ReadOnlyAdmin, agent_name, badge, may_read
from chat.models import Feedback
from chat.wire.values import visible


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    change_list_template = "chat/admin/feedback.html"
    list_display = ("given", "agent", "judgement", "why", "has_comment", "conversation_link")
    list_filter = (AgentFilter, "value", "given")
    date_hierarchy = "given"
    ordering = ("-given",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = ["given", "agent", "judgement", "why", "conversation_link"]
        return [*fields, "shown_comment"] if may_read(request) else fields

    @admin.display(description=_("agent"), ordering="agent_key")
    def agent(self, row: Feedback) -> str:
        return agent_name(row.agent_key)

    @admin.display(description=_("judgement"), ordering="value")
    def judgement(self, row: Feedback) -> SafeString:
        return badge("good" if row.value == Feedback.Value.UP else "bad", row.get_value_display())

    @admin.display(description=_("reasons"))
    def why(self, row: Feedback) -> str:
        return ", ".join(map(str, row.reasons))

    @admin.display(description=_("comment"), boolean=True)
    def has_comment(self, row: Feedback) -> bool:
        return bool(row.comment)

    @admin.display(description=_("comment"))
    def shown_comment(self, row: Feedback) -> str:
        return visible(row.comment)

    @admin.display(description=_("conversation"))
    def conversation_link(self, row: Feedback) -> SafeString:
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, row.conversation_id)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, under what it comes to for each agent."""
        response = super().changelist_view(request, extra_context)
        context = response.context_data if isinstance(response, TemplateResponse) else None
        if context and "cl" in context:
            rows = context["cl"].queryset.order_by().values("agent_key")
            sums = rows.annotate(good=Count("id", filter=Q(value="up")), bad=Count("id", filter=Q(value="down")))
            context["sums"] = [{**row, "agent": agent_name(row["agent_key"])} for row in sums.order_by("agent_key")]
        return response
