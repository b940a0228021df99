"""A store on another machine is fed from the journal: in order, at least once, whatever it does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tests.service.benching import texts
from tests.service.journaling import PLENTY, left, number_of, polls, segments
from tests.support.loops import on_each_loop, run, turns, until

from energymeter.clock import ManualClock
from energymeter.service import feeder as feeder_module
from energymeter.service.events import EventStream, Level, Topic
from energymeter.service.feeder import StoreFeeder
from energymeter.service.journal import Journal
from energymeter.service.snapshot import StoreState
from energymeter.store import Store, StoredPoll, StoreError
from energymeter.store.errors import StoreUnavailableError

AWAY = StoreUnavailableError("postgresql://db:5432/x: cannot be reached")


class Server:
    """A store that takes what it is given, unless it is told to do otherwise."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.sizes: list[int] = []
        """Polls of each call that was acknowledged."""

        self.calls = self.opened = self.closed = 0
        self.fault: Exception | None = None
        self.open_fault: Exception | None = None
        self.before: Callable[[], None] = lambda: None
        """Called in the thread that brings something, or opens it."""

        self.is_kept_when_lost = False
        """Whether what it does not acknowledge is kept all the same."""

    def open(self) -> Store:
        self.opened += 1
        self.before()
        if self.open_fault is not None:
            raise self.open_fault
        return cast(Store, self)

    def append(self, given: Iterable[StoredPoll]) -> None:
        self.calls += 1
        self.before()
        numbers = [number_of(poll) for poll in given]
        if self.fault is not None:
            if self.is_kept_when_lost:
                self.numbers += numbers
            raise self.fault
        self.numbers += numbers
        self.sizes.append(len(numbers))

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A real journal, a feeder and a store that is on another machine."""

    def __init__(
        self, folder: Path, *, most_bytes: int = PLENTY, segment_bytes: int = PLENTY
    ) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.events = EventStream(self.clock)
        self.state = StoreState()
        self.server = Server()
        self.journal = Journal(folder, clock=self.clock, segment_bytes=segment_bytes)
        self.reader = self.journal.reader("store", most_bytes=most_bytes)
        self.feeder = StoreFeeder(
            self.reader,
            self.server.open,
            state=self.state,
            events=self.events,
            clock=self.clock,
        )

    def put(self, numbers: Iterable[int]) -> None:
        """Polls are made, as `Installation` has it."""
        self.journal.append(polls(numbers))
        self.feeder.wake()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.feeder.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.journal.close()

    async def got(self, numbers: Sequence[int]) -> None:
        await until(lambda: self.server.numbers == list(numbers))

    async def pass_time(self, seconds: int) -> None:
        """Let time pass, and whatever has to do with it."""
        for _ in range(seconds):
            await turns(30)
            await self.clock.advance(1)
            await turns(30)


async def at_once(call: Callable[..., Any], *args: Any) -> Any:
    """As `asyncio.to_thread`, but in one turn of the loop: so moments are the same each time."""
    await asyncio.sleep(0)
    return call(*args)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing takes any time but what the clock says."""
    monkeypatch.setattr(asyncio, "to_thread", at_once)


def waits(gate: threading.Event) -> None:
    assert gate.wait(10)


@on_each_loop
def test_polls_are_brought_in_order_and_counted(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.put(range(5))
        async with bench.running():
            await bench.got(range(5))
            bench.put(range(5, 9))
            await bench.got(range(9))
            await until(lambda: bench.state.stored == 9)
            await until(lambda: bench.state.waiting == 0)
            assert texts(bench.events) == []
            assert bench.server.opened == 1
            assert bench.feeder.store is bench.server.open()
        assert left(tmp_path, "store") == []

    run(scenario(), loop)


def test_what_piled_up_is_brought_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder_module, "_MOST_AT_ONCE", 100)

    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.put(range(1050))
        async with bench.running():
            await bench.got(range(1050))
        assert bench.server.sizes == [100] * 10 + [50]

    run(scenario())


@on_each_loop
@pytest.mark.usefixtures("timed")
def test_a_store_that_is_away_is_told_once_and_tried_less_and_less(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.put([0])
        async with bench.running():
            await bench.got([0])
            bench.server.fault = AWAY
            for number in range(1, 101):
                bench.put([number])
                await bench.pass_time(1)
                # Whoever looks sees at once how many wait.
                assert bench.state.waiting == number
            assert texts(bench.events) == [f"{AWAY}; polls wait on the disk and go on"]
            assert bench.events.newest()[0][2:5] == (Level.ERROR, Topic.STORE, "")
            assert bench.state.fault == str(AWAY)
            assert bench.state.fault_since is not None
            # Pauses of 0.75, 1.5, 3, 6, 12, 22.5 s, and that again.
            assert 8 <= bench.server.calls <= 10
            bench.server.fault = None
            await bench.pass_time(24)
            await bench.got(range(101))
            await until(lambda: bench.state.fault == "")
            assert (bench.state.fault_since is None, bench.state.waiting) == (True, 0)
            assert bench.state.stored == 101
            assert len(bench.server.sizes) == 2
            (_, again) = texts(bench.events)
            assert again.startswith("the store takes readings again after 1")
            # The pauses are short again after that.
            calls, bench.server.fault = bench.server.calls, AWAY
            bench.put([101])
            await bench.pass_time(3)
            assert bench.server.calls - calls == 3
            assert len(texts(bench.events)) == 3

    run(scenario(), loop)


@on_each_loop
@pytest.mark.usefixtures("timed")
def test_a_store_that_is_not_there_at_the_start_is_opened_later(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.server.open_fault = AWAY
        async with bench.running():
            bench.put(range(3))
            await bench.pass_time(10)
            assert bench.feeder.store is None
            assert bench.state.waiting == 3
            bench.server.open_fault = None
            await bench.pass_time(30)
            await bench.got(range(3))
        assert [text[:32] for text in texts(bench.events)] == [
            f"{AWAY}"[:32],
            "the store takes readings again after 10 s"[:32],
        ]

    run(scenario(), loop)


@on_each_loop
@pytest.mark.usefixtures("timed")
def test_what_was_not_acknowledged_is_brought_again(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.server.fault, bench.server.is_kept_when_lost = AWAY, True
        async with bench.running():
            bench.put(range(3))
            await until(lambda: bool(bench.state.fault))
            bench.server.fault = None
            await bench.pass_time(2)
            await bench.got([0, 1, 2, 0, 1, 2])

    run(scenario(), loop)


@on_each_loop
@pytest.mark.usefixtures("timed")
def test_beyond_the_bound_the_oldest_are_lost_counted_and_told_meanwhile(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, most_bytes=20_000)
        bench.server.fault = AWAY
        async with bench.running():
            for start in range(0, 3000, 50):
                bench.put(range(start, start + 50))
            lost = bench.state.dropped
            assert 1000 < lost < 3000
            assert 0 < bench.state.waiting <= 3000 - lost
            told = [text for text in texts(bench.events) if "are lost so far" in text]
            # At once, and then at most once a minute.
            assert len(told) == 1
            assert "more wait for the store than it may buffer" in told[0]
            await bench.pass_time(60)
            bench.put([3000])
            bench.server.fault = None
            await bench.pass_time(30)
            lost = bench.state.dropped
            await bench.got(range(lost, 3001))
            told = [text for text in texts(bench.events) if "are lost so far" in text]
            assert told[-1] == f"{lost} polls {told[0].partition(' polls ')[2]}"
            assert len(told) <= 3
        assert len(segments(tmp_path)) <= 2

    run(scenario(), loop)


@on_each_loop
def test_after_a_restart_it_goes_on_where_it_was(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        first = Bench(tmp_path)
        async with first.running():
            first.put(range(4))
            await first.got(range(4))
            first.server.fault = AWAY
            first.put(range(4, 9))
            await until(lambda: bool(first.state.fault))
            await first.feeder.close(5)
        assert first.server.closed == 1
        second = Bench(tmp_path)
        # Also before anything came or went.
        assert second.state.waiting == 5
        async with second.running():
            second.put([9])
            await second.got(range(4, 10))

    run(scenario(), loop)


@on_each_loop
def test_killed_it_brings_a_second_again_and_loses_nothing(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        first = Bench(tmp_path)
        task = asyncio.create_task(first.feeder.run())
        for number in range(10):
            first.put([number])
            await first.got(range(number + 1))
            await first.clock.advance(0.4)
        task.cancel()
        await asyncio.wait([task])
        # Nothing is closed: what was in memory only is gone.
        second = Bench(tmp_path)
        async with second.running():
            second.put([10])
            await until(lambda: 10 in second.server.numbers)
            begins = second.server.numbers[0]
            assert 5 <= begins <= 9
            assert second.server.numbers == list(range(begins, 11))
        first.journal.close()

    run(scenario(), loop)


@on_each_loop
def test_closing_brings_what_waits_and_closes_the_store(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.put(range(7))
        await bench.feeder.close(5)
        assert bench.server.numbers == list(range(7))
        assert bench.server.closed == 1
        bench.journal.close()
        assert left(tmp_path, "store") == []

    run(scenario(), loop)


@on_each_loop
def test_closing_without_a_store_leaves_everything_in_the_journal(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.server.open_fault = AWAY
        bench.put(range(7))
        await bench.feeder.close(5)
        bench.journal.close()
        assert left(tmp_path, "store") == list(range(7))

    run(scenario(), loop)


@on_each_loop
def test_closing_takes_no_longer_than_it_may_and_cuts_nothing_off(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder_module, "_MOST_AT_ONCE", 1)

    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.put(range(1000))
        bench.server.before = lambda: time.sleep(0.02)
        await bench.feeder.close(0.2)
        assert 0 < len(bench.server.numbers) < 100
        bench.journal.close()
        # What was on its way counts: nothing comes twice.
        assert left(tmp_path, "store") == list(range(len(bench.server.numbers), 1000))

    run(scenario(), loop)


@on_each_loop
@pytest.mark.parametrize("cancellations", [1, 3])
def test_cancelled_while_it_brings_polls_they_do_not_come_twice(
    loop: str, cancellations: int, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        gate = threading.Event()
        bench.server.before = lambda: waits(gate)
        gate.set()
        bench.put([0])
        task = asyncio.create_task(bench.feeder.run())
        await bench.got([0])
        gate.clear()
        bench.put([1, 2])
        await until(lambda: bench.server.calls == 2)
        for _ in range(cancellations):
            task.cancel()
            await turns(3)
        assert not task.done()
        gate.set()
        await asyncio.wait([task])
        assert task.cancelled()
        bench.put([3])
        await bench.feeder.close(5)
        assert bench.server.numbers == [0, 1, 2, 3]
        assert bench.state.stored == 4
        bench.journal.close()

    run(scenario(), loop)


@on_each_loop
def test_cancelled_while_the_store_is_opened_it_is_closed_in_the_end(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        gate = threading.Event()
        bench.server.before = lambda: waits(gate)
        bench.put([0])
        task = asyncio.create_task(bench.feeder.run())
        await until(lambda: bench.server.opened == 1)
        task.cancel()
        await turns(3)
        gate.set()
        await asyncio.wait([task])
        await bench.feeder.close(5)
        assert bench.server.numbers == [0]
        assert bench.server.opened == bench.server.closed == 1
        bench.journal.close()

    run(scenario(), loop)


@on_each_loop
def test_whatever_goes_wrong_at_the_end_the_position_is_written_and_the_store_closed(
    loop: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.put(range(3))
        await bench.feeder.feed()
        bench.put([3])
        bench.server.fault = ZeroDivisionError("somewhere deep")
        with pytest.raises(ZeroDivisionError):
            await bench.feeder.close(5)
        assert bench.server.closed == 1
        position = (tmp_path / "store.position").read_text("ascii")
        assert position.startswith("3 ")
        bench.journal.close()

    run(scenario(), loop)


@on_each_loop
@pytest.mark.usefixtures("timed")
def test_a_journal_that_cannot_be_read_is_a_fault_too(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        read = bench.reader.read
        bench.put([0])

        def broken(most: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(bench.reader, "read", broken)
        async with bench.running():
            await until(lambda: bool(bench.state.fault))
            assert "Input/output error" in bench.state.fault
            monkeypatch.setattr(bench.reader, "read", read)
            await bench.pass_time(2)
            await bench.got([0])

    run(scenario(), loop)


def test_a_fault_of_the_program_is_not_swallowed(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.server.fault = ZeroDivisionError("somewhere deep")
        bench.put([0])
        with pytest.raises(ZeroDivisionError):
            await bench.feeder.run()
        # Whoever keeps it alive begins it again.
        bench.server.fault = None
        async with bench.running():
            await bench.got([0])

    run(scenario())


@pytest.mark.usefixtures("timed")
def test_any_error_of_the_store_is_waited_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.server.fault = StoreError("the schema holds something else")
        async with bench.running():
            bench.put([0])
            await until(lambda: bool(bench.state.fault))
            bench.server.fault = None
            await bench.pass_time(2)
            await bench.got([0])

    run(scenario())
