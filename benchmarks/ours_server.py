"""Our TCP server with 1,000 holding registers.

Prints `PORT n` when it listens on loopback and runs until it is terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import sys

from benchmarks.harness.loops import LOOPS, run_on

from energymeter.codec import Framing
from energymeter.server import ModbusServer, RegisterImage, Tables

REGISTERS = 1000


async def serve(framing: Framing) -> None:
    """Serve until cancelled."""
    words = struct.pack(f">{REGISTERS}H", *range(REGISTERS))
    server = ModbusServer(Tables(holding=RegisterImage([(0, words)])), port=0, framing=framing)
    await server.start()
    sys.stdout.write(f"PORT {server.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Run on the loop asked for; uvloop is what the product uses where it exists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=LOOPS, default="uvloop")
    parser.add_argument("--framing", choices=list(Framing), default=Framing.MBAP)
    asked = parser.parse_args()
    run_on(asked.loop, serve(Framing(asked.framing)))


if __name__ == "__main__":
    main()
