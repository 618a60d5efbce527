"""Addresses of the chat."""

from __future__ import annotations

from django.urls import path

from chat import views

app_name = "chat"
urlpatterns = [
    path("", views.page, name="page"),
    path("c/<uuid:conversation_id>/", views.page, name="conversation"),
]
