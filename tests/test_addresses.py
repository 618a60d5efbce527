"""From which address somebody comes."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from chat.addresses import address_of_request, address_of_scope
from chat.checks import check_proxies


def address(peer: str, forwarded: str = "") -> str | None:
    """Where a socket comes from, which is where a page with the same headers comes from."""
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}))
    headers = [(b"x-forwarded-for", entry.encode()) for entry in forwarded.split("|") if entry]
    found = address_of_scope({"client": (peer, 1) if peer else None, "headers": headers})
    if "|" not in forwarded:
        assert address_of_request(request) == found
    return found


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("", None),
        ("somewhere", None),
    ],
)
def test_an_ipv6_address_counts_as_its_network(peer, expected):
    assert address(peer) == expected


def test_without_a_named_proxy_nobody_says_where_others_come_from():
    assert address("127.0.0.1", "203.0.113.5") == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("127.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.5", "203.0.113.5"),  # the first is the client's own invention
        ("127.0.0.1", "6.6.6.6, 203.0.113.5, 10.1.2.3", "203.0.113.5"),  # two proxies
        ("127.0.0.1", "203.0.113.5|10.1.2.3", "203.0.113.5"),  # in two headers
        ("203.0.113.9", "203.0.113.5", "203.0.113.9"),  # past the proxy
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.5:4711", "203.0.113.5"),
        ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::"),
        ("127.0.0.1", "10.0.0.1," * 5000 + "10.0.0.2", "10.0.0.1"),
        ("", "203.0.113.5", "203.0.113.5"),  # a Unix socket
    ],
)
def test_a_named_proxy_says_where_others_come_from(settings, peer, forwarded, expected):
    settings.CHAT_TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8"]

    assert address(peer, forwarded) == expected


def test_what_is_no_network_is_named(settings):
    settings.CHAT_TRUSTED_PROXIES = ["10.0.0.0/8", "nginx", 7]

    assert [message.id for message in check_proxies()] == ["chat.E011"] * 2
    assert "nginx" in check_proxies()[0].msg
