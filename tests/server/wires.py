"""Frames made by hand, and a client that sends any bytes over any wire: nothing of ours in it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

from tests.support.loops import until
from tests.transports.pairs import PAIRS, Pair, free_port
from tests.transports.pki import Pki

from energymeter.clock import Clock, SystemClock
from energymeter.server import RegisterImage, Tables
from energymeter.transports import DialInEndpoint, DialOutListener

__all__ = [
    "Client",
    "Noting",
    "ascii_frame",
    "crc",
    "mbap",
    "read",
    "registers",
    "rtu",
    "wired",
    "words",
]


def crc(data: bytes) -> bytes:
    """The two bytes behind an RTU frame, bit by bit."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def rtu(unit: int, pdu: bytes) -> bytes:
    """A message in its RTU envelope."""
    data = bytes((unit,)) + pdu
    return data + crc(data)


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    """A message in its ASCII envelope."""
    data = bytes((unit,)) + pdu
    return b":" + (data + bytes((-sum(data) & 0xFF,))).hex().upper().encode() + b"\r\n"


def mbap(unit: int, pdu: bytes, transaction: int = 1) -> bytes:
    """A message in its MBAP envelope."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def read(address: int, count: int = 1) -> bytes:
    """A request for holding registers."""
    return struct.pack(">BHH", 3, address, count)


def words(address: int, count: int = 1) -> bytes:
    """The answer of `registers` to it."""
    return struct.pack(f">BB{count}H", 3, 2 * count, *range(address, address + count))


def registers(count: int = 200) -> Tables:
    """Holding registers that hold their own address."""
    return Tables(holding=RegisterImage([(0, struct.pack(f">{count}H", *range(count)))]))


class Noting:
    """A handler that notes what it is asked."""

    def __init__(self, handler: Any = None) -> None:
        self.asked: list[tuple[int, bytes]] = []
        self._handler = handler or registers()

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        self.asked.append((unit, pdu))
        answer: bytes | None = self._handler.answer(unit, pdu)
        return answer


class Client(asyncio.Protocol):
    """One end of a wire: keeps what comes, piece by piece, with its moment."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.transport: asyncio.Transport
        self.is_lost = False
        self._clock = clock or SystemClock()

    @classmethod
    async def to(cls, endpoint: Any, clock: Clock | None = None) -> Self:
        """Connect to an endpoint of ours."""
        client = cls(clock)
        await endpoint.connect(lambda: client)
        return client

    @property
    def data(self) -> bytes:
        """All that came."""
        return b"".join(piece for _, piece in self.pieces)

    @property
    def moments(self) -> list[float]:
        """When it came."""
        return [round(when, 6) for when, _ in self.pieces]

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    async def ask(self, data: bytes, answer: bytes) -> None:
        """Send a request and wait until the answer has come, and nothing else."""
        self.pieces.clear()
        self.send(data)
        await until(lambda: len(self.data) >= len(answer) or self.is_lost)
        assert self.data == answer

    async def leave(self) -> None:
        self.transport.abort()
        await until(lambda: self.is_lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append((self._clock.monotonic(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class _Hasty(SystemClock):
    """A clock of somebody who cannot wait."""

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(0.001)


@asynccontextmanager
async def wired(name: str, pki: Pki) -> AsyncIterator[Pair]:
    """Both ends of one of `PAIRS`; a device that dials tries again at once."""
    if name != "dialled":
        async with PAIRS[name](pki) as pair:
            yield pair
        return
    endpoint = DialInEndpoint(port=free_port())
    listener = DialOutListener("127.0.0.1", endpoint.port, clock=_Hasty())
    try:
        yield Pair(listener, lambda: endpoint, has_many=False, knows_absence=False)
    finally:
        endpoint.release()
