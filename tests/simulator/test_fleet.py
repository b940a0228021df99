"""Simulated meters on real sockets: the documented map, commands, alarms and physics."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.loops import on_each_loop, run, turns

from energymeter.client import Link, Unit
from energymeter.clock import ManualClock
from energymeter.codec import ReadRequest
from energymeter.errors import ConfigError, ExceptionReplyError
from energymeter.profiles import Profile, ProfileLibrary
from energymeter.reader import MeterReader
from energymeter.simulator import SimulatedFleet
from energymeter.transports import TcpEndpoint

LIBRARY = ProfileLibrary(())
KINDS = ("electric", "water", "gas")
on_each_kind = pytest.mark.parametrize("kind", KINDS)
on_each_table = pytest.mark.parametrize("function", [3, 4])

# DESIGN.md section 3, address by address.
ELECTRIC_MAP = {0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 100, 101}
FLUID_MAP = {0, 1, 2, 3, 20, 21, 22, 100, 101}
TO_BASE = {"kWh": 1000.0, "mbar": 0.001}
ASSIGNED = {"electric": ELECTRIC_MAP, "water": FLUID_MAP, "gas": FLUID_MAP}


def profile_of(kind: str) -> Profile:
    return LIBRARY.load(f"energymeter/{kind}")


@dataclass
class Bench:
    """A fleet that only moves when told, and its first meter on the wire."""

    fleet: SimulatedFleet
    clock: ManualClock
    unit: Unit

    async def words(self, function: int = 3) -> tuple[int, ...]:
        """The whole map, 0 to 101."""
        data = await self.unit.read(ReadRequest(function, 0, 102))
        return struct.unpack(">102H", data)

    async def tick(self, seconds: float = 1.0, times: int = 1) -> None:
        for _ in range(times):
            await self.fleet.tick(seconds)

    def quantities(self, index: int = 0) -> Mapping[str, Any]:
        return {name: v[index].item() for name, v in self.fleet._physics.quantities().items()}


@asynccontextmanager
async def bench_of(kind: str | Profile = "electric", **options: Any) -> AsyncIterator[Bench]:
    profile = profile_of(kind) if isinstance(kind, str) else kind
    clock = ManualClock()
    fleet = SimulatedFleet(profile, **{"port": 0, "seed": 7, "clock": clock, **options})
    async with fleet, Link(TcpEndpoint("127.0.0.1", fleet.ports[0]), timeout_s=5) as link:
        yield Bench(fleet, clock, link.unit(1))


def low_first(words: tuple[int, ...], address: int) -> int:
    return words[address] | words[address + 1] << 16


# The map


@on_each_kind
@on_each_table
def test_addresses_of_the_map_that_carry_nothing_read_as_zero(kind: str, function: int) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            await bench.tick(60.0)
            words = await bench.words(function)
        free = set(range(102)) - ASSIGNED[kind]
        assert {words[address] for address in free} == {0}

    run(scenario())


@on_each_table
def test_the_electric_map_holds_what_the_document_says(function: int) -> None:
    async def scenario() -> None:
        async with bench_of("electric") as bench:
            await bench.tick(60.0)
            words = await bench.words(function)
            now = bench.quantities()
        assert low_first(words, 0) == math.floor(now["active_energy_import_total"] / 10 + 1e-9)
        assert low_first(words, 2) == pytest.approx(now["active_power_total"] * 10, abs=0.51)
        for place, phase in enumerate("abc"):
            voltage, current = now[f"voltage_phase_{phase}"], now[f"current_phase_{phase}"]
            assert words[10 + place] == pytest.approx(voltage * 10, abs=0.51)
            assert words[13 + place] == pytest.approx(current * 100, abs=0.51)
        assert words[16] == pytest.approx(now["frequency"] * 100, abs=0.51)
        assert words[17] == pytest.approx(now["power_factor_total"] * 1000, abs=0.51)
        assert (words[100], words[101]) == (1, 0)

    run(scenario())


@on_each_table
@pytest.mark.parametrize(("kind", "code", "bar"), [("water", 1, 1.0), ("gas", 2, 1000.0)])
def test_the_fluid_map_holds_what_the_document_says(
    kind: str, code: int, bar: float, function: int
) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            while bench.quantities()["flow_rate"] == 0:
                await bench.tick(20.0)
            words = await bench.words(function)
            now = bench.quantities()
        assert low_first(words, 0) == math.floor(now["volume_total"] * 100 + 1e-9)
        assert low_first(words, 2) == pytest.approx(now["flow_rate"] * 10, abs=0.51)
        assert words[20] == low_first(words, 2) > 0
        assert words[21] == pytest.approx((now["temperature"] + 50) * 10, abs=0.51)
        assert words[22] == pytest.approx(now["pressure"] * bar * 100, abs=0.51)
        assert (words[100], words[101]) == (1, code)

    run(scenario())


@on_each_kind
def test_holding_and_input_registers_are_the_same(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            for _ in range(5):
                await bench.tick(10.0)
                assert await bench.words(3) == await bench.words(4)

    run(scenario())


@on_each_kind
@on_each_table
@pytest.mark.parametrize(("address", "count"), [(102, 1), (101, 2), (0, 103), (65535, 1)])
def test_beyond_the_map_there_is_exception_2(
    kind: str, function: int, address: int, count: int
) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            with pytest.raises(ExceptionReplyError) as caught:
                await bench.unit.read(ReadRequest(function, address, count))
            assert caught.value.code == 2

    run(scenario())


def test_zero_to_five_are_read_in_one_go_as_the_old_document_does() -> None:
    async def scenario() -> None:
        async with bench_of("electric") as bench:
            words = await bench.unit.read_holding_registers(0, 6)
            assert words[4:] == (0, 0)

    run(scenario())


@on_each_loop
@on_each_kind
def test_every_unit_id_is_answered_alike(kind: str, loop: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            answers = [
                await bench.unit.link.unit(number).read_input_registers(0, 102)
                for number in (0, 1, 2, 17, 247, 255)
            ]
        assert len(set(answers)) == 1

    run(scenario(), loop)


@on_each_kind
def test_coils_and_discrete_inputs_say_online_no_alarms_and_communication_ok(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            coils = await bench.unit.read_coils(0, 11)
            discrete = await bench.unit.read_discrete_inputs(0, 13)
        assert coils == (True, True, True) + (False,) * 8
        assert discrete == (True, True, True) + (False,) * 10

    run(scenario())


@on_each_kind
def test_beyond_the_bits_there_is_exception_2(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            for call in (bench.unit.read_coils(11), bench.unit.read_discrete_inputs(13)):
                with pytest.raises(ExceptionReplyError) as caught:
                    await call
                assert caught.value.code == 2

    run(scenario())


@on_each_kind
def test_function_17_names_the_meter_and_says_it_runs(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            assert await bench.unit.report_server_id() == f"energymeter {kind}".encode() + b"\xff"

    run(scenario())


@on_each_kind
def test_function_43_14_identifies_the_meter(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            basic = await bench.unit.read_identification(1)
            regular = await bench.unit.read_identification(2)
        assert basic == {0: b"energymeter", 1: f"EM-{kind}".upper().encode(), 2: b"1.0"}
        assert regular[5] == kind.encode()
        assert basic.items() <= regular.items()

    run(scenario())


# Commands


@on_each_loop
@on_each_kind
def test_coil_10_resets_the_counter_and_falls_back_to_off(kind: str, loop: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            await bench.tick(10.0)
            assert low_first(await bench.words(), 0) > 0
            await bench.unit.write_coil(10, True)

            assert low_first(await bench.words(), 0) == 0
            assert await bench.unit.read_coils(10) == (False,)

    run(scenario(), loop)


def test_coil_10_may_be_written_as_one_of_several() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            await bench.unit.write_coils(10, [True])
            assert low_first(await bench.words(), 0) == 0

    run(scenario())


def test_coil_10_written_off_resets_nothing() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            before = await bench.words()
            await bench.unit.write_coil(10, False)
            assert await bench.words() == before

    run(scenario())


def test_a_reset_counter_counts_on_from_zero() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            await bench.unit.write_coil(10, True)
            await bench.tick(600.0, times=6)
            hour = bench.quantities()["active_energy_import_total"]
            assert 0 < hour < 50_000
            assert low_first(await bench.words(), 0) == math.floor(hour / 10 + 1e-9)

    run(scenario())


def test_a_reset_leaves_the_other_meters_alone() -> None:
    async def scenario() -> None:
        async with bench_of(count=3) as bench:
            before = [meter.tables.holding.read(0, 2) for meter in bench.fleet.meters]
            await bench.unit.write_coil(10, True)
            after = [meter.tables.holding.read(0, 2) for meter in bench.fleet.meters]
        assert after == [bytes(4), *before[1:]]

    run(scenario())


@on_each_kind
def test_writing_0_to_register_100_makes_the_values_stand_still(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            await bench.tick(30.0)
            before = await bench.words()
            await bench.unit.write_register(100, 0)
            await bench.tick(3600.0, times=3)
            after = await bench.words()

            assert after[100] == 0
            assert after[:100] == before[:100]
            assert await bench.unit.read_coils(0, 3) == (False, True, True)
            assert await bench.unit.read_discrete_inputs(0, 3) == (False, True, True)

    run(scenario())


def test_writing_1_to_register_100_makes_them_move_again() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            before = await bench.words()
            await bench.unit.write_register(100, 0)
            await bench.tick(3600.0)
            await bench.unit.write_register(100, 1)
            after = await bench.words()

            assert after[100] == 1
            assert low_first(after, 0) > low_first(before, 0)
            assert await bench.unit.read_coils(0) == (True,)

    run(scenario())


def test_a_reset_of_a_meter_that_is_offline_moves_nothing_but_the_counter() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            before = await bench.words()
            await bench.unit.write_register(100, 0)
            await bench.tick(1800.0)
            await bench.unit.write_coil(10, True)
            after = await bench.words()
        assert low_first(after, 0) == 0
        assert after[2:100] == before[2:100]

    run(scenario())


@pytest.mark.parametrize("address", [0, 10, 50, 99, 101])
def test_registers_that_are_measured_cannot_be_written(address: int) -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            before = await bench.words()
            with pytest.raises(ExceptionReplyError) as caught:
                await bench.unit.write_register(address, 1)
            assert caught.value.code == 2
            assert await bench.words() == before

    run(scenario())


def test_a_write_over_more_than_what_is_writable_is_refused_whole() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            with pytest.raises(ExceptionReplyError) as caught:
                await bench.unit.write_registers(100, [0, 0])
            assert caught.value.code == 2
            assert (await bench.words())[100] == 1

    run(scenario())


def test_register_100_takes_0_and_1_only() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            with pytest.raises(ExceptionReplyError) as caught:
                await bench.unit.write_register(100, 2)
            assert caught.value.code == 3

    run(scenario())


@pytest.mark.parametrize("address", [0, 1, 2, 9])
def test_status_coils_cannot_be_written(address: int) -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            with pytest.raises(ExceptionReplyError) as caught:
                await bench.unit.write_coil(address, True)
            assert caught.value.code == 2

    run(scenario())


# Alarms


@pytest.mark.parametrize(
    ("condition", "address"), [("power_outage", 10), ("over_voltage", 11), ("under_voltage", 12)]
)
def test_a_grid_condition_raises_its_alarm_and_no_other(condition: str, address: int) -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            physics: Any = bench.fleet._physics
            physics.force(0, condition)
            await bench.tick()
            inputs = await bench.unit.read_discrete_inputs(0, 13)
            coils = await bench.unit.read_coils(0, 3)
            words = await bench.words()
            physics.force(0, None)
            await bench.tick()
            calm = await bench.unit.read_discrete_inputs(0, 13)

        assert [n for n in (10, 11, 12) if inputs[n]] == [address]
        assert inputs[:3] == coils == (True, False, True)
        voltages = words[10:13]
        if condition == "power_outage":
            assert voltages == (0, 0, 0)
            assert words[13:16] == (0, 0, 0)
            assert low_first(words, 2) == 0
        else:
            assert all((v > 2530) == (condition == "over_voltage") for v in voltages)
            assert all((v < 2070) == (condition == "under_voltage") for v in voltages)
        assert calm == (True, True, True) + (False,) * 10

    run(scenario())


def test_a_condition_of_one_meter_is_not_that_of_its_neighbour() -> None:
    async def scenario() -> None:
        async with bench_of(count=2) as bench:
            physics: Any = bench.fleet._physics
            physics.force(1, "over_voltage")
            await bench.tick()
            assert await bench.unit.read_discrete_inputs(11) == (False,)
            assert bench.fleet.meters[1].tables.discrete.read(11, 1) == b"\x01"

    run(scenario())


# Physics as the registers show it


def test_power_is_the_sum_of_voltage_times_current_times_power_factor() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            for _ in range(300):
                await bench.tick(97.0)
                words = await bench.words()
                factor = words[17] / 1000
                pairs = [(words[10 + n] / 10, words[13 + n] / 100) for n in range(3)]
                apparent = sum(u * i for u, i in pairs)
                rounding = sum(0.05 * i + 0.005 * u for u, i in pairs) + 0.0005 * apparent + 0.06
                assert low_first(words, 2) / 10 == pytest.approx(apparent * factor, abs=rounding)

    run(scenario())


def test_voltage_and_frequency_stay_those_of_a_grid() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            for _ in range(200):
                await bench.tick(30.0)
                words = await bench.words()
                assert all(2000 < v < 2600 for v in words[10:13]) or any(
                    await bench.unit.read_discrete_inputs(10, 3)
                )
                assert 4950 < words[16] < 5050

    run(scenario())


def test_energy_grows_with_power_to_the_resolution_of_its_register_and_never_falls() -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            await bench.unit.write_coil(10, True)
            energy_wh, last = 0.0, 0
            power_w = low_first(await bench.words(), 2) / 10
            for _ in range(400):
                await bench.tick(20.0)
                words = await bench.words()
                before_w, power_w = power_w, low_first(words, 2) / 10
                energy_wh += (before_w + power_w) / 2 * 20 / 3600
                counter = low_first(words, 0)
                assert counter >= last
                # The register counts 10 Wh; powers are rounded to 0.1 W.
                assert -0.5 <= energy_wh - counter * 10 <= 10.5
                last = counter
            assert last > 10

    run(scenario())


@pytest.mark.parametrize("kind", ["water", "gas"])
def test_volume_grows_with_flow_and_never_falls(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind) as bench:
            await bench.unit.write_coil(10, True)
            litres, last = 0.0, 0
            flow = low_first(await bench.words(), 2) / 10
            for step in range(1, 2001):
                await bench.fleet.tick(5.0)
                words = struct.unpack(">4H", bench.fleet.meters[0].tables.holding.read(0, 4) or b"")
                before, flow = flow, low_first(words, 2) / 10
                litres += (before + flow) / 2 * 5 / 60
                counter = low_first(words, 0)
                assert counter >= last
                # The register counts 10 litres; flows are rounded to 0.1 L/min.
                slack = 0.05 * 5 / 60 * step
                assert -slack - 0.01 <= litres - counter * 10 <= 10.01 + slack
                last = counter
            assert last > 0

    run(scenario())


@on_each_kind
def test_the_same_seed_gives_the_same_values_tick_by_tick(kind: str) -> None:
    async def series(seed: int) -> list[tuple[int, ...]]:
        async with bench_of(kind, seed=seed, count=2) as bench:
            rows = []
            for _ in range(20):
                await bench.tick(60.0)
                rows.append(await bench.words())
            return rows

    first, again, other = run(series(3)), run(series(3)), run(series(4))
    assert first == again
    assert first != other


@on_each_kind
def test_meters_of_one_fleet_differ(kind: str) -> None:
    async def scenario() -> None:
        async with bench_of(kind, count=20) as bench:
            await bench.tick(60.0)
            counters = {meter.tables.holding.read(0, 2) for meter in bench.fleet.meters}
        assert len(counters) == 20

    run(scenario())


@on_each_loop
def test_values_move_every_second_of_the_clock(loop: str) -> None:
    async def scenario() -> None:
        async with bench_of() as bench:
            seen = {await bench.words()}
            for _ in range(10):
                await bench.clock.advance(1.0)
                seen.add(await bench.words())
            assert len(seen) == 11

    run(scenario(), loop)


def test_time_may_run_faster_than_the_clock() -> None:
    async def scenario() -> None:
        async with bench_of(speed=3600.0) as bench:
            await bench.unit.write_coil(10, True)
            await bench.clock.advance(24.0)
            day_wh = low_first(await bench.words(), 0) * 10
            assert 1000 < day_wh < 200_000

    run(scenario())


@on_each_loop
def test_a_read_never_sees_half_an_update(loop: str) -> None:
    async def scenario() -> None:
        async with bench_of(count=60) as bench:
            image = bench.fleet.meters[0].tables.holding
            shown = {image.read(0, 102)}
            seen: set[bytes] = set()

            async def ask() -> None:
                while not ticking.done():
                    seen.add(await bench.unit.read(ReadRequest(3, 0, 102)))

            async def tick() -> None:
                for _ in range(100):
                    await bench.fleet.tick(1.0)
                    shown.add(image.read(0, 102))
                    await turns(2)

            ticking = asyncio.create_task(tick())
            await asyncio.gather(ticking, ask())
        assert len(seen) > 10
        assert seen <= shown

    run(scenario(), loop)


# Many meters


def free_run(count: int) -> int:
    """The first of so many ports in a row that are free now."""
    for first in range(21_000, 60_000, count + 1):
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.create_server(("127.0.0.1", port)))  # noqa: PERF401
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
        return first
    pytest.skip("no free ports in a row")


@on_each_loop
def test_a_fleet_listens_on_consecutive_ports_and_each_is_a_meter_of_its_own(loop: str) -> None:
    async def scenario() -> None:
        first = free_run(5)
        async with bench_of(count=5, port=first) as bench:
            assert bench.fleet.ports == list(range(first, first + 5))
            counters = set()
            for port in bench.fleet.ports:
                async with Link(TcpEndpoint("127.0.0.1", port)) as link:
                    counters.add(await link.unit(1).read_holding_registers(0, 2))
            assert len(counters) == 5

    run(scenario(), loop)


@on_each_loop
def test_one_port_in_use_leaves_none_of_the_others_open(loop: str) -> None:
    async def scenario() -> None:
        first = free_run(4)
        with socket.create_server(("127.0.0.1", first + 2)):
            fleet = SimulatedFleet(profile_of("gas"), count=4, port=first)
            with pytest.raises(ConfigError, match=f"port {first + 2}"):
                await fleet.start()
            for port in (first, first + 1, first + 3):
                socket.create_server(("127.0.0.1", port)).close()

    run(scenario(), loop)


@pytest.mark.parametrize(
    "options",
    [
        {"count": 3, "port": 65534},
        {"count": 0},
        {"count": -1},
        {"speed": 0.0},
        {"speed": -1.0},
        {"speed": math.nan},
        {"speed": math.inf},
    ],
)
def test_a_fleet_that_cannot_be_is_refused_before_it_starts(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SimulatedFleet(profile_of("electric"), **options)


# Any profile


def test_a_pm8000_reads_back_what_its_physics_says() -> None:
    profile = LIBRARY.load("schneider-electric/pm8000")

    async def scenario() -> None:
        async with bench_of(profile) as bench:
            reader = MeterReader(bench.unit, profile)
            for _ in range(20):
                await bench.tick(60.0)
                report = await reader.read()
                now = bench.quantities()
                assert report.is_complete
                for reading, point in zip(report, report.points, strict=True):
                    name = reading.name if reading.name in now else f"{reading.name}_total"
                    base = {"k": 1000.0}.get(point.unit[:1], 1.0)
                    value = now[name] / base
                    assert isinstance(reading.value, int | float)
                    if point.type.is_float:
                        assert reading.value == pytest.approx(value, rel=1e-6, abs=1e-6)
                    else:
                        assert reading.value == math.floor(value + 1e-9)

    run(scenario())


@on_each_kind
def test_a_simulated_meter_reads_back_through_its_own_profile(kind: str) -> None:
    profile = profile_of(kind)

    async def scenario() -> None:
        async with bench_of(kind) as bench:
            await bench.tick(600.0)
            report = await MeterReader(bench.unit, profile).read()
            now = bench.quantities()
        assert report.is_complete
        for point, value in zip(report.points, report.values, strict=True):
            if point.name not in now or isinstance(value, bool | str | None):
                continue
            factor = TO_BASE.get(point.unit, 1.0)
            step = float(point.scale)
            assert value * factor == pytest.approx(float(now[point.name]), abs=step * factor * 1.01)

    run(scenario())
