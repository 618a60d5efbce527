"""Imports point down, Langroid stays where it belongs, and the environment is read in one place."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A module of the app may import its own level and those below. `docs/architecture.md` says what the levels are.
LEVELS = [
    "activity backlog conf csp database exceptions exports failures formulas holdback json_scan markdown protocol"
    " rendering statements templatetags",
    "bridge daphne_protocol layers redis_layer",
    "commands download erasure models owners ownership migrations retention",
    "agents callbacks fast_stream history langroid_setup mock_model model_calls model_request scope tool_calls",
    "drain process relay session tick",
    "admin api apps checks consumers feed management routing transcript urls views",
]
LEVEL_OF = {module: level for level, modules in enumerate(LEVELS) for module in modules.split()}
LANGROID_LEVEL = 3
OUTSIDE = {"demo"}  # examples: they import what a project's own agents would
# drain: for the end of a server whose loop is not in the main thread. api, admin: sync views, which Django has bound
# to the loop.
CROSSES_THREADS = {"bridge", "drain", "api", "admin"}
CROSSINGS = {"async_to_sync", "sync_to_async", "run_coroutine_threadsafe"}


def sources() -> Iterator[tuple[str, Path]]:
    """Yield each source file of the app, with its module's first part."""
    for path in sorted((ROOT / "chat").rglob("*.py")):
        part = path.relative_to(ROOT / "chat").parts[0].removesuffix(".py")
        if part != "__init__" and part not in OUTSIDE:
            yield part, path


FILES = [pytest.param(part, path, id=str(path.relative_to(ROOT))) for part, path in sources()]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported name with its line, also inside functions: `from a import b` as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports here name their package"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def names(path: Path) -> Iterator[str]:
    """Yield every name and attribute that the code uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.mark.parametrize(("part", "path"), FILES)
def test_imports_point_down(part, path):
    assert part in LEVEL_OF, f"{part} has no level yet: give it one in LEVELS"
    for name, line in imports(path):
        top, _, rest = name.partition(".")
        imported = rest.split(".")[0]
        if top == "chat" and imported != "__version__":
            assert imported in LEVEL_OF, f"{path}:{line} imports {name}, which has no level"
            assert LEVEL_OF[imported] <= LEVEL_OF[part], f"{path}:{line} imports {name} from a higher level"
        assert top != "webui_project", f"{path}:{line}: the app depends on nothing of the example project"


@pytest.mark.parametrize(("part", "path"), FILES)
def test_langroid_is_imported_by_its_own_level_alone(part, path):
    users = [f"{path}:{line}" for name, line in imports(path) if name.split(".")[0] == "langroid"]

    assert not users or LEVEL_OF[part] == LANGROID_LEVEL


@pytest.mark.parametrize(("part", "path"), FILES)
def test_threads_and_loop_meet_in_the_bridge_alone(part, path):
    assert part in CROSSES_THREADS or not CROSSINGS.intersection(names(path))


@pytest.mark.parametrize(("part", "path"), FILES)
def test_the_app_does_not_read_the_environment(part, path):
    allowed = {"langroid_setup"}  # hides variables from Langroid's import
    assert part in allowed or not {"environ", "getenv"}.intersection(names(path))


def test_the_example_project_reads_the_environment_in_its_settings_alone():
    readers = {
        path.name
        for path in [ROOT / "manage.py", *(ROOT / "webui_project").rglob("*.py")]
        if {"environ", "getenv"}.intersection(names(path))
    }

    # The others name the settings module, and tell a child process that it is one.
    assert readers <= {"settings.py", "environment.py", "manage.py", "asgi.py", "reloader.py"}


def test_check_migrate_and_the_page_do_not_load_langroid(tmp_path):
    code = """
import sys, django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("check")
call_command("migrate", verbosity=0)
import webui_project.asgi
response = Client().get("/", HTTP_HOST="localhost")
assert response.status_code == 200, response
sys.exit("langroid" in sys.modules)
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "webui_project.settings", "DATA_DIR": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
