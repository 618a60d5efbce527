"""What a mend of another package stands on, looked at before it is applied and when the server starts.

    FAST = Mend("fast stream", packages=("openai",), place="…", without="…", needs=(Needs("openai._streaming", …),))
    if FAST.holds: …

A mend replaces what a package does by something that knows the package's inside. In a version in which the inside is
another one the mend steps aside: one warning, and the package does what it does. One without which the chat would do
harm (`is_essential`) raises instead. Either is told by `manage.py check`, too, without importing the package.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from chat import sources

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=type)

# The versions with which the mends are tested: those that requirements.txt pins.
TESTED = {
    "autobahn": "26.10.2",
    "channels": "4.3.2",
    "channels-redis": "4.3.0",
    "daphne": "4.2.3",
    "Django": "5.2.19",
    "httpcore": "1.0.9",
    "httpcore2": "2.16.2",
    "httpx": "0.28.1",
    "httpx2": "2.16.2",
    "langroid": "0.69.16",
    "openai": "3.54.0",
    "python-dotenv": "1.2.4",
    "tiktoken": "0.14.0",
}


class MendBroken(Exception):
    """The chat cannot work with this version of a package. The text says what is missing in it."""


@dataclass(frozen=True)
class Needs:
    """A name in a module of another package, as it has to be."""

    module: str
    name: str  # Class.method, or a name at the top level
    takes: str = ""  # parameters that it has
    mentions: str = ""  # names and attributes in its code

    def problem(self) -> str:
        """What is not as it has to be; empty if nothing is."""
        found = sources.outline(self.module)
        if found is None:
            return f"there is no module {self.module}"
        owner, _, name = self.name.rpartition(".")
        definition = found.get(self.name)
        if definition is None:
            is_there = owner in found and name in found[owner].mentions  # assigned, or imported
            return "" if is_there else f"{self.module} has no {self.name}"
        if missing := set(self.takes.split()) - set(definition.parameters):
            return f"{self.module}: {self.name} takes no {', '.join(sorted(missing))}"
        if missing := set(self.mentions.split()) - definition.mentions:
            return f"{self.module}: {self.name} does not use {', '.join(sorted(missing))}"
        return ""


@dataclass(frozen=True)
class Mend:
    """One mend. `docs/mends.md` has a line for each, by its name."""

    name: str
    place: str  # the file
    packages: tuple[str, ...]  # whose inside it knows
    needs: tuple[Needs, ...]
    without: str  # what is the case where it steps aside
    is_essential: bool = False

    def problems(self) -> list[str]:
        """What is not as the mend needs it. Without the package there is nothing to mend."""
        if any(version_of(package) is None for package in self.packages):
            return []
        return [problem for need in self.needs if (problem := need.problem())]

    def report(self) -> str:
        """Problems, versions found and tested, and what follows, as a sentence; empty without a problem."""
        problems = self.problems()
        if not problems:
            return ""
        versions = ", ".join(
            f"{package} {version_of(package)} (tested: {TESTED[package]})" for package in self.packages
        )
        follows = "the chat cannot work" if self.is_essential else f"it steps aside: {self.without}"
        return f"The mend {self.name!r} does not fit {versions}: {'; '.join(problems)}. So {follows}."

    @functools.cached_property
    def holds(self) -> bool:
        """True when it can be applied; else a warning is logged, once. Raises: MendBroken if it is essential."""
        report = self.report()
        if report and self.is_essential:
            raise MendBroken(report)
        if report:
            logger.warning("%s", report)
        return not report

    def or_plain(self, mended: C) -> C:
        """Decorate a subclass that is the mend: where it does not hold, its base class takes its place."""
        return mended if self.holds else mended.__base__  # type: ignore[return-value]


@functools.cache
def version_of(package: str) -> str | None:
    """The version that is installed; None without the package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def look_at(mends: Iterable[Mend]) -> None:
    """Say now what does not hold, rather than at first use. Raises: MendBroken."""
    for mend in mends:
        _ = mend.holds


def untested(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each package of which another minor version is installed than was tested, with that version."""
    for package in packages:
        found = version_of(package)
        if found and found.split(".")[:2] != TESTED[package].split(".")[:2]:
            yield package, found
