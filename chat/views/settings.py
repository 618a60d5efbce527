"""What the user has set for the agent of a conversation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods

from chat.agents.values import checked, schema_of, settings_of
from chat.cluster.process import this_process
from chat.conf import AgentSpec, agents
from chat.exceptions import BadFrame, TooLarge
from chat.models import Conversation
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused
from chat.wire.commands import decode, require_storable


@require_http_methods(["GET", "PUT"])
@owned
def settings(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """GET: {"schema", "values"}. PUT, values: check and store them; the agent is made anew with them and its memory."""
    row = conversation_of(owner, id)
    spec = agents().get(row.agent_key)
    if spec is None or not spec.settings:
        return refused("not_found", "This agent has nothing to set.", status=404)
    if request.method == "GET":
        return _shown(spec, row.settings)
    if row.open_turns:
        return refused("busy", "Wait until the agent has answered.", status=409)
    values = _given(request, spec)
    if isinstance(values, HttpResponse):
        return values
    Conversation.objects.filter(id=row.id).update(settings=values)
    async_to_sync(this_process.reset)(row.id)
    return JsonResponse({"values": values})


@require_http_methods(["GET", "PUT"])
@owned
def of_agent(request: HttpRequest, owner: Owner, key: str) -> HttpResponse:
    """What a new conversation with this agent begins with. PUT checks values: they come with its first message."""
    spec = agents().get(key)
    if spec is None or not spec.settings:
        return refused("not_found", "This agent has nothing to set.", status=404)
    if request.method == "GET":
        return _shown(spec, {})
    values = _given(request, spec)
    return values if isinstance(values, HttpResponse) else JsonResponse({"values": values})


def _shown(spec: AgentSpec, stored: dict[str, Any]) -> HttpResponse:
    values, schema = settings_of(spec, stored), schema_of(spec)
    shown = {name: values[name] for name in schema.get("properties", {}) if name in values}
    return JsonResponse({"schema": schema, "values": shown})


def _given(request: HttpRequest, spec: AgentSpec) -> dict[str, Any] | HttpResponse:
    """The values of the request, checked; or their refusal."""
    try:
        frame = decode(request.body.decode())
        require_storable(frame)
        return checked(spec, frame)
    except (BadFrame, TooLarge, UnicodeDecodeError) as error:
        details = error.details if isinstance(error, BadFrame | TooLarge) else "These are no values."
        return refused("bad_frame", details, status=400)
