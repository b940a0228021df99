"""A pymodbus TCP server with 1,000 holding registers, for comparison.

Its simulator data model is the only store pymodbus 3.16 has left (the older contexts are turned
into it), so this is its fastest path. Logging stays at its default, which prints warnings only.
Prints `PORT n` when it listens on loopback and runs until it is terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from benchmarks.harness.loops import LOOPS, run_on
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS = 1000


async def serve() -> None:
    """Serve until cancelled."""
    words = SimData(0, values=list(range(REGISTERS)), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(id=1, simdata=[words]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    listener: Any = server.transport  # pymodbus types it as a transport; it is an asyncio.Server
    port = listener.sockets[0].getsockname()[1]
    sys.stdout.write(f"PORT {port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Run on the loop asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    run_on(parser.parse_args().loop, serve())


if __name__ == "__main__":
    main()
