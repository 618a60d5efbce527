"""Find the outermost balanced {...} in a text, in time linear in its length.

Langroid looks for tool calls in each message with a pyparsing grammar (langroid 0.69.16, parsing/parse_json.py:37) that
takes 10 µs per character, and minutes for a few thousand unbalanced braces, with the GIL held: one message would freeze
every session of the process. This finds the same, with these differences:

- a group nested deeper than MAX_DEPTH is left out: no tool call is, and the repair step behind is slow on it;
- behind the sixth brace that is never closed, quotes may be paired differently;
- a single quote opens a string only where a Python literal may begin; pyparsing takes the apostrophe of "it's" for one.
"""

from __future__ import annotations

import re

MAX_DEPTH = 20
MAX_PASSES = 6

_Group = tuple[int, int, int]  # start, end, depth

_STOP = re.compile(r"""[{}"'\n]""")
_STRINGS = {
    '"': re.compile(r'"(?:[^"\\\n\r]|\\.)*"', re.S),
    "'": re.compile(r"'(?:[^'\\\n\r]|\\.)*'", re.S),
}


def json_candidates(text: str) -> list[str]:
    """Return the outermost balanced {...} groups, in order.

    Braces inside quoted strings do not count. A quote that is not closed on its line is an ordinary character. A brace
    that is never closed is skipped: the text is read again from behind it, a limited number of times.
    """
    found: list[_Group] = []
    position: int | None = 0 if "}" in text else None
    for _ in range(MAX_PASSES):
        if position is None:
            break
        found = [group for group in found if group[1] <= position]
        groups, position = _scan(text, position)
        found += groups
    return [text[start:end] for start, end, depth in found if depth <= MAX_DEPTH]


def _scan(text: str, position: int) -> tuple[list[_Group], int | None]:
    """Return the outermost groups from `position` on, and the place behind the first brace that is never closed."""
    opened: list[tuple[int, int]] = []  # of each open brace: where it is, and how many groups were found before it
    depths: list[int] = []  # of each open brace: how deep the groups inside it are
    found: list[_Group] = []
    unclosed = ""  # quotes that do not end on this line
    while stop := _STOP.search(text, position):
        character, start, position = stop[0], stop.start(), stop.end()
        if character == "{":
            opened.append((start, len(found)))
            depths.append(0)
        elif character == "\n":
            unclosed = ""
        elif character == "}":
            if opened:
                first, before = opened.pop()
                depth = depths.pop() + 1
                del found[before:]  # they are inside this one
                found.append((first, position, depth))
                if depths:
                    depths[-1] = max(depths[-1], depth)
        elif opened and character not in unclosed and _may_open(text, start):
            if string := _STRINGS[character].match(text, start):
                position = string.end()
            else:
                unclosed += character
    return found, opened[0][0] + 1 if opened else None


def _may_open(text: str, position: int) -> bool:
    if text[position] == '"':
        return True
    before = text[max(0, position - 20) : position].rstrip()
    return before.endswith(("{", "[", "(", ",", ":"))
