"""Read values of the environment by type. Used by `settings.py` alone, which gives it the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from dotenv.parser import Binding, parse_stream
from environ.fileaware_mapping import FileAwareMapping

from chat.conf import SETTINGS

# Other names under which the world knows some of the CHAT_* settings.
ALIASES = {
    "MODEL": "OPENAI_MODEL",
    "API_KEY": "OPENAI_API_KEY",
    "API_BASE": "OPENAI_API_BASE",
    "MOCK_MODEL": "USE_MOCK_LLM",
}


class _Text(str):
    """A value as it stands: django-environ takes one that begins with `$` for the name of another, and prints it."""

    def startswith(self, *given: Any) -> bool:
        return given[:1] != ("$",) and super().startswith(*given)


class _AsTheyStand(FileAwareMapping):  # type: ignore[misc]  # django-environ has no types
    def __getitem__(self, name: str) -> str:
        return _Text(super().__getitem__(name))


def read(variables: Mapping[str, str], dotenv: Path) -> environ.Env:
    """Return a reader of `variables`, then of the file `dotenv` if there is one.

    An empty value counts as not set; `NAME_FILE` names a file with the value of NAME. The reader works on a copy: a
    key in `dotenv` so never becomes a variable of this process, where agents' tools and child processes find it.

    Raises:
        ImproperlyConfigured: a line of `dotenv` cannot be read.
    """
    values = _AsTheyStand({name: value for name, value in variables.items() if value})

    class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # django-environ has no types
        ENVIRON = values

    for name, value in (_read_dotenv(dotenv) if dotenv.is_file() else {}).items():
        if value:
            values.env.setdefault(name, value)
    return Environment()


def _read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of the file, read as python-dotenv does: spaces, quotes, comments, `export`.

    A line that is none is an error, named by its number alone: it may hold a key.
    """
    try:
        bindings = list(parse_stream(StringIO(path.read_text(encoding="utf-8-sig"))))
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path.name} is not written in UTF-8") from None
    if wrong := [str(_line_of(binding)) for binding in bindings if not _is_readable(binding)]:
        raise ImproperlyConfigured(f"{path.name}: cannot read line {', '.join(wrong)} as NAME=value")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _is_readable(binding: Binding) -> bool:
    return not binding.error and (binding.key is None or (binding.key.isidentifier() and binding.value is not None))


def _line_of(binding: Binding) -> int:
    """The line of the binding itself: empty lines before it belong to it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def chat_settings(env: environ.Env) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each CHAT_* setting that the environment sets.

    Raises:
        ImproperlyConfigured: a value is not of the setting's type.
    """
    casts: dict[type, Callable[[str], Any]] = {
        bool: env.bool,
        int: env.int,
        float: env.float,
        list: env.list,
        dict: env.json,
    }
    for name, setting in SETTINGS.items():
        variable = next((v for v in (f"CHAT_{name}", ALIASES.get(name)) if v and v in env), None)
        if variable is None:
            continue
        try:
            value = casts.get(setting.kind, env.str)(variable)
        except ValueError as error:
            raise ImproperlyConfigured(f"{variable} is not a valid {setting.kind.__name__}") from error
        yield f"CHAT_{name}", value
