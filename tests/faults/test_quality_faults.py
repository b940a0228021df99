"""A meter whose counters and values go wrong on the wire: nothing untrue is published.

Served over a real socket; the clock is moved by hand, ten seconds a poll.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.loops import on_each_loop, run
from tests.support.peculiar import Peculiar, profile_of, served

from energymeter.client import Unit
from energymeter.clock import ManualClock
from energymeter.profiles import Profile
from energymeter.reader import EventKind, FileMemory, MeterReader, Quality, Rating, ReadReport

COUNTERS = ("active_energy_import", "active_energy_export")
METER: Profile = profile_of(
    {"name": "voltage_phase_a", "address": 0, "type": "uint16", "unit": "V", "scale": "0.1"},
    *(
        {"name": n, "address": 2 + 2 * i, "type": "uint32", "unit": "kWh", "scale": "0.01"}
        for i, n in enumerate(COUNTERS)
    ),
)
INTERVAL_S = 10.0
HOUSE = Rating(40)


class Meter(Peculiar):
    """Counts; `set` changes what its registers hold."""

    def __init__(self, imported: int = 100_000, exported: int = 5_000) -> None:
        super().__init__({0: 2301})
        self.set(imported, exported)

    def set(self, imported: int, exported: int) -> None:
        for address, raw in ((2, imported), (4, exported)):
            self.words[address], self.words[address + 1] = divmod(raw, 1 << 16)
        self.counts = (imported, exported)

    def count(self, imported: int = 1, exported: int = 0) -> None:
        self.set(self.counts[0] + imported, self.counts[1] + exported)

    def lies_once(self, imported: int) -> None:
        """The next read alone brings this."""
        lies = [imported]

        def lie(address: int, count: int) -> bytes | None:
            if not lies:
                return None
            words = [self.words.get(a, 0) for a in range(address, address + count)]
            words[2 - address], words[3 - address] = divmod(lies.pop(), 1 << 16)
            return struct.pack(f">BB{count}H", 3, 2 * count, *words)

        self.before = lie


Step = Callable[[Meter], None]


def poll(
    meter: Meter, steps: Sequence[Step], loop: str = "asyncio", **keys: Any
) -> list[ReadReport]:
    """A report for each step, and one before them."""
    clock = ManualClock()

    async def scenario(unit: Unit) -> list[ReadReport]:
        reader = MeterReader(unit, METER, clock=clock, **{"rating": HOUSE, **keys})
        reports = [await reader.read()]
        for step in steps:
            await clock.advance(INTERVAL_S)
            step(meter)
            reports.append(await reader.read())
        reader.remember()
        return reports

    async def whole() -> list[ReadReport]:
        async with served(meter) as unit:
            return await scenario(unit)

    return run(whole(), loop)


def check(reports: Sequence[ReadReport]) -> None:
    """Between events each series grows; each value withheld has its reason."""
    for name in COUNTERS:
        last: float | None = None
        for report in reports:
            reading = report[name]
            if any(event.name == name for event in report.events):
                last = None
            if reading.quality is Quality.GOOD:
                assert isinstance(reading.value, (int, float))
                assert last is None or reading.value >= last
                last = reading.value
            else:
                assert reading.value is None
                assert report.reason(name)
                assert name in report.reasons()


def series(reports: Sequence[ReadReport], name: str = COUNTERS[0]) -> list[Any]:
    return [report[name].value for report in reports]


def counts(meter: Meter) -> None:
    meter.count()


def zero(meter: Meter) -> None:
    meter.set(0, 0)


@on_each_loop
@pytest.mark.parametrize("lie", [0, 99_999, 1_000_000, 0xFFFFFFFF])
def test_lie_told_once_is_seen_through_at_once(loop: str, lie: int) -> None:
    meter = Meter()

    def lies(meter: Meter) -> None:
        meter.count()
        meter.lies_once(lie)

    reports = poll(meter, [counts, lies, counts], loop, self_check=False)

    check(reports)
    assert series(reports) == [1000, 1000.01, 1000.02, 1000.03]
    assert len(meter.asked) == 4 + 1


@pytest.mark.parametrize("odd", [(0, 0), (99_000, 4_999), (1_000_000, 900_000)])
def test_lasting_nonsense_is_withheld_until_it_ends(odd: tuple[int, int]) -> None:
    meter = Meter()
    reports = poll(
        meter,
        [counts, *[lambda m: m.set(*odd)] * 30, lambda m: m.set(100_003, 5_000), counts],
        self_check=False,
    )

    check(reports)
    assert series(reports)[2:32] == [None] * 30
    assert {r[COUNTERS[0]].quality for r in reports[2:32]} == {Quality.WITHHELD}
    assert series(reports)[32:] == [1000.03, 1000.04]
    assert all(not report.events for report in reports)
    assert len(meter.asked) == len(reports) + 1  # read twice once, not at every poll


def test_exchanged_meter_is_recognised_and_its_idle_counter_with_it() -> None:
    reports = poll(Meter(), [counts, zero, *[counts] * 12])

    check(reports)
    events = [event for report in reports for event in report.events]
    assert [event.kind for event in events] == [EventKind.COUNTER_REPLACED] * 2
    assert {event.name for event in events} == set(COUNTERS)
    assert series(reports)[-1] == 0.12
    assert series(reports, COUNTERS[1])[-1] == 0


def test_rollover_is_an_event_and_costs_no_value() -> None:
    start = 2**32 - 3
    reports = poll(Meter(imported=start), [counts, counts, lambda m: m.set(1, 5_000), counts])

    check(reports)
    assert None not in series(reports)
    assert [e.kind for r in reports for e in r.events] == [EventKind.COUNTER_ROLLED_OVER]


def test_value_out_of_range_is_rejected_and_comes_back() -> None:
    def breaks(meter: Meter) -> None:
        meter.words[0] = 65535

    def heals(meter: Meter) -> None:
        meter.words[0] = 2299

    profile_limits = poll(Meter(), [breaks, heals])
    assert series(profile_limits, "voltage_phase_a") == [230.1, 6553.5, 229.9]

    points = [p.model_dump() for p in METER.points]
    points[0]["maximum"] = "300"
    narrow = profile_of(*points)
    meter = Meter()

    async def scenario() -> list[ReadReport]:
        async with served(meter) as unit:
            reader = MeterReader(unit, narrow)
            reports = [await reader.read()]
            for step in (breaks, heals):
                step(meter)
                reports.append(await reader.read())
            return reports

    reports = run(scenario())
    assert series(reports, "voltage_phase_a") == [230.1, None, 229.9]
    assert reports[1]["voltage_phase_a"].quality is Quality.OUT_OF_RANGE
    assert reports[1].reason("voltage_phase_a") == "6553.5 V is not in 0 to 300 V"


def test_glitch_over_a_restart_is_withheld_too(tmp_path: Path) -> None:
    memory = FileMemory("x", 1, METER.name, folder=tmp_path)
    poll(Meter(), [counts], memory=memory)
    meter = Meter(100_005)
    meter.set(0, 5_000)

    reports = poll(meter, [lambda m: m.set(100_006, 5_000)], memory=memory)

    check(reports)
    assert series(reports) == [None, 1000.06]


def test_without_a_memory_the_first_reading_is_believed() -> None:
    assert series(poll(Meter(0), [counts])) == [0, 0.01]


def test_meter_exchanged_while_nobody_read_it_is_believed_at_once(tmp_path: Path) -> None:
    memory = FileMemory("x", 1, METER.name, folder=tmp_path)
    poll(Meter(), [counts], memory=memory)

    reports = poll(Meter(70, 20), [counts], memory=memory)

    check(reports)
    assert series(reports) == [0.7, 0.71]
    assert [e.kind for e in reports[0].events] == [EventKind.COUNTER_REPLACED] * 2


def test_reset_on_purpose_is_believed_when_it_is_said() -> None:
    meter = Meter()
    clock = ManualClock()

    async def scenario() -> list[ReadReport]:
        async with served(meter) as unit:
            reader = MeterReader(unit, METER, clock=clock)
            reports = [await reader.read()]
            meter.set(0, 0)
            reader.accept_counters()
            reports.append(await reader.read())
            meter.count()
            reports.append(await reader.read())
            return reports

    assert series(run(scenario())) == [1000, 0, 0.01]


@pytest.mark.parametrize("seed", range(6))
def test_any_mix_of_faults_leaves_a_series_that_grows(seed: int) -> None:
    chance = random.Random(seed)
    truth: list[tuple[int, int]] = []

    def step(meter: Meter) -> None:
        if not truth:
            truth.append(meter.counts)
        true = (truth[-1][0] + chance.randrange(3), truth[-1][1] + chance.randrange(2))
        truth.append(true)
        meter.before = None
        meter.set(*true)
        match chance.randrange(8):
            case 0:
                meter.set(0, 0)
            case 1:
                meter.set(chance.randrange(1 << 32), true[1])
            case 2:
                meter.lies_once(chance.randrange(1 << 32))
            case 3:
                meter.before = lambda address, count: b"\x83\x04"

    reports = poll(Meter(), [step] * 200)

    check(reports)
    raws = [(100_000, 5_000), *truth[1:]]
    for report, true in zip(reports, raws, strict=True):
        if not any(event.name for report in reports for event in report.events):
            assert report[COUNTERS[0]].value in (None, true[0] / 100)
