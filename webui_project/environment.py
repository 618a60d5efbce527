"""Read values of the environment by type. Used by `settings.py` alone, which gives it the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from chat.conf import SETTINGS

# Other names under which the world knows some of the CHAT_* settings.
ALIASES = {"API_KEY": "OPENAI_API_KEY", "API_BASE": "OPENAI_API_BASE", "MOCK_MODEL": "USE_MOCK_LLM"}


def read(variables: Mapping[str, str], dotenv: Path) -> environ.Env:
    """Return a reader of `variables`, then of the file `dotenv` if there is one.

    An empty value counts as not set; `NAME_FILE` names a file with the value of NAME. The reader works on a copy: a
    key in `dotenv` so never becomes a variable of this process, where agents' tools and child processes find it.
    """
    values = FileAwareMapping({name: value for name, value in variables.items() if value})

    class Environment(environ.FileAwareEnv):
        ENVIRON = values

    if dotenv.is_file():
        Environment.read_env(dotenv)
    for name in [name for name, value in values.env.items() if not value]:
        del values.env[name]
    return Environment()


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
