"""What the socket's address says to who asks for it over plain HTTP."""

from __future__ import annotations

import pytest


def test_a_server_without_sockets_says_so(client):
    answer = client.get("/ws/chat/")

    assert (answer.status_code, answer["Upgrade"]) == (426, "websocket")
    assert "WSGI" in answer.content.decode()


@pytest.mark.parametrize(
    "origin, expected",
    [
        ("", "Upgrade and Connection"),
        ("http://testserver", "Upgrade and Connection"),
        ("https://testserver", "CHAT_ALLOWED_ORIGINS"),
        ("https://chat.example.org", "https://chat.example.org belongs into"),
    ],
)
async def test_a_server_with_sockets_names_what_is_before_it(async_client, settings, origin, expected):
    settings.ALLOWED_HOSTS = ["testserver"]

    answer = await async_client.get("/ws/chat/", {"origin": origin})

    assert answer.status_code == 426
    assert expected in answer.content.decode()


async def test_behind_tls_the_proxy_s_word_counts(async_client, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    origin = {"origin": "https://testserver"}

    answer = await async_client.get("/ws/chat/", origin, headers={"X-Forwarded-Proto": "https"})

    assert "Upgrade and Connection" in answer.content.decode()
