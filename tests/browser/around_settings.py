"""Settings of a server that shows each of its pages by the name of its template."""

from tests.server_settings import *  # noqa: F403

ROOT_URLCONF = "tests.browser.around_urls"
