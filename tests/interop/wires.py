"""Both ends of every kind of wire: our server for foreign clients, and the reverse."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any, Final, Unpack

from pymodbus import FramerType
from pymodbus.client import (
    AsyncModbusSerialClient,
    AsyncModbusTcpClient,
    AsyncModbusTlsClient,
    AsyncModbusUdpClient,
    ModbusSerialClient,
    ModbusTcpClient,
    ModbusTlsClient,
    ModbusUdpClient,
)
from pymodbus.server import (
    ModbusSerialServer,
    ModbusTcpServer,
    ModbusTlsServer,
    ModbusUdpServer,
)
from pymodbus.simulator import SimDevice
from tests.interop.foreign import PymodbusServer
from tests.transports.pki import Pki

from energymeter.blocking import LoopThread
from energymeter.codec.framing import Framing
from energymeter.server import Handler, ModbusServer
from energymeter.server.server import ServerOptions
from energymeter.testing import PtyBus
from energymeter.transports import TlsFiles, Way, Wire, parse_wire

__all__ = [
    "BUSES",
    "FRAMERS",
    "NETWORKS",
    "WIRES",
    "Waited",
    "connected",
    "foreign_served",
    "joined",
    "served",
]

SERIALS: Final = ("rtu", "ascii")
NETWORKS: Final = ("rtu+tcp", "ascii+tcp", "udp", "rtu+udp", "tls")
WIRES: Final = (*SERIALS, *NETWORKS)
BUSES: Final = ("rtu", "ascii", "rtu+tcp", "ascii+tcp", "rtu+udp")
"""Those on which unit 0 is everybody, and nobody answers for who is not there."""

FRAMERS: Final = {
    Framing.MBAP: FramerType.SOCKET,
    Framing.RTU: FramerType.RTU,
    Framing.ASCII: FramerType.ASCII,
}
"""What pymodbus calls them."""

_BAUDRATE: Final = 115200


@contextmanager
def joined(scheme: str, pki: Pki) -> Iterator[tuple[Wire, Wire]]:
    """The client's and the server's end of a wire; a network's port is still to be chosen."""
    with ExitStack() as stack:
        if scheme in SERIALS:
            bus = stack.enter_context(PtyBus())
            places = bus.path, bus.far_path
            near, far = (parse_wire(f"{scheme}://{p}?baudrate={_BAUDRATE}") for p in places)
        else:
            near = far = parse_wire(f"{scheme}://127.0.0.1:0")
        if scheme == "tls":
            near, far = replace(near, tls=pki.sign("client")), replace(far, tls=pki.sign("server"))
        yield near, far


@contextmanager
def served(
    scheme: str, handler: Handler, pki: Pki, **options: Unpack[ServerOptions]
) -> Iterator[Wire]:
    """Our server on a wire, in a thread of its own; gives the client's end."""
    with joined(scheme, pki) as (near, far), ExitStack() as stack:
        thread = LoopThread()
        stack.callback(thread.close)
        server = ModbusServer.at(far, handler, **options)
        thread.run(server.start())
        stack.callback(lambda: thread.run(server.close()))
        yield near if near.port is None else replace(near, port=server.port)


@contextmanager
def foreign_served(scheme: str, pki: Pki, *devices: SimDevice, **options: Any) -> Iterator[Wire]:
    """pymodbus's server on a wire; gives the client's end."""
    with joined(scheme, pki) as (near, far), ExitStack() as stack:
        make = _SERVERS[far.way]
        options |= {"make": make, "framer": FRAMERS[far.framing]}
        if far.way is Way.SERIAL:
            options |= {"port": far.path, "baudrate": _BAUDRATE}
        else:
            options["address"] = ("127.0.0.1", 0)
        if far.tls is not None:
            context = _context(ssl.PROTOCOL_TLS_SERVER, far.tls)
            options |= {"framer": FramerType.TLS, "sslctx": context}
        server = stack.enter_context(closing(PymodbusServer(*devices, **options)))
        yield near if near.port is None else replace(near, port=server.port)


def _context(side: int, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.load_verify_locations(files.ca)
    context.load_cert_chain(files.cert or "", files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class Waited:
    """A pymodbus client of asyncio, its calls waited for: one test body serves both kinds."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._thread = LoopThread()
        self._client = self._thread.run(self._connect(make))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            return self._thread.run(getattr(self._client, name)(*arguments, **options))

        return call

    def close(self) -> None:
        self._thread.run(self._close())
        self._thread.close()

    @staticmethod
    async def _connect(make: Callable[[], Any]) -> Any:
        client = make()
        assert await client.connect()
        return client

    async def _close(self) -> None:
        protocol, gone = self._client.ctx, asyncio.Event()
        is_secured = protocol.transport.get_extra_info("ssl_object") is not None
        told = protocol.connection_lost

        def tell(reason: Exception | None) -> None:
            told(reason)
            gone.set()

        protocol.connection_lost = tell
        self._client.close()
        if is_secured:  # TLS says good-bye first
            await gone.wait()


@contextmanager
def connected(wire: Wire, *, with_asyncio: bool = False, timeout_s: float = 5.0) -> Iterator[Any]:
    """pymodbus's client at the end of a wire."""
    if with_asyncio:
        client: Any = Waited(lambda: _client(wire, timeout_s, with_asyncio=True))
    else:
        client = _client(wire, timeout_s, with_asyncio=False)
        assert client.connect()
    try:
        yield client
    finally:
        client.close()


_BLOCKING: Final = {
    Way.SERIAL: ModbusSerialClient,
    Way.TCP: ModbusTcpClient,
    Way.UDP: ModbusUdpClient,
    Way.TLS: ModbusTlsClient,
}
_SERVERS: Final = {
    Way.SERIAL: ModbusSerialServer,
    Way.TCP: ModbusTcpServer,
    Way.UDP: ModbusUdpServer,
    Way.TLS: ModbusTlsServer,
}
_WITH_ASYNCIO: Final = {
    Way.SERIAL: AsyncModbusSerialClient,
    Way.TCP: AsyncModbusTcpClient,
    Way.UDP: AsyncModbusUdpClient,
    Way.TLS: AsyncModbusTlsClient,
}


def _client(wire: Wire, timeout_s: float, *, with_asyncio: bool) -> Any:
    options: dict[str, Any] = {"timeout": timeout_s, "retries": 0, "framer": FRAMERS[wire.framing]}
    kind = (_WITH_ASYNCIO if with_asyncio else _BLOCKING)[wire.way]
    if wire.way is Way.SERIAL:
        return kind(wire.path, baudrate=_BAUDRATE, **options)
    if wire.tls is not None:
        context = _context(ssl.PROTOCOL_TLS_CLIENT, wire.tls)
        # The blocking client does not tell TLS whom it wants to talk to, so names cannot be
        # compared; issuers are.
        context.check_hostname = with_asyncio
        options |= {"framer": FramerType.TLS, "sslctx": context}
    return kind(wire.host, port=wire.port, **options)
