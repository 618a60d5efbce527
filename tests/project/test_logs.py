"""Log lines: one format, once each, no keys."""

from __future__ import annotations

import logging
import logging.config
import sys

import pytest
from django.conf import settings

from webui_project.logs import Redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-proj-abcdefgh1234 refused", "key [secret] refused"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer [secret]"),
        ("a task-force of sk-8", "a task-force of sk-8"),
    ],
)
def test_keys_do_not_reach_the_log(text, shown):
    record = logging.LogRecord("chat", logging.ERROR, "", 0, "%s", (text,), None)

    assert Redacted("%(message)s").format(record) == shown


def test_keys_in_tracebacks_do_not_reach_the_log():
    try:
        raise ValueError("sk-abcdefgh1234")
    except ValueError:
        record = logging.LogRecord("chat", logging.ERROR, "", 0, "failed", (), sys.exc_info())

    assert "sk-abcdefgh1234" not in Redacted().format(record)


def test_each_logger_has_one_way_to_the_console():
    for name, options in settings.LOGGING["loggers"].items():
        handlers = options.get("handlers", [])
        assert not handlers and options.get("propagate", True), name
    assert settings.LOGGING["root"]["handlers"] == ["console"]
