"""The serial line without hardware, used as somebody would who tests a program of his own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest
from tests.support.loops import run

from energymeter import BlockingLink, Link, MeterReader, RequestTimeout
from energymeter.errors import ConfigError
from energymeter.server import ModbusServer, RegisterImage, Tables
from energymeter.testing import NullModem, PtyBus
from energymeter.testing.plugin import BusFactory
from energymeter.transports import parse_wire

METERS = {1: "sdm630", 2: "sdm120", 17: "sdm120"}


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_every_unit_is_a_meter_of_its_own(pty_bus: BusFactory, framing: str) -> None:
    bus = pty_bus(METERS, framing=framing)  # type: ignore[arg-type]
    for number, unit in bus.units.items():
        unit.set("voltage_phase_a", 230 + number)

    with BlockingLink(bus.url, timeout_s=5) as link:
        reports = {number: link.read(unit.profile, number) for number, unit in bus.units.items()}

    assert {number: report["voltage_phase_a"].value for number, report in reports.items()} == {
        1: 231,
        2: 232,
        17: 247,
    }
    assert all(report.is_complete for report in reports.values())
    assert bus.url == f"{framing}://{bus.path}"


def test_other_units_are_silence(pty_bus: BusFactory) -> None:
    bus = pty_bus(METERS)
    with BlockingLink(bus.url, timeout_s=0.2) as link, pytest.raises(RequestTimeout):
        link.unit(3).read_input_registers(0, 2)

    assert [request.unit for request in bus.requests] == [3]


def test_one_of_them_dies_and_comes_back(pty_bus: BusFactory) -> None:
    bus = pty_bus(METERS)
    with BlockingLink(bus.url, timeout_s=0.2) as link:
        with bus.fault("dead,unit=2"):
            with pytest.raises(RequestTimeout):
                link.unit(2).read_input_registers(0, 2)
            assert link.unit(17).read_input_registers(0, 2)
        assert link.unit(2).read_input_registers(0, 2)


def test_time_passes_for_all_of_them(pty_bus: BusFactory) -> None:
    bus = pty_bus(METERS)
    before = {
        number: unit.values["active_energy_import_total"] for number, unit in bus.units.items()
    }
    bus.advance(3600)

    assert all(
        unit.values["active_energy_import_total"] > before[number]
        for number, unit in bus.units.items()
    )


def test_characters_take_their_time_if_wanted(pty_bus: BusFactory) -> None:
    bus = pty_bus({1: "sdm120"}, baudrate=2400, has_line_timing=True)
    with BlockingLink(bus.url, timeout_s=5) as link:
        begun = time.monotonic()
        link.unit(1).read_input_registers(0, 10)

    # 8 characters there and 25 back, of 10 bits each.
    assert 0.137 < time.monotonic() - begun < 0.5


def test_program_with_plain_file_reads_is_answered(pty_bus: BusFactory) -> None:
    bus = pty_bus({1: "sdm120"})
    bus.units[1].set("voltage_phase_a", 230.5)
    port = os.open(bus.path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(port, bytes.fromhex("01 04 00 00 00 02 71 cb"))
        bus.wait_for_requests(1)
        answer = b""
        while len(answer) < 9:
            answer += os.read(port, 64)
    finally:
        os.close(port)

    assert answer[:7].hex(" ") == "01 04 04 43 66 80 00"


def test_line_without_meters_has_two_free_ends(pty_bus: BusFactory) -> None:
    bus = pty_bus()
    far = parse_wire(f"rtu://{bus.far_path}")

    async def program() -> tuple[int, ...]:
        async with (
            ModbusServer.at(far, Tables(holding=RegisterImage([(0, b"\x00\x2a")]))),
            Link.to(bus.url) as link,
        ):
            return await link.unit(1).read_holding_registers(0)

    assert run(program()) == (42,)
    assert bus.requests == ()


def test_line_is_of_use_in_asyncio(pty_bus: BusFactory) -> None:
    bus = pty_bus(METERS)

    async def program() -> list[bool]:
        async with Link.to(bus.url, timeout_s=5) as link:
            readers = [MeterReader(link.unit(n), unit.profile) for n, unit in bus.units.items()]
            reports = await asyncio.gather(*(reader.read() for reader in readers))
        return [report.is_complete for report in reports]

    assert run(program()) == [True] * 3


def test_what_nobody_takes_is_lost_and_the_line_lives() -> None:
    with PtyBus() as bus:
        port = os.open(bus.path, os.O_RDWR | os.O_NOCTTY)
        for _ in range(50):
            os.write(port, bytes(1000))
            time.sleep(0.001)
        os.close(port)
        far = os.open(bus.far_path, os.O_RDWR | os.O_NOCTTY)
        assert os.read(far, 10) == bytes(10)
        os.close(far)


def test_end_of_the_line_leaves_nothing_behind() -> None:
    threads, files = set(threading.enumerate()), open_files()
    for _ in range(3):
        with PtyBus(METERS) as bus:
            path = Path(bus.path)
        bus.close()
    with pytest.raises(ConfigError, match="use 50 to"):
        PtyBus(METERS, baudrate=1)
    with pytest.raises(ConfigError, match="did you mean"):
        PtyBus({1: "sdm63"})
    modem = NullModem()
    modem.close()

    assert set(threading.enumerate()) <= threads
    assert open_files() <= files
    assert not path.exists()


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0
