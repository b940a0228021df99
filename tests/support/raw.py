"""A client that sends any bytes it is given and takes what comes: nothing of ours in it."""

from __future__ import annotations

import asyncio
import struct
from typing import Self

__all__ = ["RawClient", "read_request"]


def read_request(
    address: int, count: int = 1, *, transaction: int = 1, unit: int = 1, function: int = 3
) -> bytes:
    """A whole request to read registers or bits, 12 bytes."""
    return struct.pack(">HHHBBHH", transaction, 0, 6, unit, function, address, count)


class RawClient:
    """One connection to a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except OSError:
            return

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, int, bytes]:
        """The next frame: transaction, unit and message."""
        head = await self._reader.readexactly(7)
        transaction, _, length, unit = struct.unpack(">HHHB", head)
        return transaction, unit, await self._reader.readexactly(length - 1)

    async def ask(self, address: int, count: int = 1, *, transaction: int = 1) -> bytes:
        """Read holding registers; returns the whole message of the answer."""
        self.send(read_request(address, count, transaction=transaction))
        answered, _, pdu = await self.answer()
        assert answered == transaction
        return pdu

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        data = b""
        try:
            while part := await self._reader.read(1 << 16):
                data += part
        except ConnectionError:
            pass
        return data
