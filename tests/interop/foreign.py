"""Foreign servers for our clients to ask, and what is known to be in them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from pymodbus import ModbusDeviceIdentification
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType as SimType
from pymodbus.simulator import SimData, SimDevice
from pyModbusTCP.server import DataBank, DeviceIdentification, ModbusServer

from energymeter.blocking import LoopThread
from energymeter.profiles import Profile, parse_profile
from energymeter.values import Order, WireOrder

__all__ = [
    "EIGHT_TYPES",
    "EIGHT_VALUES",
    "ORDERS",
    "PM8000_VALUES",
    "PyModbusTcpServer",
    "PymodbusServer",
    "eight_types",
    "pm8000_device",
    "words_of",
]

DATATYPE = ModbusTcpClient.DATATYPE

EIGHT_TYPES: dict[str, int] = {
    "INT16": 1,
    "UINT16": 1,
    "INT32": 2,
    "UINT32": 2,
    "INT64": 4,
    "UINT64": 4,
    "FLOAT32": 2,
    "FLOAT64": 4,
}
"""Every type of the original reader, and its registers."""

EIGHT_VALUES: dict[str, int | float] = {
    "INT16": -12345,
    "UINT16": 54321,
    "INT32": -123456789,
    "UINT32": 3456789012,
    "INT64": -1234567890123456789,
    "UINT64": 12345678901234567890,
    "FLOAT32": 230.125,
    "FLOAT64": -12345.678,
}
"""A value of each type in which no two bytes are alike enough to be swapped unnoticed."""

ORDERS = tuple(WireOrder(byte, word) for byte in Order for word in Order)
_ABCD = WireOrder()

PM8000_VALUES: dict[int, tuple[str, int | float]] = {
    2999: ("FLOAT32", 10.5),
    3001: ("FLOAT32", 11.25),
    3003: ("FLOAT32", 9.75),
    3027: ("FLOAT32", 230.125),
    3029: ("FLOAT32", 231.5),
    3031: ("FLOAT32", 229.25),
    3053: ("FLOAT32", 2.25),
    3055: ("FLOAT32", 2.5),
    3057: ("FLOAT32", 2.125),
    3059: ("FLOAT32", 6.875),
    3061: ("FLOAT32", 0.5),
    3063: ("FLOAT32", -0.25),
    3065: ("FLOAT32", 0.75),
    3067: ("FLOAT32", 1.0),
    3069: ("FLOAT32", 2.375),
    3071: ("FLOAT32", 2.625),
    3073: ("FLOAT32", 2.25),
    3075: ("FLOAT32", 7.25),
    3109: ("FLOAT32", 50.0625),
    3203: ("UINT64", 9007199254740993),
    3207: ("UINT64", 12),
    3219: ("UINT64", 3456789),
    3223: ("UINT64", 0),
    3235: ("UINT64", 18446744073709551615),
    3239: ("UINT64", 7),
}
"""Wire address -> type and value of the PM8000's 25 registers, in their order.

9007199254740993 is 2 ** 53 + 1, the first whole number that a float cannot hold.
"""


def words_of(name: str, value: float, order: WireOrder = _ABCD) -> list[int]:
    """A value as pymodbus puts it into registers, the bytes of each swapped for byte order LITTLE.

    pymodbus itself knows the order of words only.
    """
    words: list[int] = ModbusTcpClient.convert_to_registers(
        value, DATATYPE[name], word_order=order.word.value
    )
    if order.byte is Order.LITTLE:
        swapped = struct.pack(f"<{len(words)}H", *words)
        words = list(struct.unpack(f">{len(words)}H", swapped))
    return words


def eight_types(order: WireOrder, table: str = "holding") -> Profile:
    """A meter with one value of each type, side by side from address 0."""
    places = accumulate(EIGHT_TYPES.values(), initial=0)
    points = [
        {"name": name, "address": place, "type": name.lower()}
        for name, place in zip(EIGHT_TYPES, places, strict=False)
    ]
    data = {
        "name": f"eight types {order.letters}",
        "vendor": "test",
        "model": order.letters,
        "tables": [table],
        "byte_order": order.byte,
        "word_order": order.word,
        "points": points,
    }
    return parse_profile(data, "test")


def pm8000_device(order: WireOrder = _ABCD, unit: int = 1) -> SimDevice:
    """The PM8000's map as a device of pymodbus's simulator, all 245 registers of it."""
    words = [0] * (3243 - 2999 + 1)
    for address, (name, value) in PM8000_VALUES.items():
        own = words_of(name, value, order)
        words[address - 2999 : address - 2999 + len(own)] = own
    return SimDevice(id=unit, simdata=[SimData(2999, values=words, datatype=SimType.REGISTERS)])


class PymodbusServer:
    """pymodbus's server, in a thread of its own.

    Args:
        devices: What it serves.
        make: Makes the server of devices and options; TCP on a port of the system's choice.
        options: Beside the devices, for `make`.
    """

    def __init__(
        self, *devices: SimDevice, make: Callable[..., Any] | None = None, **options: Any
    ) -> None:
        self._thread = LoopThread()
        if make is None:
            make, options = ModbusTcpServer, {"address": ("127.0.0.1", 0), **options}
        self._server: Any = self._thread.run(self._start(make, list(devices), options))

    @property
    def port(self) -> int:
        """Where it listens, over TCP, TLS or UDP."""
        transport = self._server.transport
        if hasattr(transport, "sockets"):
            return int(transport.sockets[0].getsockname()[1])
        return int(transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Stop serving."""
        self._thread.run(self._server.shutdown())
        self._thread.close()

    @staticmethod
    async def _start(
        make: Callable[..., Any], devices: list[SimDevice], options: dict[str, Any]
    ) -> Any:
        identity = ModbusDeviceIdentification(
            info_name={"VendorName": "pymodbus", "ProductCode": "PM", "MajorMinorRevision": "3.16"}
        )
        server = make(devices, identity=identity, **options)
        await server.serve_forever(background=True)
        return server


class PyModbusTcpServer:
    """pyModbusTCP's server; `bank` is what it serves."""

    def __init__(self) -> None:
        self.bank = DataBank()
        identity = DeviceIdentification(
            vendor_name=b"pyModbusTCP", product_code=b"PMT", major_minor_revision=b"0.3"
        )
        self._server = ModbusServer(
            "127.0.0.1", 0, no_block=True, data_bank=self.bank, device_id=identity
        )
        self._server.start()
        # The library takes port 0 but does not tell what became of it.
        self.port: int = self._server._service.server_address[1]

    def close(self) -> None:
        """Stop serving."""
        self._server.stop()
