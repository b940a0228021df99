"""Where a link leads: the Protocol every transport implements, and the writing of addresses."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Protocol

from energymeter.errors import EndpointError

__all__ = ["Endpoint", "check_port", "parse_host_port"]


class Endpoint(Protocol):
    """The far end of a link. `str()` of it is how people write it."""

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """Open the way and hand it to a new protocol object.

        Raises:
            LinkOpenError: It cannot be opened; the message says why in words.
        """
        ...


def check_port(port: int) -> int:
    """Return `port` if it can be a TCP or UDP port, 1 to 65535.

    Raises:
        EndpointError: It cannot.
    """
    if not 1 <= port <= 65535:
        msg = f"port {port} is out of range, use 1 to 65535"
        raise EndpointError(msg)
    return port


def parse_host_port(text: str, default_port: int) -> tuple[str, int]:
    """Split `HOST[:PORT]`; an IPv6 address with a port is written `[::1]:502`.

    Raises:
        EndpointError: There is no host, or the port is no number in 1..65535.
    """
    host, port = text.strip().removeprefix("tcp://"), ""
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            msg = f"address {text!r} is not [IPV6]:PORT"
            raise EndpointError(msg)
        port = rest[1:]
        if rest == ":":
            port = "empty"
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
        port = port or "empty"
    elif ":" in host and not _is_ipv6(host):
        msg = f"address {text!r} is neither HOST:PORT nor an IPv6 address"
        raise EndpointError(msg)
    if not host or any(character.isspace() or character == "/" for character in host):
        msg = f"address {text!r} has no host name, write HOST or HOST:PORT"
        raise EndpointError(msg)
    if not port:
        return host, check_port(default_port)
    if not (port.isascii() and port.isdigit()):
        msg = f"address {text!r}: the port is {port!r}, use a number from 1 to 65535"
        raise EndpointError(msg)
    return host, check_port(int(port))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
