"""The work of one link, over simulated minutes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.service.benching import FakeReader, course_of
from tests.support.loops import on_each_loop, run, turns

from energymeter.clock import ManualClock
from energymeter.service.course import Course
from energymeter.service.poller import Poll
from energymeter.service.worker import LinkWorker


class Bench:
    """A worker on a clock moved by hand, and what it brought."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.courses: list[Course] = []
        self.readers: list[FakeReader] = []
        self.polls: list[tuple[str, Poll]] = []
        self.failed: list[tuple[str, Exception]] = []
        self.take_raises: Exception | None = None
        self.worker: LinkWorker | None = None

    def add(
        self,
        interval_s: float = 1.0,
        takes_s: Callable[[float], float] = lambda _: 0.0,
        phase: float = 0.0,
    ) -> FakeReader:
        reader = FakeReader(self.clock, takes_s)
        name = f"m{len(self.courses) + 1}"
        self.courses.append(
            course_of(self.clock, reader, name=name, interval_s=interval_s, phase=phase)
        )
        self.readers.append(reader)
        return reader

    def new_worker(self, lanes: int = 1) -> LinkWorker:
        self.worker = LinkWorker(
            self.courses,
            lanes=lanes,
            take=self._take,
            failed=lambda course, error: self.failed.append((course.key, error)),
            clock=self.clock,
        )
        return self.worker

    @asynccontextmanager
    async def working(self, lanes: int = 1) -> AsyncIterator[asyncio.Task[None]]:
        worker = self.new_worker(lanes)
        task = asyncio.create_task(worker.run())
        yield task
        worker.stop()
        await self.clock.advance(3600)
        await task

    def of(self, name: str) -> list[Poll]:
        return [poll for key, poll in self.polls if key == name]

    def _take(self, course: Course, poll: Poll, duration_s: float) -> None:
        self.polls.append((course.key, poll))
        assert duration_s >= 0
        if self.take_raises is not None:
            raise self.take_raises


@on_each_loop
def test_polls_start_at_their_moments(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        one, other = bench.add(1.0), bench.add(2.0, phase=0.25)
        async with bench.working():
            await bench.clock.advance(10.2)
            assert one.asked_at == [float(n) for n in range(1, 11)]
            assert other.asked_at == [0.5, 2.5, 4.5, 6.5, 8.5]
            assert all(poll.lateness_s == 0 and poll.skipped == 0 for _, poll in bench.polls)

    run(scenario(), loop)


@on_each_loop
def test_one_poll_is_under_way_at_a_time_on_a_bus(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        most = 0

        def takes(_: float) -> float:
            nonlocal most
            most = max(most, sum(reader.under_way for reader in bench.readers))
            return 0.3

        for number in range(3):
            bench.add(1.0, takes, phase=number / 30)
        async with bench.working():
            await bench.clock.advance(20)
        assert most == 1
        assert all(len(reader.asked_at) == 20 for reader in bench.readers)

    run(scenario(), loop)


@on_each_loop
def test_a_slow_unit_makes_the_others_late_and_what_is_past_is_passed_over(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        quick = bench.add(1.0)
        bench.add(100.0, lambda _: 4.3, phase=0.705)  # first asked at 3.5 s
        async with bench.working():
            await bench.clock.advance(10.2)
            assert quick.asked_at == pytest.approx([1, 2, 3, 7.825, 8, 9, 10])
            late = bench.of("m1")[3]
            assert late.lateness_s == pytest.approx(3.825)
            # Its own moments 5, 6 and 7 are made up for by nothing.
            assert late.skipped == 3
            assert sum(poll.skipped for _, poll in bench.polls) == 3

    run(scenario(), loop)


@on_each_loop
def test_a_unit_slower_than_its_interval_is_asked_at_every_other_moment(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        slow = bench.add(1.0, lambda _: 1.5)
        async with bench.working():
            await bench.clock.advance(9)
            assert slow.asked_at == [1, 3, 5, 7, 9]
            assert [poll.skipped for poll in bench.of("m1")] == [1, 1, 1, 1]

    run(scenario(), loop)


@on_each_loop
def test_with_several_lanes_a_slow_unit_delays_nobody(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        slow = bench.add(1.0, lambda _: 3.5)
        quick = [bench.add(1.0, lambda _: 0.2, phase=n / 10) for n in (1, 2, 3)]
        async with bench.working(lanes=2):
            await bench.clock.advance(60.9)
            assert all(len(reader.asked_at) >= 60 for reader in quick)
            assert max(poll.lateness_s for key, poll in bench.polls if key != "m1") < 0.4
            assert len(slow.asked_at) == pytest.approx(15, abs=1)

    run(scenario(), loop)


@on_each_loop
def test_no_more_polls_are_under_way_than_there_are_lanes(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        seen = set()

        def takes(_: float) -> float:
            seen.add(sum(reader.under_way for reader in bench.readers))
            return 0.5

        for number in range(6):
            bench.add(1.0, takes, phase=number / 100)
        async with bench.working(lanes=4):
            await bench.clock.advance(10.9)
            assert seen == {1, 2, 3, 4}
            assert all(len(reader.asked_at) >= 10 for reader in bench.readers)

    run(scenario(), loop)


@on_each_loop
def test_more_lanes_than_courses_do_no_harm(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        reader = bench.add(1.0)
        async with bench.working(lanes=16):
            await bench.clock.advance(3)
            assert reader.asked_at == [1, 2, 3]

    run(scenario(), loop)


@on_each_loop
def test_stopped_it_ends_after_the_poll_under_way(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.add(1.0, lambda _: 5.0)
        waiting = bench.add(1.0, phase=0.5)
        task = asyncio.create_task(bench.new_worker().run())
        await bench.clock.advance(1.8)
        assert waiting.asked_at == [0.5]
        assert bench.worker is not None
        bench.worker.stop()
        await turns(5)
        assert not task.done()
        await bench.clock.advance(5)
        assert task.done()
        await task
        assert [key for key, _ in bench.polls] == ["m2", "m1"]
        assert waiting.asked_at == [0.5]

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("lanes", [1, 3])
def test_stopped_in_its_sleep_it_ends_at_once(loop: str, lanes: int) -> None:
    async def scenario() -> None:
        bench = Bench()
        for _ in range(3):
            bench.add(3600.0, phase=0.9)
        task = asyncio.create_task(bench.new_worker(lanes).run())
        await bench.clock.advance(1)
        assert bench.worker is not None
        bench.worker.stop()
        await task
        await bench.clock.advance(7200)
        assert bench.polls == []

    run(scenario(), loop)


@on_each_loop
def test_stopped_before_it_began_it_polls_nothing(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.add(1.0)
        worker = bench.new_worker()
        worker.stop()
        await worker.run()
        assert bench.polls == []

    run(scenario(), loop)


@on_each_loop
def test_without_courses_there_is_nothing_to_do(loop: str) -> None:
    run(Bench().new_worker().run(), loop)


@on_each_loop
def test_the_next_worker_goes_on_with_the_moments_of_the_last(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        reader = bench.add(1.0)
        for _ in range(4):
            async with asyncio.TaskGroup() as group:
                worker = bench.new_worker()
                group.create_task(worker.run())
                await bench.clock.advance(2.5)
                worker.stop()
        assert reader.asked_at == [float(n) for n in range(1, 11)]

    run(scenario(), loop)


@on_each_loop
def test_a_fault_of_the_program_costs_a_meter_its_polls_and_nobody_else(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        broken, whole = bench.add(1.0), bench.add(1.0, phase=0.5)
        broken.error = ZeroDivisionError("somewhere deep")
        async with bench.working():
            await bench.clock.advance(10.2)
            assert len(broken.asked_at) == 10
            assert [key for key, _ in bench.failed] == ["m1"] * 10
            assert whole.asked_at == [n + 0.5 for n in range(10)]
            broken.error = None
            await bench.clock.advance(3)
            assert len(bench.of("m1")) == 3

    run(scenario(), loop)


@on_each_loop
def test_a_fault_in_what_takes_the_polls_ends_the_worker_and_loses_no_course(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        slow, quick = bench.add(10.0, lambda _: 3.0, phase=0.1), bench.add(1.0)
        bench.take_raises = LookupError("no such thing")
        task = asyncio.create_task(bench.new_worker(lanes=2).run())
        await bench.clock.advance(1.2)  # the slow one is under way when the other one is taken
        assert isinstance(task.exception(), ExceptionGroup)
        assert slow.under_way == 0
        bench.take_raises = None

        await bench.clock.advance(5)  # nobody polls for a while
        async with bench.working(lanes=2):
            await bench.clock.advance(13)
            # Both are late at first, once; what passed meanwhile is counted.
            assert slow.asked_at == pytest.approx([0.5, 6.2, 11.0])
            assert quick.asked_at == pytest.approx([1, 6.2, *range(7, 20)])
            assert bench.of("m2")[1].skipped == 4
            assert bench.of("m1")[0].lateness_s == pytest.approx(5.7)

    run(scenario(), loop)


@on_each_loop
def test_how_long_polls_take_is_known_on_average(loop: str) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.add(10.0, lambda now: 2.0 if now < 100 else 1.0)
        async with bench.working():
            await bench.clock.advance(90)
            assert bench.courses[0].duration_s == pytest.approx(2.0)
            await bench.clock.advance(600)
            assert bench.courses[0].duration_s == pytest.approx(1.0, abs=0.01)

    run(scenario(), loop)
