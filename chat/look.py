"""What a project gives the page of its own: logo, icon, style sheet. Where these files are, and on which hosts."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.templatetags.static import static

from chat.conf import conf

FAVICON = "chat/favicon.svg"


def is_address(name: str) -> bool:
    """True for what begins like a URL; else it is the name of a static file."""
    return name.startswith("/") or bool(urlsplit(name).scheme)


def address_of(name: str) -> str:
    """The address of a file that a setting names; "" for none."""
    return name if not name or is_address(name) else static(name)


def own_files() -> dict[str, str]:
    """What the settings name, by the setting's name, without what is empty."""
    names = {name: getattr(conf, name) for name in ("LOGO", "FAVICON", "STYLESHEET")}
    return {name: value for name, value in names.items() if value}


def other_hosts() -> list[str]:
    """The origins, beside the site's own, that files of the page come from: a CDN."""
    return sorted(set(_origins()))


def origin_of(address: str) -> str:
    """`https://cdn.example.org` of an address there; "" for one of this site."""
    parts = urlsplit(address)
    return f"{parts.scheme or 'https'}://{parts.netloc}" if parts.netloc else ""


def _origins() -> Iterator[str]:
    for address in (settings.STATIC_URL or "", *own_files().values()):
        if origin := origin_of(address):
            yield origin
