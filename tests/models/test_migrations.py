"""Migrations that a rolling restart survives: processes of the version before go on with the new tables."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

ADDITIVE = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,  # they go on without it, more slowly
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
)
SAID = {"verbose_name", "help_text", "choices"}  # of a field, to people
# What removes or forbids something, with the reason why no running process misses it: docs/deployment.md.
REVIEWED = {
    ("0015_durations", "Raw Python operation"): "they leave it empty; such rows are listed beside the live ones"
}


def problem_of(operation: Operation) -> str:
    """Say why processes of the version before could not go on after `operation`; empty: they can."""
    if isinstance(operation, migrations.AddField):
        field = operation.field
        if field.null or field.has_db_default() or isinstance(field, models.ManyToManyField):
            return ""
        return f"{operation.describe()}: they insert rows without it; give it null=True or db_default"
    if isinstance(operation, migrations.AlterField):
        return f"{operation.describe()}: compare it with what they write, and add it to REVIEWED"
    return "" if isinstance(operation, ADDITIVE) else operation.describe()


def later_migrations() -> list[migrations.Migration]:
    """All of the app's but the first."""
    found = MigrationLoader(None).disk_migrations
    return [migration for (app, _), migration in sorted(found.items()) if app == "chat" and not migration.initial]


def only_says_it_otherwise(migration: migrations.Migration, operation: Operation) -> bool:
    """True if nothing but what people read of a field changes."""
    if not isinstance(operation, migrations.AlterField):
        return False
    state = MigrationLoader(None).project_state((migration.app_label, migration.name), at_end=False)
    before = state.models[migration.app_label, operation.model_name_lower].fields[operation.name]
    return meaning_of(before) == meaning_of(operation.field)


def meaning_of(field: models.Field) -> tuple[str, list, dict]:
    _, path, positional, named = field.deconstruct()
    return path, positional, {name: value for name, value in named.items() if name not in SAID}


def test_migrations_only_add():
    problems = {
        (migration.name, problem)
        for migration in later_migrations()
        for operation in migration.operations
        if not only_says_it_otherwise(migration, operation)
        if (problem := problem_of(operation))
    }

    assert problems == set(REVIEWED)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("message", "agent"),
        migrations.DeleteModel("Message"),
        migrations.RenameField("message", "agent", "speaker"),
        migrations.RenameModel("Message", "Record"),
        migrations.AddField("message", "note", models.TextField(default="")),
        migrations.AlterField("message", "agent", models.CharField(max_length=10)),
        migrations.AddConstraint("message", models.CheckConstraint(condition=models.Q(seq__gt=0), name="x")),
        migrations.RunSQL("DROP TABLE chat_message"),
        migrations.RunPython(migrations.RunPython.noop),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_running_processes_would_stumble_over_is_found(operation):
    assert problem_of(operation)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("message", "note", models.TextField(null=True)),
        migrations.AddField("message", "note", models.TextField(db_default="")),
        migrations.AddIndex("message", models.Index(fields=["created"], name="x")),
    ],
    ids=["null", "db_default", "index"],
)
def test_what_only_adds_is_allowed(operation):
    assert not problem_of(operation)


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
