"""UDP: datagrams made to look like connections, one for each peer.

A datagram arrives whole or not at all, and what is written in one piece leaves in one. Nothing
tells that a peer has gone: whoever has not heard from one for long closes its transport.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from energymeter.errors import ConfigError
from energymeter.transports.endpoint import check_host, check_port, host_and_port
from energymeter.transports.tcp import open_error, system_reason

__all__ = ["UdpEndpoint", "UdpListener"]

_log = logging.getLogger(__name__)

_MAX_PEERS: Final = 4096
"""Peers a listener knows at once; for one more, the one longest silent is forgotten."""

_Address = tuple[Any, ...]
_Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, _Address]


@dataclass(frozen=True, slots=True)
class UdpEndpoint:
    """A host name or IP address and a port, 1 to 65535. Only what comes from there is heard.

    Connecting asks nobody: that nobody listens there shows when something is sent, as the loss
    of the connection.

    Raises:
        EndpointError: The host is empty or the port out of range.
    """

    is_datagram: ClassVar[bool] = True

    host: str
    port: int = 502

    def __post_init__(self) -> None:
        check_host(self.host)
        check_port(self.port)

    def __str__(self) -> str:
        return f"udp://{host_and_port(self.host, self.port)}"

    async def connect(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Endpoint.connect`."""
        opened = _Client(protocol_factory)
        try:
            await _open(opened, self.host, self.port, socket.socket.connect)
        except (OSError, UnicodeError) as error:
            raise open_error(error, self.host, str(self)) from error

    def release(self) -> None:
        """See `Endpoint.release`; nothing is kept."""


class UdpListener:
    """A port that datagrams come to.

    Args:
        host: Address to listen on; only loopback by default.
        port: Port to listen on; 0 lets the system choose, see `port`.
        max_peers: Peers known at once, 1 or more; for one more, the one longest silent is
            forgotten.
    """

    is_datagram: ClassVar[bool] = True

    def __init__(
        self, host: str = "127.0.0.1", port: int = 502, *, max_peers: int = _MAX_PEERS
    ) -> None:
        self.host = host
        self.max_peers = max_peers
        self._wanted_port = port
        self._socket: _Server | None = None

    def __str__(self) -> str:
        return f"udp://{host_and_port(self.host, self.port)}"

    @property
    def port(self) -> int:
        """See `Listener.port`."""
        name = None if self._socket is None else self._socket.name
        return self._wanted_port if name is None else int(name[1])

    async def start(self, protocol_factory: Callable[[], asyncio.Protocol]) -> None:
        """See `Listener.start`."""
        place = f"{self.host} port {self._wanted_port}"
        if not 0 <= self._wanted_port <= 65535:
            msg = f"cannot listen on {place}: use 0 to 65535"
            raise ConfigError(msg)
        opened = _Server(protocol_factory, self.max_peers)
        try:
            await _open(opened, self.host, self._wanted_port, socket.socket.bind)
        except (OSError, UnicodeError) as error:
            msg = f"cannot listen on {place}: {system_reason(error)}"
            raise ConfigError(msg) from error
        self._socket = opened

    def close(self) -> None:
        """See `Listener.close`; the socket serves the peers there are until they have gone."""
        if self._socket is not None:
            self._socket.close()

    async def wait_closed(self) -> None:
        """See `Listener.wait_closed`; peers that are still in keep the port."""
        if self._socket is not None:
            await self._socket.gone.wait()
            self._socket = None


async def _open(
    opened: _Client | _Server,
    host: str,
    port: int,
    place: Callable[[socket.socket, _Address], None],
) -> None:
    """Hand a socket to `opened`, bound or tied to the first address of `host` that can be.

    uvloop, asked to bind or tie by itself, says less when it fails and leaves the socket open.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    ready = _first_that_can(found, place)
    try:
        await loop.create_datagram_endpoint(lambda: opened, sock=ready)
    except BaseException:
        opened.close()  # cancelled, uvloop makes the connection all the same
        raise


def _first_that_can(
    addresses: Sequence[_Found], place: Callable[[socket.socket, _Address], None]
) -> socket.socket:
    failure: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        ready = socket.socket(family, kind, protocol)
        try:
            ready.setblocking(False)
            place(ready, address)
        except OSError as error:
            ready.close()
            failure = failure or error
        else:
            return ready
    raise failure or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


class _Peer(asyncio.Transport):
    """What a protocol writes to: a socket, or one of the many addresses behind it."""

    def __init__(
        self,
        protocol: asyncio.Protocol,
        carrier: asyncio.DatagramTransport,
        address: _Address | None = None,
    ) -> None:
        super().__init__()
        self.protocol = protocol
        self.forgotten: Callable[[], None] = lambda: None
        """Called when the protocol is done with this peer."""
        self._carrier = carrier
        self._address = address
        self._is_closing = False
        self._is_lost = False
        self._is_reading = True

    def get_extra_info(self, name: str, default: object = None) -> object:
        """As the socket's transport, but for `peername`."""
        if name == "peername" and self._address is not None:
            return self._address
        return self._carrier.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send one datagram."""
        if not self._is_closing:
            self._carrier.sendto(data, self._address)

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._is_closing

    def close(self) -> None:
        """Be done with this peer; what was written is on its way already."""
        self.end(None)

    def abort(self) -> None:
        """Be done with this peer."""
        self.close()

    def is_reading(self) -> bool:
        """Whether what arrives is handed on."""
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        """Drop what arrives, as a full socket does."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Hand on what arrives."""
        self._is_reading = True

    def get_write_buffer_size(self) -> int:
        """Nothing waits here."""
        return 0

    def receive(self, data: bytes) -> None:
        """Hand a datagram on."""
        if data and self.is_reading():
            self.protocol.data_received(data)

    def end(self, reason: Exception | None) -> None:
        """Be done with this peer; the protocol is told in the next turn."""
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.lose, reason)
            self.forgotten()

    def lose(self, reason: Exception | None) -> None:
        """Tell the protocol now, but only once, that this peer is no more."""
        self._is_closing = True
        if not self._is_lost:
            self._is_lost = True
            self.protocol.connection_lost(reason)


class _Client(asyncio.DatagramProtocol):
    """The socket of one endpoint; the system has tied it to its peer."""

    def __init__(self, factory: Callable[[], asyncio.Protocol]) -> None:
        self._factory = factory
        self._peer: _Peer | None = None
        self._is_open = True

    def close(self) -> None:
        """Nobody wants it any more, even if it comes to life."""
        self._is_open = False
        if self._peer is not None:
            self._peer.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's, so this cannot be an isinstance.
        carrier = cast(asyncio.DatagramTransport, transport)
        if not self._is_open:
            carrier.abort()
            return
        self._peer = _Peer(self._factory(), carrier)
        self._peer.forgotten = carrier.abort
        self._peer.protocol.connection_made(self._peer)

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        if self._peer is not None:
            self._peer.receive(data)

    def error_received(self, exc: Exception) -> None:
        if self._peer is not None:
            self._peer.end(self._in_words(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._peer is not None:
            self._peer.lose(exc)

    @staticmethod
    def _in_words(error: Exception) -> Exception:
        number = getattr(error, "errno", None) or errno.EIO
        if number in (errno.ECONNREFUSED, errno.ECONNRESET):
            return ConnectionRefusedError(number, "nobody listens on that port")
        return ConnectionResetError(number, system_reason(error))


class _Server(asyncio.DatagramProtocol):
    """The socket of a listener, and the peers behind it."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], max_peers: int) -> None:
        self.gone = asyncio.Event()
        self.name: _Address | None = None
        self._factory = factory
        self._max_peers = max_peers
        self._carrier: asyncio.DatagramTransport | None = None
        self._peers: OrderedDict[_Address, _Peer] = OrderedDict()
        """The one longest silent first."""
        self._is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._carrier = cast(asyncio.DatagramTransport, transport)
        self.name = transport.get_extra_info("sockname")
        if not self._is_open:
            self._carrier.abort()

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        peer = self._peers.get(addr)
        if peer is not None:
            self._peers.move_to_end(addr)
            peer.receive(data)
        elif self._is_open and self._carrier is not None:
            self._admit(addr, self._carrier).receive(data)

    def error_received(self, exc: Exception) -> None:
        # Something sent to one of many did not arrive; nobody knows to whom.
        _log.debug("a datagram was not delivered: %s", exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = False
        peers, self._peers = self._peers, OrderedDict()
        for peer in peers.values():
            peer.lose(exc)
        self.gone.set()

    def close(self) -> None:
        """Let no new peer in; the last one to leave shuts the socket."""
        self._is_open = False
        self._shut_when_empty()

    def _admit(self, address: _Address, carrier: asyncio.DatagramTransport) -> _Peer:
        while len(self._peers) >= self._max_peers:
            # Told at once, so that the server has room for the new one.
            self._peers.popitem(last=False)[1].lose(None)
        peer = _Peer(self._factory(), carrier, address)
        peer.forgotten = lambda: self._forget(address, peer)
        self._peers[address] = peer
        peer.protocol.connection_made(peer)
        return peer

    def _forget(self, address: _Address, peer: _Peer) -> None:
        if self._peers.get(address) is peer:
            del self._peers[address]
        self._shut_when_empty()

    def _shut_when_empty(self) -> None:
        if not self._is_open and not self._peers and self._carrier is not None:
            self._carrier.close()
