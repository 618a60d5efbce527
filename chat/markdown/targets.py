"""Where a link leads, for a text that looks like the address of somewhere else. Pure; made for `blocks.py`.

A text is read as people see it: without what is not seen, with letters and dots of any width, escapes undone. Every
address in it counts, since any of them may be the one that is believed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # such a text does not read as it is written
_BLANK = re.compile("[\u034f\u115f\u1160\u180b-\u180f\u2000-\u200a\u202f\u205f\u2800\u3164\ufe00-\ufe0f\uffa0]")
_PARTS = re.compile(r"[\s<>()\[\]{}\"'`$|,;*«»“”„‘’←-⇿]+")
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]{0,20}://([^/?#\\]*)")
_NAME = re.compile(r"(?<![\w.-])((?:[\w-]{1,63}\.){1,10}(?:[^\W\d_]{2,24}|xn--[\w-]{1,59}|\d{1,3}))\.?(?![\w-])")
# An address whose dot stands apart; where it ends a sentence, and a common word of two letters follows, it is none.
_ENDS = "com|net|org|edu|gov|mil|info|biz|bank|online|shop|site|store|xyz|app|dev|cloud"
_APART = re.compile(
    rf"(?<=[\w-])(?:\s{{1,9}}\.\s{{0,9}}(?=(?:[a-z]{{2}}|{_ENDS})(?!\w))|\.\s{{1,9}}(?=(?:{_ENDS})(?!\w)))"
)
_MAIL = re.compile(r"[^@]@[^@]*\w\.\w")
_PORT = re.compile(r":\d{0,5}$")


def told(text: str, href: str) -> str:
    """Return the host of a link, or whom its mail goes to, if its text names another or hides it; else ""."""
    target = _mails(href) if href[:7].lower() == "mailto:" else _host(href)
    is_hidden = bool(_TURNS.search(text)) or ("@" in target and "@" in text and "//" in text)
    named = {_plain(name) for name in _named(_as_seen(text))}
    return target if is_hidden or _has_user(href) or named - {_plain(target)} else ""


def _as_seen(text: str) -> str:
    """The text as it looks: compatible letters, no case, nothing that is not seen."""
    text = unicodedata.normalize("NFKC", unquote(_BLANK.sub("", text))).replace("。", ".").casefold()
    seen = "".join(char for char in _BLANK.sub("", text) if unicodedata.category(char) != "Cf")
    return _APART.sub(".", seen)


def _named(text: str) -> Iterator[str]:
    """The hosts and mail addresses that stand in a text."""
    for part in _PARTS.split(text):
        if found := _AUTHORITY.search(part):
            user, _, host = found[1].rpartition("@")
            yield host
            yield from _NAME.findall(user)
            continue
        part = re.split(r"[/?#\\]", part.removeprefix("mailto:").lstrip("/"), maxsplit=1)[0]
        if _MAIL.search(part):
            yield part.strip(".:!")
        elif part.startswith("localhost"):
            yield part
        else:
            yield from (name for name in _NAME.findall(part) if not _is_number(name))


def _is_number(name: str) -> bool:
    """True for a version, an amount, a date: what ends in a number is a host with four of them alone."""
    pieces = name.split(".")
    return pieces[-1].isdigit() and not (len(pieces) == 4 and all(piece.isdigit() for piece in pieces))


def _plain(name: str) -> str:
    return _PORT.sub("", name).rstrip(".").casefold().removeprefix("www.")


def _host(href: str) -> str:
    """The host of a link; its address where that cannot be read."""
    try:
        return unquote(urlsplit(href).hostname or href)
    except ValueError:
        return href


def _has_user(href: str) -> bool:
    """True for https://name@host, which is read as if it led to the name."""
    try:
        return "@" in urlsplit(href).netloc
    except ValueError:
        return True


def _mails(href: str) -> str:
    """All to whom a mail goes."""
    to, _, more = href[7:].partition("?")
    also = [value for name, value in parse_qsl(more) if name.lower() in ("to", "cc", "bcc")]
    return ", ".join(filter(None, [unquote(to), *also])).lower()
