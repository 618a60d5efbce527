"""A question as a page of plain messages has it: how it is read there, and what is meant by a message that answers."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from chat.exceptions import NotUnderstood
from chat.wire.events import Event
from chat.wire.words import yes_or_no


def text_of(question: Event) -> str:
    """The question as a person reads it, and how to answer, in the active language."""
    parts = [question["prompt"]]
    if question["kind"] == "approval":
        if question.get("tool_name"):
            arguments = json.dumps(question.get("tool_args") or {}, ensure_ascii=False, indent=2)
            parts.append(f"{question['tool_name']}\n```json\n{arguments}\n```")
        parts.append(_("Please answer yes or no."))
    elif question["kind"] == "form":
        parts.append("\n".join(f"{name}: {_told_of(field)}" for name, field in _fields_of(question).items()))
        parts.append(_("Please answer with a line like these for each."))
    elif question["kind"] == "file":
        parts.append(_("Files are given on the chat's own page. Any answer here goes on without one."))
    elif options := question.get("options"):
        parts.append("\n".join(f"{number}. {_label(option)}" for number, option in enumerate(options, start=1)))
        parts.append(_("Please answer with a number or one of these texts."))
    return "\n\n".join(part for part in parts if part)


def _label(option: Any) -> str:
    if isinstance(option, dict):
        option = option.get("label", option.get("value", option))
    return option if isinstance(option, str) else json.dumps(option, ensure_ascii=False)


def _value(option: Any) -> Any:
    return option.get("value", option) if isinstance(option, dict) else option


def _fields_of(question: Event) -> dict[str, Any]:
    """The fields of a form, by name."""
    return dict((question.get("schema") or {}).get("properties") or {})


def _told_of(field: dict[str, Any]) -> str:
    """What a person may write there."""
    return str(field.get("description") or field.get("title") or field.get("type") or "text")


def _filled(question: Event, said: str) -> dict[str, str]:
    """The fields that a person has written, as `name: value` lines. A form of one field needs no name."""
    names = {name.casefold(): name for name in _fields_of(question)}
    pairs = [line.partition(":") for line in said.splitlines() if line.strip()]
    found = {names[key]: value.strip() for name, _, value in pairs if (key := name.strip().casefold()) in names}
    if not found and len(names) == 1:
        return {next(iter(names.values())): said}
    return found


def meant(question: Event, said: str, *languages: str) -> dict[str, Any]:
    """The fields of the answer that a person has typed. Raises: NotUnderstood."""
    if question["kind"] == "approval":
        if (approved := yes_or_no(said, *languages)) is None:
            raise NotUnderstood("That was neither yes nor no.")
        return {"approved": approved}
    if question["kind"] == "form":
        if not (values := _filled(question, said)):
            raise NotUnderstood("None of the fields was found in that.")
        return {"tool_args": values}
    options = question.get("options") or []
    if not options:
        return {}
    by_text = {_label(option).casefold(): option for option in options}
    if said.casefold() in by_text:
        return {"choice": _value(by_text[said.casefold()])}
    number = said.rstrip(".)")
    if number.isascii() and number.isdigit() and 0 < int(number[:6]) <= len(options):
        return {"choice": _value(options[int(number[:6]) - 1])}
    raise NotUnderstood("That is none of the options.")
