"""Tasks that fail are told and start again, alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from tests.service.benching import texts
from tests.support.loops import on_each_loop, run, turns

from energymeter.clock import ManualClock
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.supervisor import Supervisor


class Bench:
    """A supervisor on a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.events = EventStream(self.clock)
        self.supervisor = Supervisor(self.events, self.clock)
        self.began_at: list[float] = []
        self.runs_s = 0.0
        """How long a task runs until it fails."""

    async def fails(self) -> None:
        self.began_at.append(self.clock.monotonic())
        await self.clock.sleep_until(self.clock.monotonic() + self.runs_s)
        msg = "no such thing"
        raise LookupError(msg)


@asynccontextmanager
async def supervised() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.supervisor.close()


@on_each_loop
def test_a_task_that_fails_is_told_and_starts_again(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            bench.supervisor.start(Topic.LINK, "bus1", bench.fails)
            await bench.clock.advance(0.1)
            (event,) = bench.events.newest()
            assert (event.level, event.topic, event.name) == (Level.ERROR, Topic.LINK, "bus1")
            assert event.text == (
                "a fault of the program ended its work (LookupError: no such thing); "
                "it starts again in 1 s; please report it"
            )
            await bench.clock.advance(1.0)
            assert len(bench.began_at) == 2

    run(scenario(), loop)


@on_each_loop
def test_pauses_grow_up_to_a_minute(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            bench.supervisor.start(Topic.LINK, "bus1", bench.fails)
            await bench.clock.advance(1000)
            gaps = [b - a for a, b in pairwise(bench.began_at)]
            assert gaps[:6] == [0.75, 1.5, 3.0, 6.0, 12.0, 24.0]
            assert set(gaps[6:]) == {45.0}

    run(scenario(), loop)


@on_each_loop
def test_a_task_that_ran_for_long_begins_its_pauses_anew(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            bench.supervisor.start(Topic.LINK, "bus1", bench.fails)
            await bench.clock.advance(100)
            bench.runs_s = 400.0
            await bench.clock.advance(3000)
            gaps = [b - a for a, b in pairwise(bench.began_at)]
            assert gaps[-1] == 400.75

    run(scenario(), loop)


@on_each_loop
def test_the_others_are_not_disturbed(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            ticks: list[float] = []

            async def ticking() -> None:
                while True:
                    ticks.append(bench.clock.monotonic())
                    await bench.clock.sleep_until(bench.clock.monotonic() + 1)

            bench.supervisor.start(Topic.LINK, "bus1", bench.fails)
            bench.supervisor.start(Topic.LINK, "bus2", ticking)
            await bench.clock.advance(60)
            assert ticks == [float(n) for n in range(61)]
            assert texts(bench.events, "bus2") == []

    run(scenario(), loop)


@on_each_loop
def test_of_several_faults_at_once_the_first_is_named(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:

            async def lane() -> None:
                msg = "somewhere deep"
                raise ZeroDivisionError(msg)

            async def work() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(lane())
                    group.create_task(lane())

            bench.supervisor.start(Topic.LINK, "bus1", work)
            await bench.clock.advance(0.1)
            assert "(ZeroDivisionError: somewhere deep)" in texts(bench.events)[0]

    run(scenario(), loop)


@on_each_loop
def test_a_task_that_returns_is_over(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            task = bench.supervisor.start(Topic.SERVICE, "once", lambda: asyncio.sleep(0))
            await bench.clock.advance(100)
            assert task.done()
            await task
            assert bench.events.newest() == []
            assert not bench.supervisor._tasks

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("after_s", [0.0, 0.5])
def test_closing_ends_tasks_at_work_and_in_their_pauses(loop: str, after_s: float) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            failing = bench.supervisor.start(Topic.LINK, "bus1", bench.fails)
            bench.runs_s = 100.0
            working = bench.supervisor.start(Topic.LINK, "bus2", bench.fails)
            await bench.clock.advance(after_s)
            await bench.supervisor.close()
            assert failing.cancelled()
            assert working.cancelled()
            began = len(bench.began_at)
            await bench.clock.advance(1000)
            await turns(5)
            assert len(bench.began_at) == began

    run(scenario(), loop)


@on_each_loop
def test_a_cancelled_task_is_no_fault(loop: str) -> None:
    async def scenario() -> None:
        async with supervised() as bench:
            bench.runs_s = 100.0
            task = bench.supervisor.start(Topic.LINK, "bus1", bench.fails)
            await bench.clock.advance(1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert bench.events.newest() == []

    run(scenario(), loop)
