"""A scenario as it happens, by a clock that is driven by hand."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.simulator.faulty import electric
from tests.support.loops import run

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.simulator import Manners, Misbehaviour, SimulatedFleet, parse_fault
from energymeter.simulator.control import SimulatorControl
from energymeter.simulator.scenario import parse_scenario
from energymeter.simulator.timeline import Timeline


@dataclass
class Bench:
    """Three meters that are never listened to, and a scenario that happens to them."""

    fleet: SimulatedFleet
    misbehaviour: Misbehaviour
    control: SimulatorControl
    clock: ManualClock
    told: list[str] = field(default_factory=list)

    def on(self) -> list[str]:
        """The faults that are on."""
        return [str(active.fault) for active in self.misbehaviour.faults()]


def bench() -> Bench:
    clock = ManualClock()
    misbehaviour = Misbehaviour(1, clock)
    fleet = SimulatedFleet(
        electric(),
        count=3,
        listen=["tcp://127.0.0.1:0"],
        manners=Manners(misbehaviour=misbehaviour),
        clock=clock,
    )
    return Bench(fleet, misbehaviour, SimulatorControl(fleet, misbehaviour), clock)


@asynccontextmanager
async def happening(text: str) -> AsyncIterator[Bench]:
    found = bench()
    scenario = parse_scenario(tomllib.loads(text), "test")
    timeline = Timeline(scenario, found.control, found.clock, found.told.append)
    task = asyncio.create_task(timeline.run())
    await found.clock.advance(0.0)
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_faults_come_and_go_at_their_moments() -> None:
    text = """
        [[step]]
        at = "10s"
        for = "20s"
        unit = 3
        fault = "dead"
        [[step]]
        at = "20s"
        fault = "late=1s"
    """

    async def scenario() -> None:
        async with happening(text) as bench:
            await bench.clock.advance(9.9)
            assert bench.on() == []
            await bench.clock.advance(0.2)
            assert bench.on() == ["dead,unit=3,for=20s"]
            await bench.clock.advance(10.0)
            assert bench.on() == ["dead,unit=3,for=20s", "late=1s"]
            await bench.clock.advance(10.0)
            assert bench.on() == ["late=1s"]
            await bench.clock.advance(1e6)
            assert bench.on() == ["late=1s"]

    run(scenario())


def test_it_starts_with_what_is_at_the_beginning() -> None:
    async def scenario() -> None:
        async with happening('[[step]]\nat = "0s"\nfault = "dead"') as bench:
            assert bench.on() == ["dead"]

    run(scenario())


def test_a_reset_is_for_the_meters_it_names() -> None:
    async def scenario() -> None:
        text = '[[step]]\nat = "5s"\ndo = "reset_counters"\nunit = 2'
        async with happening(text) as bench:
            await bench.clock.advance(5.0)
            counters = [meter.values["active_energy_import_total"] for meter in bench.fleet.meters]
            assert counters[1] == 0
            assert counters[0] > 0
            assert counters[2] > 0

    run(scenario())


def test_offline_lasts_and_ends() -> None:
    async def scenario() -> None:
        text = '[[step]]\nat = "5s"\nfor = "5s"\ndo = "offline"\nunit = "1-2"'
        async with happening(text) as bench:
            await bench.clock.advance(7.0)
            assert [meter.is_online for meter in bench.fleet.meters] == [False, False, True]
            await bench.clock.advance(3.0)
            assert [meter.is_online for meter in bench.fleet.meters] == [True, True, True]

    run(scenario())


def test_clear_faults_ends_all() -> None:
    async def scenario() -> None:
        async with happening('[[step]]\nat = "5s"\ndo = "clear_faults"') as bench:
            bench.control.add_fault(parse_fault("late=1s"))
            await bench.clock.advance(5.0)
            assert bench.on() == []

    run(scenario())


def test_steps_repeat_without_drifting() -> None:
    async def scenario() -> None:
        text = '[[step]]\nat = "10s"\nevery = "1h"\nfor = "1min"\nfault = "dead"'
        async with happening(text) as bench:
            on = []
            for _ in range(48):
                await bench.clock.advance(1800.0)
                on.append(bool(bench.on()))
            assert on == [False] * 48  # it is always over by then
            await bench.clock.advance(10.0)
            assert bench.on() == ["dead,for=60s"]
            starts = [line for line in bench.told if "over" not in line]
            assert [line.partition(":")[0] for line in starts[:3]] == ["10s", "3610s", "7210s"]
            assert len(starts) == 25

    run(scenario())


def test_what_happens_is_told_in_order() -> None:
    text = """
        [[step]]
        name = "it dies"
        at = "2s"
        for = "2s"
        fault = "dead"
        [[step]]
        at = "1s"
        do = "reset_counters"
        [[step]]
        at = "4s"
        fault = "late"
    """

    async def scenario() -> None:
        async with happening(text) as bench:
            await bench.clock.advance(10.0)
            assert bench.told == [
                "1s: reset_counters",
                "2s: dead,for=2s (it dies)",
                "4s: over: dead,for=2s (it dies)",
                "4s: late",
            ]

    run(scenario())


def test_time_in_the_scenario_is_not_simulated_time() -> None:
    async def scenario() -> None:
        async with happening('[[step]]\nat = "10s"\nfault = "dead"') as bench:
            await bench.fleet.tick(86_400.0)
            assert bench.on() == []
            await bench.clock.advance(10.0)
            assert bench.on() == ["dead"]

    run(scenario())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[step]]\nat = "1s"\ndo = "offline"\nunit = 9', "step 1: unit 9: there is no such meter"),
        ('[[step]]\nat = "1s"\nfault = "dead,wire=2"', "step 1: dead,wire=2: there is no such"),
    ],
)
def test_a_step_for_what_is_not_there_is_refused_before_it_starts(text: str, words: str) -> None:
    found = bench()
    with pytest.raises(ConfigError, match=words):
        Timeline(parse_scenario(tomllib.loads(text), "test"), found.control, found.clock)
