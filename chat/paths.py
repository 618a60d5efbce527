"""Addresses of the site as browsers ask for them, also where no request is at hand: in threads and on sockets.

A site may live under a prefix that its proxy takes away: FORCE_SCRIPT_NAME, or the `root_path` with which the server
was started. Django knows it inside a request only; here it is noted with the first socket, for the whole process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix as prefix_of
from django.urls import get_script_prefix, reverse
from django.utils import translation

_root_path = ""


def path_in_site(scope: Mapping[str, Any]) -> str:
    """The path that a socket asks for, without the site's prefix, whether the proxy has taken it away or not."""
    global _root_path
    _root_path = scope.get("root_path", "") or ""
    path: str = scope["path"]
    return path.removeprefix(prefix_of(scope).rstrip("/")) or "/"


def address_of(name: str, *args: Any) -> str:
    """The address of a view by its URL's name."""
    prefix = settings.FORCE_SCRIPT_NAME or _root_path
    with translation.override(_language()):
        return f"{prefix.rstrip('/')}/{reverse(name, args=args).removeprefix(get_script_prefix())}"


def _language() -> str:
    """One that `i18n_patterns` serves: of `en-us`, Django's default, it may know `en` alone."""
    try:
        return translation.get_supported_language_variant(settings.LANGUAGE_CODE)
    except LookupError:
        return settings.LANGUAGE_CODE
