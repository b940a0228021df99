"""A meter of your own, declared as in the original reader; a device file for --device too.

Run: python examples/03_own_meter.py HOST PORT
 or: energymeter read HOST:PORT --device examples/03_own_meter.py
"""

from __future__ import annotations

import sys

from energymeter import BlockingLink, DataType
from flexmodbusreader.device import ModbusDevice, Register
from flexmodbusreader.reader import ModbusDeviceDataReader

MyDevice = ModbusDevice(
    model="My Own Meter",
    registers_map=[
        Register("current_phase_a", 3000, 2, DataType.FLOAT32),
        Register("current_phase_b", 3002, 2, DataType.FLOAT32),
        Register("current_phase_c", 3004, 2, DataType.FLOAT32),
        Register("voltage_phase_a", 3028, 2, "float32"),  # the type's name does as well
        Register("active_energy_import", 3204, 4, DataType.UINT64),
    ],
    unit=1,
    index_shift=-1,  # the manual counts from 1, the wire from 0
)


def main(host: str, port: int) -> None:
    with BlockingLink(host, port) as link:
        reader = ModbusDeviceDataReader(link, MyDevice, "BIG", "BIG", message_size=100)
        for name, value in reader.read_registers().items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
