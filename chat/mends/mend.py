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
from importlib.metadata import PackageNotFoundError, distribution
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
    "pydantic-settings": "2.16.3",
    "python-dotenv": "1.2.4",
    "qdrant-client": "1.15.1",
    "rich": "13.9.4",
    "tiktoken": "0.14.0",
}
TESTED_TOO = {"Django": "6.0"}  # by the matrix of Pythons and Djangos (noxfile.py)


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
        found = sources.definition(self.module, self.name)
        if found is None:
            owner, _, name = self.name.rpartition(".")
            around = sources.definition(self.module, owner)
            if around and name in around.mentions:  # assigned, or imported
                return ""
            is_module = sources.definition(self.module)
            return f"{self.module} has no {self.name}" if is_module else f"there is no module {self.module}"
        if missing := set(self.takes.split()) - found.parameters:
            return f"{self.module}: {self.name} takes no {', '.join(sorted(missing))}"
        if missing := set(self.mentions.split()) - found.mentions:
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

    @functools.cached_property
    def report(self) -> str:
        """Problems, versions found and tested, and what follows, as a sentence; empty without a problem.

        Without the package there is nothing to mend.
        """
        problems = [problem for need in self.needs if (problem := need.problem())]
        if not problems or any(version_of(package) is None for package in self.packages):
            return ""
        versions = ", ".join(
            f"{package} {version_of(package)} (tested: {TESTED[package]})" for package in self.packages
        )
        follows = "the chat cannot work" if self.is_essential else f"it steps aside: {self.without}"
        return f"The mend {self.name!r} does not fit {versions}: {'; '.join(problems)}. So {follows}."

    @functools.cached_property
    def holds(self) -> bool:
        """True when it can be applied; else a warning is logged, once. Raises: MendBroken if it is essential."""
        if self.report and self.is_essential:
            raise MendBroken(self.report)
        if self.report:
            logger.warning("%s", self.report)
        return not self.report

    def or_plain(self, mended: C) -> C:
        """Decorate a subclass that is the mend: where it does not hold, its base class takes its place."""
        return mended if self.holds else mended.__base__  # type: ignore[return-value]


@functools.cache
def version_of(package: str) -> str | None:
    """The version that is installed; None without the package."""
    try:
        text = distribution(package).read_text("METADATA") or ""
    except PackageNotFoundError:
        return None
    # Not `importlib.metadata.version`: it parses all of the text, which takes a millisecond for each package.
    return text.partition("\nVersion: ")[2].partition("\n")[0].strip()


def look_at(mends: Iterable[Mend]) -> None:
    """Say now what does not hold, rather than at first use. Raises: MendBroken."""
    for mend in mends:
        _ = mend.holds


def untested(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each package of which another minor version is installed than was tested, with that version."""
    for package in packages:
        found = version_of(package)
        tested = (TESTED[package], TESTED_TOO.get(package, TESTED[package]))
        if found and found.split(".")[:2] not in [version.split(".")[:2] for version in tested]:
            yield package, found
