"""Let a page that is closed hear why, under Daphne.

Whoever closes a WebSocket waits for the other side's own close frame, and drops the connection if none comes; what was
still on its way to a page is lost with it, and the page sees 1006 where "restarting" or "too many messages" was meant.
Autobahn waits one second (websocket/protocol.py, `closeHandshakeTimeout`, 26.10.2), and txaio cuts the end of that to
a full second of its clock (_common.py:88, 26.6.1): after 0 to 1 s it is over, too soon for a page that is busy or far
away.
"""

from __future__ import annotations

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from chat.mends.known import PATIENT_CLOSE

CLOSE_SECONDS = 5


class PatientProtocol(WebSocketProtocol):  # type: ignore[misc]  # Daphne has no types
    """One connection of Daphne's."""

    closeHandshakeTimeout = CLOSE_SECONDS

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Drop what comes after the close: a flood would fill the queue of a consumer that has left."""
        if self.state == self.STATE_OPEN:
            super().onMessage(payload, isBinary)


def close_patiently() -> None:
    """Make Daphne wait for pages that it closes."""
    if PATIENT_CLOSE.holds:
        WebSocketFactory.protocol = PatientProtocol
