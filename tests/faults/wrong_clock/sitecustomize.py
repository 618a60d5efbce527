"""Puts the wall clock of a Python process wrong by `WRONG_CLOCK_SECONDS`; its monotonic clock is left alone.

Python imports this before anything else when its folder is in PYTHONPATH.
"""

import ctypes
import datetime
import gc
import os
import time
from functools import partial

_SHIFT = float(os.environ["WRONG_CLOCK_SECONDS"])
_time, _time_ns = time.time, time.time_ns

time.time = lambda: _time() + _SHIFT
time.time_ns = lambda: _time_ns() + int(_SHIFT * 1e9)


def _of_now(function, seconds=None):
    return function(time.time() if seconds is None else seconds)


for _name in ("gmtime", "localtime", "ctime"):
    setattr(time, _name, partial(_of_now, getattr(time, _name)))

# The type itself, because many modules, in C too, hold it and look at it: it lets nobody set its attributes, but its
# mapping shows the dictionary to the garbage collector.
_attributes = gc.get_referents(datetime.datetime.__dict__)[0]
_attributes["now"] = classmethod(lambda cls, tz=None: cls.fromtimestamp(time.time(), tz))
_attributes["utcnow"] = classmethod(lambda cls: cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None))
ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
