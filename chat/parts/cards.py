"""The cards of tools (`CARDS` of an agent's entry): what a call and its result show, as parts of its card.

    code      the code that the tool is given, coloured
    sql       the statement, coloured, and its rows as a table
    table     the result's rows as a table
    search    the result's hits as a list
    json      the result as JSON to be unfolded
    a name    of a Django template of the author's, rendered with the call and its result, and sanitised

A result that is none of this is a text, as without a card. Nothing here raises: a card is no reason for a tool to fail.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.template.loader import render_to_string

from chat.markdown.colours import Patience
from chat.markdown.escaping import fenced
from chat.markdown.sanitiser import clean as sanitised
from chat.markdown.stream import render_within
from chat.observer import Part
from chat.parts.readings import hits_of, json_of, rows_of
from chat.parts.tables import table_of
from chat.parts.things import part_of
from chat.wire.values import clean

logger = logging.getLogger(__name__)

PLAIN = ""  # no card: of a tool of Langroid's that is to have none
CODE_CHARS = 16_000  # of code that is shown in its place
HTML_BYTES = 32 * 1024
NAMES = {  # of the argument that has the code
    "sql": ("query", "sql", "statement", "code"),
    "code": ("code", "script", "expression", "program", "source", "command", "query"),
}
LANGUAGES = {"command": "bash", "sql": "sql"}  # by the argument's name; of all others Python
LANGROIDS = {  # the tools of Langroid that have a card without an entry
    "run_query": "sql",
    "pandas_eval": "code",
    "retrieval_tool": "search",
    **dict.fromkeys(
        ("web_search", "duckduckgo_search", "tavily_search", "exa_search", "metaphor_search", "seltz_search"), "search"
    ),
}


def card_of(cards: Mapping[str, str], tool_name: str) -> str:
    """The card of a tool: of the agent's entry, else of Langroid's own tools."""
    return cards.get(tool_name, LANGROIDS.get(tool_name, PLAIN))


def of_call(card: str, args: Mapping[str, Any]) -> tuple[Part, ...]:
    """What the card shows while the tool runs, or waits for its user's leave."""
    return tuple(_shown(lambda: _code(card, args))) if card in NAMES else ()


def of_result(card: str, name: str, args: Mapping[str, Any], *, value: Any, text: str) -> tuple[Part, ...]:
    """What the card shows in the end. `value`: what the tool gave back; `text`: what there is of it to read."""
    shown = of_call(card, args)
    if card in ("sql", "table", "code"):
        return (*shown, *_shown(lambda: _rows(value, text, args, is_told=card != "code")))
    if card == "search":
        return tuple(_shown(lambda: _hits(value, text)))
    if card == "json":
        return tuple(_shown(lambda: _json(value, text)))
    return tuple(_shown(lambda: _template(card, name, args, value, text))) if card else ()


def _shown(make: Callable[[], Part | None]) -> Iterator[Part]:
    try:
        part = make()
    except Exception as error:
        logger.warning("a tool's card could not be made: %s", type(error).__name__, exc_info=True)
        return
    if part is not None:
        yield part


def _code(card: str, args: Mapping[str, Any]) -> Part | None:
    texts = {name: value for name, value in args.items() if isinstance(value, str) and value.strip()}
    name = next((name for name in NAMES[card] if name in texts), next(iter(texts), None) if len(texts) == 1 else None)
    if name is None:
        return None
    said = args.get("language")
    language = "sql" if card == "sql" else said if isinstance(said, str) and said else LANGUAGES.get(name, "python")
    code = clean(texts[name])[:CODE_CHARS]
    text = fenced(code, language if language.isalnum() else "")
    html, is_cut = render_within(text, HTML_BYTES, Patience())
    fields = {"text": code, "language": language} | ({} if is_cut else {"html": html})
    return Part(kind="code", name=name, text=text, fields=fields)


def _rows(value: Any, text: str, args: Mapping[str, Any], *, is_told: bool) -> Part | None:
    """A table of what the tool gave; `is_told`: of its text too, where that consists of rows."""
    thing: Any = value if table_of(value) else None
    if thing is None and is_told:
        thing = rows_of(text)
        if isinstance(thing, list) and thing and isinstance(thing[0], tuple):
            thing = _named(thing, args)
    return None if thing is None else part_of(thing, name="Rows")


def _named(rows: list[Any], args: Mapping[str, Any]) -> Any:
    """Rows under the names that their statement gives to the columns, where it gives one to each."""
    sqlglot = sys.modules.get("sqlglot")
    statement = next((args[name] for name in NAMES["sql"] if isinstance(args.get(name), str)), "")
    if not (sqlglot and statement) or len(statement) > CODE_CHARS:
        return rows
    try:
        names = sqlglot.parse_one(statement).named_selects
    except Exception:  # whatever it makes of a dialect that it does not know
        return rows
    if len(names) != len(rows[0]) or "*" in names or len(set(names)) < len(names):
        return rows
    return [dict(zip(names, row, strict=True)) for row in rows]


def _hits(value: Any, text: str) -> Part | None:
    hits = hits_of(value) or hits_of(text)
    if not hits:
        return None
    told = "\n".join(f"- {hit.get('title') or hit.get('url')}" for hit in hits)
    return Part(kind="hits", name="Hits", text=told, fields={"hits": hits})


def _json(value: Any, text: str) -> Part | None:
    found = json_of(text) if isinstance(value, str) or value is None else value
    return part_of(found, name="Result") if isinstance(found, dict | list) else None


def _template(card: str, name: str, args: Mapping[str, Any], value: Any, text: str) -> Part | None:
    result = json_of(text) if isinstance(value, str) or value is None else value
    context = {"tool": name, "args": dict(args), "result": text if result is None else result, "text": text}
    html = sanitised(render_to_string(card, context)).strip()
    if len(html.encode()) > HTML_BYTES:
        raise ValueError(f"the card {card} has more than {HTML_BYTES} bytes")
    return Part(kind="html", name=name, fields={"html": clean(html)}) if html else None
