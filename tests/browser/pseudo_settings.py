"""Settings of a server that also speaks a language whose every word is marked."""

import os

from tests.server_settings import *  # noqa: F403
from webui_project import settings as project

if os.environ.get("EXAMPLES"):
    CHAT_AGENTS, CHAT_DEFAULT_AGENT = project.CHAT_AGENTS, "assistant"

LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("eo", "Marked")]
LOCALE_PATHS = [path for path in [os.environ.get("PSEUDO_LOCALE")] if path]  # a database is made without it
