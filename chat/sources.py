"""What is in a module, without importing it: for checks that may run nothing of what they look at."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from types import CodeType


def find(module: str) -> ModuleSpec | None:
    """Find a module without importing it or the packages that it is in, as `importlib.util.find_spec` would."""
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        if spec is not None and spec.submodule_search_locations is None:
            return None  # in a module that is no package there is nothing
        path = None if spec is None else list(spec.submodule_search_locations or ())
        name = ".".join(parts[:end])
        spec = next((found for finder in sys.meta_path if (found := finder.find_spec(name, path))), None)
        if spec is None:
            return None
    return spec


def names_in(spec: ModuleSpec) -> set[str] | None:
    """The names at the top level of a module; None when its source does not tell. Raises: SyntaxError, ValueError."""
    if spec.loader is None:
        return set()  # a folder without __init__.py
    read = getattr(spec.loader, "get_source", None)
    source = read(spec.name) if read else None
    if source is None:
        return None  # compiled
    names = set(_bound_by(ast.parse(source)))
    return None if names & {"*", "__getattr__"} else names


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Every name that the code binds at its own level: definitions, imports, assignments, in any branch."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases):
                yield from (alias.asname or alias.name.split(".")[0] for alias in aliases)
            case ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name for alias in aliases)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                pass  # a scope of its own
            case _:
                yield from _bound_by(child)


@dataclass(frozen=True)
class Definition:
    """A module, class or function in its compiled form."""

    parameters: frozenset[str]
    mentions: frozenset[str]  # global names and attributes in its code; of a class and a module also what they bind
    is_function: bool = False


def definition(module: str, name: str = "") -> Definition | None:
    """Look up `Class.method`, a class or a function in a module, or the module itself; None if it is not there.

    Of several definitions of a name the last. From the compiled code, which mostly lies ready: that takes a tenth of
    the time of a syntax tree. Raises: SyntaxError.
    """
    code = _code_of(module)
    for part in name.split(".") if name else ():
        code = code and next((each for each in reversed(code.co_consts) if _is_called(each, part)), None)
    if code is None:
        return None
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)  # neither a class's nor a module's is
    return Definition(frozenset(arguments), frozenset(code.co_names), is_function)


def _is_called(value: object, name: str) -> bool:
    return isinstance(value, CodeType) and value.co_name == name


@functools.lru_cache(maxsize=8)  # the needs of a mend are looked up module by module
def _code_of(module: str) -> CodeType | None:
    spec = find(module)
    return spec.loader.get_code(spec.name) if spec and isinstance(spec.loader, InspectLoader) else None


def forget() -> None:
    """Look again: for tests that change what is found."""
    _code_of.cache_clear()
