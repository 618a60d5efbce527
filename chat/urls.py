"""Addresses of the chat."""

from __future__ import annotations

from django.urls import path

from chat import api, views

app_name = "chat"
urlpatterns = [
    path("", views.page, name="page"),
    path("c/<uuid:conversation_id>/", views.page, name="conversation"),
    path("api/conversations", api.conversations, name="conversations"),
    path("api/conversations/<uuid:id>", api.conversation, name="conversation-data"),
    path("api/conversations/<uuid:id>/export", api.export, name="export"),
    path("api/conversations/<uuid:id>/records", api.records, name="records"),
    path("api/conversations/<uuid:id>/records/<uuid:message_id>", api.record_text, name="record-text"),
    path("healthz", api.healthz, name="healthz"),
    path("readyz", api.readyz, name="readyz"),
]
