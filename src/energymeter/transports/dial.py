"""TCP the other way round: the device connects to whoever reads it.

Modems and converters without an address of their own do that; `DialInEndpoint` is where they
find us, `DialOutListener` is such a device.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import ClassVar, Final, cast

from energymeter.clock import Clock
from energymeter.errors import ConfigError, EndpointError, LinkOpenError
from energymeter.transports.endpoint import check_port, host_and_port
from energymeter.transports.relay import Relay
from energymeter.transports.standing import Standing
from energymeter.transports.tcp import TcpListener, dial, open_error

__all__ = ["DialInEndpoint", "DialOutListener"]

_MAX_EARLY_BYTES: Final = 4096
"""What a device may say before it is asked (modems introduce themselves); more is dropped."""


class DialInEndpoint:
    """A port that one device dials in to.

    It is listened on from the first `connect` to `release`, between connections too. A device
    that dials in while another connection of it is there takes its place: it has been restarted,
    and the old connection is dead without knowing it. Two devices need two ports.

    Args:
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
    """

    is_datagram: ClassVar[bool] = False

    def __init__(self, host: str = "127.0.0.1", port: int = 502) -> None:
        if not host:
            msg = "the host is empty, give the address to listen on"
            raise EndpointError(msg)
        if port:
            check_port(port)
        self._listener = TcpListener(host, port)
        self._is_listening = False
        self._starting = asyncio.Lock()
        self._waiting: _Guest | None = None
        """The device that has dialled in and was not taken yet."""
        self._taken: asyncio.Transport | None = None
        self._hosts: deque[asyncio.Future[None]] = deque()
        """Those who wait for a device, in the order they came."""

    def __str__(self) -> str:
        return f"listen://{self._listener}"

    @property
    def port(self) -> int:
        """The port listened on; the wanted one before."""
        return self._listener.port

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`; waits until the device dials in, however long that takes."""
        await self._listen()
        try:
            while (guest := self._waiting) is None:
                host = asyncio.get_running_loop().create_future()
                self._hosts.append(host)
                try:
                    await host
                finally:
                    self._hosts.remove(host)
                    if host.done() and not host.cancelled():
                        host.exception()  # seen, even by one who is cancelled this very moment
        except asyncio.CancelledError:
            self._wake_a_host()  # perhaps it was this one that had been woken
            raise
        self._waiting = None
        self._taken = guest.take(protocol_factory())

    def release(self) -> None:
        """See `Endpoint.release`; a connection that was taken stays."""
        self._is_listening = False
        self._listener.close()
        if self._waiting is not None:
            self._waiting.turn_away()
            self._waiting = None
        msg = f"{self} was closed while it waited for the device"
        for host in self._hosts:
            if not host.done():
                host.set_exception(LinkOpenError(msg, endpoint=str(self)))

    def arrive(self, guest: _Guest) -> None:
        """A device has dialled in."""
        if not self._is_listening:
            guest.turn_away()
            return
        if self._waiting is not None:
            self._waiting.turn_away()
        if self._taken is not None:
            self._taken.abort()
            self._taken = None
        self._waiting = guest
        self._wake_a_host()

    def leave(self, guest: _Guest) -> None:
        """A device has hung up before it was taken."""
        if self._waiting is guest:
            self._waiting = None

    async def _listen(self) -> None:
        async with self._starting:
            if self._is_listening:
                return
            self._is_listening = True
            try:
                await self._listener.start(lambda: _Guest(self))
            except BaseException as error:
                self._is_listening = False
                if isinstance(error, ConfigError):
                    raise LinkOpenError(error.message, endpoint=str(self)) from error
                raise

    def _wake_a_host(self) -> None:
        if self._waiting is None:
            return
        for host in self._hosts:
            if not host.done():
                host.set_result(None)
                return


class _Guest(asyncio.Protocol):
    """A device that has dialled in, until somebody takes it."""

    def __init__(self, endpoint: DialInEndpoint) -> None:
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # A device that vanishes without a word is noticed even when nothing is asked.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._endpoint.arrive(self)

    def data_received(self, data: bytes) -> None:
        self._early += data[: _MAX_EARLY_BYTES - len(self._early)]

    def connection_lost(self, exc: Exception | None) -> None:
        self._endpoint.leave(self)

    def turn_away(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def take(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Hand the connection to a protocol, with what the device has said already."""
        transport = cast(asyncio.Transport, self._transport)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._early:
            protocol.data_received(bytes(self._early))
        return transport


class DialOutListener:
    """A device that connects to whoever reads it, and does so again whenever that is lost.

    Args:
        host: Who is dialled.
        port: Port that is dialled, 1 to 65535.
        clock: What the pauses between attempts are measured by.

    Raises:
        EndpointError: The host is empty or the port out of range.
    """

    is_datagram: ClassVar[bool] = False
    port: ClassVar[int] = 0

    def __init__(self, host: str, port: int = 502, *, clock: Clock | None = None) -> None:
        if not host:
            msg = "the host is empty, give the name or address to connect to"
            raise EndpointError(msg)
        self._host = host
        self._dialled_port = check_port(port)
        self._standing = Standing(str(self), self._dial, clock=clock)

    def __str__(self) -> str:
        return f"dial://{host_and_port(self._host, self._dialled_port)}"

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Listener.start`; nobody needs to be there yet."""
        self._standing.begin(protocol_factory)

    def close(self) -> None:
        """See `Listener.close`."""
        self._standing.close()

    async def wait_closed(self) -> None:
        """See `Listener.wait_closed`."""
        await self._standing.wait_closed()

    async def _dial(self, relay: Relay) -> None:
        try:
            await dial(lambda: relay, self._host, self._dialled_port)
        except (OSError, UnicodeError) as error:
            raise open_error(error, self._host, str(self)) from error
