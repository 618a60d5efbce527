# ruff: noqa: E402
"""No regular expression of the project takes more than twice as long for twice the text, whatever the text.

One that backtracks holds the interpreter's lock, so it stops everybody. All of them are found in the source, also those
inside functions; each is run the way its code runs it, over repetitions of what is in it. What is counted is this
process's time, and growth, not seconds: a busy machine makes no difference.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import _parser

import pytest

from chat.agents.langroid import setup

setup.import_langroid()

from chat.agents.langroid.holdback import HoldBack, without_tool_calls
from chat.markdown import escaping
from chat.markdown.addresses import Addresses
from chat.wire.values import clean, visible
from scripts.architecture import imports

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for folder in ("chat", "webui_project") for path in (ROOT / folder).rglob("*.py"))
METHODS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
SIZES = (4, 8, 12, 16, 20, 24, 28, 32, 128, 512, 2048, 8192)  # the small ones find exponential growth before it bites
SECONDS = 0.005  # shorter than this is no growth that can be measured

# Patterns that are made while the server runs, with an example of each: where, and what they are made of.
MADE = {
    ("chat/agents/langroid/signals.py", "__init__"): (
        re.compile(r"[\s*`\"']*(?:DONE(?!\w)[\s:.!,*`\"'-]*|__SEND__:\s*\w+[,:]?|TO\[[^\]\n]*\]\s*:?|@\w+[,:]?)\s*"),
        "match",
    ),
    ("chat/agents/provider/thoughts.py", "__init__"): (
        re.compile("</thinking>|<thinking>|</think>|<think>"),
        "finditer",
    ),
    ("chat/markdown/addresses.py", "__init__"): (Addresses()._host, "match"),
    ("chat/markdown/stream.py", "_closing_line"): (re.compile("^ {0,3}`{3,}[ \t]*\n", re.M), "search"),
    ("chat/markdown/stream.py", "_healed_run"): (re.compile("(?<!`)`{3}(?!`)"), "search"),
}


@dataclass(frozen=True)
class Use:
    """A regular expression and how it is run."""

    where: str
    pattern: re.Pattern
    method: str

    def run(self, text: str) -> None:
        subject = text.encode() if isinstance(self.pattern.pattern, bytes) else text
        match self.method:
            case "match" | "fullmatch":
                getattr(self.pattern, self.method)(subject)
            case _:  # also of a search there may be one after each hit
                for _ in self.pattern.finditer(subject):
                    pass


# -- finding them -----------------------------------------------------------------------------------------------------


def uses() -> Iterator[Use]:
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for function, node in calls(tree):
            yield from uses_of(path, function, node)


def calls(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Every call, with the function that it stands in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield function, node
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from calls(node, inner)


def uses_of(path: Path, function: str, node: ast.Call) -> Iterator[Use]:
    name = str(path.relative_to(ROOT))
    where = f"{name}:{node.lineno}"
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in METHODS | {"compile"}:
        return
    owner, method = node.func.value, node.func.attr
    if isinstance(owner, ast.Name) and owner.id == "re":
        if method == "compile" and not function:
            return  # it has a name, and is found where that is used
        pattern = value_of(path, node.args[0])
        if pattern is None:
            assert (name, function) in MADE, f"{where}: a pattern that is made of others: add an example to MADE"
            yield Use(where, *MADE[name, function])
        else:
            flags = [value_of(path, keyword.value) for keyword in node.keywords if keyword.arg == "flags"]
            position = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(method, 2)
            flags += [value_of(path, argument) for argument in node.args[position:]]
            yield Use(where, re.compile(pattern, *flags), method)
    else:
        value = value_of(path, owner)
        patterns = value.values() if isinstance(value, dict) else [value]
        for pattern in patterns:
            if isinstance(pattern, re.Pattern):
                yield Use(where, pattern, method)


def value_of(path: Path, node: ast.expr) -> object:
    """What an expression is in its module, if it is a name, or made of names and constants."""
    if any(isinstance(part, ast.Call) for part in ast.walk(node)) or "re" not in imported(path):
        return None
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    if isinstance(node, ast.Subscript):
        node = node.value  # of a dict of patterns all
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        owners = [kind for kind in vars(module).values() if isinstance(kind, type) and node.attr in vars(kind)]
        return vars(owners[0])[node.attr] if owners else None
    try:
        return eval(compile(ast.Expression(node), str(path), "eval"), dict(vars(module)))
    except NameError:
        return None


@cache
def imported(path: Path) -> set[str]:
    return {name for name, _ in imports(path)}


USES = list({(use.pattern, use.method): use for use in uses()}.values())


# -- running them -----------------------------------------------------------------------------------------------------


def characters(pattern: re.Pattern) -> list[str]:
    """The characters that mean something to a pattern, one for each part of it, and some that mean nothing."""
    found: dict[str, None] = {}

    def walk(part: object) -> None:
        if isinstance(part, _parser.SubPattern):
            part = part.data
        if isinstance(part, tuple) and len(part) == 2 and str(part[0]) in ("LITERAL", "NOT_LITERAL"):
            found[chr(part[1])] = None
        elif isinstance(part, tuple) and len(part) == 2 and str(part[0]) == "RANGE":
            found[chr(part[1][0])] = None
        elif isinstance(part, tuple) and len(part) == 3 and isinstance(part[0], int) and len(part[2]) == 1:
            found[text_of(part[2][0]) * max(part[0], 1)] = None  # as often as it must be there
            walk(part[2])
        elif isinstance(part, tuple | list):
            for inner in part:
                walk(inner)
        elif str(part) == "CATEGORY_SPACE":
            found[" "] = found["\n"] = None
        elif str(part) == "CATEGORY_DIGIT":
            found["7"] = None

    def text_of(part: tuple) -> str:
        return chr(part[1]) if str(part[0]) == "LITERAL" else ""

    walk(_parser.parse(pattern.pattern, pattern.flags))
    found |= {"a": None, "\n": None, " ": None}
    return [character for character in found if character and character.isascii()][:12]


def inputs(pattern: re.Pattern) -> Iterator[Callable[[int], str]]:
    """Texts of any length: a beginning, many times the same, an end at which it fails."""
    known = characters(pattern)
    units = [*known, *map("".join, itertools.permutations(known, 2))]
    units += ["".join(known[:3]), "".join(known)]
    for unit, before, after in itertools.product(units, ["", *known[:3]], ["", "\x01"]):
        yield lambda size, unit=unit, before=before, after=after: before + unit * (size // len(unit)) + after


def seconds(run: Callable[[], object], times: int = 1) -> float:
    def once() -> float:
        began = time.process_time()
        run()
        return time.process_time() - began

    return min(once() for _ in range(times))


def _growth(run: Callable[[str], object], short: str, long: str) -> float:
    """How many times as long the longer text takes; 1 where that is too little to be measured."""
    takes = seconds(lambda: run(long), times=4)
    return takes / max(seconds(lambda: run(short), times=4), 1e-9) if takes > SECONDS else 1.0


def grows_too_fast(run: Callable[[str], object], text_of: Callable[[int], str], sizes: tuple[int, ...]) -> str:
    """Say how, if so: twice the text takes more than two and a half times as long."""
    for smaller, larger in itertools.pairwise(sizes):
        text = text_of(larger)
        if seconds(lambda text=text: run(text)) < SECONDS:
            continue
        share = min(_growth(run, text_of(smaller), text) for _ in range(3))  # a machine that does other things as well
        if share > 2.5 ** math.log2(larger / smaller):
            return f"{text[:40]!r}… takes {share:.1f} times as long with {larger} characters as with {smaller}"
    return ""


@pytest.mark.parametrize("use", [pytest.param(use, id=f"{use.where}-{use.method}") for use in USES])
def test_a_pattern_takes_time_in_proportion_to_the_text(use):
    for text_of in inputs(use.pattern):
        assert not grows_too_fast(use.run, text_of, SIZES), use.pattern.pattern


# -- what is made of them ---------------------------------------------------------------------------------------------


def fed(text: str) -> None:
    """A model's text as it comes, held back where a tool call may begin."""
    hold = HoldBack()
    for at in range(0, len(text), 64):
        hold.feed(text[at : at + 64], 0.0)


FUNCTIONS = {
    "plain": escaping.plain,
    "fenced": escaping.fenced,
    "inert": escaping.inert,
    "without_tool_calls": lambda text: without_tool_calls(text, lambda call: True),
    "HoldBack": fed,
    "visible": visible,
    "clean": clean,
}
TEXTS = [
    "a",
    " ",
    "\n",
    "\n ",
    "`",
    "` ",
    "`\n",
    "``a`",
    "```\n",
    "```\n\n",
    "~~~\n ",
    "~",
    "<",
    "<a",
    "<https://",
    "![",
    "\\",
    "\\`",
    "|",
]
TEXTS += [
    "{",
    "{}",
    '{"',
    '{"a":',
    '{"request": "a"}',
    '```\n{"request": "a"}\n',
    '[{"request": "a"},',
    '"',
    '"\\',
    "'",
    "> ",
    "- ",
    "-\n",
]
TEXTS += [
    "1. ",
    "[a]: b\n",
    "\u202e",
    "\u200d",
    "\x00",
    "\r",
    "`<b|",
    "a:`<b>`",
    "    ",
    "\t",
    "===\n",
    "***\n",
    "[",
    "$$\n",
]


@pytest.mark.parametrize("unit", TEXTS, ids=repr)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_reads_texts_takes_time_in_proportion(name, unit):
    for before, after in (("", ""), ('{"request": "', ""), ("```\n", "\x01")):

        def text_of(size: int, before: str = before, after: str = after) -> str:
            return before + unit * (size // len(unit)) + after

        assert not grows_too_fast(FUNCTIONS[name], text_of, (1024, 2048, 4096, 8192)), name
