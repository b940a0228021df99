"""A pyModbusTCP server (one thread a connection), for comparison.

The bank has its default size and content handling; callbacks and logging stay unused.
Prints `PORT n` when it listens on loopback and runs until it is terminated.
"""

from __future__ import annotations

import socket
import sys
import threading

from pyModbusTCP.server import DataBank, ModbusServer

REGISTERS = 1000


def free_port() -> int:
    """Ask the system for a port: the library takes a number but does not tell what 0 became."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Serve until terminated."""
    bank = DataBank()
    bank.set_holding_registers(0, list(range(REGISTERS)))
    port = free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    sys.stdout.write(f"PORT {port}\n")
    sys.stdout.flush()
    threading.Event().wait()  # its accept thread is a daemon thread: this one only has to stay


if __name__ == "__main__":
    main()
