"""What a page does over HTTP beside its socket: it gives files, gets them, deletes."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import quote

from tests.client import Client
from tests.servers import Server


def cookies_of(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def headers_of(server: Server, client: Client) -> dict[str, str]:
    """Cookies of the page, and the token that it sends back."""
    cookies = dict(client.cookies)
    request = urllib.request.Request(f"{server.url}/api/token", headers={"Cookie": cookies_of(cookies)})
    with urllib.request.urlopen(request) as answer:
        token = json.load(answer)["token"]
        for header in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            cookies[name] = value
    return {"Cookie": cookies_of(cookies), "X-CSRFToken": token, "Content-Type": "application/octet-stream"}


def request(server: Server, client: Client, method: str, path: str, body: bytes | None = None) -> bytes:
    """Ask as the page does. Raises: HTTPError."""
    wanted = urllib.request.Request(server.url + path, body, headers_of(server, client), method=method)
    with urllib.request.urlopen(wanted) as answer:
        return answer.read()


def get(server: Server, client: Client, path: str) -> bytes:
    """Raises: HTTPError."""
    wanted = urllib.request.Request(server.url + path, headers={"Cookie": cookies_of(client.cookies)})
    with urllib.request.urlopen(wanted) as answer:
        return answer.read()


def upload(server: Server, client: Client, content: bytes, name: str) -> dict[str, Any]:
    return json.loads(request(server, client, "POST", f"/api/attachments?name={quote(name)}", content))


async def give(server: Server, client: Client, text: str, **files: bytes) -> None:
    """Say this with these files, and wait for the answer. `poem_txt` is poem.txt."""
    ids = [upload(server, client, content, name.replace("_", "."))["id"] for name, content in files.items()]
    await client.say(text, attachments=ids)
    await client.idle()
