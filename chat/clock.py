"""The database's clock, in the time that the project keeps.

With `USE_TZ=False` Django stores times of the project's zone, and gives PostgreSQL's sessions that zone; SQLite's clock
has none and says UTC. So everything here that asks the database for the time asks with this `Now`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import functions


class Now(functions.Now):
    """Django's `Now()`; on SQLite, with `USE_TZ=False`, the time of `TIME_ZONE`, which Django makes the process's."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        if settings.USE_TZ:
            return super().as_sqlite(compiler, connection, **extra)
        local = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW', 'localtime')"
        return self.as_sql(compiler, connection, template=local, **extra)
