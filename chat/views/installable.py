"""What a browser needs to install the chat like an app: its manifest."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from chat.conf import conf
from chat.look import address_of

ICONS = (("chat/icons/icon-192.png", "192x192", "any"), ("chat/icons/icon-512.png", "512x512", "any"))
MASKABLE = ("chat/icons/icon-maskable-512.png", "512x512", "maskable")


@require_safe
@cache_control(max_age=3600)
def manifest(request: HttpRequest) -> JsonResponse:
    """Say the site's name, where it begins, and its icons. Asked for without cookies: nothing secret."""
    start = reverse("chat:page")
    own = {"src": address_of(conf.FAVICON), "sizes": "any"} if conf.FAVICON else None
    icons = [own] if own else [_icon(*icon) for icon in (*ICONS, MASKABLE)]
    values = {
        "id": start,
        "name": str(conf.SITE_NAME),
        "short_name": str(conf.SITE_NAME)[:12],
        "start_url": start,
        "scope": start,
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#ffffff",
        "icons": icons,
    }
    return JsonResponse(values, content_type="application/manifest+json")


def _icon(name: str, sizes: str, purpose: str) -> dict[str, Any]:
    return {"src": static(name), "sizes": sizes, "type": "image/png", "purpose": purpose}
