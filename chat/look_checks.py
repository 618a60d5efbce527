"""System checks of what a project gives the page of its own."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error

from chat.conf import conf
from chat.look import is_address, own_files

ANCESTOR = re.compile(r"'self'|https?://[\w.*-]+(:\d+|:\*)?", re.ASCII)


def check_files(**_: Any) -> list[CheckMessage]:
    """CHAT_LOGO, CHAT_FAVICON and CHAT_STYLESHEET name files that are there: else a page with hashed names is a 500."""
    return [
        Error(
            f"CHAT_{name} is {value!r}, and there is no such static file.",
            hint="A name as the tag `static` takes it, or an address that begins with / or https://.",
            id="chat.E015",
        )
        for name, value in own_files().items()
        if isinstance(value, str) and not is_address(value) and not finders.find(value)  # or E007
    ]


def check_frame_ancestors(**_: Any) -> list[CheckMessage]:
    """Each of CHAT_FRAME_ANCESTORS is an origin, or `'self'` in its quotes."""
    given = conf.FRAME_ANCESTORS
    return [
        Error(
            f"CHAT_FRAME_ANCESTORS contains {ancestor!r}: that is no origin, and not \"'self'\".",
            hint='["\'self\'", "https://intranet.example.org"]',
            id="chat.E016",
        )
        for ancestor in (given if isinstance(given, list | tuple) else ())  # or E007
        if not isinstance(ancestor, str) or not ANCESTOR.fullmatch(ancestor)
    ]
