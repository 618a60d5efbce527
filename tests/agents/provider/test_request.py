"""A model's request is cut at once, in each of its phases, and nothing else is."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from openai import OpenAI

from chat.agents.provider.request import ModelRequest, RequestAborted, make_stoppable, pause
from tests.pace import SLACK
from tests.stub_llm import StubServer

AT_ONCE_SECONDS = 0.2 * SLACK


@pytest.fixture
def stub(fresh_stub: StubServer) -> StubServer:
    return fresh_stub


@pytest.fixture
def client(stub: StubServer) -> Iterator[OpenAI]:
    with client_of(stub.url) as openai:
        yield openai


def client_of(url: str, **options: Any) -> OpenAI:
    client = OpenAI(api_key="x", base_url=url, max_retries=options.pop("max_retries", 0), timeout=30, **options)
    make_stoppable(client)
    return client


def ask(client: OpenAI, text: str, *, stream: bool = True, tokens: list[str] | None = None) -> list[str]:
    """Return the tokens of the answer; each goes into `tokens` as it arrives."""
    tokens = [] if tokens is None else tokens
    messages = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model="stub", messages=messages, stream=stream)
    if not stream:
        return [answer.choices[0].message.content]
    tokens.extend(
        event.choices[0].delta.content for event in answer if event.choices and event.choices[0].delta.content
    )
    return tokens


class Worker:
    """Runs a function in a thread, inside a model call, and keeps what became of it."""

    def __init__(self, function: Callable[[], Any], request: ModelRequest | None = None) -> None:
        self.request = request or ModelRequest()
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended_at = 0.0
        self.bound = threading.Event()
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.bound.wait(30)

    def _run(self) -> None:
        self.request.bind()
        self.bound.set()
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error
        finally:
            self.ended_at = time.monotonic()
            self.request.release()

    def abort(self) -> float:
        """Abort; return the seconds until the function had ended."""
        start = time.monotonic()
        self.request.abort()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.ended_at - start

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_without_headers_is_cut(stub, client, stream):
    worker = Worker(lambda: ask(client, "[[hang=60]]", stream=stream))
    stub.wait(open=1)

    assert worker.abort() < AT_ONCE_SECONDS
    assert isinstance(worker.error, RequestAborted)
    assert stub.wait(open=0).aborted == 1


@pytest.mark.parametrize("directives", ["tokens=500 tps=50", "tokens=500 tps=100 stall=3:60"])
def test_a_stream_is_cut_and_its_text_kept(stub, client, directives):
    tokens: list[str] = []
    worker = Worker(lambda: ask(client, f"[[{directives}]]", tokens=tokens))
    wait_until(lambda: len(tokens) >= 3)

    assert worker.abort() < AT_ONCE_SECONDS
    assert worker.error is None
    assert 3 <= len(worker.result) < 500
    assert stub.wait(open=0).aborted == 1


def test_an_answer_in_one_piece_is_cut_while_its_body_arrives():
    with HalfAnswer() as server:
        worker = Worker(lambda: ask(client_of(server.url), "hello", stream=False))
        assert server.sent.wait(30)

        assert worker.abort() < AT_ONCE_SECONDS
        assert isinstance(worker.error, RequestAborted)


def test_a_connection_that_is_not_answered_is_cut():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # fill the queue of the listener, which accepts nothing
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        worker = Worker(lambda: ask(client_of(f"http://127.0.0.1:{listener.getsockname()[1]}"), "hello"))
        wait_until(lambda: any(thread.name == "model-connect" for thread in threading.enumerate()))

        assert worker.abort() < AT_ONCE_SECONDS
        assert isinstance(worker.error, RequestAborted)
        for filler in fillers:
            filler.close()


def test_the_search_for_an_address_is_cut(monkeypatch):
    asked, let_go = threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        let_go.wait(20)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    worker = Worker(lambda: ask(client_of("http://model.invalid"), "hello"))
    assert asked.wait(30)

    assert worker.abort() < AT_ONCE_SECONDS
    assert isinstance(worker.error, RequestAborted)
    let_go.set()


def test_a_connection_made_too_late_is_closed(monkeypatch):
    """The thread that connects cannot be interrupted; what it brings back must not stay open."""
    asked, let_go = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        original = socket.create_connection

        def slow(*args: Any, **kwargs: Any) -> Any:
            asked.set()
            let_go.wait(20)
            return original(*args, **kwargs)

        monkeypatch.setattr(socket, "create_connection", slow)
        worker = Worker(lambda: ask(client_of(f"http://127.0.0.1:{listener.getsockname()[1]}"), "hello"))
        assert asked.wait(30)
        worker.abort()
        let_go.set()

        accepted, _ = listener.accept()
        accepted.settimeout(5)
        assert accepted.recv(1) == b""
        accepted.close()


def test_a_tls_handshake_is_cut():
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and says nothing
        worker = Worker(lambda: ask(client_of(f"https://127.0.0.1:{listener.getsockname()[1]}"), "hello"))
        accepted, _ = listener.accept()
        accepted.recv(1)

        assert worker.abort() < AT_ONCE_SECONDS
        assert isinstance(worker.error, RequestAborted)
        accepted.close()


def test_a_stream_over_tls_is_cut(certificate):
    arrived = threading.Event()

    def read() -> None:
        trust = ssl.create_default_context(cafile=str(certificate))
        client = client_of(server.url, http_client=httpx2.Client(verify=trust))
        for _ in client.chat.completions.create(model="stub", messages=[], stream=True):
            arrived.set()

    with HalfAnswer(certificate) as server:
        worker = Worker(read)
        assert arrived.wait(30)

        assert worker.abort() < AT_ONCE_SECONDS
        assert worker.error is None


def test_the_other_flavour_of_httpx_is_cut_too(stub):
    with client_of(stub.url, http_client=httpx.Client()) as client:
        tokens: list[str] = []
        worker = Worker(lambda: ask(client, "[[tokens=500 tps=50]]", tokens=tokens))
        wait_until(lambda: len(tokens) >= 3)

        assert worker.abort() < AT_ONCE_SECONDS
        assert worker.error is None


def test_other_streams_of_the_same_client_go_on(stub, client):
    other = Worker(lambda: ask(client, "[[tokens=60 tps=60]]"))
    worker = Worker(lambda: ask(client, "[[tokens=500 tps=50]]"))
    stub.wait(open=2)

    worker.abort()
    other.join()

    assert other.error is None
    assert len(other.result) == 60
    assert stub.stats().completed == 1


def test_a_finished_answer_is_not_touched_by_a_late_abort(stub, client):
    """Its connection is in the pool, and serves the next request."""
    request = ModelRequest()
    request.bind()
    ask(client, "[[tokens=2]]", stream=False)  # of a stream the SDK leaves the last bytes, and so the connection
    request.abort()
    request.release()
    worker = Worker(lambda: ask(client, "[[tokens=30 tps=60]]"))
    request.abort()
    worker.join()

    assert len(worker.result) == 30
    assert stub.stats().connections == 1


@pytest.mark.parametrize("retries", [0, 3])
def test_nothing_is_tried_again_after_an_abort(stub, retries):
    with client_of(stub.url, max_retries=retries) as client:
        worker = Worker(lambda: ask(client, "[[hang=60]]"))
        stub.wait(open=1)
        worker.abort()

        assert isinstance(worker.error, RequestAborted)
        assert stub.wait(open=0).requests == 1


def test_an_aborted_call_starts_no_further_request(stub, client):
    request = ModelRequest()
    request.bind()
    request.abort()

    with pytest.raises(RequestAborted):
        ask(client, "hello")
    request.release()

    assert stub.stats().requests == 0


def test_the_next_call_of_the_session_works(stub, client):
    worker = Worker(lambda: ask(client, "[[hang=60]]"))
    stub.wait(open=1)
    worker.abort()

    after = Worker(lambda: ask(client, "[[tokens=3]]"), worker.request)
    after.join()

    assert after.result == ["a", " small", " stub"]


def test_an_abort_between_calls_has_no_effect(stub, client):
    request = ModelRequest()
    request.abort()
    worker = Worker(lambda: ask(client, "[[tokens=3]]"), request)
    worker.join()

    assert len(worker.result) == 3


def test_release_closes_an_answer_that_was_not_read(stub, client):
    request = ModelRequest()
    request.bind()
    messages = [{"role": "user", "content": "[[tokens=500 tps=50]]"}]
    answer = client.chat.completions.create(model="stub", messages=messages, stream=True)
    next(answer)

    request.release()

    assert stub.wait(open=0).aborted == 1


def test_threads_with_a_copy_of_the_context_are_cut_together(stub, client):
    def fan_out() -> list[Any]:
        contexts = [copy_context() for _ in range(3)]
        results: list[Any] = []
        threads = [
            threading.Thread(target=lambda c=context: results.append(c.run(ask, client, "[[tokens=500 tps=50]]")))
            for context in contexts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    worker = Worker(fan_out)
    stub.wait(open=3)
    wait_until(lambda: stub.stats().tokens >= 6)

    assert worker.abort() < 2 * AT_ONCE_SECONDS
    assert len(worker.result) == 3
    assert stub.wait(open=0).aborted == 3


def test_no_connection_is_leaked_by_a_hundred_aborts(stub, client):
    for _ in range(100):
        worker = Worker(lambda: ask(client, "[[hang=60]]"))
        stub.wait(open=1)
        worker.abort()
        stub.wait(open=0)

    pool = client._client._transport._transport._pool
    assert len(pool.connections) == 0
    assert stub.stats().aborted == 100


def test_a_client_outside_of_any_call_works_as_before(stub, client):
    assert ask(client, "[[tokens=2]]") == ["a", " small"]


def test_a_pause_inside_a_call_ends_with_it():
    worker = Worker(lambda: pause(60))

    assert worker.abort() < AT_ONCE_SECONDS
    assert isinstance(worker.error, RequestAborted)


def test_a_client_without_a_pool_is_left_as_it_is(caplog):
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    client = OpenAI(api_key="x", http_client=httpx.Client(transport=transport))

    make_stoppable(client)

    assert client._client._transport is transport
    assert "cannot be stopped" in caplog.text


def wait_until(condition: Callable[[], Any], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    key = path.with_suffix(".key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


class HalfAnswer:
    """A server that begins an answer, and then says nothing: a stream over TLS, in one piece without it."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.sent = threading.Event()
        self._certificate = certificate
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._certificate else ''}://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        kind, body = "application/json", b'{"choices"'
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            connection = context.wrap_socket(connection, server_side=True)
            kind, body = "text/event-stream", b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 999\r\n\r\n".encode() + body)
        self.sent.set()
        with suppress(OSError):
            while connection.recv(65536):  # the request's body, if it came after its head, and then the end
                pass
        connection.close()

    def __enter__(self) -> HalfAnswer:
        return self

    def __exit__(self, *error: Any) -> None:
        self._listener.close()
