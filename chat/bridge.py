"""The bridge between agent threads and the event loop: the only file that knows both.

    Inbox           user to agent: a bounded queue that ends by a sentinel
    Outbox          agent to browsers: coalesces what the agent emits and sends it with `group_send`
    start_thread    a daemon thread that asgiref knows, so that `async_to_sync` in it uses the server's loop
    in_thread       blocking work (the database, rendering) from the loop

A thread that was not started by `start_thread` never sends: its events wait for the trailing flusher. asgiref 3.12+
would make a new loop, and with Redis a new connection, for each of its calls (asgiref/sync.py, `AsyncToSync.__call__`).

Layer messages are `{"type": "chat.events", "conversation": id, "raw": frames, "html": frames}`: frames of JSON, one a
line, for connections that get plain text and for those that get HTML. `html` is absent while no page wants it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import get_channel_layer

from chat import markdown
from chat.database import lent_connection
from chat.holdback import HoldBack
from chat.protocol import CHUNK_CHARS, Event, encode, shorten

logger = logging.getLogger("chat.bridge")

FLUSH_SECONDS = 0.040  # shortest time between two sends of one session
BUSY_FLUSH_SECONDS = 0.120  # the same while the process is under full load
LIGHT_LOAD, FULL_LOAD = 200.0, 500.0  # sends per second of the process
MAX_HTML_BYTES = 160 * 1024  # of a record, beside its text
MAX_PENDING_CHARS = 64_000  # text that may wait before the agent's thread has to send it itself
SEND_SECONDS = 2.0  # one group_send never holds a thread longer
BREAK_SECONDS = 1.0  # after a failed send the layer is left alone for so long
IO_THREADS = 16  # blocking calls of the loop that run at the same time

P = ParamSpec("P")
T = TypeVar("T")


# -- threads -------------------------------------------------------------------------------------------------------

_bound = threading.local()


class DaemonThreads(Executor):
    """One new daemon thread per call: no limit to wait for, and never joined when the interpreter ends.

    Non-daemon threads, and those of any ThreadPoolExecutor, that wait for a user would hang Daphne's exit and the
    autoreload.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            _bound.yes = True
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # whatever ends the thread belongs to the future
                future.set_exception(error)

        threading.Thread(target=run, daemon=True, name=self._name).start()
        return future


def start_thread(function: Callable[[], None], *, name: str) -> asyncio.Task[None]:
    """Run `function` in a daemon thread bound to the running loop; return the task that ends with it.

    Never cancel the task: the thread would see CancelledError inside `async_to_sync`.
    """
    call = sync_to_async(function, thread_sensitive=False, executor=DaemonThreads(name))
    task = asyncio.ensure_future(call())
    _running.add(task)
    task.add_done_callback(_finished)
    return task


_running: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references


def _finished(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.error("a thread died", exc_info=error)


_slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()
_io_threads = DaemonThreads("chat-io")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work beside the loop; database connections are given back when it returns.

    Not in the process-wide sync thread: one slow query there would delay every socket.
    """
    loop = asyncio.get_running_loop()
    slots = _slots.setdefault(loop, asyncio.Semaphore(IO_THREADS))
    async with slots:
        call = sync_to_async(_with_connection, thread_sensitive=False, executor=_io_threads)
        return await call(function, *args, **kwargs)


def _with_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    with lent_connection():
        return function(*args, **kwargs)


# -- user to agent -------------------------------------------------------------------------------------------------


class InboxClosed(Exception):
    """The other side has hung up."""


class Inbox:
    """A bounded, thread-safe queue of what the user gives to the agent. Closing it wakes and ends every wait."""

    _CLOSED = object()

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: Any) -> bool:
        """Add an item without waiting, from any thread; False when the inbox is full."""
        if self._queue.qsize() >= self._capacity:
            return False
        self._queue.put(item)
        return True

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the next item. Raises: InboxClosed; queue.Empty after `timeout` seconds."""
        item = self._queue.get(timeout=timeout)
        if item is self._CLOSED:
            self._queue.put(item)  # for the next wait
            raise InboxClosed
        return item

    def close(self) -> None:
        """End every wait, now and later. May be called again."""
        self._queue.put(self._CLOSED)

    def empty(self) -> bool:
        return self._queue.empty()


# -- agent to browsers ---------------------------------------------------------------------------------------------


@dataclass
class Stream:
    """An open message: what has been numbered so far. Guarded by its outbox's lock."""

    start: Event  # its `stream_start` without the text
    hold: HoldBack | None = None
    text: list[str] = field(default_factory=list)
    n: int = 0
    reasoning: list[str] = field(default_factory=list)
    reasoning_n: int = 0
    rendered: markdown.MarkdownStream | None = None
    unrendered: list[str] = field(default_factory=list)
    html_n: int = 0
    render_due: float = 0.0
    is_ended: bool = False  # its end waits to be sent

    @property
    def id(self) -> str:
        return self.start["message_id"]


@dataclass(frozen=True, kw_only=True)
class StreamView:
    """A copy of a `Stream` for a page that joins: apply the chunks from `n` on."""

    start: Event
    text: str
    n: int
    reasoning: str
    reasoning_n: int
    blocks: tuple[str, ...] | None  # None: plain text is wanted


@dataclass
class _Chunk:
    """Text that waits to be numbered."""

    stream: Stream
    is_reasoning: bool
    parts: list[str]
    chars: int

    def takes(self, stream: Stream, is_reasoning: bool, chars: int) -> bool:
        """True if so much more text of this kind may join."""
        return self.stream is stream and self.is_reasoning is is_reasoning and self.chars + chars <= CHUNK_CHARS


class Outbox:
    """Sends what one session emits to its group. Any method from any thread; none waits for a page.

    The first event goes at once. After that sends are at least `FLUSH_SECONDS` apart, counted from the end of the last
    one and never less than twice what it cost; what has gathered meanwhile goes as one. The trailing flusher sends
    what a pausing agent leaves behind. Chunks are numbered when they are sent, so a view of a stream is exact.
    """

    def __init__(self, group: str, conversation_id: str) -> None:
        """Call on the event loop."""
        self._group = group
        self._conversation_id = conversation_id
        self._layer = get_channel_layer()
        self._trailer = Trailer.of_loop()
        self._lock = threading.Lock()  # guards all below; also while rendering, so the loop never takes it
        self._send_lock = threading.Lock()  # one sender at a time: layers do not order concurrent sends
        self._pending: deque[Event | _Chunk] = deque()
        self._pending_chars = 0
        self._streams: dict[str, Stream] = {}
        self._html = False
        self.due = 0.0  # when the next send is welcome (monotonic)

    # -- called by the agent ----------------------------------------------------------------------------------------

    def emit(self, *events: Event) -> None:
        """Send events soon, in order with everything else of this thread.

        Without the lock, which a thread that renders may hold: the loop emits too, and must not wait.
        """
        self._pending.extend(events)
        self._send_soon()

    def open(self, start: Event, *, hold: HoldBack | None = None) -> None:
        """Begin a message: send its `stream_start` (given without text)."""
        with self._lock:
            self._streams[start["message_id"]] = Stream(start=start, hold=hold)
            blank = {"content": "", "blocks": [], "reasoning": "", "n": 0, "reasoning_n": 0}
            self._pending.append({**start, **blank})

    def text(self, message_id: str, text: str) -> None:
        """Add text to an open message; that of one that was closed meanwhile is dropped."""
        with self._lock:
            stream = self._streams.get(message_id)
            if stream is None or stream.is_ended:
                return
            if stream.hold is not None:
                text = stream.hold.feed(text, time.monotonic())
            is_first = bool(text) and stream.n == 0
            self._append(stream, text)
        if is_first:
            self.due = 0.0  # whatever was sent a moment ago: the first word is what people wait for
        self._send_soon()

    def reasoning(self, message_id: str, text: str) -> None:
        """Add to the model's thinking."""
        with self._lock:
            stream = self._streams.get(message_id)
            if stream is None or stream.is_ended:
                return
            self._append(stream, text, is_reasoning=True)
        self._send_soon()

    def close(self, message_id: str, content: str, reasoning: str, *then: Event) -> None:
        """End a message: the rest of its final text, `stream_end`, and `then` its record, all in one send."""
        with self._lock:
            stream = self._streams.get(message_id)
            if stream is not None and not stream.is_ended:
                self._complete(stream, content, reasoning)
                stream.is_ended = True
                self._pending.append({"type": "stream_end", "message_id": message_id})
            self._pending.extend(then)
        self.flush()

    def emitted(self, message_id: str) -> tuple[str, str]:
        """The text and reasoning of an open message, including what waits to be sent but not what is held back."""
        with self._lock:
            stream = self._streams.get(message_id)
            if stream is None:
                return "", ""
            return self._emitted(stream, is_reasoning=False), self._emitted(stream, is_reasoning=True)

    def flush(self) -> None:
        """Send what waits, now if this thread may, else with the trailing flusher."""
        if not self._may_send():
            return self._trailer.mark(self)
        with self._send_lock:
            with self._lock:
                message = self._drain(time.monotonic())
            if message:
                self._send(message)
            else:
                self.due = time.monotonic() + load.interval()
        if self._waits:
            self._trailer.mark(self)

    # -- called on the loop or in an I/O thread ---------------------------------------------------------------------

    def want_html(self) -> None:
        """From now on send rendered text as well."""
        self._html = True

    def views(self, *, html: bool) -> list[StreamView]:
        """Copies of the open messages. With `html` it may render for milliseconds: not on the loop."""
        with self._lock:
            return [self._view(stream, html=html) for stream in self._streams.values()]

    # -- inside the lock --------------------------------------------------------------------------------------------

    def _append(self, stream: Stream, text: str, *, is_reasoning: bool = False) -> None:
        if not text:
            return
        last = self._pending[-1] if self._pending else None
        self._pending_chars += len(text)
        if isinstance(last, _Chunk) and last.takes(stream, is_reasoning, len(text)):
            last.parts.append(text)
            last.chars += len(text)
            return
        for at in range(0, len(text), CHUNK_CHARS):
            part = text[at : at + CHUNK_CHARS]
            self._pending.append(_Chunk(stream, is_reasoning, [part], len(part)))

    def _complete(self, stream: Stream, content: str, reasoning: str) -> None:
        """Emit what the final texts have beyond the emitted ones: text held back, or a last word never streamed."""
        stream.hold = None
        for final, is_reasoning in ((reasoning, True), (content, False)):
            emitted = self._emitted(stream, is_reasoning=is_reasoning)
            if final.startswith(emitted):
                self._append(stream, final[len(emitted) :], is_reasoning=is_reasoning)

    def _emitted(self, stream: Stream, *, is_reasoning: bool) -> str:
        parts = list(stream.reasoning if is_reasoning else stream.text)
        for item in self._pending:
            if isinstance(item, _Chunk) and item.stream is stream and item.is_reasoning is is_reasoning:
                parts += item.parts
        return "".join(parts)

    def _drain(self, now: float) -> Event | None:
        """Number and encode everything that waits and is due; return one layer message."""
        for stream in self._streams.values():
            if stream.hold is not None:
                self._append(stream, stream.hold.due(now))
        raw: list[str] = []
        html: list[str] = []
        while self._pending:
            item = self._pending.popleft()
            if isinstance(item, _Chunk):
                self._number(item, raw, html)
                continue
            if item["type"] == "stream_end":
                self._render(self._streams.pop(item["message_id"]), html, now, is_end=True)
            raw.append(encode(item))
            if self._html:
                html.append(encode(with_html(item)))
        self._pending_chars = 0
        if self._html:
            for stream in self._streams.values():
                self._render(stream, html, now)
        if not raw and not html:
            return None
        message: Event = {"type": "chat.events", "conversation": self._conversation_id, "raw": "\n".join(raw)}
        return {**message, "html": "\n".join(html)} if self._html else message

    def _number(self, chunk: _Chunk, raw: list[str], html: list[str]) -> None:
        stream, text = chunk.stream, "".join(chunk.parts)
        if chunk.is_reasoning:
            kind, n = "stream_reasoning", stream.reasoning_n
            stream.reasoning.append(text)
            stream.reasoning_n += 1
        else:
            kind, n = "stream_token", stream.n
            stream.text.append(text)
            stream.n += 1
            stream.unrendered.append(text)
        frame = encode({"type": kind, "message_id": stream.id, "n": n, "token": text})
        raw.append(frame)
        if self._html and chunk.is_reasoning:
            html.append(frame)

    def _render(self, stream: Stream, html: list[str], now: float, *, is_end: bool = False) -> None:
        """Add the patches that bring the page's HTML up to date, unless the stream's own clock says later."""
        if not self._html or (not stream.unrendered and not is_end) or (now < stream.render_due and not is_end):
            return
        patches = self._feed(stream, now)
        if is_end:
            patches += stream.rendered.end()
        for patch in patches:
            event = {"type": "stream_html", "message_id": stream.id, "n": stream.html_n, "block": patch.block}
            if patch.keep is not None:
                event["keep"] = patch.keep
            html.append(encode({**event, "html": patch.html}))
            stream.html_n += 1

    def _feed(self, stream: Stream, now: float) -> list[markdown.Patch]:
        if stream.rendered is None:
            stream.rendered = markdown.MarkdownStream()
        text = "".join(stream.unrendered)
        stream.unrendered.clear()
        started = time.monotonic()
        patches = stream.rendered.feed(text)
        cost = time.monotonic() - started
        stream.render_due = now + markdown.flush_interval(cost, load.interval())
        return patches

    def _view(self, stream: Stream, *, html: bool) -> StreamView:
        if html:
            self._html = True
            if stream.rendered is None:
                self._feed(stream, time.monotonic())
                stream.html_n += 1  # the view itself is the first patch
        return StreamView(
            start=stream.start,
            text="".join(stream.text),
            n=stream.html_n if html else stream.n,
            reasoning="".join(stream.reasoning),
            reasoning_n=stream.reasoning_n,
            blocks=tuple(stream.rendered.blocks) if html else None,
        )

    # -- sending ----------------------------------------------------------------------------------------------------

    def _send_soon(self) -> None:
        if time.monotonic() >= self.due or self._pending_chars > MAX_PENDING_CHARS:
            self.flush()
        else:
            self._trailer.mark(self)

    @property
    def _waits(self) -> bool:
        """True when something is left that only time will send: held back, or not rendered yet."""
        if self._pending:
            return True
        with self._lock:
            return any(
                (stream.hold is not None and stream.hold.held) or (self._html and stream.unrendered)
                for stream in self._streams.values()
            )

    @staticmethod
    def _may_send() -> bool:
        if not getattr(_bound, "yes", False):
            return False
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return True
        return False  # a callback inside a loop: async_to_sync is not allowed there

    def _send(self, message: Event) -> None:
        started = time.monotonic()
        if breaker.is_closed(started):
            try:
                async_to_sync(self._group_send)(message)
            except (Exception, asyncio.CancelledError) as error:
                # Records and the text so far are elsewhere: the process's tick repairs what this loses.
                breaker.open(error)
        ended = time.monotonic()
        load.count(ended)
        self.due = ended + max(load.interval(), min(2 * (ended - started), 0.5))

    async def _group_send(self, message: Event) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._layer.group_send(self._group, message)


def with_html(event: Event) -> Event:
    """Return an assistant's record with its `html`; any other event as it is. May take milliseconds."""
    if event["type"] != "message" or event["message"]["sender"] != "assistant":
        return event
    message = event["message"]
    html, is_cut = markdown.render_within(message["content"], MAX_HTML_BYTES)
    message = {**message, "html": html}
    return shorten({**event, "message": {**message, "truncated": True} if is_cut else message})


class Load:
    """How many sends per second the process makes, and how far apart those of one session should be."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0
        self._rate = 0.0

    def count(self, now: float) -> None:
        """Count a send. Unlocked: a lost count changes nothing."""
        self._count += 1
        if now - self._since >= 0.5:
            self._rate = self._count / (now - self._since) if self._since else 0.0
            self._since, self._count = now, 0

    def interval(self) -> float:
        """Seconds between two sends of one session: grows from 40 to 120 ms with the process's load."""
        share = (self._rate - LIGHT_LOAD) / (FULL_LOAD - LIGHT_LOAD)
        return FLUSH_SECONDS + min(max(share, 0.0), 1.0) * (BUSY_FLUSH_SECONDS - FLUSH_SECONDS)


class Breaker:
    """Leaves the layer alone for a while after a failed send, so that a stopped Redis holds no agent for long."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_closed(self, now: float) -> bool:
        return now >= self._until

    def open(self, error: BaseException) -> None:
        self._until = time.monotonic() + BREAK_SECONDS
        logger.warning("the channel layer does not take messages: %s", type(error).__name__)


load = Load()
breaker = Breaker()


def tell(group: str, message: Event) -> None:
    """Send one message to a group, from the loop or from a bound thread. Lost when the layer is away."""
    if not breaker.is_closed(time.monotonic()):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(_tell)(group, message)
    else:
        task = asyncio.ensure_future(_tell(group, message))
        _running.add(task)
        task.add_done_callback(_finished)


async def join(group: str, channel: str) -> bool:
    """Add a channel to a group, on the loop; False when the layer is away."""
    if not breaker.is_closed(time.monotonic()):
        return False
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_add(group, channel)
    except Exception as error:
        breaker.open(error)
        return False
    return True


async def _tell(group: str, message: Event) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as error:
        breaker.open(error)


class Trailer:
    """One bound thread per loop that sends what agents have left in their outboxes."""

    _by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Trailer] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dirty: set[Outbox] = set()  # guarded by self._lock
        self._wake = threading.Event()
        self._ended = False
        start_thread(self._run, name="chat-trailer")

    @classmethod
    def of_loop(cls) -> Trailer:
        """The trailer of the running loop."""
        loop = asyncio.get_running_loop()
        trailer = cls._by_loop.get(loop)
        if trailer is None or trailer._ended:
            trailer = cls._by_loop[loop] = cls()
        return trailer

    def mark(self, outbox: Outbox) -> None:
        """Flush this outbox when it is due."""
        with self._lock:
            self._dirty.add(outbox)
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait()
            self._wake.clear()
            while (pause := self._flush_due()) is not None and not self._ended:
                time.sleep(pause)

    def _flush_due(self) -> float | None:
        """Flush the outboxes that are due; return the seconds until the next is, None when none is left."""
        now = time.monotonic()
        with self._lock:
            due = [outbox for outbox in self._dirty if outbox.due <= now]
            self._dirty.difference_update(due)
        for outbox in due:
            try:
                outbox.flush()
            except Exception:  # one session's trouble must not hold the others' text back
                logger.exception("flush failed")
        with self._lock:
            if not self._dirty:
                return None
            return max(0.002, min(min(outbox.due for outbox in self._dirty) - time.monotonic(), FLUSH_SECONDS))
