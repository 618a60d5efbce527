"""The page's ES modules and style sheets: which there are, in which order, and all of them in one file each.

While developing, the browser loads them one by one, as they are. For production `collectstatic` makes one file of the
modules that the page begins with and one of those that it loads later, and so of the sheets, without comments and white
space, where the project asks for it:

    STATICFILES_FINDERS = [
        "django.contrib.staticfiles.finders.FileSystemFinder",
        "django.contrib.staticfiles.finders.AppDirectoriesFinder",
        "chat.assets.BundleFinder",
    ]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import rjsmin
from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage

STATIC = Path(__file__).resolve().parent / "static"
MAIN = "chat/main.js"
# Each of them registers what it adds (`chat/registries.js`).
ADDED = ("chat/cards/*.js", "chat/slots/*.js")
ADDED_LATER = "chat/later/*.js"
SCRIPT, LATER_SCRIPT = "chat/bundle.js", "chat/bundle_later.js"
SHEET, LATER_SHEET = "chat/bundle.css", "chat/bundle_later.css"

# The forms in which our modules import and export. Others have no place in them: a test says so.
IMPORT = re.compile(r'^import \{([\w, \n]*)\} from "(chat/[\w./-]+)";\n', re.M)
EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.M)
BLANK = re.compile(r"""("[^"]*")|\s*([{};,])\s*|\s+""")
DOC_COMMENT = re.compile(r"^[ \t]*/\*\*.*?\*/\n", re.M | re.S)


def text_of(name: str) -> str:
    """Return the source of a module or sheet."""
    return (STATIC / name).read_text()


@cache
def style_names() -> tuple[str, ...]:
    """Return the names of the page's style sheets. The one that puts the layers in order comes first; of the others
    none depends on the order.
    """
    return tuple(sorted(_names_in("chat/styles/*.css"), key=lambda name: (name != "chat/styles/tokens.css", name)))


@cache
def later_style_names() -> tuple[str, ...]:
    """Return the names of those for what the modules that come later show."""
    return _names_in("chat/styles/later/*.css")


@cache
def script_names() -> tuple[str, ...]:
    """Return the names of the modules that the page starts, in order: what adds to it, then the page."""
    return (*_names_in(*ADDED), MAIN)


@cache
def later_script_names() -> tuple[str, ...]:
    """Return the names of the modules that the page starts when it is at rest (`chat/later.js`)."""
    return _names_in(ADDED_LATER)


def _names_in(*patterns: str) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(STATIC).as_posix() for pattern in patterns for path in STATIC.glob(pattern)))


@cache
def module_names() -> tuple[str, ...]:
    """Return the names of the modules that the page begins with, such as "chat/dom.js": each after those that it
    imports.
    """
    return _with_imports(script_names())


@cache
def later_module_names() -> tuple[str, ...]:
    """Return the names of those that it loads later."""
    known = module_names()
    return tuple(name for name in _with_imports(later_script_names()) if name not in known)


def _with_imports(starts: Iterable[str]) -> tuple[str, ...]:
    names: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in names:
            return
        for _, imported in IMPORT.findall(text_of(name)):
            visit(imported)
        names[name] = None

    for name in starts:
        visit(name)
    return tuple(names)


def is_bundled() -> bool:
    """Say whether the page loads one file of each kind."""
    return not settings.DEBUG and f"{__name__}.{BundleFinder.__name__}" in settings.STATICFILES_FINDERS


def joined_script() -> str:
    """Return the modules in one, each after those that it imports. All of their names are in one scope, so no two may
    use the same one.
    """
    shared = ", ".join(_shared_names())
    return f"{_without_imports(module_names())}export {{ {shared} }};\n"


def joined_later_script() -> str:
    """Return the modules that the page loads later in one."""
    shared = ", ".join(_shared_names())
    return f'import {{ {shared} }} from "{SCRIPT}";\n{_without_imports(later_module_names())}'


def _shared_names() -> list[str]:
    """Return the names of the first script that the second one needs."""
    first = module_names()
    imports = [found for name in later_module_names() for found in IMPORT.findall(text_of(name)) if found[1] in first]
    return sorted({name.strip() for names, _ in imports for name in names.split(",") if name.strip()})


def without_blanks(script: str) -> str:
    """Take the comments and the white space out of a script.

    Names stay as they are: so nothing of what it does can change, and errors can be read.
    """
    return str(rjsmin.jsmin(script))


def _without_imports(names: Iterable[str]) -> str:
    return "".join(EXPORT.sub(r"\1 \2", IMPORT.sub("", DOC_COMMENT.sub("", text_of(name)))) for name in names)


def bundled_sheet(names: Iterable[str]) -> str:
    """Return the style sheets in one."""
    first, *others = joined_sheet(names).split("/*")
    bare = first + "".join(other.partition("*/")[2] for other in others)
    return BLANK.sub(lambda found: found[1] or found[2] or " ", bare)


def joined_sheet(names: Iterable[str]) -> str:
    """Return the style sheets in one as they are written."""
    return "".join(map(text_of, names))


class BundleFinder(BaseFinder):
    """Gives `collectstatic` the bundles, which are in no folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.storage = InMemoryStorage()

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        texts = {SCRIPT: without_blanks(joined_script()), LATER_SCRIPT: without_blanks(joined_later_script())}
        sheets = {SHEET: bundled_sheet(style_names()), LATER_SHEET: bundled_sheet(later_style_names())}
        for name, text in {**texts, **sheets}.items():
            self.storage.delete(name)
            yield self.storage.save(name, ContentFile(text.encode())), self.storage

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Nothing is found on the disk: without `collectstatic` the page loads the modules themselves."""
        return []
