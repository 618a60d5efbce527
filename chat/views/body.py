"""What a request of the page brings."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from chat.exceptions import BadFrame, TooLarge
from chat.wire.commands import decode, require_storable


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that was sent; {} for anything else."""
    try:
        body = decode(request.body.decode())
        require_storable(body)
        return body
    except (BadFrame, TooLarge, UnicodeDecodeError):
        return {}
