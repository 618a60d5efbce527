"""From the bytes of a streamed answer to its events: for our own reading of a stream, and for the SDKs'. Pure.

Server-sent events are read as the standard has them, and beyond it what servers send in their place: one object of JSON
where no stream was made, or one a line. Empty events are passed over, bytes that are no UTF-8 become U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

DONE = object()  # the stream says that it has ended

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r(?!\Z)")  # at the end of a part the other half may be missing


class Raw:
    """An event as it came. Made for each token, so a plain class: a frozen one takes three times as long."""

    __slots__ = ("data", "is_error")

    def __init__(self, data: bytes, is_error: bool = False) -> None:
        self.data = data
        self.is_error = is_error  # by its name

    def read(self) -> Any:
        """Return its value, DONE at the end. Raises: ValueError."""
        if self.data[:1] != b"{" and self.data.startswith((b"[DONE]", b'"[DONE]"', b"DONE")):
            return DONE
        try:
            value = json.loads(self.data)
        except ValueError:  # of the encoding as well
            value = json.loads(self.data.decode("utf-8", "replace"), strict=False)
        if self.is_error and not (isinstance(value, dict) and value.get("error")):
            return {"error": value}
        return value


class Cutter:
    """Cuts a body into its events while its parts come."""

    def __init__(self) -> None:
        self._rest = b""  # of a line
        self._data: list[bytes] = []  # lines of the event that is open
        self._name = b""  # of that event
        self._body: list[bytes] | None = None  # lines of an object that came in place of events
        self._is_first = True

    def feed(self, part: bytes) -> list[Raw]:
        """Take the next part; return the events that are whole."""
        rest = self._rest + part
        if b"\r" in rest:
            rest = _LINE_END.sub(b"\n", rest)
        *lines, self._rest = rest.split(b"\n")
        found: list[Raw] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif line or self._data:
                self._take(line, found)
        return found

    def end(self) -> list[Raw]:
        """The body has ended: return what its last lines make, also without the empty line that is missing."""
        found: list[Raw] = []
        for line in (self._rest.rstrip(b"\r"), b""):
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif line or self._data:
                self._take(line, found)
        self._rest = b""
        return found

    def _take(self, line: bytes, found: list[Raw]) -> None:
        """Take a line that is not of an event's data."""
        if not line:
            data = self._data[0].strip() if len(self._data) == 1 else b"\n".join(self._data).strip()
            if data:
                found.append(Raw(data, self._name == b"error"))
            self._data, self._name = [], b""
            return
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(_BOM)
            if line.startswith(b"data:"):
                self._data.append(line[5:])
                return
            if line.lstrip()[:1] in (b"{", b"["):
                self._body = []
        if self._body is not None:
            self._take_body(line, found)
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif line.startswith(b"error:"):  # of llama.cpp, in place of data
            self._data.append(line[6:])
            self._name = b"error"

    def _take_body(self, line: bytes, found: list[Raw]) -> None:
        self._body.append(line)  # type: ignore[union-attr]
        if not line.rstrip().endswith((b"}", b"]")):
            return
        body = b"\n".join(self._body)  # type: ignore[arg-type]
        try:
            value = Raw(body).read()
        except ValueError:
            return
        self._body = []
        values = value if isinstance(value, list) else [value]
        found.extend(Raw(json.dumps(value).encode()) for value in values)


@dataclass(frozen=True, slots=True)
class ForSdk:
    """An event as the loops of OpenAI's, Groq's and Cerebras' SDKs want it (openai 3.54, _streaming.py:53)."""

    data: str
    value: Any
    event: str | None = None

    def json(self) -> Any:
        return self.value


class Decoder:
    """Stands in for the SDKs' own decoder: `client._make_sse_decoder = Decoder`."""

    def iter_bytes(self, parts: Iterator[bytes]) -> Iterator[ForSdk]:
        cutter = Cutter()
        for part in parts:
            yield from _for_sdk(cutter.feed(part))
        yield from _for_sdk(cutter.end())

    async def aiter_bytes(self, parts: AsyncIterator[bytes]) -> AsyncIterator[ForSdk]:
        cutter = Cutter()
        async for part in parts:
            for event in _for_sdk(cutter.feed(part)):
                yield event
        for event in _for_sdk(cutter.end()):
            yield event


def _for_sdk(found: list[Raw]) -> Iterator[ForSdk]:
    for raw in found:
        value = raw.read()
        if value is DONE:
            yield ForSdk("[DONE]", None)
        elif isinstance(value, dict):  # what is none would fail there
            yield ForSdk("", value)
