"""The process that colours code, run as a file: it needs no module of the chat, nor anything of Django.

Reads requests from its standard input and writes the answers to its standard output, each a length of four bytes and so
much JSON: `[language, code]`, and the HTML or null. Ends with its input, so also when the server is killed.

A lexer is a regular expression, and some of them backtrack for ever: of a request that takes too long the kernel ends
this process, wherever it is. What is counted is the processor's time, so a busy machine makes no difference.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

LENGTH = struct.Struct("!I")
MAX_HTML_CHARS = 1_000_000
NICENESS = 10  # the server goes first


def main() -> None:
    """Answer requests to the end. Arguments: the seconds that one may take, and where packages are found."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is the server's
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    os.nice(NICENESS)
    cpu_seconds, *sys.path = sys.argv[1:]
    from pygments.formatters import HtmlFormatter

    formatter = HtmlFormatter(nowrap=True)
    while request := _read(sys.stdin.buffer):
        signal.setitimer(signal.ITIMER_PROF, float(cpu_seconds))
        language, code = json.loads(request)
        answer = json.dumps(_coloured(code, language, formatter))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(framed(answer))
        sys.stdout.buffer.flush()


def framed(text: str) -> bytes:
    """A text as it goes through a pipe."""
    content = text.encode()
    return LENGTH.pack(len(content)) + content


def _read(pipe: BinaryIO) -> bytes:
    """The next text; empty at the end."""
    head = pipe.read(LENGTH.size)
    return pipe.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def _coloured(code: str, language: str, formatter: Any) -> str | None:
    from pygments import highlight
    from pygments.lexers import get_lexer_by_name

    try:
        html = str(highlight(code, get_lexer_by_name(language, stripnl=False, ensurenl=False), formatter))
    except Exception:  # no such lexer, or one that fails: the code is shown without colours
        return None
    return html if len(html) <= MAX_HTML_CHARS else None


if __name__ == "__main__":
    main()
