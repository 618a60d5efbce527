"""Who has read which conversation, and who took which along when signing in."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.admin.read_only import VISITOR_CHARS, ReadOnlyAdmin
from chat.models import ContentView, TakenAlong
from chat.models.audit import Note


class NoteAdmin(ReadOnlyAdmin):
    list_display_links = None
    search_fields = ("user_name", "conversation_id")

    @admin.display(description=_("conversation"), ordering="conversation_id")
    def conversation_link(self, row: Note) -> SafeString:
        url = reverse("admin:chat_conversation_change", args=[row.conversation_id], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, row.conversation_id)


@admin.register(ContentView)
class ContentViewAdmin(NoteAdmin):
    list_display = ("viewed", "user_name", "conversation_link")
    list_filter = ("viewed",)
    date_hierarchy = "viewed"
    ordering = ("-viewed",)
    fields = ("viewed", "user_name", "conversation_id")


@admin.register(TakenAlong)
class TakenAlongAdmin(NoteAdmin):
    list_display = ("taken", "user_name", "whose", "conversation_link")
    list_filter = ("taken",)
    date_hierarchy = "taken"
    ordering = ("-taken",)
    fields = ("taken", "user_name", "whose", "conversation_id")

    @admin.display(description=_("visitor"))
    def whose(self, row: TakenAlong) -> str:
        return row.visitor[:VISITOR_CHARS]
