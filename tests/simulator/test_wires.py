"""Simulated meters on real wires, asked by a foreign reader and by hand-made frames."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusUdpClient
from tests.server.wires import Client, mbap, read, rtu
from tests.simulator.faulty import electric
from tests.support.loops import on_each_loop, run, until
from tests.transports.ptys import NullModem

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.errors import ConfigError, EndpointError, RequestTimeout
from energymeter.profiles import ProfileLibrary
from energymeter.reader import MeterReader
from energymeter.simulator import (
    Manners,
    Misbehaviour,
    SimulatedFleet,
    SimulatedPlace,
    SimulatedSite,
    parse_fault,
)
from energymeter.simulator.faults import KINDS
from energymeter.simulator.faults.amount import Measure
from energymeter.transports import SerialEndpoint, TcpEndpoint, UdpEndpoint, parse_wire

LIBRARY = ProfileLibrary(())
TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"
RTU_TCP = "rtu+tcp://127.0.0.1:0"
HOST = "127.0.0.1"


def fleet_on(listen: Sequence[str], *faults: str, **options: Any) -> SimulatedFleet:
    """Electricity meters on wires, with faults; their values hardly move."""
    misbehaviour = Misbehaviour(1)
    manners = Manners(misbehaviour=misbehaviour if faults else None, **options.pop("manners", {}))
    fleet = SimulatedFleet(
        electric(), seed=7, speed=1e-9, listen=listen, manners=manners, **options
    )
    for fault in faults:
        misbehaviour.add(parse_fault(fault))
    return fleet


@asynccontextmanager
async def foreign(client: Any) -> AsyncIterator[Any]:
    """A client of pymodbus, connected."""
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()
        await asyncio.sleep(0.01)


def words_of(place: SimulatedPlace, index: int = 0, count: int = 18) -> list[int]:
    """The first registers of a meter."""
    data = place.meters[index].tables.holding.read(0, count) or b""
    return list(struct.unpack(f">{count}H", data))


# A foreign reader


def test_pymodbus_reads_the_same_meter_on_tcp_udp_and_rtu_over_tcp() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP, UDP, RTU_TCP]) as fleet:
            tcp, udp, over = fleet.ports
            options: Any = {"timeout": 5, "retries": 0}
            clients = [
                AsyncModbusTcpClient(HOST, port=tcp, **options),
                AsyncModbusUdpClient(HOST, port=udp, **options),
                AsyncModbusTcpClient(HOST, port=over, framer=FramerType.RTU, **options),
            ]
            for client in clients:
                async with foreign(client) as connected:
                    answer = await connected.read_holding_registers(0, count=18, device_id=1)
                    assert answer.registers == words_of(fleet)

    run(scenario())


@pytest.mark.parametrize("scheme", ["rtu", "ascii"])
def test_pymodbus_reads_several_meters_on_a_serial_line(scheme: str) -> None:
    framer = FramerType.RTU if scheme == "rtu" else FramerType.ASCII

    async def scenario() -> None:
        async with NullModem() as modem:
            listen = [f"{scheme}://{modem.one.path}?baudrate=115200"]
            async with fleet_on(listen, count=3, unit=5) as fleet:
                client: Any = AsyncModbusSerialClient(
                    modem.other.path, baudrate=115200, framer=framer, timeout=2, retries=0
                )
                async with foreign(client) as connected:
                    for index, unit in enumerate((5, 6, 7)):
                        answer = await connected.read_holding_registers(0, count=18, device_id=unit)
                        assert answer.registers == words_of(fleet, index)

    run(scenario())


@on_each_loop
def test_our_reader_reads_a_meter_on_a_serial_line(loop: str) -> None:
    async def scenario() -> None:
        async with NullModem() as modem:
            listen = [f"rtu://{modem.one.path}?baudrate=115200", TCP]
            async with fleet_on(listen) as fleet:
                wire = parse_wire(f"rtu://{modem.other.path}?baudrate=115200")
                async with Link(wire.endpoint(), framing=wire.framing, pacing=wire.pacing) as link:
                    report = await MeterReader(link.unit(1), electric()).read()
                assert report.is_complete
                assert fleet.ports[0] == 0

    run(scenario(), loop)


# Who answers


def test_one_meter_answers_every_unit_with_modbus_tcp_and_its_own_on_a_line() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP, UDP, RTU_TCP], unit=7) as fleet:
            assert [outlet.answers_all for outlet in fleet.outlets] == [True, True, False]
            async with Link(TcpEndpoint(HOST, fleet.ports[0])) as link:
                for unit in (0, 1, 7, 255):
                    assert await link.unit(unit).read_holding_registers(101) == (0,)
            client = await Client.to(TcpEndpoint(HOST, fleet.ports[2]))
            client.send(rtu(1, read(101)) + rtu(8, read(101)) + rtu(7, read(101)))
            await until(lambda: len(client.data) >= 7)
            assert client.data == rtu(7, bytes.fromhex("03 02 0000"))
            await client.leave()

    run(scenario())


def test_the_unit_is_the_profiles_own_unless_it_is_said() -> None:
    profile = LIBRARY.load("schneider-electric/pm8000")
    unit = profile.defaults.unit
    fleet = SimulatedFleet(profile, listen=[RTU_TCP])
    assert list(fleet.outlets[0].meters) == [unit]
    assert list(SimulatedFleet(profile, listen=[RTU_TCP], unit=9).outlets[0].meters) == [9]


def test_several_meters_are_units_from_one_on_every_wire() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP, UDP], count=3) as fleet:
            for endpoint in (TcpEndpoint(HOST, fleet.ports[0]), UdpEndpoint(HOST, fleet.ports[1])):
                async with Link(endpoint, timeout_s=0.2) as link:
                    for index in range(3):
                        words = await link.unit(index + 1).read_holding_registers(0, 18)
                        assert list(words) == words_of(fleet, index)
                    with pytest.raises(RequestTimeout):
                        await link.unit(4).read_holding_registers(0)

    run(scenario())


def test_a_broadcast_reaches_every_meter_of_a_line_and_draws_no_answer() -> None:
    async def scenario() -> None:
        async with fleet_on([RTU_TCP], count=3) as fleet:
            client = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            client.send(rtu(0, bytes.fromhex("06 0064 0000")))
            await until(lambda: not any(meter.is_online for meter in fleet.meters))
            await client.ask(rtu(2, read(100)), rtu(2, bytes.fromhex("03 02 0000")))
            await client.leave()

    run(scenario())


def test_meters_of_different_profiles_share_a_bus() -> None:
    names = {1: "eastron/sdm630", 7: "energymeter/water", 3: "eastron/sdm630"}

    async def scenario() -> None:
        site = SimulatedSite(
            {unit: LIBRARY.load(name) for unit, name in names.items()},
            listen=[TCP],
            seed=3,
            clock=ManualClock(),
        )
        async with site, Link(TcpEndpoint(HOST, site.ports[0])) as link:
            assert {n: meter.profile.name for n, meter in site.numbered.items()} == names
            energies = set()
            for unit, name in names.items():
                profile = LIBRARY.load(name)
                report = await MeterReader(link.unit(unit), profile).read()
                assert report.is_complete
                energies.add(str(report.values))
            assert len(energies) == 3
            before = await link.unit(7).read_holding_registers(0, 2)
            for _ in range(200):
                await site.tick(300.0)
            assert await link.unit(7).read_holding_registers(0, 2) != before

    run(scenario())


def test_two_profiles_of_one_kind_are_no_twins() -> None:
    site = SimulatedSite(
        {1: LIBRARY.load("eastron/sdm630"), 2: LIBRARY.load("eastron/sdm120")}, listen=[TCP]
    )
    first, second = (meter.values for meter in site.numbered.values())
    assert first["active_energy_import_total"] != second["active_energy_import_total"]


def test_a_site_goes_on_where_it_was(tmp_path: Path) -> None:
    units = {1: LIBRARY.load("eastron/sdm630"), 2: LIBRARY.load("energymeter/gas")}
    path = tmp_path / "site.json"

    async def scenario() -> None:
        def site() -> SimulatedSite:
            return SimulatedSite(units, listen=[TCP], seed=3, state_path=path, clock=ManualClock())

        async with site() as first:
            await first.tick(3600.0)
            shown = [dict(meter.values) for meter in first.meters]
        async with site() as again:
            counters = ("active_energy_import_total", "volume_total")
            for before, meter in zip(shown, again.meters, strict=True):
                for name in counters:
                    assert meter.values.get(name) == pytest.approx(before.get(name))

    run(scenario())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"listen": ["tcpp://x:1"]}, "tcpp:// is unknown"),
        ({"listen": [TCP], "count": 248}, "units beyond 247"),
        ({"listen": [TCP], "count": 10, "unit": 240}, "units beyond 247"),
        ({"listen": [RTU_TCP], "unit": 0}, "use 1 to 247"),
    ],
)
def test_what_cannot_be_listened_on_is_refused_before_it_starts(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises((ConfigError, EndpointError), match=words):
        SimulatedFleet(electric(), **options)


def test_a_site_without_meters_or_wires_is_refused() -> None:
    with pytest.raises(ConfigError, match="without meters"):
        SimulatedSite({}, listen=[TCP])
    with pytest.raises(ConfigError, match="without wires"):
        SimulatedSite({1: electric()}, listen=[])


def test_a_wire_says_where_it_really_is() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP, UDP]) as fleet:
            tcp, udp = fleet.ports
            assert [str(outlet) for outlet in fleet.outlets] == [
                f"tcp://127.0.0.1:{tcp}",
                f"udp://127.0.0.1:{udp}",
            ]

    run(scenario())


# Faults on real wires


@on_each_loop
def test_a_late_answer_comes_late_and_delays_the_next(loop: str) -> None:
    async def scenario() -> None:
        async with fleet_on([TCP], "late=60ms,times=2") as fleet:
            client = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            start = time.monotonic()
            client.send(b"".join(mbap(1, read(0), number) for number in (1, 2, 3)))
            await until(lambda: len(client.data) >= 33)
            moments = [when - start for when, _ in client.pieces]
            assert moments[0] >= 0.055
            assert moments[-1] >= 0.115
            assert [client.data[11 * n : 11 * n + 2] for n in range(3)] == [
                b"\0\1",
                b"\0\2",
                b"\0\3",
            ]
            await client.leave()

    run(scenario(), loop)


@pytest.mark.parametrize("listen", [TCP, RTU_TCP])
def test_hang_up_drops_the_connection_in_the_middle(listen: str) -> None:
    async def scenario() -> None:
        async with fleet_on([listen], "hang_up=4") as fleet:
            client = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            client.send(mbap(1, read(0)) if listen == TCP else rtu(1, read(0)))
            await until(lambda: client.is_lost)
            assert len(client.data) <= 4

    run(scenario())


def test_one_client_only_is_admitted_at_a_time() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP], "one_client") as fleet:
            first = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            await until(lambda: fleet.servers[0].connections == 1)
            second = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            await until(lambda: second.is_lost)
            await first.leave()
            await until(lambda: fleet.servers[0].connections == 0)
            third = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            third.send(mbap(1, read(0)))
            await until(lambda: len(third.data) == 11)
            await third.leave()

    run(scenario())


def test_a_reboot_drops_the_client_and_lets_it_back_in() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP], "reboot=150ms") as fleet:
            first = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            await until(lambda: first.is_lost)
            await asyncio.sleep(0.2)
            again = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            again.send(mbap(1, read(0)))
            await until(lambda: len(again.data) == 11)
            await again.leave()

    run(scenario())


def test_split_and_noise_reach_a_serial_line() -> None:
    async def scenario() -> None:
        async with NullModem() as modem:
            listen = [f"rtu://{modem.one.path}?baudrate=115200"]
            async with fleet_on(listen, "split=15ms") as fleet:
                client = await Client.to(SerialEndpoint(modem.other.path, 115200))
                client.send(rtu(1, read(0, 2)))
                await until(lambda: len(client.data) >= 9)
                answer = fleet.meters[0].tables.answer(1, read(0, 2))
                assert client.data == rtu(1, answer)
                assert len(client.pieces) >= 2
                await client.leave()

    run(scenario())


def test_a_write_that_was_swallowed_is_heard_when_it_is_asked_again() -> None:
    async def scenario() -> None:
        write = rtu(1, bytes.fromhex("06 0064 0000"))
        async with fleet_on([RTU_TCP], "swallow,times=1") as fleet:
            client = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            client.send(write)
            await asyncio.sleep(0.05)
            assert fleet.meters[0].is_online
            await client.ask(write, write)
            assert not fleet.meters[0].is_online
            await client.leave()

    run(scenario())


def test_a_fault_may_be_on_one_wire_only() -> None:
    async def scenario() -> None:
        async with fleet_on([TCP, TCP], "dead,wire=2") as fleet:
            async with Link(TcpEndpoint(HOST, fleet.ports[0]), timeout_s=0.1) as link:
                await link.unit(1).read_holding_registers(0)
            async with Link(TcpEndpoint(HOST, fleet.ports[1]), timeout_s=0.1) as link:
                with pytest.raises(RequestTimeout):
                    await link.unit(1).read_holding_registers(0)

    run(scenario())


def test_in_a_row_of_ports_each_is_a_wire() -> None:
    misbehaviour = Misbehaviour(1)
    fleet = SimulatedFleet(electric(), count=3, port=0, manners=Manners(misbehaviour=misbehaviour))
    misbehaviour.add(parse_fault("counter_reset,wire=3"))
    counters = [meter.values["active_energy_import_total"] for meter in fleet.meters]
    assert [counter == 0 for counter in counters] == [False, False, True]
    assert list(fleet.numbered) == [1, 2, 3]


SOON = "=1ms"
AMOUNTS = {"holes": "=10", "max_read": "=5", "reindexed": "=5", "reboot": SOON}
CELLS = [
    (listen, name + AMOUNTS.get(name, SOON if kind.measure is Measure.DURATION else ""))
    for listen in (TCP, RTU_TCP, UDP)
    for name, kind in KINDS.items()
    if kind.where.fits(parse_wire(listen).framing, parse_wire(listen).way) and name != "glued"
]
"""Every fault on every kind of wire on which it can happen; what is held back is for later."""


@pytest.mark.parametrize(("listen", "fault"), CELLS)
def test_a_fault_passes_and_the_next_client_is_served(listen: str, fault: str) -> None:
    envelope: Any = rtu if listen == RTU_TCP else mbap
    way: Any = UdpEndpoint if listen == UDP else TcpEndpoint
    misbehaviour = Misbehaviour(1)
    manners = Manners(misbehaviour=misbehaviour)
    fleet = SimulatedFleet(electric(), seed=7, speed=1e-9, listen=[listen], manners=manners)

    async def scenario() -> None:
        async with fleet:
            misbehaviour.add(parse_fault(fault))
            client = await Client.to(way(HOST, fleet.ports[0]))
            client.send(envelope(1, read(0, 8)))
            await asyncio.sleep(0.005)
            misbehaviour.clear()
            await client.leave()
            again = await Client.to(way(HOST, fleet.ports[0]))
            honest = fleet.meters[0].tables.answer(1, read(0, 8))
            await again.ask(envelope(1, read(0, 8)), envelope(1, honest))
            await again.leave()

    run(scenario())


# Time on the line


def test_characters_take_their_time_at_the_baud_rate_of_the_url() -> None:
    async def scenario() -> None:
        async with NullModem() as modem:
            listen = [f"rtu://{modem.one.path}?baudrate=9600"]
            manners = {"has_line_timing": True}
            async with fleet_on(listen, manners=manners):
                client = await Client.to(SerialEndpoint(modem.other.path, 9600))
                # 8 characters out, 3.5 of silence, 205 back, 10 bits each.
                expected = (8 + 3.5 + 205) * 10 / 9600
                taken = []
                for _ in range(4):  # a machine that is busy may be late now and then
                    client.pieces.clear()
                    start = time.monotonic()
                    client.send(rtu(1, read(0, 100)))
                    await until(lambda: len(client.data) >= 205)
                    taken.append(time.monotonic() - start)
                assert expected - 0.001 <= min(taken) < expected + 0.03
                await client.leave()

    run(scenario())


@pytest.mark.parametrize("listen", [TCP, RTU_TCP])
def test_latency_is_kept_on_any_wire(listen: str) -> None:
    async def scenario() -> None:
        async with fleet_on([listen], manners={"latency_s": 0.05}) as fleet:
            client = await Client.to(TcpEndpoint(HOST, fleet.ports[0]))
            start = time.monotonic()
            client.send(mbap(1, read(0)) if listen == TCP else rtu(1, read(0)))
            await until(lambda: bool(client.data))
            assert time.monotonic() - start >= 0.045
            await client.leave()

    run(scenario())


def test_the_silence_of_a_line_is_kept_with_faults_too() -> None:
    async def scenario() -> None:
        async with NullModem() as modem:
            listen = [f"rtu://{modem.one.path}?baudrate=1200"]
            async with fleet_on(listen, "dead,unit=9"):
                client = await Client.to(SerialEndpoint(modem.other.path, 1200))
                start = time.monotonic()
                client.send(rtu(1, read(0)))
                await until(lambda: len(client.data) >= 7)
                assert time.monotonic() - start >= 3.5 * 10 / 1200
                await client.leave()

    run(scenario())
