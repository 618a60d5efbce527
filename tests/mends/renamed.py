"""A newer version of a package, in which names are other ones: what a mend may find one day.

    with renamed("langroid", {"langroid.agent.task": [("_is_kill", "is_killed")]}): …

The modules are found with the source changed, whether they are imported or only looked at. Of what is imported already
nothing changes: then it is for what only looks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from chat import sources
from chat.agents.langroid import mends as of_langroid
from chat.agents.provider import mends as of_provider
from chat.mends import known
from webui_project import mends as of_project

MODULES = (known, of_provider, of_langroid, of_project)
MENDS = [each for module in MODULES for each in module.MENDS]

Changes = Sequence[tuple[str, str]]  # a regular expression, and what takes the place of what it finds


class Renamed:
    """An import finder. The key "" of `changes` stands for every module of the package."""

    def __init__(self, package: str, changes: Mapping[str, Changes]) -> None:
        self._package = package
        self._changes = changes

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        changes = [*self._changes.get("", ()), *self._changes.get(name, ())]
        if name.partition(".")[0] != self._package or not changes:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path, changes)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, changes: Changes) -> None:
        super().__init__(name, path)
        self._changes = changes

    def get_code(self, fullname: str) -> CodeType | None:
        before = after = self.get_data(self.path).decode()
        for old, new in self._changes:
            after = re.sub(old, new, after, flags=re.M)
        return super().get_code(fullname) if after == before else compile(after, self.path, "exec", dont_inherit=True)


@contextmanager
def renamed(package: str, changes: Mapping[str, Changes]) -> Iterator[None]:
    finder: Any = Renamed(package, changes)
    sys.meta_path.insert(0, finder)
    _look_again()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _look_again()


def _look_again() -> None:
    sources.forget()
    for each in MENDS:
        vars(each).pop("report", None)
