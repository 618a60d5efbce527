"""The app with each Python and each Django that it may meet, in environments of their own.

    .venv/bin/python -m nox                                     # all whose interpreter is on this machine
    .venv/bin/python -m nox -s "matrix-3.13(django='6.0')"      # one of them
    .venv/bin/python -m nox -s sample                           # what the continuous integration runs of it

Pythons: from the oldest that this project takes to the newest that Langroid takes, those of pyenv too. Djangos: those
that Channels takes.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
DJANGOS = {"5.2": "3.11", "6.0": "3.12"}  # each with the oldest Python that it runs on
PARTS = ("tests/hosts", "tests/models", "tests/views", "tests/test_checks.py", "tests/mends")

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["matrix"]


# pyenv keeps each in a folder of its own, and its shims know only those that were made global.
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, Path.home().glob(".pyenv/versions/*/bin"))])


def prepare(session: nox.Session, django: str) -> None:
    """Install what is pinned, and this Django in the place of the pinned one."""
    oldest = DJANGOS[django]
    if PYTHONS.index(str(session.python)) < PYTHONS.index(oldest):
        session.skip(f"Django {django} needs Python {oldest}")
    session.install("-r", "requirements-dev.txt")
    session.install(f"Django~={django}.0")


@nox.session(python=PYTHONS)
@nox.parametrize("django", list(DJANGOS))
def matrix(session: nox.Session, django: str) -> None:
    """Everything that touches Django: the projects of others, the models, the views, the checks, the mends."""
    prepare(session, django)
    session.run("python", "-m", "pytest", "-q", "--matrix", *(session.posargs or PARTS))


@nox.session(python=PYTHONS[-1:])
def sample(session: nox.Session) -> None:
    """Two projects with the newest of both: the tests themselves run with the oldest Python and the pinned Django."""
    prepare(session, list(DJANGOS)[-1])
    session.run("python", "-m", "pytest", "-q", "tests/hosts", "-k", "special or odd", *session.posargs)
    session.run("python", "-m", "pytest", "-q", "tests/views/test_look.py", *session.posargs)  # skipped with Django 5.2
