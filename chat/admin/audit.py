"""Who has read which conversation."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.read_only import (
    ReadOnlyAdmin,
)
from chat.models import ContentView


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
