"""Log lines without secrets."""

from __future__ import annotations

import logging
import re

SECRETS = re.compile(r"\bsk-[\w-]{8,}|(?<=Bearer )[\w.~+/=-]+")


class Redacted(logging.Formatter):
    """Formats a record, and blackens what looks like a key in the whole text: also in tracebacks of other packages."""

    def format(self, record: logging.LogRecord) -> str:
        return SECRETS.sub("[secret]", super().format(record))
