"""The HTML of what one session says, made in order and beside everything that others wait for.

    add     what the outbox has numbered: frames, texts of open messages, their ends, answers
    take    the frames that are ready, for the flusher. What is light it makes itself, on the spot; all else is made by
            a thread of its own, and its frames are ready a moment later
    blocks  the HTML of the open messages up to now, for a page that joins

So a text that takes seconds to render holds its own conversation's HTML up, and nothing else: no lock that anybody else
takes is held meanwhile. What is heavy is rendered by few threads at a time: all share one interpreter, and a dozen that
want it all the time would keep it from those that need it for moments.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from chat.live.threads import io_threads
from chat.markdown.colours import Patience
from chat.markdown.stream import MarkdownStream, Patch, flush_interval, is_rendered, render_within
from chat.wire.events import Event, StreamEnd, StreamHtml
from chat.wire.frames import encode, shorten

logger = logging.getLogger(__name__)

MAX_HTML_BYTES = 160 * 1024  # of a record, beside its text
CHAR_SECONDS = 50e-6  # of the processor, for a character of the worst text that is known; of ordinary ones 2e-6
LIGHT_SECONDS = 0.02  # what takes no longer is rendered by the flusher
HEAVY_SECONDS = 0.2  # what may take longer is rendered by few threads at a time
RENDERERS = 2


@dataclass(frozen=True)
class Text:
    """What comes to an open message."""

    message_id: str
    text: str


@dataclass(frozen=True)
class End:
    """An open message has all of its text."""

    message_id: str


_heavy = threading.Semaphore(RENDERERS)  # taken last of all

Part = str | Text | End | Event  # a frame as it is, or what becomes frames; an event is an answer's record


@dataclass
class _Message:
    """An open message."""

    id: str
    waiting: list[str] = field(default_factory=list)  # text that is not rendered yet; guarded by the rendering's lock
    stream: MarkdownStream = field(default_factory=MarkdownStream)
    n: int = 0
    due: float = 0.0  # when it may be rendered again (monotonic)

    @property
    def is_behind(self) -> bool:
        """Whether its HTML lacks something: text, or the colours of code."""
        return bool(self.waiting) or self.stream.has_late

    @property
    def seconds(self) -> float:
        """What rendering it again takes at the most: the open block's last time, and more text."""
        late = HEAVY_SECONDS if self.stream.has_late else 0.0
        return self.stream.last_seconds + CHAR_SECONDS * sum(map(len, self.waiting)) + late

    def is_due(self, now: float) -> bool:
        return self.is_behind and now >= self.due

    def taken(self) -> str:
        """What waits, to be rendered by the caller."""
        text, self.waiting = "".join(self.waiting), []
        return text

    def feed(self, text: str, now: float, interval: float) -> list[str]:
        """Render more text, or the colours that have come; the cost decides when it is due again."""
        patches = self.stream.feed(text)
        self.due = now + flush_interval(self.stream.last_seconds, interval)
        return self._frames(patches)

    def end(self, text: str, patience: Patience) -> list[str]:
        frames = self._frames([*self.stream.feed(text), *self.stream.end(patience)])
        return [*frames, encode(StreamEnd(type="stream_end", message_id=self.id, n=self.n))]

    def _frames(self, patches: Iterable[Patch]) -> list[str]:
        frames = []
        for patch in patches:
            event = StreamHtml(type="stream_html", message_id=self.id, n=self.n, block=patch.block, html=patch.html)
            if patch.keep is not None:
                event["keep"] = patch.keep
            frames.append(encode(event))
            self.n += 1
        return frames


class Rendering:
    """What one session's pages with HTML are to get. Any thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called when frames are ready that another thread has made."""
        self._wake = wake
        self._rendering = threading.Lock()  # for seconds perhaps: the flusher never waits for it
        self._lock = threading.Lock()  # guards all below, for moments
        self._parts: deque[str | End | Event] = deque()
        self._messages: dict[str, _Message] = {}
        self._ready: list[str] = []
        self._is_elsewhere = False  # another thread renders, or will in a moment

    def add(self, parts: Iterable[Part]) -> None:
        """Take what was numbered. Texts of a message are rendered together, when it is due."""
        with self._lock:
            for part in parts:
                if isinstance(part, Text):
                    self._message(part.message_id).waiting.append(part.text)
                else:
                    self._parts.append(part)

    def take(self, now: float, interval: float) -> list[str]:
        """Return the frames that are ready. Never waits.

        `interval`: seconds, the shortest time between two patches of a message that others' load allows.
        """
        if not self._is_elsewhere and self._rendering.acquire(blocking=False):
            try:
                if (seconds := self._estimate(now)) <= LIGHT_SECONDS:
                    self._render(now, interval)
                else:
                    self._is_elsewhere = True
                    io_threads.submit(self._render_elsewhere, now, interval, seconds)
            finally:
                self._rendering.release()
        with self._lock:
            ready, self._ready = self._ready, []
        return ready

    @property
    def waits(self) -> bool:
        """True when something is left that only time will bring; what another thread makes is told of."""
        if self._is_elsewhere:
            return False
        with self._lock:
            return bool(self._parts or self._ready) or any(each.is_behind for each in self._messages.values())

    def blocks(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """The HTML of the open messages by their ids, with the number of the next patch. May take seconds."""
        with self._rendering:
            with heavily(self._estimate(float("inf"))):
                self._render(float("inf"), 0.0)
            with self._lock:
                messages = list(self._messages.values())
            found = {each.id: (each.n, tuple(each.stream.blocks)) for each in messages}
        self._wake()
        return found

    def _estimate(self, now: float) -> float:
        """Seconds of the processor that rendering may take."""
        with self._lock:
            ends = sum(self._seconds_of(part) for part in self._parts if not isinstance(part, str))
            return ends + sum(each.seconds for each in self._messages.values() if each.is_due(now))

    def _seconds_of(self, part: End | Event) -> float:
        """Inside the lock. Never light: it may wait for colours."""
        if isinstance(part, End):
            return 2 * LIGHT_SECONDS + self._message(part.message_id).stream.spent_seconds
        return 2 * LIGHT_SECONDS + cost_of(part["message"]["content"])

    def _render_elsewhere(self, now: float, interval: float, seconds: float) -> None:
        try:
            with self._rendering, heavily(seconds):
                self._render(now, interval)
        except Exception:  # of one session, whose pages find what they lack in its record
            logger.exception("rendering failed")
        finally:
            self._is_elsewhere = False
            self._wake()

    # -- by whoever has `_rendering` ---------------------------------------------------------------------------------

    def _render(self, now: float, interval: float) -> None:
        """Make the frames of all that waits, and of the open messages that are due."""
        patience = Patience()
        while (part := self._next_part()) is not None:
            self._put([part] if isinstance(part, str) else self._frames_of(part, patience))
        with self._lock:
            due = [(each, each.taken()) for each in self._messages.values() if each.is_due(now)]
        for message, text in due:
            self._put(message.feed(text, min(now, time.monotonic()), interval))

    def _next_part(self) -> str | End | Event | None:
        with self._lock:
            return self._parts.popleft() if self._parts else None

    def _frames_of(self, part: End | Event, patience: Patience) -> list[str]:
        if not isinstance(part, End):
            return [encode(with_html(part, patience))]
        with self._lock:
            message = self._message(part.message_id)
            del self._messages[part.message_id]
            text = message.taken()
        return message.end(text, patience)

    def _put(self, frames: list[str]) -> None:
        with self._lock:
            self._ready += frames

    def _message(self, id: str) -> _Message:
        """Inside the lock."""
        return self._messages.get(id) or self._messages.setdefault(id, _Message(id))


def heavily(seconds: float) -> AbstractContextManager[object]:
    """For the time of the block be one of few, if it may take so many seconds of the processor."""
    return _heavy if seconds > HEAVY_SECONDS else nullcontext()


def cost_of(text: str) -> float:
    """Seconds of the processor that a text may take."""
    return 0.0 if is_rendered(text) else CHAR_SECONDS * len(text)


def is_answer(event: Event) -> bool:
    """True for an assistant's record, which has HTML."""
    return bool(event["type"] == "message" and event["message"]["sender"] == "assistant")


def with_html(event: Event, patience: Patience) -> Event:
    """Return an assistant's record with its `html`; any other event as it is. It takes its time: see `Patience`."""
    if not is_answer(event):
        return event
    message = event["message"]
    html, is_cut = render_within(message["content"], MAX_HTML_BYTES, patience)
    message = {**message, "html": html}
    return shorten({**event, "message": {**message, "truncated": True} if is_cut else message})
