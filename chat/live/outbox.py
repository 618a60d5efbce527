"""Agent to browsers: what one session emits waits here for the flusher.

Layer messages are `{"type": "chat.events", "conversation": id, "raw": frames, "html": frames}`: frames of JSON, one a
line, for connections that get plain text and for those that get HTML. `html` is absent while no page wants it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from chat.agents.langroid.holdback import HoldBack
from chat.live.backlog import Backlog
from chat.live.flusher import (
    Flusher,
    pace,
)
from chat.live.rendering import Rendering
from chat.live.snapshot import StreamView
from chat.wire.events import Event, StreamStart

MAX_PENDING_CHARS = 64_000  # more text of one session than this does not wait: its agent does
ROOM_SECONDS = 5.0  # at the longest
HELD_BACK_SECONDS = 0.1  # where nothing may be sent, the next look is so much later


class Outbox:
    """What one session emits to its group. Any method from any thread; none waits for a page.

    The first text of a message, and its end, go at once. Other sends are at least `FLUSH_SECONDS` apart, counted from
    the end of the last one and never less than twice what it cost; what has gathered meanwhile goes as one.
    """

    def __init__(self, group: str, conversation_id: str, *, may_send: Callable[[], bool] = lambda: True) -> None:
        """Call on the event loop. While `may_send` says no, all waits."""
        self.group = group
        self._may_send = may_send
        self._is_silent = False
        self._conversation_id = conversation_id
        self._flusher = Flusher.of_loop()
        self._backlog = Backlog()
        self._rendering = Rendering(wake=self.flush)
        self._lock = threading.Lock()  # guards the backlog
        self._room = threading.Condition(self._lock)
        self._welcome = 0.0  # when the next send is (monotonic)

    # -- called by the agent ----------------------------------------------------------------------------------------

    def emit(self, *events: Event) -> None:
        """Send events soon, in order with everything else of this thread. Without the lock: the loop emits too."""
        self._backlog.add(events)
        self._flush_soon()

    def open(self, start: StreamStart, *, hold: HoldBack | None = None) -> None:
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
        with self._lock:
            self._backlog.close(message_id, content, reasoning)
            self._backlog.add(then)
        self.flush()

    def tell(self, group: str, message: Event) -> None:
        """Send a message of its own to another group, soon."""
        self._flusher.post(group, message)

    def emitted(self, message_id: str) -> tuple[str, str]:
        """The text and reasoning of an open message, including what waits to be sent but not what is held back."""
        with self._lock:
            return self._backlog.emitted(message_id)

    def sent(self, message_id: str) -> tuple[str, str]:
        """The text and reasoning of an open message that are on their way to pages."""
        with self._lock:
            return self._backlog.sent(message_id)

    def silence(self) -> None:
        """Send nothing any more, nor what waits."""
        self._is_silent = True

    def flush(self) -> None:
        """Let what waits be sent now. Does not wait for it."""
        self._flusher.mark(self, 0.0)

    def _flush_soon(self) -> None:
        self._flusher.mark(self, pace.next_beat(max(self._welcome, time.monotonic())))

    def _wait_for_room(self) -> None:
        """Inside the lock: an agent that is faster than all sending waits until its text is on its way."""
        if self._backlog.chars > MAX_PENDING_CHARS:
            self.flush()
            self._room.wait_for(lambda: self._backlog.chars <= MAX_PENDING_CHARS, ROOM_SECONDS)

    # -- called on the loop -----------------------------------------------------------------------------------------

    def want_html(self) -> None:
        """From now on send rendered text as well."""
        with self._lock:
            self._rendering.add(self._backlog.want_html())

    # -- called beside the loop -------------------------------------------------------------------------------------

    def render(self) -> None:
        """Render what there is by now, so that `views` has little to do. It may take seconds."""
        self.want_html()
        self._rendering.blocks()

    def views(self, *, html: bool) -> list[StreamView]:
        """Copies of the open messages. With `html` it renders what is not rendered yet."""
        with self._lock:
            views = self._backlog.views()
        if not html:
            return views
        self.want_html()
        made = self._rendering.blocks()
        found = [(view, *made.get(view.start["message_id"], (0, ()))) for view in views]
        return [replace(view, n=n, blocks=blocks) for view, n, blocks in found]

    # -- called by the flusher --------------------------------------------------------------------------------------

    def take(self) -> Event | None:
        """Number and encode what waits as one layer message."""
        if not (self._is_silent or self._may_send()):
            self._flusher.mark(self, time.monotonic() + HELD_BACK_SECONDS)
            return None
        now = time.monotonic()
        with self._lock:
            raw, parts = self._backlog.drain(now)
            wants_html = self._backlog.html
            self._rendering.add(parts)
            self._room.notify_all()
        html = self._rendering.take(now, pace.interval()) if wants_html else []
        if self._is_silent or not (raw or html):
            return None
        message = {"type": "chat.events", "conversation": self._conversation_id, "raw": "\n".join(raw)}
        return {**message, "html": "\n".join(html)} if wants_html else message

    def taken(self, seconds: float) -> None:
        """Sending it has cost so much: the next send may wait."""
        self._welcome = time.monotonic() + max(pace.interval(), min(2 * seconds, 0.5))
        with self._lock:
            waits = self._backlog.waits
        if waits or self._rendering.waits:
            self._flusher.mark(self, pace.next_beat(self._welcome))
