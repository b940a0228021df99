"""pymodbus's asyncio TCP client: one client object a connection, one request in flight each.

Retries and reconnecting are off so that nothing but the read is measured; logging stays at its
default, which prints warnings only.
"""

from __future__ import annotations

from benchmarks.harness.client_loop import Read, client_arguments, measure, print_result
from benchmarks.harness.loops import run_on
from pymodbus.client import AsyncModbusTcpClient


def read_of(client: AsyncModbusTcpClient, address: int, count: int) -> Read:
    """The read of one client, bound to what it asks."""

    async def read() -> None:
        answer = await client.read_holding_registers(address, count=count, device_id=1)
        if answer.isError() or len(answer.registers) != count:
            raise RuntimeError(f"wrong answer: {answer}")

    return read


async def run(port: int, connections: int, seconds: float, address: int, count: int) -> None:
    """Connect, measure, print."""
    clients = [
        AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, reconnect_delay=0)
        for _ in range(connections)
    ]
    for client in clients:
        if not await client.connect():
            raise RuntimeError("could not connect")
    print_result(await measure([read_of(client, address, count) for client in clients], seconds))
    for client in clients:
        client.close()


def main() -> None:
    """Run on the loop asked for."""
    asked = client_arguments(__doc__, loop="asyncio").parse_args()
    work = run(asked.port, asked.connections, asked.seconds, asked.address, asked.count)
    run_on(asked.loop, work)


if __name__ == "__main__":
    main()
