"""Whether this process answers, and whether it takes new connections: for a load balancer or a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from chat.cluster import descriptors, room
from chat.cluster.process import this_process
from chat.conf import conf
from chat.live.layer import SEND_SECONDS
from chat.models import ServerProcess


@require_GET
@transaction.non_atomic_requests
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@require_GET
@transaction.non_atomic_requests
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """What the earlier prototype's page and scripts ask for. Only where its pages are served."""
    if not conf.COMPATIBLE_PROFILE:
        raise Http404
    return JsonResponse({"status": "healthy"})


@require_GET
@transaction.non_atomic_requests
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 while the process takes new connections: database and channel layer answer, and it is not shutting down."""
    problems = [name for name, check in _CHECKS.items() if not check()]
    if problems:
        return JsonResponse({"status": "not ready", "problems": problems}, status=503)
    return JsonResponse({"status": "ok"})


def _database_answers() -> bool:
    """Asked for a table of ours: SQLite makes an empty file in the place of one that was deleted."""
    try:
        ServerProcess.objects.exists()
    except Exception:  # whatever the driver raises, the answer is no
        return False
    return True


def _layer_answers() -> bool:
    try:
        async_to_sync(_send_to_nobody)()
    except Exception:  # whatever the layer raises, the answer is no
        return False
    return True


async def _send_to_nobody() -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await get_channel_layer().group_send("chat.ready", {"type": "chat.ready"})


_CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database_answers,
    "database file": room.database_has_room,
    "attachments": room.files_have_room,
    "channel layer": _layer_answers,
    "file descriptors": descriptors.are_left,
    "shutting down": lambda: not this_process.is_draining,
}
