"""Every pair of an endpoint and the listener it leads to, ready to be tried."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tests.transports.pki import Pki
from tests.transports.ptys import NullModem

from energymeter.clock import SystemClock
from energymeter.transports import (
    DialInEndpoint,
    DialOutListener,
    Endpoint,
    Listener,
    MemoryLine,
    SerialEndpoint,
    SerialListener,
    TcpEndpoint,
    TcpListener,
    TlsEndpoint,
    TlsListener,
    UdpEndpoint,
    UdpListener,
)

__all__ = ["PAIRS", "HastyClock", "Pair", "free_port"]


class HastyClock(SystemClock):
    """No pause takes longer than a moment."""

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Pair:
    """A listener not yet started, and the endpoint that leads to it once it is."""

    listener: Listener
    endpoint: Callable[[], Endpoint]

    tells_of_closing: bool = True
    """Whether one end hears that the other has closed."""

    has_many: bool = True
    """Whether there can be more than one client."""

    knows_absence: bool = True
    """Whether connecting fails when nobody listens."""

    frees_at_once: bool = True
    """Whether the place is free as soon as the listener is closed, whoever is still in."""


@asynccontextmanager
async def _tcp(_: Pki) -> AsyncIterator[Pair]:
    listener = TcpListener(port=free_port())
    yield Pair(listener, lambda: TcpEndpoint("127.0.0.1", listener.port))


@asynccontextmanager
async def _tls(pki: Pki) -> AsyncIterator[Pair]:
    listener = TlsListener("127.0.0.1", free_port(), pki.sign("server"))
    files = pki.sign("client")
    yield Pair(listener, lambda: TlsEndpoint("127.0.0.1", listener.port, files))


@asynccontextmanager
async def _udp(_: Pki) -> AsyncIterator[Pair]:
    listener = UdpListener(port=free_port())
    yield Pair(
        listener,
        lambda: UdpEndpoint("127.0.0.1", listener.port),
        tells_of_closing=False,
        knows_absence=False,
        frees_at_once=False,
    )


@asynccontextmanager
async def _serial(_: Pki) -> AsyncIterator[Pair]:
    async with NullModem() as modem:
        endpoint = SerialEndpoint(modem.other.path)
        yield Pair(
            SerialListener(modem.one.path, parity="E"),
            lambda: endpoint,
            tells_of_closing=False,
            has_many=False,
            knows_absence=False,
            frees_at_once=False,
        )


@asynccontextmanager
async def _dialled(_: Pki) -> AsyncIterator[Pair]:
    endpoint = DialInEndpoint(port=free_port())
    try:
        yield Pair(
            DialOutListener("127.0.0.1", endpoint.port, clock=HastyClock()),
            lambda: endpoint,
            has_many=False,
            knows_absence=False,
        )
    finally:
        endpoint.release()


@asynccontextmanager
async def _memory(_: Pki) -> AsyncIterator[Pair]:
    line = MemoryLine()
    yield Pair(line.listener(), line.endpoint)


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PAIRS: Final[dict[str, Callable[[Pki], AbstractAsyncContextManager[Pair]]]] = {
    "tcp": _tcp,
    "tls": _tls,
    "udp": _udp,
    "serial": _serial,
    "dialled": _dialled,
    "memory": _memory,
}
