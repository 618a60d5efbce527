"""What a tool gives back besides a text (a table, an image, files) is shown by itself."""

from __future__ import annotations

import logging
from typing import Any

from langroid.agent.chat_document import ChatDocument

from chat.agents.langroid.scope import Scope, here
from chat.observer import Part
from chat.parts.things import part_of_result

logger = logging.getLogger(__name__)


def shown(now: Scope, result: Any) -> Any:
    """Show what there is to see; return what the model and the tool's card get: words in the place of a file."""
    if not isinstance(result, ChatDocument):  # which Langroid has made of anything but nothing
        return result
    part = _show(now, result.content_any)
    for file in result.files:
        _show(now, file)
    if part is not None and part.file and part.kind != "table":
        result.content = result.content_any = f"({part.text}, which the user is shown)"
    return result


def value_of(result: Any) -> Any:
    """What a tool gave back, which Langroid has made a text of."""
    if not isinstance(result, ChatDocument):
        return result
    return result.content if result.content_any is None else result.content_any


def _show(now: Scope, thing: Any) -> Part | None:
    """Show a thing that is worth it, in the place of the tool that runs."""
    try:
        part = part_of_result(thing)
        if part is not None:
            now.observer.show(part, here(now.observer, now.span.agent.config.name))
        return part
    except Exception as error:  # the tool has run: that its result cannot be shown is no failure of it
        logger.warning("a tool's result cannot be shown: %s", type(error).__name__)
        return None
