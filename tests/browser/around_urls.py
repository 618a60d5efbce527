"""Addresses of the example project, and each of its pages by the name of its template."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from webui_project.urls import urlpatterns as project


def template(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, name)


urlpatterns = [*project, path("templates/<path:name>", template)]
