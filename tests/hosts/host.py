"""A Django project of somebody's: what `startproject` makes, the README's six lines, and what is special about it.

    with Host(folder, Trait(settings="ATOMIC_REQUESTS = True")) as host:
        ...

The app is linked into the project's folder: nothing else of this repository can be imported there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests import programs

ROOT = Path(__file__).parents[2]
NAME, PASSWORD = "alice", "a-Long-passw0rd"
EMAIL = "alice@example.org"


@dataclass(frozen=True, kw_only=True)
class Trait:
    """What is special about a project: lines that its files end with, files of its own, its environment."""

    settings: str = ""
    urls: str = ""
    asgi: str = ""
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    prefix: str = ""  # under which a proxy has the site
    commands: tuple[tuple[str, ...], ...] = ()  # of manage.py, before it is served
    takes_prefix: bool = False  # the proxy takes it away
    page: str = "/"  # where the chat is, without the prefix
    admin: str = "/admin/"
    is_behind_tls: bool = False  # a proxy before it speaks TLS, and says so

    def __add__(self, other: Trait) -> Trait:
        return Trait(
            settings=f"{self.settings}\n{other.settings}",
            urls=f"{self.urls}\n{other.urls}",
            asgi=f"{self.asgi}\n{other.asgi}",
            files=self.files | other.files,
            environment=self.environment | other.environment,
            commands=self.commands + other.commands,
            prefix=self.prefix or other.prefix,
            takes_prefix=self.takes_prefix or other.takes_prefix,
            page=other.page if self.page == "/" else self.page,
            admin=other.admin if self.admin == "/admin/" else self.admin,
            is_behind_tls=self.is_behind_tls or other.is_behind_tls,
        )


@cache
def started() -> dict[str, str]:
    """What `startproject mysite` makes, by file."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=folder, check=True)
        return {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*.py")}


# One process for all that is stored: each start of Django takes longer than its work.
STORE = """
import json, sys
from django.core.management import call_command
import mysite.asgi

for command in json.loads(sys.argv[1]):
    call_command(*command)
"""


def lines_of_the_readme() -> dict[str, str]:
    """The code of the README's section for people with a project of their own, by file."""
    section = (ROOT / "README.md").read_text().split("## In your own Django project")[1].split("\n## ")[0]
    return dict(re.findall(r"```python\n# (mysite/\w+\.py)\n(.*?)```", section, re.S))


class Host:
    """The project in `folder`, migrated, with one administrator, and served."""

    def __init__(self, folder: Path, trait: Trait | None = None) -> None:
        self.folder = folder
        self.trait = trait or Trait()
        self.port = programs.free_port()
        system = {name: os.environ[name] for name in ("PATH", "HOME", "TIKTOKEN_CACHE_DIR") if name in os.environ}
        self.environment = {**system, "PYTHONUNBUFFERED": "1", **self.trait.environment}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def asked(self, path: str) -> str:
        """The path that the server is asked for when a browser asks for `path`."""
        assert path.startswith(self.trait.prefix), path
        return path.removeprefix(self.trait.prefix) if self.trait.takes_prefix else path

    @property
    def log(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def make(self) -> Host:
        """Write the project's files. Nothing is stored yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, code in started().items():
            self._write(name, code)
        (self.folder / "chat").symlink_to(ROOT / "chat")
        self._append("mysite/urls.py", "from django.urls import include")
        for name, code in lines_of_the_readme().items():
            self._append(name, code)
        self._append("mysite/settings.py", 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]')
        for name, code in {"settings": self.trait.settings, "urls": self.trait.urls, "asgi": self.trait.asgi}.items():
            self._append(f"mysite/{name}.py", code)
        for name, text in self.trait.files.items():
            self._write(name, text)
        return self

    def store(self) -> Host:
        """Make the database and an administrator."""
        apps = [path.parent.name for path in self.folder.glob("*/models.py") if not path.parent.is_symlink()]
        made = [("makemigrations", "-v0", *apps)] if apps else []
        stored = [("migrate", "-v0"), ("createsuperuser", "--noinput", "-v0"), *self.trait.commands]
        names = {"USERNAME": NAME, "EMAIL": EMAIL, "PASSWORD": PASSWORD}
        environment = {f"DJANGO_SUPERUSER_{name}": value for name, value in names.items()}
        self.run("-c", STORE, json.dumps([*made, *stored]), **environment)
        return self

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _append(self, name: str, code: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{code}\n")

    def run(self, *command: str, **environment: str) -> str:
        """Run Python in the project's folder; return what it printed."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self) -> Host:
        command = [sys.executable, "manage.py", "runserver", "--noreload", str(self.port)]
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        programs.wait_until(lambda: programs.accepts(self.port), self.process)
        return self

    def __enter__(self) -> Host:
        return self.make().store().serve()

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self.process:
            programs.end(self.process)
        if kind is not None:
            print(f"---- log of the project in {self.folder}\n{self.log[-8000:]}")
