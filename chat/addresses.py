"""From which address somebody comes, for what is counted by address.

Behind a proxy a connection's own address is the proxy's, and `X-Forwarded-For` says who asked: every proxy adds whom it
heard at the end. So the header is read from its end, one entry for each proxy that `CHAT_TRUSTED_PROXIES` names: what
stands before could be anyone's invention. A server that reads the header by itself (uvicorn from 127.0.0.1, Daphne with
`--proxy-headers`) has put the client's address in the connection's place already.

An IPv6 address counts as its /64, which is what one household gets: a limit for each single one of these would be none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.http import HttpRequest

from chat.conf import conf

Address = IPv4Address | IPv6Address
MAX_PROXIES = 10  # in a row


def address_of_request(request: HttpRequest) -> str | None:
    """Return where an HTTP request comes from; None if nobody knows (a Unix socket)."""
    return _counted(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of_scope(scope: dict[str, Any]) -> str | None:
    """Return where a socket comes from; None if nobody knows (a Unix socket)."""
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _counted((scope.get("client") or [""])[0], ",".join(forwarded))


def _counted(peer: str, forwarded: str) -> str | None:
    address = _read(peer)
    for entry in reversed(forwarded.split(",")[-MAX_PROXIES:]):
        if not _is_proxy(address):
            break
        if (before := _read(entry)) is None:
            break
        address = before
    if isinstance(address, IPv6Address):
        address = IPv6Network((address, 64), strict=False).network_address
    return str(address) if address else None


def _read(text: str) -> Address | None:
    """An address, maybe with a port; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_proxy(address: Address | None) -> bool:
    """True for a named proxy, and for a Unix socket where proxies are named: who opens that is on this machine."""
    networks = _networks(tuple(conf.TRUSTED_PROXIES))
    return any(address in network for network in networks) if address else bool(networks)


@lru_cache(maxsize=8)
def _networks(proxies: Sequence[str]) -> list[Any]:
    return [ip_network(proxy, strict=False) for proxy in proxies]
