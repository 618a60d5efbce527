"""The tool calls of an answer, put together from the pieces that a server sends of them. Pure.

What tells one call from the next is not the same everywhere: the index, the id, both, or neither. So: a new id, or a
name after whole arguments, opens a call; an empty id or name means that the call goes on. Whatever came twice is one.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from chat.agents.provider.values import Unreadable, arguments, index_of, is_whole, mended, text_of

UNREADABLE = "The arguments of this call could not be read: they are no JSON object. Nothing was run."
BROKEN_OFF = "The answer broke off before the arguments of this call were complete. Nothing was run."
NAMELESS = "This call names no tool. Nothing was run."
MAX_CALLS = 128  # of one answer
MAX_NAME_CHARS = 200

_ODD = re.compile(r"[^A-Za-z0-9_-]")  # in a name: servers refuse histories with such
_NUMBER = re.compile(r":\d+\Z")  # functions.now:0


@dataclass(frozen=True)
class WholeCall:
    """A tool call. `fault`: why it must not run, and then the arguments are `{"arguments": what came}`."""

    id: str
    name: str
    args: dict[str, Any]
    fault: str | None = None
    extra: Any = None  # of the server's own, to be sent back with the call

    def as_delta(self, index: int) -> dict[str, Any]:
        """The call as the one piece that a well-behaved server sends of it."""
        args = {} if self.fault else self.args
        function = {"name": self.name, "arguments": json.dumps(args)}
        return {"index": index, "id": self.id, "type": "function", "function": function, "extra_content": self.extra}


@dataclass
class _Piece:
    index: int | str | None  # the server's; or the place in a list without
    id: str
    name: str
    args: str
    extra: Any = None


@dataclass(eq=False)
class _Call:
    id: str = ""
    name: str = ""
    args: list[str] = field(default_factory=list)
    extra: Any = None

    @property
    def text(self) -> str:
        if len(self.args) > 1:
            self.args = ["".join(self.args)]
        return "".join(self.args)

    @property
    def has_begun(self) -> bool:
        return any(part.strip() for part in self.args)

    @property
    def is_whole(self) -> bool:
        return is_whole(self.text)

    def take(self, piece: _Piece) -> None:
        self.id = self.id or piece.id
        self.extra = self.extra if piece.extra is None else piece.extra
        if piece.args:
            self.args.append(piece.args)


class Calls:
    """The calls of one answer. `known`: the names of the tools that the model was offered."""

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = frozenset(known)
        self._calls: list[_Call] = []
        self._at: dict[int | str, _Call] = {}  # the newest call with this index
        self._by_id: dict[str, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, pieces: Any) -> None:
        """Take what one event says of calls: a list of pieces, or one."""
        found = [piece for item in (pieces if isinstance(pieces, list) else [pieces]) if (piece := _piece_of(item))]
        for place, piece in enumerate(found):
            if piece.index is None and len(found) > 1:
                piece.index = f"place {place}"
            self._add(piece)

    def _add(self, piece: _Piece) -> None:
        call = self._call_of(piece)
        if call is None:
            if len(self._calls) >= MAX_CALLS or not (piece.id or piece.name or piece.args.strip()):
                return
            call = _Call()
            self._calls.append(call)
        if piece.name and not call.has_begun:
            call.name = self._joined(call.name, piece.name)
        repeats = piece.name and call.has_begun and piece.args.strip() == call.text.strip()
        if repeats:
            piece.args = ""
        call.take(piece)
        if piece.index is not None:
            self._at[piece.index] = call
        if piece.id:
            self._by_id[piece.id] = call

    # -- whose piece it is --------------------------------------------------------------------------------------------

    def _call_of(self, piece: _Piece) -> _Call | None:
        """The call that this piece goes on with; None where it opens one."""
        if not self._calls:
            return None
        near = self._near(piece)
        if piece.id and piece.id not in self._by_id:
            return near if self._is_late_id(piece, near) else None
        call = self._by_id[piece.id] if piece.id else near
        if not piece.name:
            return self._unfinished(call)
        return None if call is None or self._opens(piece, call) else call

    def _near(self, piece: _Piece) -> _Call | None:
        """The call at the piece's index. A name at an index that is new opens a call; all else belongs to the last."""
        if piece.index in self._at:
            return self._at[piece.index]
        last = self._calls[-1]
        is_new_place = piece.index is not None and bool(self._at)
        return None if is_new_place and piece.name and last.name else last

    def _unfinished(self, call: _Call | None) -> _Call:
        """That call, or the last one if the call wants nothing more: head and tail may have different indexes."""
        last = self._calls[-1]
        if call is None or (call is not last and call.is_whole and not last.is_whole):
            return last
        return call

    def _is_late_id(self, piece: _Piece, call: _Call | None) -> bool:
        """True where an id that is new belongs to a call that is there: it comes late, or a new one with each piece."""
        if call is None or call.is_whole:
            return False
        if not call.id:
            return not piece.name or not call.name or (piece.name == call.name and not call.has_begun)
        return not piece.name and call.has_begun

    def _opens(self, piece: _Piece, call: _Call) -> bool:
        """Whether a name opens a call, where its id is none or known."""
        if not call.name:
            return False
        if call.has_begun:
            if piece.name != call.name:
                return True
            return call.is_whole and bool(piece.args.strip()) and piece.args.strip() != call.text.strip()
        if piece.name == call.name or self._may_become(call.name + piece.name) or piece.name.startswith(call.name):
            return False
        return _tail(call.name) in self._known or _tail(piece.name) in self._known

    # -- names --------------------------------------------------------------------------------------------------------

    def _joined(self, name: str, more: str) -> str:
        """A name with one more piece, which may also be the name again, or as far as it is known now."""
        if self._may_become(name + more):
            return name + more
        if more.startswith(name):
            return more
        return name if name.endswith(more) and _tail(name) in self._known else name + more

    def _may_become(self, name: str) -> bool:
        return any(known.startswith(name) or known.startswith(_tail(name)) for known in self._known)

    def _tool(self, name: str) -> str:
        """The tool that is meant: some models write a namespace or a mark around its name."""
        name = _NUMBER.sub("", mended(name).partition("<|")[0].strip().removesuffix("()"))[:MAX_NAME_CHARS]
        if name in self._known:
            return name
        tail = _tail(name)
        if tail in self._known or name.startswith(("functions.", "function.", "tools.")):
            name = tail
        return name if name in self._known else _ODD.sub("_", name)[:64]

    # -- the end ------------------------------------------------------------------------------------------------------

    def whole(self, *, taken: Collection[str] = (), is_cut: bool = False) -> list[WholeCall]:
        """Return the calls, each with an id of its own that is not in `taken`. `is_cut`: the answer broke off."""
        ids = set(taken)
        return [whole for call in self._calls for whole in self._wholes(call, ids, is_cut=is_cut)]

    def _wholes(self, call: _Call, ids: set[str], *, is_cut: bool) -> Iterator[WholeCall]:
        name, text = self._tool(call.name), call.text
        nameless = None if name else NAMELESS
        name = name or "unnamed"
        try:
            found = arguments(text)
        except Unreadable:
            fault = BROKEN_OFF if is_cut else UNREADABLE
            yield WholeCall(_own_id(call.id, ids), name, {"arguments": mended(text)}, fault, call.extra)
            return
        if is_cut and not call.has_begun and call is self._calls[-1]:
            yield WholeCall(_own_id(call.id, ids), name, {}, BROKEN_OFF, call.extra)
            return
        for args in found:
            yield WholeCall(_own_id(call.id, ids), name, args, nameless, call.extra)


def _piece_of(item: Any) -> _Piece | None:
    if not isinstance(item, dict):
        return None
    function = item.get("function")
    if not isinstance(function, dict):
        function = item  # null, or its fields beside the id
    name, args = function.get("name"), function.get("arguments", function.get("input"))
    return _Piece(
        index=index_of(item.get("index")),
        id=str(item.get("id") or "").strip(),
        name=name if isinstance(name, str) else text_of(name),
        args=args if isinstance(args, str) else "" if args is None else json.dumps(args),
        extra=item.get("extra_content"),
    )


def _tail(name: str) -> str:
    """A name without its namespace: `functions.now`, `tools/now`, `mcp::now`."""
    return name.replace("/", ".").replace(":", ".").rpartition(".")[2]


def _own_id(id: str, ids: set[str]) -> str:
    """The server's id, or one of ours where that is empty or used before."""
    if not id or id in ids:
        id = f"call_{uuid.uuid4().hex[:24]}"
    ids.add(id)
    return id
