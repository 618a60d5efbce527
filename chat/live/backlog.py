"""What an agent has emitted and no page has been sent yet, and the messages that it writes. Pure, not thread-safe.

`Backlog.drain` numbers and encodes what waits: chunks get their `n` only when they are sent, so that text of a fast
model merges, and a view of a stream is exact: the text up to `n`, and not a letter more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.agents.langroid.holdback import HoldBack
from chat.live.snapshot import StreamView
from chat.markdown.colours import Patience
from chat.markdown.stream import MarkdownStream, Patch, flush_interval, render_within
from chat.wire.codes import CHUNK_CHARS
from chat.wire.events import Event, StreamEnd, StreamHtml, StreamReasoning, StreamStart, StreamToken
from chat.wire.frames import encode, shorten

MAX_HTML_BYTES = 160 * 1024  # of a record, beside its text


@dataclass
class Stream:
    """An open message: what has been numbered so far."""

    start: StreamStart  # its `stream_start` without the text
    hold: HoldBack | None = None
    text: list[str] = field(default_factory=list)
    n: int = 0
    reasoning: list[str] = field(default_factory=list)
    reasoning_n: int = 0
    rendered: MarkdownStream | None = None
    unrendered: list[str] = field(default_factory=list)
    html_n: int = 0
    render_due: float = 0.0
    has_text: bool = False  # perhaps not numbered yet
    is_ended: bool = False  # its end waits to be sent

    @property
    def id(self) -> str:
        return self.start["message_id"]

    @property
    def is_behind(self) -> bool:
        """Whether its HTML lacks something: text, or the colours of code."""
        return bool(self.unrendered) or (self.rendered is not None and self.rendered.has_late)


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


@dataclass
class _End:
    """The end of a stream that waits to be sent."""

    stream: Stream


@dataclass
class _Rendered:
    """A record of an answer, rendered before it waits: that may take long, and nobody else is to wait for it."""

    raw: Event
    html: Event


class Backlog:
    """Everything of one session that waits, in order, and its open messages."""

    def __init__(self) -> None:
        self.html = False  # rendered text is wanted as well
        self.chars = 0  # of text that waits
        self._arrived: deque[Event | _Rendered] = deque()  # from any thread, without the lock
        self._pending: deque[Event | _Chunk | _End | _Rendered] = deque()
        self._streams: dict[str, Stream] = {}

    # -- what the agent emits ---------------------------------------------------------------------------------------

    def ready(self, events: Iterable[Event]) -> list[Event | _Rendered]:
        """Prepare events for `add`, which may take milliseconds."""
        return [
            _Rendered(event, with_html(event, Patience())) if self.html and _is_answer(event) else event
            for event in events
        ]

    def add(self, events: Iterable[Event | _Rendered]) -> None:
        """Let events wait, in order with all else that this thread says. The only method that needs no lock."""
        for event in events:
            self._arrived.append(event)

    def _take_in(self) -> None:
        """Put what has arrived behind what waits: nobody else touches that while it is looked through."""
        while self._arrived:
            self._pending.append(self._arrived.popleft())

    def open(self, start: StreamStart, *, hold: HoldBack | None = None) -> None:
        """Begin a message with its `stream_start`, given without text."""
        self._take_in()
        self._streams[start["message_id"]] = Stream(start=start, hold=hold)
        blank = {"content": "", "blocks": [], "reasoning": "", "n": 0, "reasoning_n": 0}
        self._pending.append({**start, **blank})

    def text(self, message_id: str, text: str, now: float) -> bool:
        """Add text to an open message, not to one that was closed meanwhile; return whether it is its first."""
        stream = self._streams.get(message_id)
        if stream is None or stream.is_ended:
            return False
        if stream.hold is not None:
            text = stream.hold.feed(text, now)
        is_first = bool(text) and not stream.has_text
        self._append(stream, text)
        return is_first

    def reasoning(self, message_id: str, text: str) -> None:
        """Add to the model's thinking."""
        stream = self._streams.get(message_id)
        if stream is not None and not stream.is_ended:
            self._append(stream, text, is_reasoning=True)

    def close(self, message_id: str, content: str, reasoning: str) -> None:
        """End a message: what its final texts have beyond the emitted ones (held back, or never streamed), its end."""
        stream = self._streams.get(message_id)
        if stream is None or stream.is_ended:
            return
        stream.hold = None
        for final, is_reasoning in ((reasoning, True), (content, False)):
            emitted = self._emitted(stream, is_reasoning=is_reasoning)
            if final.startswith(emitted):
                self._append(stream, final[len(emitted) :], is_reasoning=is_reasoning)
        stream.is_ended = True
        self._take_in()
        self._pending.append(_End(stream))

    def _append(self, stream: Stream, text: str, *, is_reasoning: bool = False) -> None:
        if not text:
            return
        self._take_in()
        stream.has_text = stream.has_text or not is_reasoning
        self.chars += len(text)
        last = self._pending[-1] if self._pending else None
        if isinstance(last, _Chunk) and last.takes(stream, is_reasoning, len(text)):
            last.parts.append(text)
            last.chars += len(text)
            return
        for at in range(0, len(text), CHUNK_CHARS):
            part = text[at : at + CHUNK_CHARS]
            self._pending.append(_Chunk(stream, is_reasoning, [part], len(part)))

    # -- what there is ----------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """True when something is left that only time will send: held back, or not rendered yet."""
        if self._pending or self._arrived:
            return True
        streams = self._streams.values()
        return any((s.hold is not None and s.hold.held) or (self.html and s.is_behind) for s in streams)

    def emitted(self, message_id: str) -> tuple[str, str]:
        """The text and reasoning of an open message, including what waits to be sent but not what is held back."""
        stream = self._streams.get(message_id)
        if stream is None:
            return "", ""
        return self._emitted(stream, is_reasoning=False), self._emitted(stream, is_reasoning=True)

    def sent(self, message_id: str) -> tuple[str, str]:
        """The text and reasoning of an open message as far as they are numbered: what a view of it has, no letter more.

        Whoever reads them elsewhere never has text taken away by a view, or by the next chunks.
        """
        stream = self._streams.get(message_id)
        return ("".join(stream.text), "".join(stream.reasoning)) if stream else ("", "")

    def _emitted(self, stream: Stream, *, is_reasoning: bool) -> str:
        parts = list(stream.reasoning if is_reasoning else stream.text)
        for item in self._pending:
            if isinstance(item, _Chunk) and item.stream is stream and item.is_reasoning is is_reasoning:
                parts += item.parts
        return "".join(parts)

    def views(self, *, html: bool) -> list[StreamView]:
        """Copies of the open messages, not of one whose record is there. With `html` it may render for milliseconds."""
        return [self._view(stream, html=html) for stream in self._streams.values() if not stream.is_ended]

    def _view(self, stream: Stream, *, html: bool) -> StreamView:
        if html:
            self.html = True
            if stream.rendered is None:
                self._feed(stream, time.monotonic(), 0.0)
                stream.html_n += 1  # the view itself is the first patch
        return StreamView(
            start=stream.start,
            text="".join(stream.text),
            n=stream.html_n if html else stream.n,
            reasoning="".join(stream.reasoning),
            reasoning_n=stream.reasoning_n,
            blocks=tuple(stream.rendered.blocks) if html and stream.rendered else None,
        )

    # -- sending ----------------------------------------------------------------------------------------------------

    def drain(self, now: float, interval: float) -> tuple[list[str], list[str]]:
        """Number and encode what waits and is due: frames for pages that take plain text, and for those with HTML.

        `interval`: seconds, the shortest time between two patches of a message that others' load allows.
        """
        for stream in self._streams.values():
            if stream.hold is not None:
                self._append(stream, stream.hold.due(now))
        self._take_in()
        raw: list[str] = []
        html: list[str] = []
        while self._pending:
            match item := self._pending.popleft():
                case _Chunk():
                    self._number(item, raw, html)
                case _End(stream):
                    del self._streams[stream.id]
                    self._render(stream, html, now, interval, is_end=True)
                    self._put(StreamEnd(type="stream_end", message_id=stream.id), raw, html)
                case _Rendered():
                    raw.append(encode(item.raw))
                    html.append(encode(item.html))
                case _:
                    self._put(item, raw, html)
        self.chars = 0
        for stream in self._streams.values():
            self._render(stream, html, now, interval)
        return raw, html

    def _put(self, event: Event, raw: list[str], html: list[str]) -> None:
        frame = encode(event)
        raw.append(frame)
        if self.html:
            html.append(encode(with_html(event, Patience())) if _is_answer(event) else frame)

    def _number(self, chunk: _Chunk, raw: list[str], html: list[str]) -> None:
        stream, text = chunk.stream, "".join(chunk.parts)
        event: StreamReasoning | StreamToken
        if chunk.is_reasoning:
            event = StreamReasoning(type="stream_reasoning", message_id=stream.id, n=stream.reasoning_n, token=text)
            stream.reasoning.append(text)
            stream.reasoning_n += 1
        else:
            event = StreamToken(type="stream_token", message_id=stream.id, n=stream.n, token=text)
            stream.text.append(text)
            stream.n += 1
            stream.unrendered.append(text)
        frame = encode(event)
        raw.append(frame)
        if self.html and chunk.is_reasoning:
            html.append(frame)

    def _render(self, stream: Stream, html: list[str], now: float, interval: float, *, is_end: bool = False) -> None:
        """Add the patches that bring the page's HTML up to date, unless the stream's own clock says later."""
        if not self.html or (not is_end and (not stream.is_behind or now < stream.render_due)):
            return
        patches = self._feed(stream, now, interval)
        if is_end:
            assert stream.rendered is not None  # since `_feed`
            patches += stream.rendered.end()
        for patch in patches:
            event = StreamHtml(
                type="stream_html", message_id=stream.id, n=stream.html_n, block=patch.block, html=patch.html
            )
            if patch.keep is not None:
                event["keep"] = patch.keep
            html.append(encode(event))
            stream.html_n += 1

    def _feed(self, stream: Stream, now: float, interval: float) -> list[Patch]:
        if stream.rendered is None:
            stream.rendered = MarkdownStream()
        text = "".join(stream.unrendered)
        stream.unrendered.clear()
        started = time.monotonic()
        patches = stream.rendered.feed(text)
        stream.render_due = now + flush_interval(time.monotonic() - started, interval)
        return patches


def _is_answer(event: Event) -> bool:
    return bool(event["type"] == "message" and event["message"]["sender"] == "assistant")


def with_html(event: Event, patience: Patience) -> Event:
    """Return an assistant's record with its `html`; any other event as it is. It takes its time: see `Patience`."""
    if not _is_answer(event):
        return event
    message = event["message"]
    html, is_cut = render_within(message["content"], MAX_HTML_BYTES, patience)
    message = {**message, "html": html}
    return shorten({**event, "message": {**message, "truncated": True} if is_cut else message})
