"""What a person does in a project, over HTTP and the socket: sign in, send, reload, rename, look at it in the admin,
delete.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy

from chat.models.message import LONG_CHARS
from tests.client import Client
from tests.hosts.host import EMAIL, NAME, PASSWORD, Host

ANSWER_SECONDS = 60.0  # the first answer waits for the agent library
LOOKS_SECONDS = 2.5  # the process looks every second whether its people are still signed in


class Person:
    """A browser without a screen: cookies, and the page that it has open."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.page = ""
        here = f"https://{host.address}/"
        self._tls = {"X-Forwarded-Proto": "https", "Referer": here} if host.trait.is_behind_tls else {}
        self._jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))  # the proxy's TLS is left out
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value for cookie in self._jar}

    def ask(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Ask for what the browser knows as `path`."""
        url = f"http://{self.host.address}{self.host.asked(path)}"
        request = urllib.request.Request(url, body, headers | self._tls, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def sign_in(self, name: str = NAME) -> None:
        path = f"{self.host.trait.prefix}{self.host.trait.admin}login/"
        _, form = self.ask(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
        fields = {"csrfmiddlewaretoken": token, "username": name, "password": PASSWORD, "next": "/healthz"}
        before = self.cookies
        self.ask(path, method="POST", body=urllib.parse.urlencode(fields).encode())
        assert self.cookies != before, self.host.log

    def open(self, path: str | None = None) -> None:
        status, self.page = self.ask(path or self.host.trait.prefix + self.host.trait.page)
        assert status == 200, self.page

    def data(self, name: str) -> str:
        """What the server has written into the page for its scripts."""
        return re.search(rf'data-{name}="([^"]*)"', self.page)[1]

    def socket(self, **options: str) -> Client:
        url = f"ws://{self.host.address}{self.host.asked(self.data('socket'))}"
        return Client(url, cookies=self.cookies, **options)

    def api(self, path: str, **request: object) -> tuple[int, str]:
        return self.ask(f"{self.data('page')}api/{path}", **{self.data("csrf-header"): self.data("csrf")}, **request)


def walk(host: Host, name: str = NAME) -> None:
    """Go the whole way. Raises: AssertionError."""
    person = Person(host)
    person.sign_in(name)
    person.open()
    asyncio.run(_talk(person))
    assert re.search(r"Traceback|ERROR|WARNING", host.log) is None, host.log


async def _talk(person: Person) -> None:
    async with person.socket() as client:
        accepted = await client.say("Hello")
        assert accepted["type"] == "accepted", accepted
        await client.idle(timeout=ANSWER_SECONDS)
        first, id = client.answer(), client.conversation
        assert first.strip()
        await asyncio.sleep(LOOKS_SECONDS)  # there is nothing to wait for: nothing must happen
        client.check()
        assert client.close_code is None, client.events[-1]
    _look_at_times(client)
    person.open(f"{person.data('page')}c/{id}/")
    async with person.socket(conversation=id) as client:
        await client.until(lambda: client.messages())
        assert client.answer() == first
        await client.say("x" * LONG_CHARS)
        long = await client.wait(lambda event: event["type"] == "message" and "url" in event["message"])
        assert person.ask(long["message"]["url"]) == (200, "x" * LONG_CHARS)
        await client.command("stop")
        await client.idle(timeout=ANSWER_SECONDS)
    _manage(person, id)


def _look_at_times(client: Client) -> None:
    for message in client.messages("user") + client.messages():
        age = datetime.now(UTC) - datetime.fromisoformat(message["timestamp"])
        assert abs(age) < timedelta(minutes=2), message["timestamp"]


def _manage(person: Person, id: str) -> None:
    status, text = person.api(f"conversations/{id}", method="PATCH", body=b'{"title": "Renamed"}')
    assert (status, json.loads(text)["title"]) == (200, "Renamed")
    for path in ("conversation/", f"conversation/{id}/change/", "chatsession/", "serverprocess/"):
        status, text = person.ask(f"{person.host.trait.prefix}{person.host.trait.admin}chat/{path}")
        assert status == 200 and "errornote" not in text, (path, status)
    assert NAME in text or EMAIL in text
    status, text = person.api(f"conversations/{id}", method="DELETE")
    assert status == 204, text
    assert json.loads(person.api("conversations")[1])["conversations"] == []
