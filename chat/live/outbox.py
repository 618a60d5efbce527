"""The bridge between agent threads and the event loop: the only file that knows both.

    Inbox           user to agent: a bounded queue that ends by a sentinel
    Outbox          agent to browsers: what the agent emits waits there for the flusher
    Flusher         the one thread that sends, with `async_to_sync(group_send)`, what all outboxes hold
    start_thread    a daemon thread that asgiref knows, so that `async_to_sync` in it uses the server's loop
    in_thread       blocking work (the database, rendering) from the loop

A hop from a thread into the loop and back costs more than all that is sent with it: so one thread does it for all
sessions, and their sends fall on common beats. asgiref 3.12+ would make a new loop, and with Redis a new connection,
for each call of a thread that it does not know (asgiref/sync.py, `AsyncToSync.__call__`).

Layer messages are `{"type": "chat.events", "conversation": id, "raw": frames, "html": frames}`: frames of JSON, one a
line, for connections that get plain text and for those that get HTML. `html` is absent while no page wants it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import get_channel_layer

from chat.agents.langroid.holdback import HoldBack
from chat.live.backlog import Backlog, StreamView
from chat.mends.sqlite import lent_connection
from chat.wire.events import Event

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.040  # shortest time between two sends of one session
BUSY_FLUSH_SECONDS = 0.120  # the same while the process is under full load
LIGHT_LOAD, FULL_LOAD = 200.0, 500.0  # sends per second of the process
BEATS = 8  # of all sessions' sends, in that time
MAX_PENDING_CHARS = 64_000  # more text of one session than this does not wait: its agent does
ROOM_SECONDS = 5.0  # at the longest
SEND_SECONDS = 2.0  # one group_send never holds a thread longer
BREAK_SECONDS = 1.0  # after a failed send the layer is left alone for so long
IO_THREADS = 16  # blocking calls of the loop that run at the same time
IDLE_SECONDS = 5.0  # their threads end after so long without work

P = ParamSpec("P")
T = TypeVar("T")


# -- threads -------------------------------------------------------------------------------------------------------


class DaemonThreads(Executor):
    """One new daemon thread per call: no limit to wait for, and never joined when the interpreter ends.

    Non-daemon threads, and those of any ThreadPoolExecutor, that wait for a user would hang Daphne's exit and the
    autoreload.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        work = functools.partial(fn, *args, **kwargs)
        threading.Thread(target=_fulfil, args=(future, work), daemon=True, name=self._name).start()
        return future


def _fulfil(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # whatever ends the thread belongs to the future
        future.set_exception(error)


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


class IoThreads(Executor):
    """Daemon threads that take one piece of work after the other, and end when there is none for a while."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads without work that nobody counts on yet; guarded by self._lock

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._work.put((future, functools.partial(fn, *args, **kwargs)))
        with self._lock:
            if self._idle:
                self._idle -= 1
                return future
        threading.Thread(target=self._run, daemon=True, name="chat-io").start()
        return future

    def _run(self) -> None:
        while True:
            try:
                future, work = self._work.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                continue  # somebody counts on this thread: the work is there in a moment
            _fulfil(future, work)
            del future, work  # else they live as long as this thread waits
            with self._lock:
                self._idle += 1


_slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()
_io_threads = IoThreads()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work beside the loop; database connections are given back when it returns.

    Not in the process-wide sync thread: one slow query there would delay every socket.
    """
    loop = asyncio.get_running_loop()
    async with _slots.setdefault(loop, asyncio.Semaphore(IO_THREADS)):
        return await loop.run_in_executor(_io_threads, functools.partial(_with_connection, function, *args, **kwargs))


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


class Outbox:
    """What one session emits to its group. Any method from any thread; none waits for a page.

    The first text of a message, and its end, go at once. Other sends are at least `FLUSH_SECONDS` apart, counted from
    the end of the last one and never less than twice what it cost; what has gathered meanwhile goes as one.
    """

    def __init__(self, group: str, conversation_id: str) -> None:
        """Call on the event loop."""
        self.group = group
        self._conversation_id = conversation_id
        self._flusher = Flusher.of_loop()
        self._backlog = Backlog()
        self._lock = threading.Lock()  # guards the backlog; also while rendering, so the loop never takes it
        self._room = threading.Condition(self._lock)
        self._welcome = 0.0  # when the next send is (monotonic)

    # -- called by the agent ----------------------------------------------------------------------------------------

    def emit(self, *events: Event) -> None:
        """Send events soon, in order with everything else of this thread.

        Without the lock, which a thread that renders may hold: the loop emits too, and must not wait.
        """
        self._backlog.add(events)
        self._flush_soon()

    def open(self, start: Event, *, hold: HoldBack | None = None) -> None:
        """Begin a message: send its `stream_start` (given without text)."""
        with self._lock:
            self._backlog.open(start, hold=hold)

    def text(self, message_id: str, text: str) -> None:
        """Add text to an open message; that of one that was closed meanwhile is dropped."""
        with self._room:
            is_first = self._backlog.text(message_id, text, time.monotonic())
            self._wait_for_room()
        if is_first:
            self.flush()  # whatever was sent a moment ago: the first word is what people wait for
        else:
            self._flush_soon()

    def reasoning(self, message_id: str, text: str) -> None:
        """Add to the model's thinking."""
        with self._room:
            self._backlog.reasoning(message_id, text)
            self._wait_for_room()
        self._flush_soon()

    def close(self, message_id: str, content: str, reasoning: str, *then: Event) -> None:
        """End a message: the rest of its final text, `stream_end`, and `then` its record, all in one send."""
        ready = self._backlog.ready(then)  # in this thread, which nobody else waits for
        with self._lock:
            self._backlog.close(message_id, content, reasoning)
            self._backlog.add(ready)
        self.flush()

    def tell(self, group: str, message: Event) -> None:
        """Send a message of its own to another group, soon."""
        self._flusher.post(group, message)

    def emitted(self, message_id: str) -> tuple[str, str]:
        """The text and reasoning of an open message, including what waits to be sent but not what is held back."""
        with self._lock:
            return self._backlog.emitted(message_id)

    def flush(self) -> None:
        """Let what waits be sent now. Does not wait for it."""
        self._flusher.mark(self, 0.0)

    def _flush_soon(self) -> None:
        self._flusher.mark(self, load.next_beat(max(self._welcome, time.monotonic())))

    def _wait_for_room(self) -> None:
        """Inside the lock: an agent that is faster than all sending waits until its text is on its way."""
        if self._backlog.chars > MAX_PENDING_CHARS:
            self.flush()
            self._room.wait_for(lambda: self._backlog.chars <= MAX_PENDING_CHARS, ROOM_SECONDS)

    # -- called on the loop or in an I/O thread ---------------------------------------------------------------------

    def want_html(self) -> None:
        """From now on send rendered text as well."""
        self._backlog.html = True

    def views(self, *, html: bool) -> list[StreamView]:
        """Copies of the open messages. With `html` it may render for milliseconds: not on the loop."""
        with self._lock:
            return self._backlog.views(html=html)

    # -- called by the flusher --------------------------------------------------------------------------------------

    def take(self) -> Event | None:
        """Number and encode what waits as one layer message."""
        with self._lock:
            raw, html = self._backlog.drain(time.monotonic(), load.interval())
            wants_html = self._backlog.html
            self._room.notify_all()
        if not raw and not html:
            return None
        message = {"type": "chat.events", "conversation": self._conversation_id, "raw": "\n".join(raw)}
        return {**message, "html": "\n".join(html)} if wants_html else message

    def taken(self, seconds: float) -> None:
        """Sending it has cost so much: the next send may wait."""
        self._welcome = time.monotonic() + max(load.interval(), min(2 * seconds, 0.5))
        with self._lock:
            waits = self._backlog.waits
        if waits:
            self._flusher.mark(self, load.next_beat(self._welcome))


class Load:
    """How many sends per second the process makes, and how far apart those of one session should be."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0
        self._rate = 0.0

    def count(self, sends: int, now: float) -> None:
        """Count sends. Unlocked: a lost count changes nothing."""
        self._count += sends
        if now - self._since >= 0.5:
            self._rate = self._count / (now - self._since) if self._since else 0.0
            self._since, self._count = now, 0

    def interval(self) -> float:
        """Seconds between two sends of one session: grows from 40 to 120 ms with the process's load."""
        share = (self._rate - LIGHT_LOAD) / (FULL_LOAD - LIGHT_LOAD)
        return FLUSH_SECONDS + min(max(share, 0.0), 1.0) * (BUSY_FLUSH_SECONDS - FLUSH_SECONDS)

    def next_beat(self, moment: float) -> float:
        """The first time from `moment` on at which sessions send."""
        beat = self.interval() / BEATS
        return math.ceil(moment / beat) * beat


class Breaker:
    """Leaves the layer alone for a while after a failed send, so that a stopped Redis holds nobody for long."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_closed(self, now: float) -> bool:
        return now >= self._until

    def open(self, error: BaseException) -> None:
        self._until = time.monotonic() + BREAK_SECONDS
        logger.warning("the channel layer does not take messages: %s", type(error).__name__)


load = Load()
breaker = Breaker()


class Flusher:
    """One bound thread per loop that sends what all outboxes hold, each when it is due."""

    _by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Flusher] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._lock = threading.Lock()  # guards all below
        self._due: dict[Outbox, float] = {}  # when to send what it holds (monotonic)
        self._loose: list[tuple[str, Event]] = []  # messages with their groups, to be sent with the next
        self._next = math.inf  # when this thread looks again
        self._wake = threading.Event()
        self._ended = False
        start_thread(self._run, name="chat-flusher")

    @classmethod
    def of_loop(cls) -> Flusher:
        """The flusher of the running loop."""
        loop = asyncio.get_running_loop()
        flusher = cls._by_loop.get(loop)
        if flusher is None or flusher._ended:
            flusher = cls._by_loop[loop] = cls()
        return flusher

    def mark(self, outbox: Outbox, due: float) -> None:
        """Send what this outbox holds at the time `due`, or before."""
        with self._lock:
            due = self._due[outbox] = min(due, self._due.get(outbox, math.inf))
            if due < self._next:
                self._wake.set()

    def post(self, group: str, message: Event) -> None:
        """Send a message to a group, at the next beat."""
        with self._lock:
            self._loose.append((group, message))
            if load.next_beat(time.monotonic()) < self._next:
                self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._flush_due())

    def _flush_due(self) -> float | None:
        """Send what is due; return the seconds until the next is, None when nothing waits."""
        now = time.monotonic()
        with self._lock:
            outboxes = [outbox for outbox, due in self._due.items() if due <= now]
            for outbox in outboxes:
                del self._due[outbox]
            loose, self._loose = self._loose, []
        taken = [(outbox.group, message) for outbox in outboxes if (message := _taken_from(outbox))]
        messages = taken + loose  # what a conversation's list is told of comes after it
        if messages:
            self._send(messages)
        cost = (time.monotonic() - now) / max(len(outboxes), 1)
        for outbox in outboxes:
            outbox.taken(cost)
        with self._lock:
            self._wake.clear()
            self._next = load.next_beat(time.monotonic()) if self._loose else min(self._due.values(), default=math.inf)
            return None if self._next == math.inf else max(self._next - time.monotonic(), 0.0)

    def _send(self, messages: list[tuple[str, Event]]) -> None:
        if not breaker.is_closed(time.monotonic()):
            return
        try:
            async_to_sync(self._group_send)(messages)
        except (Exception, asyncio.CancelledError) as error:
            # Records and the text so far are elsewhere: the process's tick repairs what this loses.
            breaker.open(error)
        load.count(len(messages), time.monotonic())

    async def _group_send(self, messages: list[tuple[str, Event]]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            for group, message in messages:
                await self._layer.group_send(group, message)


def _taken_from(outbox: Outbox) -> Event | None:
    try:
        return outbox.take()
    except Exception:  # one session's trouble must not hold the others' text back
        logger.exception("flush failed")
        return None


def tell(group: str, message: Event) -> None:
    """Send one message to a group, from the loop or from a view's thread. Lost when the layer is away."""
    if not breaker.is_closed(time.monotonic()):
        return
    if not _is_in_loop():
        return async_to_sync(_tell)(group, message)
    task = asyncio.ensure_future(_tell(group, message))
    _running.add(task)
    task.add_done_callback(_finished)


def _is_in_loop() -> bool:
    """True in a thread whose event loop runs.

    Not to be asked in the `except` block itself: asgiref (3.12, sync.py:379) keeps the exception in whose handler it is
    called, with all that the thread works on, until the next full garbage collection.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _tell(group: str, message: Event) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await get_channel_layer().group_send(group, message)
    except Exception as error:
        breaker.open(error)


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
