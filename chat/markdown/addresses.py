"""Addresses in a text that are links without marks. Pure; made for `blocks.py`.

`https://…`, `mailto:…`, addresses of mails, and `www.…`. Other hosts are text: main.py and README.md are files, not
hosts in Paraguay and Moldova. An address ends before Chinese, Japanese or Korean punctuation.
"""

from __future__ import annotations

import re

from linkify_it import LinkifyIt  # type: ignore[import-untyped]
from linkify_it.main import Match  # type: ignore[import-untyped]

from chat.markdown.cjk import PUNCTUATION


class Addresses(LinkifyIt):  # type: ignore[misc]  # it has no types
    """Finds them, piece by piece between the punctuation."""

    def __init__(self) -> None:
        super().__init__(options={"fuzzy_link": False})
        self.add("//", None).add("ftp:", None)
        self.add("www.", {"validate": self._validate_host, "normalize": self._normalise_host})
        self._host = re.compile(self.re["src_host_port_strict"] + self.re["src_path"], re.IGNORECASE)

    def match(self, text: str) -> list[Match] | None:
        found: list[Match] = []
        start = 0
        for end in [*(mark.start() for mark in PUNCTUATION.finditer(text)), len(text)]:
            for link in super().match(text[start:end]) or []:
                link.index += start
                link.last_index += start
                found.append(link)
            start = end
        return found or None

    def match_at_start(self, text: str) -> Match | None:
        end = PUNCTUATION.search(text)
        return super().match_at_start(text[: end.start()] if end else text)

    def _validate_host(self, text: str, at: int) -> int:
        host = self._host.match(text, at)
        return len(host.group()) if host and "." in host.group() else 0

    def _normalise_host(self, link: Match) -> None:
        link.url = f"http://{link.url}"  # as GitHub does; the browser asks by TLS first
