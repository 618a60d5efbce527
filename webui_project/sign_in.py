"""Sign-in that strangers cannot make costly for others.

Checking a password takes half a second of a core, on purpose. So a process checks few at a time, and of one address
only one; the others wait for a moment, and who waits too long is asked to come back. Failures count by name and address
(`AXES_LOCKOUT_PARAMETERS`), and by address alone, whatever the names.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_failure_limit
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from chat.addresses import address_of_request

AT_A_TIME = max(1, (os.cpu_count() or 1) // 2)  # the rest of the cores is for everybody else
WAIT_SECONDS = 5.0
MAX_WAITING = 20  # of one address: each has a thread
MAX_WAITING_IN_ALL = 200  # more would wait too long anyway


class Busy(Exception):
    """Too many passwords are being checked."""


@dataclass
class _Line:
    """Those who come from one address. The first of them stands in the line of all."""

    first: threading.Lock = field(default_factory=threading.Lock)
    length: int = 0


class Gate:
    """So many places, shared by the addresses: one that comes a hundred times waits for itself, not before others."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._lines: dict[str | None, _Line] = {}  # guarded by self._lock, with what is in them
        self._length = 0

    @property
    def length(self) -> int:
        """How many wait or are inside."""
        return self._length

    @contextmanager
    def place(self, address: str | None) -> Iterator[None]:
        """Have a place for the time of the block. Blocking. Raises: Busy."""
        with self._line_of(address) as line, _held(line.first), _held(self._places):
            yield

    @contextmanager
    def _line_of(self, address: str | None) -> Iterator[_Line]:
        with self._lock:
            line = self._lines.get(address, _Line())
            if line.length >= MAX_WAITING or self._length >= MAX_WAITING_IN_ALL:
                raise Busy
            self._lines[address] = line
            line.length += 1
            self._length += 1
        try:
            yield line
        finally:
            with self._lock:
                line.length -= 1
                self._length -= 1
                if not line.length:
                    del self._lines[address]


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore) -> Iterator[None]:
    if not lock.acquire(timeout=WAIT_SECONDS):
        raise Busy
    try:
        yield
    finally:
        lock.release()


_gate = Gate(AT_A_TIME)


class SignInMiddleware:
    """Lets few passwords be checked at a time: 429 for more. Blocking, so it runs in the request's own thread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or request.path not in (reverse("login"), reverse("admin:login")):
            return self._get_response(request)
        try:
            with _gate.place(address_of_request(request)):
                return self._get_response(request)
        except Busy:
            refusal = render(request, "429.html", status=429)
            refusal["Retry-After"] = f"{WAIT_SECONDS:.0f}"
            return refusal


class SignInHandler(AxesDatabaseHandler):  # type: ignore[misc]  # django-axes has no types
    """Locks an address out that has failed too often, with whatever names."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        failures: int = super().get_failures(request, credentials)
        if self._failures_of_address(request) >= settings.SIGN_IN_FAILURES_PER_ADDRESS:
            return max(failures, int(get_failure_limit(request, credentials)))
        return failures

    def _failures_of_address(self, request: Any) -> int:
        attempts = AccessAttempt.objects.filter(
            ip_address=request.axes_ip_address, attempt_time__gte=get_cool_off_threshold(request)
        )
        return attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
