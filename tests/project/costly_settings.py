"""Settings of a server whose passwords cost what they cost in production."""

from django.conf import global_settings

from tests.server_settings import *  # noqa: F403

PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS
