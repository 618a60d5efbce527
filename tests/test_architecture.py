"""Imports point down, Langroid stays where it belongs, and the environment is read in one place."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from django.utils.module_loading import import_string

from scripts.architecture import FLOOR_OF, FLOORS, ROOT, imports, module_of, package_of, sources

PACKAGES = [package for packages in FLOORS for package in packages.split()]
FILES = [pytest.param(package, path, id=str(path.relative_to(ROOT))) for package, path in sources()]
LANGROID_PACKAGES = {"agents", "agents/langroid", "agents/provider", "demo"}
# cluster/shutdown: the end of a server whose loop is not in the main thread. views, admin, local: sync themselves.
CROSSES_THREADS = {"live", "cluster/shutdown.py", "views", "admin", "local"}
CROSSINGS = {"async_to_sync", "sync_to_async", "run_coroutine_threadsafe"}


def names(path: Path) -> Iterator[str]:
    """Yield every name and attribute that the code uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_from_the_floors_below_alone(package):
    files = [path for part, path in sources() if part == package]

    assert files, f"there is no {package}: take it out of FLOORS"
    for path in files:
        for name, line in imports(path):
            assert not name.startswith("webui_project"), f"{path}:{line}: the app needs nothing of the example project"
            other = package_of(name) if name.startswith("chat.") and name != "chat.__version__" else package
            assert other in FLOOR_OF, f"{path}:{line} imports {name}: give its package a floor"
            assert other == package or FLOOR_OF[other] > FLOOR_OF[package], f"{path}:{line} imports {name}: not below"


def test_every_package_has_a_floor():
    assert {package for package, _ in sources()} == set(PACKAGES)


def test_no_two_files_import_each_other():
    """In no circle, however long, and not for types alone."""
    files = {module_of(path): path for _, path in sources()}
    graph = {}
    for module, path in files.items():
        found = (name for name, _ in imports(path))
        graph[module] = {name if name in files else name.rpartition(".")[0] for name in found} & files.keys() - {module}
    for package in [module for module, path in files.items() if path.name == "__init__.py"]:
        del graph[package]  # a package is the ground of its files, and names some of them for others

    TopologicalSorter(graph).prepare()


def test_each_package_says_what_it_owns():
    for path in sorted((ROOT / "chat").rglob("__init__.py")):
        folder = path.parent.relative_to(ROOT / "chat")
        if folder.parts and folder.parts[0] not in ("management", "migrations", "templatetags"):
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path} tells nobody where to begin"


@pytest.mark.parametrize(("part", "path"), FILES)
def test_langroid_is_imported_by_its_own_packages_alone(part, path):
    users = [f"{path}:{line}" for name, line in imports(path) if name.split(".")[0] == "langroid"]
    if path.parent.name == "agents" and path.name == "context.py":
        return  # for a type

    assert not users or part in LANGROID_PACKAGES


@pytest.mark.parametrize(("part", "path"), FILES)
def test_threads_and_loop_meet_in_live_alone(part, path):
    place = str(path.relative_to(ROOT / "chat"))

    assert {part, place} & CROSSES_THREADS or not CROSSINGS.intersection(names(path))


@pytest.mark.parametrize(("part", "path"), FILES)
def test_the_app_does_not_read_the_environment(part, path):
    names_alone = ("setup.py", "configs.py")  # hides variables from Langroid; looks whether it has reason to read any
    allowed = path.parent.name == "langroid" and path.name in names_alone
    assert allowed or not {"environ", "getenv"}.intersection(names(path))


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


def test_the_picture_is_current():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "architecture.py", "--check"])

    assert done.returncode == 0, "draw it: python scripts/architecture.py"


def test_each_file_that_the_architecture_names_is_there():
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:chat|docs|tests|scripts)/[\w./]*)`", page)

    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "path",
    [
        "chat.agents.AgentContext",
        "chat.layers.InMemoryLayer",
        "chat.redis_layer.RedisLayer",
        "chat.routing.with_chat",
        "chat.signals.feedback_given",
        "chat.testing.call",
        "chat.testing.say",
        "chat.urls.urlpatterns",
    ],
)
def test_what_a_host_project_writes_down_is_there(path):
    """The public API (`docs/agents.md`, `docs/deployment.md`): these names stay."""
    assert import_string(path)


def test_the_demo_agents_are_where_a_host_project_names_them():
    tree = ast.parse((ROOT / "chat" / "demo" / "agents.py").read_text())  # importing it would load Langroid

    assert "assistant" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
