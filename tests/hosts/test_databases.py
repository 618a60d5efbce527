"""The app in projects with a PostgreSQL of their own kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import programs
from tests.hosts.host import Host, Trait
from tests.hosts.walk import walk

pytestmark = pytest.mark.timeout(300)  # each makes a project: ten times Django's start


@pytest.fixture(scope="module")
def postgres() -> Iterator[programs.Server]:
    with programs.postgres_server() as server:
        yield server


def stored_in(port: int, database: str, **options: object) -> Trait:
    """A project whose database this is."""
    own = {"NAME": database, "HOST": "127.0.0.1", "PORT": port, "USER": "postgres", **options}
    return Trait(settings=f'DATABASES["default"] = {{"ENGINE": "django.db.backends.postgresql", **{own!r}}}')


def make_database(postgres: programs.Server, name: str, *statements: str) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(postgres.url.removesuffix("/postgres") + f"/{name}", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def schemas(postgres: programs.Server, database: str) -> set[str]:
    """Where the chat's tables are."""
    with psycopg.connect(postgres.url.removesuffix("/postgres") + f"/{database}") as connection:
        rows = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'chat_conversation'")
        return {name for (name,) in rows}


@pytest.mark.matrix
def test_a_schema_by_the_connection_s_options(postgres, tmp_path: Path):
    make_database(postgres, "by_options", "CREATE SCHEMA support")
    options = {"options": "-c search_path=support", "pool": True}
    with Host(tmp_path, stored_in(postgres.port, "by_options", OPTIONS=options)) as host:
        walk(host)
    assert schemas(postgres, "by_options") == {"support"}


def test_pgbouncer_in_transaction_mode_before_a_schema_of_its_own(postgres, tmp_path: Path):
    set_path = "ALTER DATABASE behind SET search_path = support"
    make_database(postgres, "behind", "CREATE SCHEMA support", set_path)
    with programs.pgbouncer(postgres) as bouncer:
        trait = stored_in(bouncer.port, "behind", DISABLE_SERVER_SIDE_CURSORS=True)
        with Host(tmp_path, trait) as host:
            walk(host)
    assert schemas(postgres, "behind") == {"support"}
