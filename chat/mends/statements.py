"""SQL that is made once: what a turn asks of the database again and again.

Django makes the SQL of a query anew each time, which takes five to ten times as long as executing it: with 50 agents
that was two thirds of a turn. Here it is made once per shape, by Django itself, and executed with other values.

    LATEST = Prepared(lambda id, seq: Message.objects.filter(conversation=id, seq__gt=seq), UUID, int)
    LATEST(conversation.id, 7)      # a list of messages

    insert(message)                 # what message.save(force_insert=True) does, without signals
    update(message, "seq", "status")
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID, uuid4

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import DatabaseDefault

from chat.clock import Now
from chat.mends.known import STATEMENTS

if TYPE_CHECKING:
    Field = models.Field[Any, Any]

M = TypeVar("M", bound=models.Model)

TEXTS = (models.CharField, models.TextField)

STAND_INS: dict[type, Callable[[], Any]] = {
    UUID: uuid4,
    int: lambda: secrets.randbelow(2**30) + 2**30,
    str: secrets.token_hex,
}


class Prepared(Generic[M]):
    """A query for rows of a model, whose SQL is made at the first call."""

    def __init__(
        self, make: Callable[..., models.QuerySet[M]], *kinds: type, cut: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        """`make` gets a value of each of `kinds`. What else the query says stays as it is at the first call.

        `cut`: texts of which so many characters are read, however long they are.
        """
        self._make = make
        self._kinds = kinds
        self._cut = cut
        self._made: dict[str, _Made[M]] = {}  # by the database's vendor

    def __call__(self, *values: Any) -> list[M]:
        """Execute it with these values, in this thread's transaction if there is one."""
        if not STATEMENTS.holds:
            return list(self._make(*values))
        database = _database()
        made = self._made.get(database.vendor) or self._prepare()
        given = [values[param.number] if isinstance(param, _Place) else param for param in made.params]
        with database.cursor() as cursor:
            cursor.execute(made.sql, _adapted(given, database))
            return [made.row(found, database) for found in cursor.fetchall()]

    def first(self, *values: Any) -> M | None:
        rows = self(*values)
        return rows[0] if rows else None

    def _prepare(self) -> _Made[M]:
        stand_ins = [STAND_INS[kind]() for kind in self._kinds]
        rows = self._make(*stand_ins)
        query = rows.query
        sql, params = query.sql_with_params()
        for name, chars in self._cut.items():
            field: Any = rows.model._meta.get_field(name)
            column = f"{_quoted(rows.model)}.{_columns([field])}"
            sql = sql.replace(column, f"SUBSTR({column}, 1, {chars})", 1)
        places = {value: _Place(number) for number, value in enumerate(_adapted(stand_ins, _database()))}
        made = self._made[connection.vendor] = _Made(
            rows.model, sql, [places.get(param, param) for param in params], tuple(query.annotations)
        )
        missing = set(range(len(stand_ins))) - {param.number for param in made.params if isinstance(param, _Place)}
        assert not missing, f"values {missing} are not in {sql}"
        return made


class _Made(Generic[M]):
    """The SQL of a query for all fields of a model, and then annotations; how a row of it becomes the model's."""

    def __init__(self, model: type[M], sql: str, params: list[Any], annotations: tuple[str, ...]) -> None:
        self.sql = sql
        self.params = params
        self._model = model
        self._annotations = annotations
        fields = model._meta.concrete_fields
        self._names = [field.attname for field in fields]
        self._converters = [(at, *made) for at, made in enumerate(map(_converters, fields)) if made[0]]

    def row(self, found: Sequence[Any], database: BaseDatabaseWrapper) -> M:
        values = list(found)
        for at, converters, column in self._converters:
            for convert in converters:
                values[at] = convert(values[at], column, database)
        row = self._model.from_db(database.alias, self._names, values[: len(self._names)])
        for name, value in zip(self._annotations, values[len(self._names) :], strict=True):
            setattr(row, name, value)
        return row


class _Place:
    """Where the value of this number goes."""

    def __init__(self, number: int) -> None:
        self.number = number


def _database() -> BaseDatabaseWrapper:
    """This thread's connection itself: Django's stand-in looks for it anew at each touch, a hundred times a turn."""
    return connections[DEFAULT_DB_ALIAS]


def _adapted(values: Sequence[Any], database: BaseDatabaseWrapper) -> list[Any]:
    """The values as this database takes them: SQLite knows no UUIDs."""
    if database.features.has_native_uuid_field:
        return list(values)
    return [value.hex if isinstance(value, UUID) else value for value in values]


def insert(row: models.Model) -> None:
    """Store a new row, and read back what the database itself puts into it."""
    if not STATEMENTS.holds:
        return row.save(force_insert=True)
    made = [f for f in row._meta.concrete_fields if isinstance(getattr(row, f.attname), DatabaseDefault)]
    given = [f for f in row._meta.concrete_fields if f not in made]
    found = _execute(
        _insert_sql(connection.vendor, type(row), tuple(given), tuple(made)), row, given, is_read=bool(made)
    )
    _read_back(row, made, found)
    row._state.adding, row._state.db = False, connection.alias


def update(row: models.Model, *names: str) -> None:
    """Store these fields of a stored row. `Now()` is the only expression that they may hold; its value is read back:
    the database's clock counts, and nothing made of the row has this process's.
    """
    meta: Any = row._meta  # all names are those of fields, none is a relation's
    fields: list[Field] = [meta.get_field(name) for name in names]
    made = [field for field in fields if isinstance(getattr(row, field.attname), Now)]
    if not STATEMENTS.holds:
        return _update_plainly(row, fields, made)
    given = [field for field in fields if field not in made]
    sql = _update_sql(connection.vendor, type(row), tuple(given), tuple(made))
    found = _execute(sql, row, [*given, row._meta.pk], is_read=bool(made))
    _read_back(row, made, found)


def _update_plainly(row: models.Model, fields: list[Field], made: list[Field]) -> None:
    """By Django's own means; `row.save` would store a row of which only the id is known as a new one."""
    stored = type(row)._base_manager.filter(pk=row.pk)
    stored.update(**{field.attname: getattr(row, field.attname) for field in fields})
    if made:
        row.refresh_from_db(fields=[field.attname for field in made])


def _read_back(row: models.Model, fields: Sequence[Field], values: Sequence[Any]) -> None:
    for field, value in zip(fields, values, strict=True):
        setattr(row, field.attname, _converted(field, value))


def _execute(sql: str, row: models.Model, fields: list[Field], *, is_read: bool = False) -> Sequence[Any]:
    database = _database()
    with database.cursor() as cursor:
        cursor.execute(sql, [_stored(field, getattr(row, field.attname), database) for field in fields])
        return cursor.fetchone() if is_read else ()


def _stored(field: Field, value: Any, database: BaseDatabaseWrapper) -> Any:
    """A value as the database takes it. What a field leaves as it is goes past it: the most of a row does."""
    if value is None or (type(value) is str and isinstance(field, TEXTS)):
        return value
    return field.get_db_prep_save(value, database)


def _converted(field: Field, value: Any) -> Any:
    """A value that came from the database as Python has it."""
    database = _database()
    converters, column = _known_converters(database.vendor, field)
    for convert in converters:
        value = convert(value, column, database)
    return value


@functools.cache
def _known_converters(vendor: str, field: Field) -> tuple[list[Callable[..., Any]], Any]:
    return _converters(field)


def _converters(field: Field) -> tuple[list[Callable[..., Any]], Any]:
    column = field.get_col(field.model._meta.db_table)
    return connection.ops.get_db_converters(column) + column.get_db_converters(connection), column


@functools.cache
def _insert_sql(vendor: str, model: type[models.Model], given: tuple[Field, ...], made: tuple[Field, ...]) -> str:
    values = ", ".join(["%s"] * len(given))
    return f"INSERT INTO {_quoted(model)} ({_columns(given)}) VALUES ({values}){_returning(made)}"


@functools.cache
def _update_sql(vendor: str, model: type[models.Model], given: tuple[Field, ...], now: tuple[Field, ...]) -> str:
    compiler = model._base_manager.all().query.get_compiler(connection=connection)
    clock, _ = compiler.compile(Now())
    changes = [f"{_columns([field])} = %s" for field in given] + [f"{_columns([field])} = {clock}" for field in now]
    return f"UPDATE {_quoted(model)} SET {', '.join(changes)} WHERE {_columns([model._meta.pk])} = %s{_returning(now)}"


def _quoted(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _columns(fields: Sequence[Field]) -> str:
    return ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)


def _returning(fields: Sequence[Field]) -> str:
    return f" RETURNING {_columns(fields)}" if fields else ""
