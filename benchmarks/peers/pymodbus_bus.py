"""pymodbus polling the same bus as `ours_bus.py`: a plain loop over units and blocks.

It asks the same blocks, one unit after the other, as the examples of pymodbus do; a unit that does
not answer costs its time-out. `--retries` is pymodbus's own: 3 unless said otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException

BLOCKS = ((0, 36), (42, 46), (200, 50), (342, 40))
"""Address and count of the input registers our plan reads of an SDM630: the same for both."""


async def poll(asked: argparse.Namespace) -> None:
    """Poll for so long and print one line of JSON."""
    client = AsyncModbusSerialClient(
        asked.path, baudrate=asked.baud, timeout=asked.timeout, retries=asked.retries
    )
    await client.connect()
    polls = dict.fromkeys(range(1, asked.units + 1), 0)
    begin = time.monotonic()
    until = begin + asked.seconds
    while time.monotonic() < until:
        for unit in polls:
            polls[unit] += await _poll_one(client, unit)
            if time.monotonic() >= until:
                break
    seconds = time.monotonic() - begin
    client.close()
    result = {"seconds": seconds, "polls": polls, "polls_per_s": sum(polls.values()) / seconds}
    print(json.dumps(result), flush=True)


async def _poll_one(client: AsyncModbusSerialClient, unit: int) -> bool:
    if not client.connected:
        await client.connect()
    for address, count in BLOCKS:
        try:
            answer = await client.read_input_registers(address, count=count, device_id=unit)
        except ModbusException:
            return False
        if answer.isError():
            return False
    return True


def main() -> None:
    """Poll."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument("--units", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--timeout", type=float, default=1.0)
    parser.add_argument("--retries", type=int, default=3)
    asyncio.run(poll(parser.parse_args()))


if __name__ == "__main__":
    main()
