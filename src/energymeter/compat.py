"""The names of the original reader, on top of this project's own model, planner and reader.

`Register`, `ModbusDevice`, `ModbusDeviceDataReader` and `ModbusDeviceService` behave as they
did, with three repairs: a fault is reported and survived, the interval does not drift, and
AUTO finds the order out. pymodbus objects (data types, byte orders, the synchronous client) are
recognised by their shape; pymodbus itself is never imported.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from energymeter.blocking import BlockingLink, LoopThread
from energymeter.client import Link, UnitClient
from energymeter.codec import ReadRequest
from energymeter.codec.codes import MAX_READ_WORDS
from energymeter.errors import (
    ConfigError,
    ProfileError,
    UnknownHostError,
)
from energymeter.eventloop import run
from energymeter.profiles import Profile, parse_profile
from energymeter.pymodbus_unit import PymodbusUnit, ThisThread, is_pymodbus_client
from energymeter.reader import MeterReader
from energymeter.reader.reading import Value
from energymeter.service.console import ConsoleReporter, failure_lines
from energymeter.service.poller import Poll, Poller
from energymeter.transports import TcpEndpoint
from energymeter.values import DataType, Order

__all__ = [
    "DataType",
    "Endian",
    "ModbusDevice",
    "ModbusDeviceDataReader",
    "ModbusDeviceService",
    "Register",
    "poll_from_command_line",
]

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

_OLD_TYPES: Final = tuple(
    data_type for data_type in DataType if data_type.words and data_type is not DataType.BITS16
)


class Endian(StrEnum):
    """Which end comes first; AUTO finds it out from the values."""

    AUTO = "auto"
    BIG = "big"
    LITTLE = "little"


@dataclass
class Register:
    """One register, or several that hold one value.

    `data_type` is a `DataType`, its name in any case, or pymodbus's `DATATYPE` of that name.
    """

    name: str
    index: int
    length: int
    data_type: Any


@dataclass
class ModbusDevice:
    """A meter declared in Python.

    Args:
        model: What it is called.
        registers_map: Its registers in any order; the list and its entries are not changed.
        unit: The unit it answers as, 0 to 255.
        index_shift: Added to every index; -1 for documents that count from 1.

    Raises:
        ProfileError: The registers cannot be read as declared; names the register and why.
    """

    model: str
    registers_map: list[Register]
    registers: list[Register] = field(init=False)
    """A copy of the map, shifted and by ascending index."""
    unit: int = 1
    index_shift: int = 0

    def __post_init__(self) -> None:
        self.registers = sorted(
            (_shifted(register, self.index_shift) for register in self.registers_map),
            key=lambda register: register.index,
        )
        self.profile = self._make_profile()
        """The same meter as a profile."""

    def _make_profile(self) -> Profile:
        origin = f"device {self.model!r}"
        if not self.registers:
            msg = f"{origin}: its registers_map is empty"
            raise ProfileError(msg)
        points = [
            {"name": r.name, "address": r.index, "type": _data_type(r, origin)}
            for r in self.registers
        ]
        for register, point in zip(self.registers, points, strict=True):
            _check_length(register, point["type"], origin)
            _check_address(register, self.index_shift, origin)
        data = {
            "name": self.model,
            "vendor": "",
            "model": self.model,
            "points": points,
            "defaults": {"unit": self.unit},
        }
        return parse_profile(data, origin)


class ModbusDeviceDataReader:
    """Reads all registers of a device, in as few requests as `message_size` allows.

    Args:
        client: A `BlockingLink`, or pymodbus's synchronous client.
        device: What to read.
        byteorder: Order of the bytes in a register: an `Endian`, its name, or pymodbus's.
        wordorder: Order of the registers of one value, likewise.
        message_size: Longest read, 1 to 125 registers.

    Raises:
        ConfigError: A register is longer than `message_size`, or an argument cannot be.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - pymodbus's client is known by its shape only
        device: ModbusDevice,
        byteorder: Any = Endian.BIG,  # noqa: ANN401 - likewise
        wordorder: Any = Endian.BIG,  # noqa: ANN401
        message_size: int = 100,
    ) -> None:
        self.client = client
        self.device = device
        self.message_size = message_size
        unit, self._runner = _unit_of(client, device.unit)
        self._reader = _make_reader(unit, device, byteorder, wordorder, message_size)

    def read_registers(self) -> dict[str, Value]:
        """Read once: name to value, None for what could not be read (the log says why).

        Raises:
            MeterError: Nothing at all could be read.
        """
        report = self._runner.run(self._reader.read())
        finding = self._reader.order_finding
        if finding is not None:
            _log.info("AUTO: %s", finding.reason)
        if report.is_empty and report.failures:
            raise report.failures[0].error
        for line in failure_lines(report):
            _log.warning("not read: %s", line)
        return report.as_dict()


class ModbusDeviceService:
    """Polls a device and prints what it says, until it is interrupted.

    Args:
        host: IP address or name of the device.
        port: Its TCP port, 1 to 65535.
        device: What to read.
        timeout: Seconds to wait for a connection and for an answer, more than 0.
        interval: Seconds between polls, more than 0; kept without drift.
        byteorder: Order of the bytes in a register; AUTO finds it out.
        wordorder: Order of the registers of one value; AUTO finds it out.
        message_size: Longest read, 1 to 125 registers.

    Raises:
        ConfigError: An argument cannot be.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the interface of the original
        self,
        host: str,
        port: int,
        device: ModbusDevice,
        timeout: float = 1,
        interval: float = 10,
        byteorder: Any = Endian.BIG,  # noqa: ANN401
        wordorder: Any = Endian.BIG,  # noqa: ANN401
        message_size: int = 100,
    ) -> None:
        if not 0 < timeout < math.inf:
            msg = f"a timeout of {timeout:g} s is not possible, use more than 0"
            raise ConfigError(msg)
        if not 0 < interval < math.inf:
            msg = f"an interval of {interval:g} s is not possible, use more than 0"
            raise ConfigError(msg)
        self.endpoint = TcpEndpoint(host, port)
        self.host = host
        self.port = port
        self.device = device
        self.timeout = timeout
        self.interval = interval
        self._options = (device, byteorder, wordorder, message_size)
        _make_reader(_NoUnit(), *self._options)  # a wrong option shows now, not at the first poll

    def check_host(self) -> None:
        """Make sure the host's name leads somewhere, before any polling.

        Raises:
            UnknownHostError: It does not.
        """
        run(self.endpoint.resolve())

    def start_polling(self, polls: int | None = None) -> None:
        """Poll and print, `polls` times or until Ctrl-C; faults are told and survived."""
        try:
            run(self._poll(polls))
        except KeyboardInterrupt:
            sys.stderr.write("polling stopped\n")

    async def _poll(self, polls: int | None) -> None:
        link = Link(self.endpoint, timeout_s=self.timeout)
        reader = _make_reader(link.unit(self.device.unit), *self._options)
        title = f"{self.device.model} at {self.endpoint}"
        console = ConsoleReporter(title, self.interval, sys.stdout, sys.stderr)

        def show(poll: Poll) -> None:
            console.tell_order(reader.order_finding)
            console.show(poll)

        async with link:
            await Poller(reader, self.interval, show).run(polls)


class _NoUnit:
    """A unit nobody asks anything."""

    async def read(self, request: ReadRequest) -> bytes:
        raise NotImplementedError


def _unit_of(client: Any, unit: int) -> tuple[UnitClient, LoopThread | ThisThread]:  # noqa: ANN401
    if isinstance(client, BlockingLink):
        return client.unit(unit).asynchronous, client.thread
    if is_pymodbus_client(client):
        return PymodbusUnit(client, unit), ThisThread()
    msg = f"{type(client).__name__} is no client, give a BlockingLink or pymodbus's ModbusTcpClient"
    raise ConfigError(msg)


def _make_reader(
    unit: UnitClient,
    device: ModbusDevice,
    byteorder: Any,  # noqa: ANN401
    wordorder: Any,  # noqa: ANN401
    message_size: int,
) -> MeterReader:
    if not 1 <= message_size <= MAX_READ_WORDS:
        msg = f"a message size of {message_size} is not possible, use 1 to {MAX_READ_WORDS}"
        raise ConfigError(msg)
    byte, word = _endian(byteorder), _endian(wordorder)
    profile = device.profile.model_copy(
        update={"byte_order": _order(byte), "word_order": _order(word)}
    )
    return MeterReader(
        unit,
        profile,
        max_words=message_size,
        find_byte_order=byte is Endian.AUTO,
        find_word_order=word is Endian.AUTO,
    )


def _order(endian: Endian) -> Order:
    return Order.LITTLE if endian is Endian.LITTLE else Order.BIG


def _endian(order: Any) -> Endian:  # noqa: ANN401
    """Understand ours, a name in any case, or pymodbus's enumeration, by its name."""
    name = str(getattr(order, "name", order)).upper()
    try:
        return Endian[name]
    except KeyError:
        msg = f"{order!r} is no order, use AUTO, BIG or LITTLE"
        raise ConfigError(msg) from None


def _shifted(register: Register, shift: int) -> Register:
    return Register(register.name, register.index + shift, register.length, register.data_type)


def _data_type(register: Register, origin: str) -> DataType:
    name = str(getattr(register.data_type, "name", register.data_type)).upper()
    for data_type in _OLD_TYPES:
        if data_type.name == name:
            return data_type
    known = ", ".join(data_type.name for data_type in _OLD_TYPES)
    msg = f"{origin}: {register.name}: data type {name} is not known, use {known}"
    raise ProfileError(msg)


def _check_length(register: Register, data_type: Any, origin: str) -> None:  # noqa: ANN401
    if register.length != data_type.words:
        msg = (
            f"{origin}: {register.name}: {data_type.name} takes {data_type.words} registers, "
            f"length says {register.length}"
        )
        raise ProfileError(msg)


def _check_address(register: Register, shift: int, origin: str) -> None:
    if not 0 <= register.index <= 0x10000 - register.length:
        msg = (
            f"{origin}: {register.name}: index {register.index - shift} with shift {shift} "
            f"gives address {register.index}, outside 0..65535"
        )
        raise ProfileError(msg)


def poll_from_command_line(device: ModbusDevice, arguments: Sequence[str] | None = None) -> int:
    """Be the script `main.py`: parse the original's arguments, poll and print.

    Args:
        device: What to poll.
        arguments: The command line without the program's name; None means the process's own.

    Returns:
        The exit code: 0 after Ctrl-C, 1 for an output that cannot be written, 2 for arguments
        that cannot be (both said in one line).
    """
    parser = argparse.ArgumentParser(prog="main.py", description="Energy meter Modbus reader")
    parser.add_argument("--host", required=True, help="IP address of the Modbus device")
    parser.add_argument("--port", required=True, type=int, help="Port number of the Modbus device")
    parser.add_argument(
        "--timeout", type=float, default=1, help="Timeout in seconds (default: 1 second)"
    )
    parser.add_argument(
        "--interval", type=float, default=10, help="Polling interval in seconds (default: 10)"
    )
    for order, of_what in (("--byteorder", "Byte"), ("--wordorder", "Word")):
        parser.add_argument(
            order,
            choices=[member.name for member in Endian],
            default=Endian.BIG.name,
            help=f"{of_what} order; AUTO finds it out. Default value is 'BIG'.",
        )
    parser.add_argument(
        "--message_size",
        type=int,
        default=100,
        help="Maximum size of registers to read per one request (default: 100)",
    )
    options = parser.parse_args(arguments)
    try:
        service = ModbusDeviceService(device=device, **vars(options))
        service.check_host()
    except (ConfigError, UnknownHostError) as error:
        sys.stderr.write(f"main.py: error: {error}\n")
        return 2
    try:
        service.start_polling()
    except OSError as error:
        # Nobody reads the output any more (`| head`), or its disk is full.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0
        sys.stderr.write(f"main.py: error: the output cannot be written: {error.strerror}\n")
        return 1
    return 0
