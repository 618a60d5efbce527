"""Draw the packages of `chat/` from their imports, as the picture in `docs/architecture.md`.

    python scripts/architecture.py            # write the picture anew
    python scripts/architecture.py --check    # exit with 1 if it is not current

`FLOORS` is the plan, from the top floor down: a package imports only from floors below its own. The tests hold the code
against it (`tests/test_architecture.py`).
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by scripts/architecture.py -->\n", "<!-- end of the drawing -->\n"

# From the top down. The names of one line do not import each other.
FLOORS = [
    "apps management routing urls testing",
    "terminal",
    "local terminal_files",
    "consumers views admin checks templatetags",
    "connection",
    "cluster keeping",
    "live",
    "actions demo",
    "agents search",
    "agents/langroid",
    "agents/provider",
    "models parts embed",
    "files",
    "assets look_checks entry_checks owners addresses origins observer wire markdown layers redis_layer",
    "mends look",
    "conf exceptions signals sources clock paths words threads",
]
FLOOR_OF = {package: floor for floor, packages in enumerate(FLOORS) for package in packages.split()}


def sources() -> Iterator[tuple[str, Path]]:
    """Yield each source file of the app with its package (a file at the top is one by itself), `chat` left out."""
    for path in sorted((ROOT / "chat").rglob("*.py")):
        package = package_of(module_of(path))
        if package and package != "migrations":
            yield package, path


def module_of(path: Path) -> str:
    """`chat.live.session` of its path."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(name: str) -> str:
    """The package of a dotted name inside of `chat`: `live` of `chat.live.session`; empty for `chat` itself."""
    parts = name.split(".")[1:]
    inner = "/".join(parts[:2])
    return inner if inner in FLOOR_OF else "".join(parts[:1])


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported name with its line, also inside functions: `from a import b` as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports here name their package"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def arrows() -> dict[str, set[str]]:
    """Which packages each package imports from."""
    found: dict[str, set[str]] = defaultdict(set)
    for package, path in sources():
        for name, _ in imports(path):
            other = package_of(name) if name.startswith("chat.") else ""
            if other in FLOOR_OF and other != package:
                found[package].add(other)
    return found


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each arrow that a longer way stands for."""

    def reach(package: str) -> set[str]:
        below = graph.get(package, set())
        return below.union(*map(reach, below)) if below else set()

    return {
        package: {
            other for other in others if not any(other in reach(between) for between in others if between != other)
        }
        for package, others in graph.items()
    }


def by_floor(package: str) -> tuple[int, str]:
    return FLOOR_OF[package], package


def picture() -> str:
    """The packages as a Mermaid graph, floor by floor."""
    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    {_id(package)}["{package}"]' for packages in FLOORS for package in packages.split()]
    for package, others in sorted(reduced(arrows()).items(), key=lambda item: by_floor(item[0])):
        lines += [f"    {_id(package)} --> {_id(other)}" for other in sorted(others, key=by_floor)]
    return "\n".join([*lines, "```", ""])


def _id(package: str) -> str:
    return package.replace("/", "_")


def main() -> int:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = before + BEGIN + picture() + END + after
    if "--check" in sys.argv:
        return int(drawn != text)
    PAGE.write_text(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
