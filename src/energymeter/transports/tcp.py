"""TCP: open a connection to a host and port, or listen on one."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from energymeter.errors import ConfigError, LinkOpenError, UnknownHostError
from energymeter.transports.endpoint import check_host, check_port, host_and_port

__all__ = ["TcpEndpoint", "TcpListener", "dial", "open_error", "system_reason"]

_BACKLOG: Final = 1024
"""Connections the kernel keeps for us while we are busy: a thousand clients may come at once."""

_HANDSHAKE_S: Final = 10.0
"""How long TLS may take to begin; until then nobody knows of a client that holds a connection."""

_SHUTDOWN_S: Final = 1.0
"""How long the other side may take to agree to the end of TLS."""


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A host name or IP address and a port, 1 to 65535.

    Raises:
        EndpointError: The host is empty or the port out of range.
    """

    is_datagram: ClassVar[bool] = False

    host: str
    port: int = 502

    def __post_init__(self) -> None:
        check_host(self.host)
        check_port(self.port)

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`. A name that does not resolve raises `UnknownHostError`."""
        try:
            await dial(protocol_factory, self.host, self.port)
        except (OSError, UnicodeError) as error:
            raise open_error(error, self.host, str(self)) from error

    def release(self) -> None:
        """See `Endpoint.release`; nothing is kept."""

    async def resolve(self) -> None:
        """Look the host's name up and nothing more.

        Raises:
            UnknownHostError: It does not resolve.
        """
        try:
            await asyncio.get_running_loop().getaddrinfo(self.host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise _unknown_host(error, self.host, str(self)) from error


class TcpListener:
    """A port that TCP clients come to.

    Args:
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
        context: Makes TLS of it; None: plain TCP.
    """

    is_datagram: ClassVar[bool] = False

    def __init__(
        self, host: str = "127.0.0.1", port: int = 502, *, context: ssl.SSLContext | None = None
    ) -> None:
        self.host = host
        self._wanted_port = port
        self._context = context
        self._server: asyncio.Server | None = None

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)

    @property
    def port(self) -> int:
        """See `Listener.port`."""
        if self._server is None or not self._server.sockets:
            return self._wanted_port
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Listener.start`."""
        place = f"{self.host} port {self._wanted_port}"
        if not 0 <= self._wanted_port <= 65535:  # uvloop would never end after this
            msg = f"cannot listen on {place}: use 0 to 65535"
            raise ConfigError(msg)
        try:
            # Two steps, because the first is not interrupted: what it opened can be closed.
            self._server = await asyncio.get_running_loop().create_server(
                protocol_factory,
                self.host,
                self._wanted_port,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else _HANDSHAKE_S,
                ssl_shutdown_timeout=None if self._context is None else _SHUTDOWN_S,
                backlog=_BACKLOG,
                start_serving=False,
            )
            await self._server.start_serving()
        except asyncio.CancelledError:
            self.close()
            raise
        except (OSError, UnicodeError) as error:
            self.close()
            msg = f"cannot listen on {place}: {system_reason(error)}"
            raise ConfigError(msg) from error

    def close(self) -> None:
        """See `Listener.close`."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def wait_closed(self) -> None:
        """See `Listener.wait_closed`."""
        # The sockets are shut at once; uvloop takes another turn to forget them.
        await asyncio.sleep(0)


async def dial(
    protocol_factory: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    *,
    context: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> None:
    """Connect and hand the connection to a new protocol object.

    Raises:
        OSError: It did not work; `open_error` says it in words.
        UnicodeError: The host cannot be a name.
    """
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(
        protocol_factory,
        host,
        port,
        ssl=context,
        server_hostname=server_name,
        ssl_handshake_timeout=None if context is None else _HANDSHAKE_S,
        ssl_shutdown_timeout=None if context is None else _SHUTDOWN_S,
    )
    raw = transport.get_extra_info("socket")
    if raw is not None:
        # A peer that vanishes without a word is noticed even when nothing is asked.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def open_error(error: Exception, host: str, endpoint: str) -> LinkOpenError:
    """What kept `dial` from connecting, in words."""
    if isinstance(error, (socket.gaierror, UnicodeError)):  # such as a label of 64 letters
        return _unknown_host(error, host, endpoint)
    numbers = _error_numbers(error)
    if numbers == [errno.ECONNREFUSED]:
        msg = f"{endpoint} refused the connection, is a Modbus server listening on that port?"
    else:
        reason = ", ".join(map(os.strerror, numbers)) or error
        msg = f"{endpoint} cannot be reached ({reason})"
    return LinkOpenError(msg, endpoint=endpoint)


def system_reason(error: Exception) -> str:
    """Why the system refused: its own text, for the loop's repeats the address."""
    code = getattr(error, "errno", None)
    return os.strerror(code) if code and code > 0 else str(error)


def _unknown_host(error: Exception, host: str, endpoint: str) -> UnknownHostError:
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, UnicodeError):
        reason = "no name has such parts"
    msg = f"host {host!r} is not known ({reason}), check the name"
    return UnknownHostError(msg, endpoint=endpoint)


def _error_numbers(error: Exception) -> list[int]:
    """The reasons of the system, each once; of a name with several addresses there may be many."""
    number = getattr(error, "errno", None)
    # What happened at each address stands in the text only.
    numbers = [number] if number else map(int, re.findall(r"\[Errno (\d+)\]", str(error)))
    return sorted(set(numbers))
