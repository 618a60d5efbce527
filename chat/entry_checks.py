"""What may be wrong with the parts of an agent's entry: each problem with its id and a hint. Imports no agent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template

from chat.conf import CARD_KINDS, SHOWN, SHOWN_PARTS

Problem = tuple[str, str, str | None]  # id, sentence, hint

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
IMAGE = re.compile(r"(?:/|https?://)\S*")
NAME = re.compile(r"[\w-]{1,30}")
COMMAND_KEYS = {"NAME", "TEXT", "DESCRIPTION"}
STYLE_KEYS = {"AVATAR", "COLOUR"}


def problems(where: str, entry: Mapping[Any, Any]) -> Iterator[Problem]:
    """The problems of APPROVE, CARDS, COMMANDS, SHOW and STYLES; a value of the wrong type is told elsewhere (E004)."""
    yield from _of_approve(f"{where}['APPROVE']", entry.get("APPROVE"))
    yield from _of_commands(f"{where}['COMMANDS']", entry.get("COMMANDS"))
    yield from _of_show(f"{where}['SHOW']", entry.get("SHOW"))
    yield from _of_styles(f"{where}['STYLES']", entry.get("STYLES"))
    yield from _of_cards(f"{where}['CARDS']", entry.get("CARDS"))


def _of_approve(where: str, value: Any) -> Iterator[Problem]:
    if isinstance(value, list | tuple) and not all(isinstance(name, str) for name in value):
        yield "E004", f"{where} must be a list of names of tools, not {value!r}.", None
    if not isinstance(value, Mapping):
        return
    for name, permission in value.items():
        is_permission = permission is None or (isinstance(permission, str) and permission.count(".") == 1)
        if not isinstance(name, str) or not is_permission:
            hint = '{"send_letter": "shop.can_send"}: the app\'s label and the permission\'s codename; None: anybody.'
            yield "E004", f"{where}[{name!r}] must be a permission, not {permission!r}.", hint


def _of_commands(where: str, value: Any) -> Iterator[Problem]:
    names: set[str] = set()
    for at, command in enumerate(value if isinstance(value, list | tuple) else ()):
        place = f"{where}[{at}]"
        if not isinstance(command, Mapping) or not {"NAME", "TEXT"} <= command.keys() <= COMMAND_KEYS:
            hint = '{"NAME": "poem", "TEXT": "Write a poem about {argument}", "DESCRIPTION": "…"}'
            yield "E004", f"{place} must be a dict of NAME, TEXT and DESCRIPTION, not {command!r}.", hint
        elif not all(isinstance(text, str) for text in command.values()):
            yield "E004", f"{place} must be a dict of texts, not {command!r}.", None
        elif not NAME.fullmatch(command["NAME"]):
            yield "E004", f"{place}['NAME'] is {command['NAME']!r}: letters, digits, - and _, 30 at most.", None
        elif command["NAME"] in names:
            yield "E004", f"{place}['NAME'] is {command['NAME']!r}, as that of one above.", None
        else:
            names.add(command["NAME"])


def _of_show(where: str, value: Any) -> Iterator[Problem]:
    for name, how in value.items() if isinstance(value, Mapping) else ():
        if name not in SHOWN_PARTS:
            yield "E003", f"{where} has an unknown key {name!r}.", f"They are {', '.join(SHOWN_PARTS)}."
        elif how not in SHOWN:
            yield "E004", f"{where}[{name!r}] must be one of {', '.join(SHOWN)}, not {how!r}.", None


def _of_styles(where: str, value: Any) -> Iterator[Problem]:
    for name, style in value.items() if isinstance(value, Mapping) else ():
        place = f"{where}[{name!r}]"
        if not isinstance(style, Mapping) or not style.keys() <= STYLE_KEYS:
            yield "E004", f"{place} must be a dict of AVATAR and COLOUR, not {style!r}.", None
        elif not COLOUR.fullmatch(str(style.get("COLOUR", "#000000"))):
            yield "E004", f"{place}['COLOUR'] must be like #0b7285, not {style['COLOUR']!r}.", None
        elif not IMAGE.fullmatch(str(style.get("AVATAR", "/"))):
            yield "E004", f"{place}['AVATAR'] must be like /static/critic.svg, not {style['AVATAR']!r}.", None


def _of_cards(where: str, value: Any) -> Iterator[Problem]:
    for name, card in value.items() if isinstance(value, Mapping) else ():
        place = f"{where}[{name!r}]"
        if not isinstance(name, str) or not isinstance(card, str):
            yield "E004", f"{place} must be the kind of a card, not {card!r}.", '{"run_query": "sql"}'
        elif card and card not in CARD_KINDS and (problem := _problem_of_template(card)):
            hint = f"{', '.join(CARD_KINDS)}, or the name of a Django template."
            yield "E005", f"{place} is {card!r}: {problem}", hint


def _problem_of_template(name: str) -> str:
    try:
        get_template(name)
    except TemplateDoesNotExist:
        return "there is no such kind of card, and no such template."
    except TemplateSyntaxError as error:
        return f"the template cannot be read: {error}"
    return ""
