"""The app in a project of its own: the wheel, an empty `startproject`, and the README's six lines."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

import pytest

import noxfile
from chat.mends.daphne_close import CLOSE_SECONDS
from chat.mends.mend import TESTED, TESTED_TOO
from tests import programs
from tests.client import Client

ROOT = Path(__file__).parents[2]


def test_the_bounds_are_those_that_the_matrix_tries():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [line.rpartition(" ")[2] for line in declared["classifiers"] if "Python :: 3." in line]
    djangos = [line.rpartition(" ")[2] for line in declared["classifiers"] if "Django :: " in line]
    newest = re.search(r"<3\.(\d+)", metadata("langroid")["Requires-Python"])[1]

    assert named == (tried := noxfile.PYTHONS)
    assert djangos == list(noxfile.DJANGOS) == [TESTED["Django"].rpartition(".")[0], TESTED_TOO["Django"]]
    assert f"Django>={djangos[0]}." in declared["dependencies"][0]
    assert declared["dependencies"][0].endswith(f",<{float(djangos[-1]) + 0.1:g}")
    assert declared["requires-python"] == f">={tried[0]},<3.{newest}"
    assert tried[-1] == f"3.{int(newest) - 1}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), "."]
    source = folder / "source"  # a copy: a build leaves folders behind
    copy_sources(source)
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def copy_sources(target: Path) -> None:
    target.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "chat", target / "chat", ignore=shutil.ignore_patterns("__pycache__"))


def blocks_of_the_readme() -> dict[str, str]:
    """The code of the README's section for people with a project of their own, by file."""
    section = (ROOT / "README.md").read_text().split("## In your own Django project")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# (mysite/\w+\.py)\n(.*?)```", section, re.S))


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A migrated project with the chat in a venv of its own; yields its folder and environment."""
    folder = tmp_path_factory.mktemp("project")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # What the wheel depends on comes from this environment: no network needed. It is no editable install of the app.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    system = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    run = {"cwd": folder, "env": system, "check": True, "capture_output": True}
    python = str(venv / "bin" / "python")
    subprocess.run([python, "-m", "django", "startproject", "mysite", "."], **run)
    urls = folder / "mysite/urls.py"
    urls.write_text(urls.read_text().replace("from django.urls import path", "from django.urls import include, path"))
    for name, code in blocks_of_the_readme().items():
        with (folder / name).open("a") as file:
            file.write(f"\n{code}")
    subprocess.run([python, "manage.py", "check", "--fail-level", "WARNING"], **run)
    subprocess.run([python, "manage.py", "migrate"], **run)
    yield folder, system


@pytest.fixture(scope="module")
def address(project) -> Iterator[str]:
    """Address of the project's server."""
    folder, system = project
    port = programs.free_port()
    command = ["venv/bin/python", "manage.py", "runserver", "--noreload", str(port)]
    with (folder / "output").open("w") as output:
        server = subprocess.Popen(command, cwd=folder, env=system, stdout=output, stderr=output)
    try:
        programs.wait_until(lambda: programs.accepts(port), server)
        yield f"127.0.0.1:{port}"
    finally:
        programs.end(server)


def get(address: str, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as response:
        return response.status, response.read().decode()


def test_the_readme_promises_six_lines():
    assert sum(len(code.splitlines()) for code in blocks_of_the_readme().values()) == 6


def test_the_app_comes_from_the_wheel(project):
    folder, system = project
    command = ["venv/bin/python", "-c", "import chat; print(chat.__file__)"]

    found = subprocess.run(command, cwd=folder, env=system, capture_output=True, text=True).stdout

    assert found.startswith(str(folder / "venv"))


def test_under_daphne_a_page_that_is_closed_has_time_to_hear_why(project):
    folder, system = project
    ask = "import mysite.asgi, daphne.ws_protocol as d; print(d.WebSocketFactory.protocol.closeHandshakeTimeout)"

    found = subprocess.run(["venv/bin/python", "-c", ask], cwd=folder, env=system, capture_output=True, text=True)

    assert found.stdout == f"{CLOSE_SECONDS}\n", found.stderr


def test_the_wheel_has_what_is_not_python(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    patterns = ("static/**/*", "templates/**/*", "locale/**/*.mo", "migrations/*.py", "py.typed")
    kept = [list((ROOT / "chat").glob(pattern)) for pattern in patterns]

    assert all(kept)
    assert {str(path.relative_to(ROOT)) for found in kept for path in found if path.is_file()} <= packed


def test_page_and_static_files_are_served(address):
    status, page = get(address, "/")

    assert status == 200
    files = set(re.findall(r'"(/static/[^"?]+\.(?:css|js|svg))"', page))
    assert any(name.endswith(".css") for name in files) and any(name.endswith(".js") for name in files)
    for name in files:
        assert get(address, name)[0] == 200


def test_a_conversation_over_the_socket(address, project):
    async def converse() -> str:
        async with Client(f"ws://{address}/ws/chat/") as client:
            await client.say("Hello")
            await client.idle()
            return client.answer()

    assert asyncio.run(converse()).strip()
    output = (project[0] / "output").read_text()
    assert "Traceback" not in output and "WARNING" not in output and "ERROR" not in output
