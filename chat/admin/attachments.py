"""The files that people and agents have given each other: when, how large, of what kind. Their names are content."""

from __future__ import annotations

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.admin.read_only import ReadOnlyAdmin, visitor_name
from chat.models import Attachment


@admin.register(Attachment)
class AttachmentAdmin(ReadOnlyAdmin):
    list_display = ("created", "kind", "size", "owner", "conversation_link")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("created",)
    date_hierarchy = "created"
    ordering = ("-created",)
    fields = ("created", "kind", "size", "owner", "sha256", "conversation_link")

    @admin.display(description=_("type"))
    def kind(self, row: Attachment) -> str:
        return row.media_type

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, row: Attachment) -> str:
        return filesizeformat(row.size_bytes)

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, row: Attachment) -> str:
        return str(row.user) if row.user else visitor_name(row.visitor)

    @admin.display(description=_("conversation"), ordering="conversation")
    def conversation_link(self, row: Attachment) -> SafeString | str:
        """Empty for a file that waits for its message."""
        if row.conversation_id is None:
            return ""
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, row.conversation_id)
