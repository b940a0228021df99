"""A server of your own: live registers, a register that may be written, and a refusal.

Run: python examples/05_custom_server.py HOST PORT [SECONDS]
"""

from __future__ import annotations

import asyncio
import sys
import time

from energymeter import ExceptionCode, ModbusServer, RegisterImage, Table, Tables
from energymeter.server import Write
from energymeter.server.tables import refusal

SET_POINT = 10


def registers(set_point: int) -> list[tuple[int, bytes]]:
    """Registers 0-1: seconds since 1970, high word first; 10: the set point."""
    now = int(time.time())
    return [(0, now.to_bytes(4, "big")), (SET_POINT, set_point.to_bytes(2, "big"))]


async def main(host: str, port: int, seconds: float) -> None:
    holding = RegisterImage(registers(50))

    def on_write(write: Write) -> None:
        if write.table is not Table.HOLDING or write.address != SET_POINT or write.values[0] > 100:
            raise refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        holding.write(write.address, write.values)
        print(f"set point is now {write.values[0]}", flush=True)

    tables = Tables(holding=holding, on_write=on_write, server_id=b"custom\xff")
    async with ModbusServer(tables, host=host, port=port) as server:
        print(f"listening on {host}:{server.port}", flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            set_point = int.from_bytes(holding.read(SET_POINT, 1) or b"", "big")
            holding.replace(registers(set_point))  # whole, so nobody sees half of it
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) if sys.argv[3:] else 3600.0))
