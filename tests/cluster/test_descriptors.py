"""A process that has no file descriptors left says so."""

from __future__ import annotations

import subprocess
import sys

FULL = """
import logging, os, resource
logging.basicConfig(format="%(levelname)s %(message)s")
from chat.cluster import descriptors
from chat.cluster.watches import Watch
watch = Watch(descriptors.problem)
watch.look()
assert descriptors.are_left()
highest = os.open(os.devnull, os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
assert not descriptors.are_left()
watch.look(), watch.look()
"""


def test_no_descriptors_left_is_one_line_of_the_log():
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR out of file descriptors")
