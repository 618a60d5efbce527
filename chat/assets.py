"""The page's ES modules and style sheets: which there are, in which order, and all of them in one file each.

While developing, the browser loads them one by one, as they are. For production `collectstatic` makes one file of the
modules that the page begins with, one of those that it loads later, and one of the sheets, without comments and white
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
SCRIPT, LATER_SCRIPT, SHEET = "chat/bundle.js", "chat/bundle_later.js", "chat/bundle.css"

# The forms in which our modules import and export. Others have no place in them: a test says so.
IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "(chat/[\w./-]+)";\n', re.M)
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
    names = (path.relative_to(STATIC).as_posix() for path in STATIC.glob("chat/styles/*.css"))
    return tuple(sorted(names, key=lambda name: (name != "chat/styles/tokens.css", name)))


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
        for _, _, imported in IMPORT.findall(text_of(name)):
            visit(imported)
        names[name] = None

    for name in starts:
        visit(name)
    return tuple(names)


def is_bundled() -> bool:
    """Say whether the page loads one file of each kind."""
    return not settings.DEBUG and f"{__name__}.{BundleFinder.__name__}" in settings.STATICFILES_FINDERS


def joined_script() -> str:
    """Return the modules in one: each is a function that returns what it exports."""
    return "export const modules = {};\n" + _as_functions(module_names())


def joined_later_script() -> str:
    """Return the modules that the page loads later in one."""
    return f'import {{ modules }} from "{SCRIPT}";\n' + _as_functions(later_module_names())


def without_blanks(script: str) -> str:
    """Take the comments and the white space out of a script.

    Names stay as they are: so nothing of what it does can change, and errors can be read.
    """
    return str(rjsmin.jsmin(script))


def _as_functions(names: Iterable[str]) -> str:
    return "".join(_as_function(name, text_of(name)) for name in names)


def _as_function(name: str, text: str) -> str:
    exported = ", ".join(each for _, each in EXPORT.findall(text))
    body = EXPORT.sub(r"\1 \2", IMPORT.sub(_as_constant, DOC_COMMENT.sub("", text)))
    return f'modules["{name}"] = (() => {{\n{body}return {{ {exported} }};\n}})();\n'


def _as_constant(found: re.Match[str]) -> str:
    names, whole, module = found.groups()
    return f'const {whole or "{" + names.replace(" as ", ": ") + "}"} = modules["{module}"];\n'


def bundled_sheet() -> str:
    """Return all style sheets in one."""
    first, *others = joined_sheet().split("/*")
    bare = first + "".join(other.partition("*/")[2] for other in others)
    return BLANK.sub(lambda found: found[1] or found[2] or " ", bare)


def joined_sheet() -> str:
    """Return the style sheets in one as they are written."""
    return "".join(map(text_of, style_names()))


class BundleFinder(BaseFinder):
    """Gives `collectstatic` the bundles, which are in no folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.storage = InMemoryStorage()

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        texts = {SCRIPT: without_blanks(joined_script()), LATER_SCRIPT: without_blanks(joined_later_script())}
        for name, text in {**texts, SHEET: bundled_sheet()}.items():
            self.storage.delete(name)
            yield self.storage.save(name, ContentFile(text.encode())), self.storage

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """Nothing is found on the disk: without `collectstatic` the page loads the modules themselves."""
        return []
