"""The values of an agent's SETTINGS: a pydantic class of the author's, whose fields a user fills in a conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from chat.conf import AgentSpec
from chat.exceptions import BadFrame
from chat.wire.values import problem_of


def schema_of(spec: AgentSpec) -> dict[str, Any]:
    """The JSON Schema of the agent's settings. Imports the author's module."""
    schema: dict[str, Any] = import_string(spec.settings).model_json_schema()
    return schema


def checked(spec: AgentSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON, with the defaults of the others. Raises: BadFrame."""
    from pydantic import ValidationError

    if not spec.settings:
        raise BadFrame("This agent has nothing to set.")
    try:
        filled: dict[str, Any] = (
            import_string(spec.settings).model_validate_json(json.dumps(values)).model_dump(mode="json")
        )
    except ValidationError as error:
        raise BadFrame(problem_of(error)) from None
    return filled


def settings_of(spec: AgentSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent gets as `context.settings`: its OPTIONS, and over them what its user has set.

    Values that do not fit the class any more, which may be another one by now, are left out.
    """
    if not spec.settings:
        return dict(spec.options)
    try:
        return {**spec.options, **checked(spec, values)}
    except BadFrame:
        return {**spec.options, **checked(spec, {})}
