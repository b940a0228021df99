"""Every fault on every framing: what is reported is right, and the reader finds its way back.

Time is moved by hand, the line is in memory; docs/reference/faults.md has the same on real wires.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import pytest
from tests.support.fault_rig import UNITS, Outcome, PlainMeter, make_readers, poll_units
from tests.support.loops import run

from energymeter.client import Link
from energymeter.clock import ManualClock
from energymeter.codec import Framing
from energymeter.server import ModbusServer, UnitRouter
from energymeter.simulator.faults import Misbehaviour, parse_fault
from energymeter.transports import MemoryLine, Way

Result = TypeVar("Result")

STEP_S: Final = 0.01
POLLS: Final = 12
INTERVAL_S: Final = 1.0
RECOVERY_S: Final = 120.0

FAULTS: Final = (
    "exception:0.3",
    "busy:0.3",
    "gateway_busy:0.3",
    "gateway_failed:0.3",
    "max_read=4:0.3",
    "reboot=3s",
    "dead,unit=2",
    "swallow:0.3",
    "silence:0.3",
    "wrong_unit:0.3",
    "wrong_function:0.3",
    "wrong_crc:0.3",
    "garbage:0.3",
    "short:0.3",
    "noise:0.3",
    "echo:0.3",
    "duplicate:0.3",
    "glued:0.3",
    "split:0.3",
    "hang_up:0.3",
    "latency=50ms",
    "late=300ms:0.3",
    "late=1500ms:0.3",
    "previous:0.3",
)

NUMBERED: Final = ("wrong_id:0.3", "constant_id")
"""Faults of what only Modbus TCP has."""

CELLS: Final = [
    *((fault, framing) for fault in FAULTS for framing in Framing),
    *((fault, Framing.MBAP) for fault in NUMBERED),
]


async def in_time(clock: ManualClock, what: Awaitable[Result]) -> Result:
    """Let the clock run until `what` is done."""
    task = asyncio.ensure_future(what)
    while not task.done():
        await clock.advance(STEP_S)
    return task.result()


@asynccontextmanager
async def rig(framing: Framing, seed: int) -> AsyncIterator[tuple[ManualClock, Misbehaviour, Link]]:
    """The meters, what is wrong with them, and a link to them."""
    clock = ManualClock()
    line = MemoryLine(clock=clock, latency_s=0.002)
    meters = {unit: PlainMeter(unit) for unit in UNITS}
    faults = Misbehaviour(seed, clock)
    delivery = faults.wire(meters, framing=framing, way=Way.TCP)
    server = ModbusServer(
        UnitRouter({unit: meter.tables for unit, meter in meters.items()}),
        listener=line.listener(),
        framing=framing,
        delivery=delivery,
        clock=clock,
    )
    async with server, Link(line.endpoint(), framing=framing, timeout_s=0.2, clock=clock) as link:
        yield clock, faults, link


@pytest.mark.parametrize(("fault", "framing"), CELLS)
def test_nothing_wrong_is_reported_and_the_reader_recovers(fault: str, framing: Framing) -> None:
    async def scenario() -> None:
        async with rig(framing, seed=7) as (clock, faults, link):
            readers = make_readers(link)
            first = await in_time(clock, poll_units(readers))
            assert first.is_whole
            faults.add(parse_fault(fault))
            during = Outcome()
            for _ in range(POLLS):
                await clock.advance(INTERVAL_S)
                outcome = await in_time(clock, poll_units(readers))
                during.right += outcome.right
                during.absent += outcome.absent
                during.wrong += outcome.wrong
                during.reasons |= outcome.reasons
            assert not during.wrong, during.wrong
            assert bool(during.absent) == bool(during.reasons)

            faults.clear()
            cleared_at = clock.monotonic()
            while True:
                await clock.advance(INTERVAL_S)
                outcome = await in_time(clock, poll_units(readers))
                assert not outcome.wrong
                if outcome.is_whole:
                    break
                assert clock.monotonic() - cleared_at < RECOVERY_S, outcome.reasons

    run(scenario(), "asyncio")
