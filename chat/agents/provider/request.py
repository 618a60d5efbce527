"""Cut a model's HTTP request from another thread, at any moment of it.

    request = ModelRequest()            # one per session
    request.bind()                      # in the thread that calls the model, before each call
    ...                                 # the call; the client was given to make_stoppable() once
    request.release()                   # after each call, whatever happened
    request.abort()                     # from any thread, at any time; does not block

A request waits in one of four places: for the address and the connection, for the TLS handshake, for the headers, for
the next bytes of the body. Whatever waits registers how it is cut, for exactly as long as it waits: so `abort` ends it
at once, and never touches a connection that has gone back to the pool and may serve another session.

What the caller of the model sees: an answer that streams ends early, as if the server had ended it, so the text so far
is kept. All else raises `RequestAborted`, which no retry catches. Until `release` the same call can start no request.

The binding is a context variable: a thread that a tool starts with a copy of its context belongs to the same call.

The pools of httpx take a network backend (httpcore 1.0.9 and httpcore2 2.16.2, _sync/connection_pool.py:48), but httpx
has no argument for it (httpx 0.28.1 and httpx2 2.16.2, _transports/default.py:135): it is put in place from outside.
Asynchronous clients and LiteLLM's own clients are not covered.
"""

from __future__ import annotations

import functools
import importlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from chat.agents.provider.mends import CUT
from chat.threads import KeptThreads

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Silence(float):
    """How many seconds a server may be silent between two parts of an answer; `first`: before it begins to answer.

    Given to a client as the `read` of its `Timeout`, which hands it through as it is.
    """

    first: float

    def __new__(cls, seconds: float, *, first: float) -> Silence:
        silence = super().__new__(cls, seconds)
        silence.first = first
        return silence

    def __copy__(self) -> Silence:
        return self

    def __deepcopy__(self, memo: Any) -> Silence:
        return self  # Langroid copies the configurations of its models


Cut = Callable[[], object]


class RequestAborted(BaseException):
    """The model's request was cut on purpose.

    A BaseException, so that neither the SDK nor Langroid tries again.
    """


class ModelRequest:
    """The model calls of one session that are open now: one, or one per thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[_Call] = set()  # guarded by self._lock

    def bind(self) -> None:
        """Begin a model call in this thread: the requests that it makes from now on belong to it."""
        call = _Call(outer=_current.get())
        with self._lock:
            self._calls.add(call)
        _current.set(call)

    def release(self) -> None:
        """End this thread's model call, and close the connection of an answer that was not read to its end."""
        call = _current.get()
        with self._lock:
            if call not in self._calls:
                return
            self._calls.remove(call)
        _current.set(call.outer)
        call.close()

    def abort(self) -> None:
        """Cut all open calls. From any thread; does not block; without an open call it does nothing."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.abort()


class _Call:
    """One model call: its requests (more than one when it is tried again) and what they wait for."""

    def __init__(self, outer: _Call | None) -> None:
        self.outer = outer
        self._lock = threading.Lock()
        self._aborted = threading.Event()
        self._cuts: list[Cut] = []  # of what waits now; guarded by self._lock
        self._responses: list[Any] = []
        self.has_begun = False  # to be answered: the newest request

    def abort(self) -> None:
        # Under the lock, so that what has just ended its wait cannot hand its socket on before it is cut.
        with self._lock:
            self._aborted.set()
            for cut in self._cuts:
                cut()

    def check(self) -> None:
        if self._aborted.is_set():
            raise RequestAborted

    def sleep(self, seconds: float) -> None:
        if self._aborted.wait(seconds):
            raise RequestAborted

    @contextmanager
    def waiting(self, cut: Cut) -> Iterator[None]:
        """Wait inside the block for what `cut` ends at once. Raises: RequestAborted."""
        with self._lock:
            self.check()
            self._cuts.append(cut)
        try:
            yield
        except Exception:
            self.check()  # being cut is the reason why it failed
            raise
        finally:
            with self._lock:
                self._cuts.remove(cut)
        self.check()

    def opened(self, response: Any) -> None:
        self._responses.append(response)

    def close(self) -> None:
        for response in self._responses:
            response.close()


_current: ContextVar[_Call | None] = ContextVar("chat_model_call", default=None)


def arrived(response: Any) -> bytes:
    """What the last read of a response's connection brought, with the framing of HTTP; empty if that is not known."""
    stream = response.extensions.get("network_stream")
    return stream.arrived if isinstance(stream, _Stream) else b""


def pause(seconds: float) -> None:
    """Sleep; inside a model call that is aborted raise RequestAborted at once."""
    if call := _current.get():
        call.sleep(seconds)
    else:
        time.sleep(seconds)


def is_bound() -> bool:
    """True inside a model call of a session."""
    return _current.get() is not None


def make_stoppable(client: Any) -> None:
    """Let `ModelRequest` cut the requests of this synchronous client of OpenAI, Azure, Groq or Cerebras. Idempotent.

    A client with a transport of a kind of its own, or with another HTTP than httpx, stays as it is: its requests end by
    their timeout.
    """
    try:
        http = client._client
        kind: type = type(http)
        if not _can_be_cut(kind):
            return
        transports = [http._transport, *http._mounts.values()]
        if all(transport is None or isinstance(transport, _Transport) for transport in transports):
            return
        http._mounts = {pattern: transport and _stoppable(transport) for pattern, transport in http._mounts.items()}
        http._transport = _stoppable(http._transport)
    except AttributeError as error:
        if type(client) not in _unknown:
            _unknown.add(type(client))
            logger.warning("requests of %s cannot be stopped: %s", type(client).__name__, error)


_unknown: set[type] = set()


@functools.cache
def _can_be_cut(client: type) -> bool:
    """True if the HTTP client is a kind of httpx, in either flavour, whose inside is as known."""
    flavours = {cls.__module__.partition(".")[0] for cls in client.__mro__}
    return all(mend.holds for flavour, mend in CUT.items() if flavour in flavours)


def _stoppable(transport: Any) -> _Transport:
    return transport if isinstance(transport, _Transport) else _Transport(transport)


class _Transport:
    """A transport of httpx, in either flavour, whose requests belong to the thread's model call."""

    def __init__(self, transport: Any) -> None:
        pool = transport._pool
        if not isinstance(pool._network_backend, _Backend):
            pool._network_backend = _Backend(pool._network_backend)
        self._transport = transport

    def handle_request(self, request: Any) -> Any:
        call = _current.get()
        if call is None:
            return self._transport.handle_request(request)
        call.check()
        call.has_begun = False
        response = self._transport.handle_request(request)
        response.stream = _body_class(type(response).__module__.partition(".")[0])(response)
        call.opened(response)
        return response

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> _Transport:
        self._transport.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._transport.__exit__(*error)


@functools.cache
def _body_class(package: str) -> type:
    """The class of a response's body in one flavour of httpx, which insists on its own base class."""

    base: Any = importlib.import_module(package).SyncByteStream

    class Body(base):  # type: ignore[misc]  # known at run time only
        def __init__(self, response: Any) -> None:
            self._stream = response.stream
            self._is_event_stream = response.headers.get("content-type", "").startswith("text/event-stream")

        def __iter__(self) -> Iterator[bytes]:
            try:
                for part in self._stream:
                    if call := _current.get():
                        call.has_begun = True
                    yield part
            except RequestAborted:
                if not self._is_event_stream:
                    raise

        def close(self) -> None:
            self._stream.close()

    return Body


class _Backend:
    """A network backend of httpcore, in either flavour: makes connections that can be cut."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, *args: Any, **kwargs: Any) -> _Stream:
        return _Stream(_connected(functools.partial(self._backend.connect_tcp, *args, **kwargs)))

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> _Stream:
        return _Stream(_connected(functools.partial(self._backend.connect_unix_socket, *args, **kwargs)))

    def sleep(self, seconds: float) -> None:
        pause(seconds)


_connecting = KeptThreads("model-connect")


def _connected(connect: Callable[[], Any]) -> Any:
    """Connect in a thread of its own: nothing can interrupt the resolver."""
    call = _current.get()
    if call is None:
        return connect()
    attempt: Future[Any] = Future()

    def run() -> None:
        try:
            stream = connect()
        except BaseException as error:  # of whoever waits, whatever it is
            with suppress(Exception):  # nobody waits any more
                attempt.set_exception(error)
            return
        try:
            attempt.set_result(stream)
        except Exception:  # as above
            stream.close()

    try:
        with call.waiting(attempt.cancel):
            _connecting.submit(run).add_done_callback(functools.partial(_tell_unbegun, attempt))
            return attempt.result()
    except RequestAborted:
        attempt.add_done_callback(_close_result)
        raise


def _tell_unbegun(attempt: Future[Any], begun: Future[Any]) -> None:
    """There was no thread to be had: whoever waits hears of it."""
    if (error := begun.exception()) is not None:
        with suppress(InvalidStateError):  # nobody waits any more
            attempt.set_exception(error)


def _close_result(attempt: Future[Any]) -> None:
    if not attempt.cancelled() and not attempt.exception():
        attempt.result().close()


class _Stream:
    """A connection of httpcore, in either flavour, that can be cut while it waits."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self.arrived = b""  # what the last read brought, with the framing of HTTP

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if isinstance(timeout, Silence) and (call := _current.get()) and not call.has_begun:
            timeout = timeout.first
        self.arrived = self._wait(self._stream.read, max_bytes, timeout)
        return self.arrived

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wait(self._stream.write, buffer, timeout)

    def _wait(self, operation: Callable[..., T], *args: Any) -> T:
        call = _current.get()
        if call is None:
            return operation(*args)
        with call.waiting(functools.partial(_shut, self._socket)):
            return operation(*args)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        call = _current.get()
        if call is None:
            return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))
        # Wrapping takes the descriptor away from the socket object, so that is cut through a copy of it.
        with self._socket.dup() as copy:
            try:
                with call.waiting(functools.partial(_shut, copy)):
                    return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))
            except RequestAborted:
                _shut(copy)
                raise

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _shut(connection: socket.socket) -> None:
    # Not SSLSocket.shutdown: it takes the TLS state away from the thread that is inside it (CPython 3.11, ssl.py:1292).
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
