"""Settings of a server that also speaks a language whose every word is marked."""

import os

from tests.server_settings import *  # noqa: F403

LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("eo", "Marked")]
LOCALE_PATHS = [os.environ["PSEUDO_LOCALE"]]
