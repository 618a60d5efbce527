"""Settings of a server that also speaks a language whose every word is marked."""

import os

from tests.server_settings import *  # noqa: F403

LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("eo", "Marked")]
LOCALE_PATHS = [path for path in [os.environ.get("PSEUDO_LOCALE")] if path]  # a database is made without it
