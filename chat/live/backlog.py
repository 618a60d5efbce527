"""What an agent has emitted and no page has been sent yet, and the messages that it writes. Pure, not thread-safe.

`Backlog.drain` numbers and encodes what waits: chunks get their `n` only when they are sent, so that text of a fast
model merges, and a view of a stream is exact: the text up to `n`, and not a letter more. HTML is made elsewhere
(`rendering.py`), of what is numbered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.agents.langroid.holdback import HoldBack
from chat.live.rendering import End, Part, Text, is_answer
from chat.live.snapshot import StreamView
from chat.wire.codes import CHUNK_CHARS
from chat.wire.events import Event, StreamEnd, StreamReasoning, StreamStart, StreamToken
from chat.wire.frames import encode


@dataclass
class Stream:
    """An open message: what has been numbered so far."""

    start: StreamStart  # its `stream_start` without the text
    hold: HoldBack | None = None
    text: list[str] = field(default_factory=list)
    n: int = 0
    reasoning: list[str] = field(default_factory=list)
    reasoning_n: int = 0
    has_text: bool = False  # perhaps not numbered yet
    is_ended: bool = False  # its end waits to be sent

    @property
    def id(self) -> str:
        return self.start["message_id"]


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


class Backlog:
    """Everything of one session that waits, in order, and its open messages."""

    def __init__(self) -> None:
        self.html = False  # rendered text is wanted as well
        self.chars = 0  # of text that waits
        self._arrived: deque[Event] = deque()  # from any thread, without the lock
        self._pending: deque[Event | _Chunk | _End] = deque()
        self._streams: dict[str, Stream] = {}

    # -- what the agent emits ---------------------------------------------------------------------------------------

    def add(self, events: Iterable[Event]) -> None:
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
        """True when something is left that only time will send: held back."""
        if self._pending or self._arrived:
            return True
        return any(stream.hold is not None and stream.hold.held for stream in self._streams.values())

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

    def views(self) -> list[StreamView]:
        """Copies of the open messages, without HTML; not of one whose record is there."""
        return [self._view(stream) for stream in self._streams.values() if not stream.is_ended]

    def _view(self, stream: Stream) -> StreamView:
        return StreamView(
            start=stream.start,
            text="".join(stream.text),
            n=stream.n,
            reasoning="".join(stream.reasoning),
            reasoning_n=stream.reasoning_n,
            blocks=None,
        )

    def want_html(self) -> list[Part]:
        """From now on `drain` says what is to become HTML, too. Return what is numbered by now, the first time."""
        if self.html:
            return []
        self.html = True
        return [Text(stream.id, "".join(stream.text)) for stream in self._streams.values() if stream.text]

    # -- sending ----------------------------------------------------------------------------------------------------

    def drain(self, now: float) -> tuple[list[str], list[Part]]:
        """Number and encode what waits: frames for pages that take plain text, and what becomes those with HTML."""
        for stream in self._streams.values():
            if stream.hold is not None:
                self._append(stream, stream.hold.due(now))
        self._take_in()
        raw: list[str] = []
        html: list[Part] = []
        while self._pending:
            match item := self._pending.popleft():
                case _Chunk():
                    self._number(item, raw, html)
                case _End(stream):
                    del self._streams[stream.id]
                    raw.append(encode(StreamEnd(type="stream_end", message_id=stream.id, n=stream.n)))
                    html.append(End(stream.id))
                case _:
                    frame = encode(item)
                    raw.append(frame)
                    html.append(item if is_answer(item) else frame)
        self.chars = 0
        return raw, html if self.html else []

    def _number(self, chunk: _Chunk, raw: list[str], html: list[Part]) -> None:
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
        frame = encode(event)
        raw.append(frame)
        html.append(frame if chunk.is_reasoning else Text(stream.id, text))
