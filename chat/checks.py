"""System checks: wrong settings are named, with the bad value, before anything starts.

    E001-E006  CHAT_AGENTS, CHAT_DEFAULT_AGENT         E007-E008  types and minimums of the other settings
    E009       CHAT_ALLOWED_ORIGINS, CHAT_EMBED_PARENTS   E010       no channel layer
    E011       CHAT_TRUSTED_PROXIES                    E015       CHAT_EMBED_KEY
    W001       unknown CHAT_* names                    W002       a channel layer that loses messages
    W003       SQLite that refuses writes              W004       messages that fit into no frame
    W005       SQLite without FTS5: no search
    E013       a database that the chat does not know  E014       a router that sends its tables elsewhere
    W010-W011, E012  doors that stand open in production (`check --deploy`)
    E020       a package without what the chat stands on
    W020       a mend that does not fit a package        W021       a version with which its mends were not tested

Nothing here imports Langroid, or the modules of the factories, which do: these are found by the import system and
their names in the source, see `sources`.
"""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Info, Warning
from django.db import DEFAULT_DB_ALIAS, connections, router

from chat import entry_checks, look_checks, sources
from chat.agents.langroid import mends as of_langroid
from chat.agents.provider import mends as of_provider
from chat.conf import AGENT_KEYS, FEEDBACK_REASONS, SETTINGS, Limits, conf
from chat.layers import LAYER_FOR_ONE_PROCESS, NO_LAYER
from chat.mends import known
from chat.mends.mend import TESTED, Mend, untested
from chat.search.index import has_fts5
from chat.wire.codes import MAX_COMMAND_BYTES

EMBED_KEY_CHARS = 32
SHOWN_CHARS = 60  # of a bad value
SECRET = ("API_KEY", "API_BASE", "EMBED_KEY")  # a base URL may hold a password
SQLITE_OPTIONS = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}
SQLITE_LEAST = (3, 35)
SQLITE = "django.db.backends.sqlite3"


def register() -> None:
    """Register all checks. Called when the app is ready."""
    of_settings = (check_agents, check_default_agent, check_values, check_origins, check_embed_key, check_proxies)
    for check in (*of_settings, check_names):
        checks.register(check, "chat")
    checks.register(check_channel_layer, "chat")
    checks.register(look_checks.check_files, "chat")
    checks.register(look_checks.check_frame_ancestors, "chat")
    checks.register(check_sqlite, "chat")
    checks.register(check_database, "chat")
    checks.register(check_search, "chat")
    checks.register(check_mends, "chat")
    checks.register(check_open_doors, "chat", deploy=True)


# -- the agents ----------------------------------------------------------------------------------------------------


def check_agents(**_: Any) -> list[CheckMessage]:
    """CHAT_AGENTS: its shape, and whether the factories are there."""
    found = conf.AGENTS
    if not isinstance(found, Mapping) or not found:
        hint = 'For example: CHAT_AGENTS = {"assistant": {"FACTORY": "myproject.agents.assistant"}}.'
        return [_error("E001", f"CHAT_AGENTS must be a dict with at least one agent, not {_shown(found)}.", hint)]
    return [message for key, entry in found.items() for message in _check_agent(key, entry)]


def _check_agent(key: Any, entry: Any) -> Iterator[CheckMessage]:
    where = f"CHAT_AGENTS[{key!r}]"
    if not isinstance(key, str) or not key or len(key) > 100:
        yield _error("E002", f"{where}: the key of an agent must be a text of at most 100 characters.", None)
    if not isinstance(entry, Mapping):
        hint = f"For example: { ({'FACTORY': entry})!r}." if isinstance(entry, str) else None
        yield _error("E002", f"{where} must be a dict, not {_shown(entry)}.", hint)
        return
    for name in entry.keys() - AGENT_KEYS.keys():
        yield _error("E003", f"{where} has an unknown key {name!r}.", _did_you_mean(str(name), list(AGENT_KEYS)))
    for name, kind in AGENT_KEYS.items():
        if name in entry and not isinstance(entry[name], kind):
            yield _error("E004", f"{where}[{name!r}] must be a {_name_of(kind)}, not {_shown(entry[name])}.", None)
    if not all(isinstance(starter, str) for starter in _listed(entry.get("STARTERS"))):
        yield _error("E004", f"{where}['STARTERS'] must be a list of texts, not {_shown(entry['STARTERS'])}.", None)
    if isinstance(limits := entry.get("LIMITS", {}), dict):
        yield from _problems_of_limits(f"{where}['LIMITS']", limits)
    if isinstance(feedback := entry.get("FEEDBACK", True), dict):
        yield from _problems_of_feedback(f"{where}['FEEDBACK']", feedback)
    for id, sentence, hint in entry_checks.problems(where, entry):
        yield _error(id, sentence, hint)
    for name in ("SUGGESTIONS", "SETTINGS"):
        if isinstance(path := entry.get(name), str) and (wrong := _problem_of_factory(path)):
            yield _error("E005", f"{where}[{name!r}] is {path!r}: {wrong[0]}", wrong[1])
    if isinstance(path := entry.get("SETTINGS"), str) and _is_function(path):
        yield _error(
            "E005", f"{where}['SETTINGS'] is {path!r}: this is a function.", "A class of pydantic's is needed."
        )
    if "FACTORY" not in entry:
        yield _error("E002", f"{where} has no 'FACTORY'.", "The dotted path of a function that makes the agent.")
    elif isinstance(entry["FACTORY"], str) and (problem := _problem_of_factory(entry["FACTORY"])):
        yield _error("E005", f"{where}['FACTORY'] is {entry['FACTORY']!r}: {problem[0]}", problem[1])


def _is_function(path: str) -> bool:
    module, _, name = path.rpartition(".")
    try:
        found = sources.definition(module, name) if module else None
    except (SyntaxError, ValueError):  # told above
        return False
    return found is not None and found.is_function


def _problems_of_limits(where: str, limits: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    known = {field.name.upper() for field in dataclasses.fields(Limits)}
    for name, value in limits.items():
        if name not in known:
            yield _error("E003", f"{where} has an unknown key {name!r}.", _did_you_mean(str(name), sorted(known)))
        elif not _is_a(value, float) or value < 0:
            yield _error("E004", f"{where}[{name!r}] must be a number, 0 for no limit, not {_shown(value)}.", None)


def _problems_of_feedback(where: str, reasons: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for name, texts in reasons.items():
        if name not in FEEDBACK_REASONS:
            yield _error("E003", f"{where} has an unknown key {name!r}.", "The reasons of UP and of DOWN.")
        elif not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            yield _error("E004", f"{where}[{name!r}] must be a list of texts, not {_shown(texts)}.", None)


def _problem_of_factory(path: str) -> tuple[str, str] | None:
    """What is wrong with the dotted path of a factory, and a hint. Imports nothing."""
    module, _, name = path.rpartition(".")
    if not module or not all(part.isidentifier() for part in path.split(".")):
        return "this is no dotted path.", 'It looks like "myproject.agents.assistant": package, module, function.'
    spec = sources.find(module)
    if spec is None:
        return f"there is no module {module!r}.", "Is its folder on the Python path, and is the name spelt so?"
    try:
        names = sources.names_in(spec)
    except (SyntaxError, ValueError) as error:
        return f"the module {module!r} cannot be read: {error}", f"See {spec.origin}."
    if names is None or name in names:
        return None
    return f"the module {module!r} has no {name!r}.", _did_you_mean(name, sorted(names)) or f"See {spec.origin}."


def check_default_agent(**_: Any) -> list[CheckMessage]:
    """CHAT_DEFAULT_AGENT is one of CHAT_AGENTS."""
    default, known = conf.DEFAULT_AGENT, conf.AGENTS
    if not default or not isinstance(default, str) or not isinstance(known, Mapping) or default in known:
        return []
    keys = [str(key) for key in known]
    hint = _did_you_mean(default, keys) or f"It must be one of {', '.join(keys)}, or empty for the first of them."
    return [_error("E006", f"CHAT_DEFAULT_AGENT is {_shown(default)}, which is not in CHAT_AGENTS.", hint)]


# -- values --------------------------------------------------------------------------------------------------------


def check_values(**_: Any) -> list[CheckMessage]:
    """The type and the minimum of every setting, and what they make of each other."""
    found = [message for name in SETTINGS if name != "AGENTS" and (message := _check_value(name))]
    return found or _check_message_length()


def _check_value(name: str) -> CheckMessage | None:
    setting, value = SETTINGS[name], getattr(conf, name)
    if value is None and setting.default is None:
        return None
    if not _is_a(value, setting.kind):
        what = f"a {type(value).__name__}" if name in SECRET else _shown(value)
        return _error("E007", f"CHAT_{name} must be a {_name_of(setting.kind)}, not {what}.", setting.doc)
    if setting.minimum is not None and value < setting.minimum:
        return _error("E008", f"CHAT_{name} is {value!r}; the least is {setting.minimum:g}.", setting.doc)
    return None


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool  # True is also an int
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, list | tuple) if kind is list else isinstance(value, kind)


def _check_message_length() -> list[CheckMessage]:
    if conf.MAX_MESSAGE_CHARS <= MAX_COMMAND_BYTES:
        return []
    problem = f"CHAT_MAX_MESSAGE_CHARS is {conf.MAX_MESSAGE_CHARS}, but no frame of a page may be so long."
    return [_warning("W004", problem, f"A whole frame has at most {MAX_COMMAND_BYTES} bytes.")]


def check_origins(**_: Any) -> list[CheckMessage]:
    """What CHAT_ALLOWED_ORIGINS and CHAT_EMBED_PARENTS name are origins: scheme, host, maybe a port, nothing else."""
    return [
        _error("E009", f"CHAT_{name} contains {_shown(origin)}: {problem}.", "https://chat.example.org:8443")
        for name in ("ALLOWED_ORIGINS", "EMBED_PARENTS")
        if isinstance(getattr(conf, name), list | tuple)  # else E007
        for origin in getattr(conf, name)
        if (problem := _problem_of_origin(origin))
    ]


def check_embed_key(**_: Any) -> list[CheckMessage]:
    """CHAT_EMBED_KEY lets whoever has it be anybody: it cannot be guessed."""
    key = conf.EMBED_KEY
    if not isinstance(key, str) or not key or len(key) >= EMBED_KEY_CHARS:
        return []
    problem = f"CHAT_EMBED_KEY has {len(key)} characters; the least is {EMBED_KEY_CHARS}."
    return [_error("E015", problem, 'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one.')]


def _problem_of_origin(origin: Any) -> str:
    """What keeps a value from being an origin, as a sentence without its end; empty for an origin."""
    if not isinstance(origin, str):
        return "an origin is a text"
    if "*" in origin:
        return "origins are compared exactly, there are no wildcards"
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError as error:
        return str(error).rstrip(".")
    if parts.scheme not in ("http", "https"):
        return "an origin begins with http:// or https://"
    if not parts.hostname or any(mark.isspace() for mark in origin) or port == 0:
        return "an origin has a host, and maybe a port"
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return "an origin is only scheme, host and port, without a path"
    return ""


def check_proxies(**_: Any) -> list[CheckMessage]:
    """Each entry of CHAT_TRUSTED_PROXIES is an address or a network."""
    return [
        _error(
            "E011", f"CHAT_TRUSTED_PROXIES contains {_shown(proxy)}: no address or network.", "127.0.0.1, 10.0.0.0/8"
        )
        for proxy in _listed(conf.TRUSTED_PROXIES)  # or E007
        if not _is_network(proxy)
    ]


def _is_network(value: Any) -> bool:
    try:
        ip_network(value, strict=False)
    except ValueError:
        return False
    return isinstance(value, str)


def check_names(**_: Any) -> list[CheckMessage]:
    """Settings that begin with CHAT_ and are none of the app's: most likely misspelt."""
    known = [f"CHAT_{name}" for name in SETTINGS]
    unknown = sorted(name for name in dir(settings) if name.startswith("CHAT_") and name not in known)
    return [_warning("W001", f"There is no setting {name}.", _did_you_mean(name, known)) for name in unknown]


# -- what the chat stands on ---------------------------------------------------------------------------------------


def check_channel_layer(**_: Any) -> list[CheckMessage]:
    """There is a channel layer, and not the one that drops what it cannot hold."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND", "")
    if not layer:
        return [_error("E010", NO_LAYER, LAYER_FOR_ONE_PROCESS)]
    if layer != "channels_redis.core.RedisChannelLayer":
        return []
    problem = f"The channel layer is {layer}, which silently drops messages as soon as a few agents stream at once."
    return [_warning("W002", problem, "Use channels_redis.pubsub.RedisPubSubChannelLayer.")]


def check_sqlite(**_: Any) -> list[CheckMessage]:
    """SQLite takes several writers only with options. A remark while developing, a warning on a real server."""
    database = settings.DATABASES.get("default", {})
    options = {name: str(value).upper() for name, value in database.get("OPTIONS", {}).items()}
    is_immediate = options.get("transaction_mode") in ("IMMEDIATE", "EXCLUSIVE")
    is_wal = "JOURNAL_MODE=WAL" in options.get("init_command", "").replace(" ", "")
    if database.get("ENGINE") != SQLITE or (is_immediate and is_wal):
        return []
    kind = Info if settings.DEBUG else Warning
    problem = "SQLite will refuse writes with 'database is locked' when several agents work at once."
    return [kind(problem, hint=f'DATABASES["default"]["OPTIONS"] = {SQLITE_OPTIONS}', id="chat.W003")]


def check_database(**_: Any) -> list[CheckMessage]:
    """The chat's tables are in a database that it can speak to: the default one, of a kind that is known here."""
    kind = connections[DEFAULT_DB_ALIAS].vendor
    found: list[CheckMessage] = []
    if kind not in ("sqlite", "postgresql"):
        problem = f"The database is of the kind {kind!r}, which the chat does not know."
        found.append(_error("E013", problem, "PostgreSQL, or SQLite 3.35 or newer."))
    elif kind == "sqlite" and sqlite3.sqlite_version_info < SQLITE_LEAST:
        problem = f"SQLite is {sqlite3.sqlite_version}; the chat needs RETURNING, which 3.35 has."
        found.append(_error("E013", problem, "A newer Python or system brings it; or use PostgreSQL."))
    message = apps.get_model("chat", "Message")
    used = {router.db_for_read(message), router.db_for_write(message)}
    if used != {DEFAULT_DB_ALIAS}:
        problem = f"DATABASE_ROUTERS send the chat's tables to {', '.join(sorted(used))}; they belong to 'default'."
        hint = "Have the router answer 'default' for the app label 'chat', for reading too: a replica may be behind."
        found.append(_error("E014", problem, hint))
    return found


def check_search(**_: Any) -> list[CheckMessage]:
    """SQLite can keep the index of the search. Asked of the library, not of the database: it may not be there yet."""
    if connections[DEFAULT_DB_ALIAS].vendor != "sqlite" or has_fts5():
        return []
    problem = "SQLite was built without FTS5: conversations cannot be searched."
    hint = "With a Python or system that brings it: `manage.py migrate` makes the index."
    return [_warning("W005", problem, hint)]


MENDS = (*known.MENDS, *of_provider.MENDS, *of_langroid.MENDS)


def check_mends(**_: Any) -> list[CheckMessage]:
    """The packages that are mended are as the mends need them. A mend that does not fit steps aside."""
    return [*broken_mends(MENDS), *_untested_versions()]


def broken_mends(mends: Iterable[Mend]) -> list[CheckMessage]:
    """A message for each mend that does not fit the version of its package that is installed."""
    hint = "docs/mends.md says what each mend is for."
    return [
        _error("E020", report, hint) if mend.is_essential else _warning("W020", report, hint)
        for mend in mends
        if (report := mend.report)
    ]


def _untested_versions() -> Iterator[CheckMessage]:
    """A remark while developing, whose newly installed packages are newer than ours; a warning on a real server."""
    kind = Info if settings.DEBUG else Warning
    for package, found in untested(sorted({package for mend in MENDS for package in mend.packages})):
        problem = f"{package} {found} is installed; what the chat mends in it was tested with {TESTED[package]}."
        hint = "What would not fit is told by E020 and W020: the rest is likely to work."
        yield kind(problem, hint=hint, id="chat.W021")


def check_open_doors(**_: Any) -> list[CheckMessage]:
    """What is meant for development and is still on without DEBUG."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    if conf.ALLOW_ANONYMOUS:
        problem = "CHAT_ALLOW_ANONYMOUS is on: anyone who finds the site can use its models."
        found.append(_warning("W010", problem, "If that is meant, silence this check."))
    if conf.COMPATIBLE_PROFILE:
        problem = "CHAT_COMPATIBLE_PROFILE is on: sockets without `v=1` are served in the older format."
        found.append(_warning("W011", problem, "Turn it off when no older page is in use."))
    if conf.COMPATIBLE_SESSION_IDS:
        problem = "CHAT_COMPATIBLE_SESSION_IDS is on: a page's session id, 46 random bits, is a visitor's only key."
        found.append(_error("E012", problem, "Turn it off: the cookie of the chat's own page is the credential."))
    return found


# -- words ---------------------------------------------------------------------------------------------------------


def _error(id: str, problem: str, hint: str | None) -> Error:
    return Error(problem, hint=hint, id=f"chat.{id}")


def _warning(id: str, problem: str, hint: str | None) -> Warning:
    return Warning(problem, hint=hint, id=f"chat.{id}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def _name_of(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(each.__name__ for each in kinds)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _did_you_mean(name: str, known: list[str]) -> str | None:
    close = get_close_matches(name.upper(), [each.upper() for each in known], n=1)
    return next((f"Did you mean {each}?" for each in known if close and each.upper() == close[0]), None)
