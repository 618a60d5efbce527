"""Make Langroid's configs without looking for each of their fields in the environment.

They are settings of pydantic: each one, however it is made, asks five sources for every field it has, which takes half
a millisecond for each config, and a new session's agent has half a dozen. Where the environment has no name that the
class reads, and the class reads nothing else, the values are those that are given.
"""

from __future__ import annotations

import functools
import os
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from pydantic_settings import BaseSettings

# Options that let a class read more than variables named `env_prefix` and the field.
_MORE = ("env_file", "env_nested_delimiter", "secrets_dir", "cli_parse_args", "nested_model_default_partial_update")


def make_quickly() -> None:
    """Replace `BaseSettings.__init__` by one that asks the sources only when they may have something."""
    ask_all = BaseSettings.__init__

    @functools.wraps(ask_all)
    def init(self: BaseSettings, **values: Any) -> None:
        names = _names_read_by(type(self))
        if names is None or not names.isdisjoint(map(str.lower, os.environ)) or any(name[0] == "_" for name in values):
            ask_all(self, **values)
        else:
            BaseModel.__init__(self, **values)

    patched: Any = BaseSettings
    patched.__init__ = init


_known: WeakKeyDictionary[type[BaseSettings], tuple[Any, frozenset[str] | None]] = WeakKeyDictionary()


def _names_read_by(cls: type[BaseSettings]) -> frozenset[str] | None:
    """The variables that a class reads, in small letters; None if it may read something else.

    Known as long as the class has the same options: Langroid gives a class of its own other ones after it is made
    (langroid 0.69.16, language_models/openai_gpt.py:442).
    """
    options, names = _known.get(cls, (None, None))
    if options is not cls.model_config:
        names = _find_names(cls)
        _known[cls] = cls.model_config, names
    return names


def _find_names(cls: type[BaseSettings]) -> frozenset[str] | None:
    options: Any = cls.model_config
    reads_more = any(options.get(name) for name in _MORE)
    has_sources = cls.settings_customise_sources.__func__ is not BaseSettings.settings_customise_sources.__func__  # type: ignore[attr-defined]
    if reads_more or has_sources or any(field.validation_alias for field in cls.model_fields.values()):
        return None
    prefix = options.get("env_prefix") or ""
    return frozenset(f"{prefix}{name}".lower() for name in cls.model_fields)
