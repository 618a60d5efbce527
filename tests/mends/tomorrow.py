"""Runs tests with a Django and a Channels of tomorrow, in which no mend fits.

python -m tests.mends.tomorrow tests/models/test_models.py …     # what pytest takes
"""

from __future__ import annotations

import sys

import pytest

from tests.mends.aside import of_tomorrow
from tests.mends.renamed import Renamed

CHANGES = {
    "channels": {"": of_tomorrow("get_handler_name", "_clean_expired")},
    "django": {"": of_tomorrow("inc_thread_sharing", "sql_with_params")},
}

if __name__ == "__main__":
    sys.meta_path[:0] = [Renamed(package, changes) for package, changes in CHANGES.items()]
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
