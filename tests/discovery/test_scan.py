"""A bus behind one port, on real sockets: who answers, what it is, what silence costs."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys

import pytest
from benchmarks.doubles import StillMeter
from benchmarks.scan_accuracy import bus, shipped

from energymeter.discovery import HostReport, ProfileTree, scan_host, scan_hosts
from energymeter.errors import UnknownHostError
from energymeter.profiles import ProfileLibrary
from energymeter.server import Handler, ModbusServer, UnitRouter
from energymeter.transports import parse_wire

LIBRARY = ProfileLibrary([])
TREE = ProfileTree([LIBRARY.load(name) for name in ("sdm630", "pm8000", "electric", "em340")])


class Counting:
    """Counts what each unit is asked."""

    def __init__(self, handler: Handler) -> None:
        self.asked: dict[int, int] = {}
        self._handler = handler

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        self.asked[unit] = self.asked.get(unit, 0) + 1
        return self._handler.answer(unit, pdu)


def test_a_bus_of_mixed_meters_is_identified() -> None:
    profiles = shipped()
    mixed = random.Random(7).sample(profiles, 32)

    done = asyncio.run(bus(mixed, ProfileTree(profiles), seed=11))

    wrong = [trial for trial in done if not trial.is_right]
    assert len(wrong) <= 0.05 * len(done), wrong
    assert sum(trial.requests for trial in done) / len(done) < 16


async def scanned(handler: Handler, units: range, timeout_s: float = 2.0) -> HostReport:
    server = ModbusServer(handler, port=0)
    await server.start()
    try:
        endpoint = parse_wire(f"127.0.0.1:{server.port}")
        return await scan_host(endpoint, units, TREE, timeout_s=timeout_s)
    finally:
        await server.close()


def test_a_silent_unit_costs_one_time_out_and_the_next_is_found() -> None:
    meter = StillMeter(LIBRARY.load("sdm630"), seed=1)
    counting = Counting(UnitRouter({6: meter.tables}))

    report = asyncio.run(scanned(counting, range(1, 8), timeout_s=0.1))

    assert [found.unit for found in report.units] == [6]
    assert report.silent == 6
    assert all(counting.asked[unit] == 1 for unit in (1, 2, 3, 4, 5, 7))


def test_what_a_gateway_says_of_absent_units_is_not_taken_for_life() -> None:
    meter = StillMeter(LIBRARY.load("electric"), seed=1)

    report = asyncio.run(scanned(UnitRouter({2: meter.tables}, is_silent=False), range(1, 5)))

    assert [found.unit for found in report.units] == [2]
    assert report.units[0].identity.profiles == ("energymeter/electric",)


def test_hosts_of_a_network_are_tried_side_by_side() -> None:
    async def run() -> list[HostReport]:
        meter = StillMeter(LIBRARY.load("em340"), seed=1)
        server = ModbusServer(meter.tables, port=0)
        await server.start()
        try:
            hosts = [parse_wire(f"127.0.0.{n}:{server.port}") for n in range(1, 5)]
            return await scan_hosts(hosts, [1], TREE, timeout_s=1.0)
        finally:
            await server.close()

    reports = asyncio.run(run())

    assert [report.is_open for report in reports] == [True, False, False, False]
    assert reports[0].units[0].identity.profiles == ("carlo-gavazzi/em340",)
    assert all(report.fault for report in reports[1:])


def test_a_host_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UnknownHostError):
        asyncio.run(scan_hosts([parse_wire("no-such-host.invalid")], [1], TREE, timeout_s=1.0))


def test_the_room_knows_no_simulator() -> None:
    program = (
        "import energymeter.discovery, sys; "
        "print([n for n in sys.modules if n.startswith(('energymeter.simulator', 'numpy'))])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
