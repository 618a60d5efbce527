"""Addresses of the chat."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path

from chat.views import (
    api,
    attachments,
    downloads,
    embed,
    feedback,
    health,
    installable,
    page,
    reading,
    search,
    settings,
    shares,
    socket,
)

app_name = "chat"
urlpatterns = [
    path("", page.page, name="page"),
    path("c/<uuid:conversation_id>/", page.page, name="conversation"),
    path("c/<uuid:conversation_id>/print/", reading.printed, name="print"),
    path("s/<str:token>/", reading.shared, name="shared"),
    path("s/<str:token>/files/<uuid:attachment_id>", reading.shared_file, name="shared-file"),
    re_path(r"^ws/chat/?$", socket.socket, name="socket"),
    path("api/conversations", api.conversations, name="conversations"),
    path("api/conversations/<uuid:id>", api.conversation, name="conversation-data"),
    path("api/conversations/<uuid:id>/export", downloads.export, name="export"),
    path("api/conversations/<uuid:id>/records", api.records, name="records"),
    path("api/conversations/<uuid:id>/records/<uuid:message_id>", downloads.record_text, name="record-text"),
    path("api/attachments", attachments.attachments, name="attachments"),
    path("api/attachments/<uuid:attachment_id>", attachments.attachment, name="attachment"),
    path("api/token", api.token, name="token"),
    path("api/conversations/<uuid:id>/feedback", feedback.all_of, name="feedback"),
    path("api/conversations/<uuid:id>/feedback/<uuid:message_id>", feedback.one, name="feedback-of"),
    path("api/conversations/<uuid:id>/settings", settings.settings, name="settings"),
    path("api/agents/<str:key>/settings", settings.of_agent, name="agent-settings"),
    path("api/conversations/<uuid:id>/shares", shares.shares, name="shares"),
    path("api/shares/<uuid:share_id>", shares.one, name="share"),
    path("api/search", search.search, name="search"),
    path("api/embed/tickets", embed.tickets, name="embed-tickets"),
    path("embed/launcher.js", embed.launcher, name="embed-launcher"),
    path("embed/<str:agent>/", embed.page, name="embed"),
    path("manifest.webmanifest", installable.manifest, name="manifest"),
    path("healthz", health.healthz, name="healthz"),
    path("health", health.health, name="health"),
    path("readyz", health.readyz, name="readyz"),
]

# Where a project has LoginRequiredMiddleware, these say by themselves who may, as on the socket, which it does not see:
# a script is answered in JSON. Only a shared link is then for those who sign in.
for address in urlpatterns:
    if address.name != "shared":
        login_not_required(address.callback)
