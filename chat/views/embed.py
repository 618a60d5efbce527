"""The chat in a frame of another site's page: the page, the script that puts it there, and the tickets.

No answer sets a cookie, and none counts: who sits there is what the ticket says (`chat/embed.py`).
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from chat.conf import agents, conf
from chat.embed import TICKET_SECONDS, ticket_for
from chat.exceptions import ChatError
from chat.views.access import refused
from chat.views.csp import new_nonce, protect
from chat.views.page import render_page, shown_of
from chat.wire.commands import decode

LAUNCHER = Path(__file__).parent.parent / "static" / "chat_embed" / "launcher.js"
INDENTATION = re.compile(rb"^[ \t]+", re.M)
LAUNCHER_SECONDS = 3600


@require_safe
@xframe_options_exempt
@cache_control(no_store=True)
def page(request: HttpRequest, agent: str) -> HttpResponse:
    """Show the chat with one agent, in the frames of CHAT_EMBED_PARENTS alone. Raises: Http404."""
    spec = agents().get(agent)
    if not conf.EMBED_PARENTS or spec is None:
        raise Http404
    nonce = new_nonce()
    context = shown_of([spec], spec) | {"nonce": nonce, "parents": json.dumps(conf.EMBED_PARENTS), "csrf_token": ""}
    response = protect(render_page(request, context), nonce, ancestors=conf.EMBED_PARENTS)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@require_safe
@cache_control(public=True, max_age=LAUNCHER_SECONDS)
def launcher(request: HttpRequest) -> HttpResponse:
    """The script for the page around the frame. Raises: Http404 where nothing may be embedded."""
    if not conf.EMBED_PARENTS:
        raise Http404
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(_launcher(), content_type="text/javascript; charset=utf-8", headers=headers)


@cache
def _launcher() -> bytes:
    return INDENTATION.sub(b"", LAUNCHER.read_bytes())


@csrf_exempt  # no cookie counts here
@require_POST
def tickets(request: HttpRequest) -> HttpResponse:
    """Give another site's server, which has the key, a ticket: POST {"person": text, "agent": key}."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if not conf.EMBED_KEY or scheme != "Bearer" or not constant_time_compare(key.strip(), conf.EMBED_KEY):
        return refused("unauthorized", "The key is not the one of CHAT_EMBED_KEY.", status=401)
    try:
        wanted = decode(request.body.decode(errors="replace"))
        ticket = ticket_for(wanted.get("person", ""), agent=wanted.get("agent", ""))
    except (ChatError, ValueError, TypeError) as error:
        return refused("bad_frame", getattr(error, "details", None) or str(error), status=400)
    return JsonResponse(
        {"ticket": ticket, "expires_in": TICKET_SECONDS}, status=201, headers={"Cache-Control": "no-store"}
    )
