"""Both ends of a link: the Protocols every transport implements, and the writing of addresses."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Final, Protocol

from energymeter.errors import EndpointError

__all__ = [
    "Endpoint",
    "Listener",
    "check_host",
    "check_port",
    "host_and_port",
    "parse_host_port",
]

_MOST_DIGITS: Final = 5
"""Of a port."""


class Endpoint(Protocol):
    """The far end of a link. `str()` of it is how people write it."""

    @property
    def is_datagram(self) -> bool:
        """Whether bytes come in packets, each of which stands for itself."""
        ...

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """Open the way and hand it to a new protocol object.

        Cancelled, nothing stays open; the protocol may still be told of a connection, but not of
        its end.

        Raises:
            LinkOpenError: It cannot be opened; the message says why in words.
        """
        ...

    def release(self) -> None:
        """Let go of what is kept between connections; never raises, may be called twice.

        Whoever owns the endpoint calls it when it will not connect again, as a link does when
        it is closed. Only an endpoint that is dialled in to keeps something: its open port.
        A later `connect` opens it again.
        """
        ...


class Listener(Protocol):
    """A place where clients come in. `str()` of it is how people write it.

    A serial line has one client, always there; the others have one protocol object a client.
    """

    @property
    def is_datagram(self) -> bool:
        """Whether bytes come in packets, each of which stands for itself."""
        ...

    @property
    def port(self) -> int:
        """The port that is listened on, the wanted one before `start`; 0 where there is none."""
        ...

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """Let clients in, each handed to a new protocol object.

        Cancelled, nothing stays open.

        Raises:
            ConfigError: The place cannot be listened on; the message says why.
        """
        ...

    def close(self) -> None:
        """Let nobody in any more, now; who is in stays. Never raises, may be called twice."""
        ...

    async def wait_closed(self) -> None:
        """Return once the place is free for others."""
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


def host_and_port(host: str, port: int) -> str:
    """Write the two together; an IPv6 address gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
    if not host:
        msg = f"address {text!r} has no host name, write HOST or HOST:PORT"
        raise EndpointError(msg)
    check_host(host)
    if not port:
        return host, check_port(default_port)
    if not (port.isascii() and port.isdigit() and len(port) <= _MOST_DIGITS):
        msg = f"address {text[:80]!r}: the port is {port[:20]!r}, use a number from 1 to 65535"
        raise EndpointError(msg)
    return host, check_port(int(port))


def check_host(host: str) -> None:
    """Refuse what cannot be a host name.

    Raises:
        EndpointError: It is empty, or has a space or a slash.
    """
    if not host:
        msg = "the host is empty, give a name or an IP address"
        raise EndpointError(msg)
    if any(character in " \t\r\n/" for character in host):
        msg = f"host {host!r} has a space or a slash, write HOST or HOST:PORT"
        raise EndpointError(msg)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
