"""Settings of servers whose page may stall for a shorter time than the protocol says (`FAULTS_STALL_SECONDS`)."""

import os

from chat.wire.flow import Rate, Window
from tests.server_settings import *  # noqa: F403

Window.STALL_SECONDS = Rate.STALL_SECONDS = float(os.environ.get("FAULTS_STALL_SECONDS", "30"))
