"""Our client on many links, one request in flight each.

By default it reads as the product's own reader does: the request is made once, the answer comes as
bytes and one `struct` call turns the block into numbers. `--call` uses the convenience call
instead, which makes its request anew each time.
"""

from __future__ import annotations

import struct

from benchmarks.harness.client_loop import Read, client_arguments, measure, print_result
from benchmarks.harness.loops import run_on

from energymeter.client import Link, Unit
from energymeter.codec import Framing, Function, ReadRequest
from energymeter.transports import TcpEndpoint


def block_read(unit: Unit, address: int, count: int) -> Read:
    """A repeated read of one block, decoded into its words."""
    request = ReadRequest(Function.READ_HOLDING_REGISTERS, address, count)
    decode = struct.Struct(f">{count}H").unpack

    async def read() -> None:
        decode(await unit.read(request))

    return read


def call_read(unit: Unit, address: int, count: int) -> Read:
    """The convenience call, the nearest to what other libraries offer."""

    async def read() -> None:
        await unit.read_holding_registers(address, count)

    return read


def main() -> None:
    """Run on the loop asked for."""
    parser = client_arguments(__doc__, loop="uvloop")
    parser.add_argument("--call", action="store_true", help="use read_holding_registers()")
    parser.add_argument("--framing", choices=list(Framing), default=Framing.MBAP)
    asked = parser.parse_args()
    make = call_read if asked.call else block_read

    async def work() -> None:
        framing = Framing(asked.framing)
        links = [
            Link(TcpEndpoint("127.0.0.1", asked.port), framing=framing)
            for _ in range(asked.connections)
        ]
        for link in links:
            await link.open()
        reads = [make(link.unit(1), asked.address, asked.count) for link in links]
        print_result(await measure(reads, asked.seconds))
        for link in links:
            await link.close()

    run_on(asked.loop, work())


if __name__ == "__main__":
    main()
