"""Collect the texts that people see, and compile their translations.

    python scripts/messages.py            # bring every locale/XX up to date with the sources, and compile it
    python scripts/messages.py --check    # exit with 1 where something is not up to date, or not translated

A string of a module that looks like one for people and is not in `t()` counts as not translated.

Three kinds of source: the page's modules (`t("…")`, `tn(n, "…", "…")`), the sentences of the server's errors and its
reasons of feedback, which the page translates as it shows them, and templates with the server's other texts
(`translate`, `_("…")`).
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
APPS = {"chat": [ROOT / "chat" / "templates"], "webui_project": [ROOT / "templates"]}  # the app, and its templates
TEXT = r'("(?:[^"\\\\]|\\\\.)*")'
IN_MODULE = re.compile(rf"\bt\(\s*{TEXT}|\b(?:tn|counted)\((?:[^\"()]|\([^()]*\))*?,\s*{TEXT},\s*{TEXT}")
SENTENCE = re.compile(r"[A-Z].{8,}\.", re.S)
OF_THE_TOOL = re.compile(rb'^"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator)[^\n]*\n', re.M)
ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # Babel writes the present minute: no check would pass in the next
STRING = re.compile(rf"{TEXT}|`([^`]*)`")
CODE = re.compile(r"^\s*(?:\*|/\*|//|import |export .* from|name: )|new (?:Error|Registry)\(|Selector|ById|import\(")
READABLE = re.compile(r"[A-Z][a-z]+ [a-z]|[a-z]{2,} [a-z]{2,}[^a-z-]*[.?!…]|^[A-Z][a-z]{2,}…?$")  # as people write
BEGINS = re.compile(r"(?!Chat )[A-Z][a-z]{2,}…? \$\{")  # a template
KEYS = {
    "Enter",
    "Escape",
    "ArrowDown",
    "ArrowUp",
    "ArrowLeft",
    "ArrowRight",
    "Home",
    "End",
    "Delete",
    "Backspace",
    "Tab",
}
KEYS |= {"Chat", "QuotaExceededError", "Accept", "Authorization", "Files"}
PY_KEYWORDS = {"_": None, "gettext": None, "gettext_lazy": None, "ngettext": (1, 2)}
IN_TEMPLATE = re.compile(r"""\{% (?:translate|trans) (?:"([^"]+)"|'([^']+)')|\b_\((?:"([^"]+)"|'([^']+)')\)""")
BLOCK = re.compile(r"\{% blocktranslate[^%]*%\}(.*?)(?:\{% plural %\}(.*?))?\{% endblocktranslate %\}", re.S)
LABEL = re.compile(
    r'(?:description=|verbose_name(?:_plural)? ?= ?|^    title = |badge\([^,]+, |(?<!Key)(?<!One)Field\()"[a-z ]+"',
    re.M,
)
VARIABLE = re.compile(r"\{\{ (\w+) \}\}")

Message = str | tuple[str, ...] | list[str]
Found = Iterator[tuple[Message, str]]  # the text, or both forms, and where it stands


def of_modules() -> Found:
    """Texts of the page's modules."""
    for path in sorted((ROOT / "chat" / "static" / "chat").rglob("*.js")):
        for text, one, many in IN_MODULE.findall(path.read_text()):
            yield (json.loads(text) if text else (json.loads(one), json.loads(many))), _name(path)


def untranslated() -> Iterator[str]:
    """Strings of the modules that people seem to see, and that are not in `t()`, with their places."""
    for path in sorted((ROOT / "chat" / "static" / "chat").rglob("*.js")):
        text = IN_MODULE.sub("", path.read_text())
        for line in text.splitlines():
            if CODE.search(line):
                continue
            for quoted, template in STRING.findall(line.partition(" // ")[0]):
                string = json.loads(quoted) if quoted else re.sub(r"\$\{[^}]*\}", "", template)
                if (READABLE.search(string) or BEGINS.match(template)) and string not in KEYS:
                    yield f"{_name(path)}: {string!r} is not in t()"


def unmarked() -> Iterator[str]:
    """Labels of the admin that are in no language but English, with their places."""
    for path in sorted([*(ROOT / "chat" / "admin").glob("*.py"), *(ROOT / "chat" / "models").glob("*.py")]):
        for found in LABEL.findall(path.read_text()):
            yield f"{_name(path)}: {found} is not in gettext"


def of_errors() -> Found:
    """Sentences of what goes wrong: of `ChatError` and its kinds, and the constants of the modules around agents."""
    trees = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "chat").rglob("*.py"))}
    kinds = {"ChatError"}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id in kinds for b in node.bases):
                kinds.add(node.name)
                for text in _texts(each for each in node.body if isinstance(each, ast.Assign)):
                    yield text, _name(path)
    for path, tree in trees.items():
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds)
        for text in _texts(node.args[0] for node in calls if node.args):
            yield text, _name(path)
        if path.is_relative_to(ROOT / "chat" / "agents"):
            for text in _texts(node for node in tree.body if isinstance(node, ast.Assign)):
                yield text, _name(path)


def of_reasons() -> Found:
    """What feedback offers as reasons where an agent names none."""
    path = ROOT / "chat" / "conf.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FEEDBACK_REASONS":
            for texts in (each for each in ast.walk(node) if isinstance(each, ast.Tuple)):
                for text in ast.literal_eval(texts):
                    yield text, _name(path)


def _texts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The whole sentences among the constants."""
    for node in nodes:
        parts = {id(each) for joined in ast.walk(node) if isinstance(joined, ast.JoinedStr) for each in joined.values}
        for each in ast.walk(node):
            value = each.value if isinstance(each, ast.Constant) else None
            if isinstance(value, str) and id(each) not in parts and SENTENCE.fullmatch(value):
                yield value


def of_server(app: str) -> Found:
    """Texts of an app's templates and Python files."""
    for path in sorted(path for folder in APPS[app] for path in folder.rglob("*.html")):
        text = path.read_text()
        for groups in IN_TEMPLATE.findall(text):
            yield next(filter(None, groups)), _name(path)
        for one, many in BLOCK.findall(text):
            forms = tuple(VARIABLE.sub(r"%(\1)s", form) for form in (one, many) if form)
            yield (forms if many else forms[0]), _name(path)
    for path in sorted((ROOT / app).rglob("*.py")):
        source = io.BytesIO(path.read_bytes())
        for _, message, _, _ in extract("python", source, PY_KEYWORDS):
            yield message, _name(path)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def collected(found: Found, locale: str) -> Catalog:
    """A catalog without translations."""
    catalog = Catalog(locale=locale, fuzzy=False, project="chat", copyright_holder="", header_comment="#")
    for message, path in found:
        catalog.add(message, locations=[(path, 0)])
    return catalog


def updated(path: Path, found: Found) -> tuple[bytes, bytes, list[Message]]:
    """A `.po` file as it should be, compiled, and the texts that have no translation."""
    known = read_po(io.BytesIO(path.read_bytes()), locale=path.parents[1].name) if path.exists() else None
    catalog = collected(found, path.parents[1].name)
    for message in catalog:
        if known and message.id and (old := known.get(message.id)) is not None and not old.fuzzy:
            message.string = old.string
    po, mo = io.BytesIO(), io.BytesIO()
    write_po(po, catalog, width=120, sort_output=True, include_lineno=False, omit_header=False)
    text = re.sub(
        rb'^"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator)[^\n]*\n',
        b"",
        po.getvalue(),
        flags=re.M,
    )
    compiled = read_po(io.BytesIO(text), locale=path.parents[1].name)
    compiled.creation_date = ANY_DAY
    write_mo(mo, compiled)
    missing = [message.id for message in catalog if message.id and not _is_translated(message.string)]
    return text, mo.getvalue(), missing


def _is_translated(string: Any) -> bool:
    return all(string) if isinstance(string, list | tuple) else bool(string)


def main() -> int:
    problems = [*untranslated(), *unmarked()]
    print(*problems, sep="\n", end="\n" if problems else "")
    is_current = not problems
    for app in APPS:
        for folder in sorted((ROOT / app / "locale").glob("*/LC_MESSAGES")):
            domains = {"django": of_server(app)}
            if app == "chat":
                domains["djangojs"] = chain(of_modules(), of_errors(), of_reasons())
            for domain, found in domains.items():
                path = folder / f"{domain}.po"
                text, compiled, missing = updated(path, found)
                for message in missing:
                    print(f"{_name(path)}: no translation of {message!r}; write it there and run scripts/messages.py")
                files = {path: text, path.with_suffix(".mo"): compiled}
                changed = [name for name, content in files.items() if not name.exists() or name.read_bytes() != content]
                is_current = is_current and not changed and not missing
                if changed and "--check" in sys.argv:
                    print(f"{_name(path)} is not up to date: run scripts/messages.py")
                else:
                    for name in changed:
                        name.write_bytes(files[name])
    return int(not is_current) if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
