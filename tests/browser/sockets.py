"""The sockets of a page: on their way to the server until they are held, cut, or refused."""

from __future__ import annotations

from playwright.sync_api import Page, WebSocketRoute


class Sockets:
    """What goes between a page and the server."""

    def __init__(self, page: Page) -> None:
        self.opened: list[WebSocketRoute] = []
        self.is_cut = False
        self.is_mute = False
        self._held: list[tuple[WebSocketRoute, str | bytes]] = []
        self._is_held = False
        page.route_web_socket("**/ws/chat/**", self._route)

    def _route(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            return socket.close(code=4503)
        if self.is_mute:
            return None  # it opens, and nobody speaks
        self.opened.append(socket)
        upstream = socket.connect_to_server()
        upstream.on_message(lambda text: self._hear(socket, text))

    def _hear(self, socket: WebSocketRoute, text: str | bytes) -> None:
        if self._is_held:
            self._held.append((socket, text))
        else:
            socket.send(text)

    def hold(self) -> None:
        """Let the page hear nothing of what the server says from now on: it stays as it is."""
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        for socket, text in self._held:
            socket.send(text)
        self._held.clear()

    def cut(self, code: int) -> None:
        self.is_cut = True
        self.opened[-1].close(code=code)
